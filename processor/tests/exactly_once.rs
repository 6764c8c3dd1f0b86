//! A processor on a real Kafka computes what the oracle computes, whatever happens to it on the way.

use std::collections::BTreeMap;

use tape_harness::{Bench, Running, alerts_by_symbol, by_symbol, closing, expected, final_rows, wait_for};
use tape_oracle::{Market, Oracle, Row, Settings};

fn market(seed: u64, records: usize) -> Market {
    Market { seed, records, symbols: 20, start_ms: 1_700_000_000_000, step_ms: 40 }
}

/// Compares what stands in the topics with what the oracle says.
fn check(bench: &Bench, partitions: &[Oracle]) {
    let (rows, wanted) = (bench.final_rows(), final_rows(partitions));
    assert!(!wanted.is_empty());
    assert_eq!(rows.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (symbol, wanted) in &wanted {
        assert_eq!(&rows[symbol], wanted, "final rows of {symbol}");
    }
    let (found, wanted) = (bench.alerts(), alerts_by_symbol(partitions));
    assert!(!wanted.is_empty());
    for (symbol, wanted) in &wanted {
        assert_eq!(found.get(symbol), Some(wanted), "alerts of {symbol}");
    }
    assert_eq!(found.len(), wanted.len());
}

#[test]
fn rows_and_alerts_equal_the_oracle() {
    let (bench, market) = (Bench::new("plain"), market(1, 60_000));
    let mut inputs = market.inputs();
    inputs.extend(closing(&market));
    bench.publish(&inputs);
    let processor = bench.start(&[]);
    bench.drain();
    processor.stop().expect("stops in order");

    let partitions = expected(&inputs, &Settings::default());
    check(&bench, &partitions);
    let poison = inputs.iter().filter(|input| input.trade.is_none()).count();
    let letters = bench.read(&bench.config(&[]).topics.dead_letters);
    assert_eq!(letters.len(), poison);
    assert!(letters.iter().all(|letter| letter.headers.contains_key("tape-dlq-reason")));
    let late = bench.read(bench.config(&[]).topics.late.as_deref().expect("a late topic"));
    assert!(late.len() > 10 && late.iter().all(|late| late.headers.contains_key("tape-lateness-ms")));
}

#[test]
fn open_rows_equal_the_oracle() {
    let (bench, market) = (Bench::new("open"), market(2, 20_000));
    let inputs = market.inputs();
    bench.publish(&inputs);
    let processor = bench.start(&[("TRIGGER_INTERVAL", "0")]);
    bench.drain();
    processor.stop().expect("stops in order");

    let partitions = expected(&inputs, &Settings::default());
    check(&bench, &partitions);
    let wanted = by_symbol(&partitions, Oracle::open_rows, |row| &row.symbol);
    for (symbol, wanted) in wanted {
        let mut newest = BTreeMap::new();
        for row in &bench.rows()[&symbol] {
            newest.insert(row.window_start, row.clone());
        }
        for row in wanted {
            let shown = &newest[&row.window_start];
            // What another window or a later record of another symbol moves is no reason to send a row again.
            let same = Row { revision: row.revision, ma_5min: row.ma_5min, side: row.side, ..shown.clone() };
            assert_eq!(same, row);
        }
    }
}

/// Stopped and started again and again, with a state folder that is lost once, by itself and beside a second instance.
#[test]
fn restarts_and_rebalances_change_nothing() {
    let (bench, market) = (Bench::new("moves"), market(3, 60_000));
    let mut inputs = market.inputs();
    inputs.extend(closing(&market));
    let other_state = tempfile::tempdir().expect("a folder");
    let other = other_state.path().join("state").display().to_string();
    let other = [("INSTANCE_ID", "other"), ("STATE_DIR", other.as_str()), ("WORKERS", "1")];
    let parts: Vec<_> = inputs.chunks(inputs.len() / 5 + 1).collect();

    bench.publish(parts[0]);
    let first = bench.start(&[("INSTANCE_ID", "first")]);
    bench.drain();
    bench.publish(parts[1]);
    let second = bench.start(&other);
    bench.publish(parts[2]);
    bench.drain();
    first.stop().expect("stops in order");
    // The static member is gone after its session; the second instance takes over from the changelog.
    bench.publish(parts[3]);
    bench.drain();
    second.stop().expect("stops in order");
    std::fs::remove_dir_all(bench.state.path().join("state")).expect("the state was there");
    bench.publish(parts[4]);
    let first = bench.start(&[("INSTANCE_ID", "first")]);
    bench.drain();
    first.stop().expect("stops in order");

    check(&bench, &expected(&inputs, &Settings::default()));
}

#[test]
fn at_least_once_is_exact_while_nothing_fails() {
    let (bench, market) = (Bench::new("least"), market(4, 20_000));
    let mut inputs = market.inputs();
    inputs.extend(closing(&market));
    let settings =
        [("PROCESSING_GUARANTEE", "at_least_once"), ("OUTPUT_FORMAT", "json"), ("OUTPUT_MODE", "append")];
    let (early, late) = inputs.split_at(inputs.len() / 2);
    for part in [early, late] {
        bench.publish(part);
        let processor = bench.start(&settings);
        bench.drain();
        processor.stop().expect("stops in order");
    }
    let partitions = expected(&inputs, &Settings::default());
    check(&bench, &partitions);
    assert!(bench.rows().values().flatten().all(|row| row.is_final), "append shows final rows only");
}

#[test]
fn quiet_input_closes_windows() {
    let (bench, market) = (Bench::new("idle"), market(5, 3_000));
    let inputs = market.inputs();
    bench.publish(&inputs);
    let settings = [
        ("IDLE_TIMEOUT", "1s"),
        ("WATERMARK_DELAY", "1s"),
        ("WINDOW_DURATION", "2s"),
        ("SLIDE_DURATION", "1s"),
    ];
    let processor = bench.start(&settings);
    let oracle = Settings {
        window_ms: 2_000,
        slide_ms: 1_000,
        watermark_delay_ms: 1_000,
        max_future_ms: 1_000,
        ..Settings::default()
    };
    let mut partitions = expected(&inputs, &oracle);
    partitions.iter_mut().for_each(|oracle| oracle.idle(3_600_000));
    let wanted = final_rows(&partitions);
    wait_for("idle closing", || {
        bench.final_rows().values().flatten().count() == wanted.values().flatten().count()
    });
    processor.stop().expect("stops in order");
    check(&bench, &partitions);
}

/// Each refusal names the thing and the remedy, ends with code 64, and the next start with right settings goes on.
#[test]
fn wrong_settings_are_refused_and_nothing_is_touched() {
    let (bench, market) = (Bench::new("refuse"), market(6, 5_000));
    let mut inputs = market.inputs();
    bench.publish(&inputs);
    let processor = bench.start(&[]);
    bench.drain();

    let refused = |settings: &[(&str, &str)], words: &[&str]| {
        let failure = Running::start(bench.config(settings)).wait().expect_err("refused");
        let message = failure.to_string();
        assert_eq!(failure.exit_code(), 64, "{message}");
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    refused(&[], &["in use", "STATE_DIR"]);
    processor.stop().expect("stops in order");
    refused(&[("SLIDE_DURATION", "30s")], &["SLIDE_DURATION=60000ms", "30000ms", "tape reset"]);
    refused(&[("KAFKA_TOPIC_RAW_TRADES", "no-such-topic")], &["no-such-topic", "tape topics"]);

    let more = closing(&market);
    bench.publish(&more);
    inputs.extend(more);
    let processor = bench.start(&[]);
    bench.drain();
    processor.stop().expect("stops in order");
    check(&bench, &expected(&inputs, &Settings::default()));
}
