//! The writer on a real PostgreSQL.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config as Cases, TestRunner};
use tape_db::Connection;
use tape_proto::messages::{AlertType, ClosedBy, Signal};

use super::*;
use crate::scratch::Scratch;
use crate::slot::Table;

const SLOT: Slot = Slot { table: Table::Aggregates, partition: 0 };
const OTHER: Slot = Slot { table: Table::Alerts, partition: 2 };

/// A row whose content is a function of its identity and rank.
fn row(symbol: &str, minute: i64, is_final: bool, revision: i64) -> StockAggregate {
    let mut row = StockAggregate {
        symbol: symbol.to_owned(),
        window_start: minute * 60_000,
        window_end: minute * 60_000 + 300_000,
        avg_price: Some(revision * 1_000_000_000),
        trade_count: revision.unsigned_abs(),
        is_final,
        revision,
        closed_by: if is_final { ClosedBy::Record } else { ClosedBy::Unspecified }.into(),
        ..StockAggregate::default()
    };
    row.set_total_volume(i128::from(revision));
    row
}

/// Every column at a value that a wrong way through floating point would change.
fn extreme_row() -> StockAggregate {
    let mut full = StockAggregate {
        symbol: "BRK.B".to_owned(),
        window_start: -60_000,
        window_end: 253_402_300_800_000,
        avg_price: Some(175_500_000_001),
        max_price: Some(9_000_000_000_000_000_000),
        min_price: Some(1),
        open_price: Some(100_000_000),
        close_price: Some(300_000_000),
        vwap: Some(-5),
        trade_count: i64::MAX.unsigned_abs(),
        ma_5min: Some(9_007_199_254_740_993),
        side: -1,
        bar_open: Some(2),
        bar_high: Some(3),
        bar_low: Some(4),
        bar_close: Some(5),
        bar_trades: 6,
        is_final: true,
        revision: i64::MAX,
        closed_by: ClosedBy::Rescale.into(),
        ..StockAggregate::default()
    };
    full.set_total_volume(123_456_789_012_345_678_901_234_567_890);
    full.set_bar_volume(1);
    full.set_bar_notional(i128::MAX);
    full.set_bar_notional_size(-1);
    full
}

fn alert(symbol: &str, timestamp: i64) -> BreakoutAlert {
    BreakoutAlert {
        symbol: symbol.to_owned(),
        r#type: AlertType::GoldenCross.into(),
        signal: Signal::Bullish.into(),
        timestamp,
        current_price: Some(1_250_000_000),
        window_avg: None,
    }
}

/// Length of a bar.
const SLIDE: Duration = Duration::from_secs(60);

fn writer(scratch: &Scratch) -> Writer {
    Writer::new(scratch.pool(), "group".to_owned(), Names::new(&scratch.config.topics), SLIDE)
}

fn indexed<T>(items: &[T]) -> Vec<(usize, &T)> {
    items.iter().enumerate().collect()
}

fn work<'a>(rows: &'a [StockAggregate], alerts: &'a [BreakoutAlert], moves: &[Move]) -> Work<'a> {
    Work {
        rows: crate::order::newest_rows(indexed(rows)),
        alerts: crate::order::distinct_alerts(indexed(alerts)),
        moves: moves.to_vec(),
        culprits_max: 100,
        marks: false,
    }
}

fn step(expected: i64, next: i64) -> Move {
    Move { slot: SLOT, expected, next }
}

async fn ready(scratch: &Scratch) -> Writer {
    let writer = writer(scratch);
    writer.create(&[(SLOT, 0), (OTHER, 0)]).await.unwrap();
    writer
}

async fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    connection.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_column_arrives_as_it_was() {
    let scratch = Scratch::migrated().await;
    let writer = ready(&scratch).await;
    let full = extreme_row();
    let rows = [full, row("EMPTY", 0, false, -7)];
    let alerts = [alert("A", 1_234_567)];
    let moves = [step(0, 2), Move { slot: OTHER, expected: 0, next: 1 }];
    let written = writer.write(&work(&rows, &alerts, &moves)).await.unwrap();
    assert_eq!(written, Written::Committed { rows: 2, alerts: 1 });

    let connection = scratch.connection().await;
    connection.batch_execute("SET TimeZone = 'UTC'; SET extra_float_digits = 1").await.unwrap();
    let text =
        "SELECT (to_jsonb(t) - 'created_at' - 'updated_at')::text FROM stock_aggregates t ORDER BY symbol";
    let found = texts(&connection, text).await;
    for part in [
        r#""symbol": "BRK.B""#,
        r#""window_start": "1969-12-31T23:59:00+00:00""#,
        r#""window_end": "10000-01-01T00:00:00+00:00""#,
        r#""avg_price": 175.500000001"#,
        r#""max_price": 9000000000"#,
        r#""min_price": 0.000000001"#,
        r#""open_price": 0.1"#,
        r#""close_price": 0.3"#,
        r#""vwap": -0.000000005"#,
        r#""total_volume": 123456789012345680000"#,
        r#""trade_count": 9223372036854775807"#,
        r#""ma_5min": 9007199.254740993"#,
        r#""side": -1"#,
        r#""bar_open": 0.000000002"#,
        r#""bar_high": 0.000000003"#,
        r#""bar_low": 0.000000004"#,
        r#""bar_close": 0.000000005"#,
        r#""bar_volume": 0.000000001"#,
        r#""bar_trades": 6"#,
        r#""bar_notional": 170141183460469231731.687303715884105727"#,
        r#""bar_notional_size": -0.000000001"#,
        r#""is_final": true"#,
        r#""revision": 9223372036854775807"#,
        r#""closed_by": "RESCALE""#,
    ] {
        assert!(found[0].contains(part), "{part} in {}", found[0]);
    }
    for part in [r#""max_price": null"#, r#""vwap": null"#, r#""closed_by": null"#, r#""revision": -7"#] {
        assert!(found[1].contains(part), "{part} in {}", found[1]);
    }
    let found = texts(&connection, "SELECT (to_jsonb(t) - 'created_at')::text FROM breakout_alerts t").await;
    let expected = r#"{"type": "golden_cross", "signal": "BULLISH", "symbol": "A", "timestamp": "1970-01-01T00:20:34.567+00:00", "window_avg": null, "current_price": 1.25}"#;
    assert_eq!(found, [expected]);
    let offsets = writer.read(&[SLOT, OTHER]).await.unwrap();
    assert_eq!(offsets, BTreeMap::from([(SLOT, 2), (OTHER, 1)]));
}

#[tokio::test]
async fn a_larger_rank_replaces_and_nothing_else_does() {
    let scratch = Scratch::migrated().await;
    let writer = ready(&scratch).await;
    let connection = scratch.connection().await;
    let stamps = "SELECT created_at::text || ' ' || updated_at::text FROM stock_aggregates";
    let mut first = None;
    for (offset, is_final, revision, replaces) in [
        (0, false, 5, true),
        (1, false, 5, false),
        (2, false, 4, false),
        (3, false, 6, true),
        (4, true, 2, true),
        (5, true, 2, false),
        (6, false, 99, false),
        (7, true, 3, true),
    ] {
        let rows = [row("A", 0, is_final, revision)];
        let before = texts(&connection, stamps).await;
        let written = writer.write(&work(&rows, &[], &[step(offset, offset + 1)])).await.unwrap();
        assert_eq!(
            written,
            Written::Committed { rows: u64::from(replaces), alerts: 0 },
            "{is_final} {revision}"
        );
        let after = texts(&connection, stamps).await;
        let created = after[0].split(' ').take(2).collect::<Vec<_>>().join(" ");
        assert_eq!(first.get_or_insert_with(|| created.clone()), &created, "created_at moved");
        assert_eq!(before != after, replaces, "updated_at after {is_final} {revision}");
    }
    let alerts = [alert("A", 0), alert("A", 0)];
    let moves = |n| [Move { slot: OTHER, expected: n, next: n + 1 }];
    for (n, alerts_new) in [(0, 1), (1, 0)] {
        let written = writer.write(&work(&[], &alerts, &moves(n))).await.unwrap();
        assert_eq!(written, Written::Committed { rows: 0, alerts: alerts_new });
    }
}

#[tokio::test]
async fn any_order_and_repetition_ends_in_the_same_table() {
    let scratch = Scratch::migrated().await;
    let writer = ready(&scratch).await;
    let connection = scratch.connection().await;
    let any_row = (0_u8..3, 0_i64..3, any::<bool>(), 0_i64..8);
    let plan = (proptest::collection::vec(any_row, 1..60), proptest::collection::vec(1_usize..15, 1..12));
    let mut runner = TestRunner::new(Cases::default());
    let cases: Vec<_> = (0..25).map(|_| plan.new_tree(&mut runner).unwrap().current()).collect();
    let mut offset = 0;
    for (ids, cuts) in cases {
        connection.batch_execute("TRUNCATE stock_aggregates").await.unwrap();
        let rows: Vec<StockAggregate> = ids
            .iter()
            .map(|&(symbol, minute, last, rank)| row(&format!("S{symbol}"), minute, last, rank))
            .collect();
        let mut rest = &rows[..];
        for cut in cuts.iter().cycle() {
            let (batch, after) = rest.split_at((*cut).min(rest.len()));
            writer.write(&work(batch, &[], &[step(offset, offset + 1)])).await.unwrap();
            offset += 1;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let mut best: BTreeMap<(&str, i64), (bool, i64)> = BTreeMap::new();
        for row in &rows {
            let rank = best.entry((&row.symbol, row.window_start)).or_insert((row.is_final, row.revision));
            *rank = (*rank).max((row.is_final, row.revision));
        }
        let expected: Vec<String> = best
            .iter()
            .map(|((symbol, start), (last, rank))| format!("{symbol} {start} {last} {rank} {rank} {rank}"))
            .collect();
        let sql = "SELECT symbol || ' ' || (extract(epoch FROM window_start) * 1000)::bigint || ' ' || is_final \
                   || ' ' || revision || ' ' || avg_price || ' ' || trade_count \
                   FROM stock_aggregates ORDER BY symbol, window_start";
        assert_eq!(texts(&connection, sql).await, expected, "{ids:?} in batches of {cuts:?}");
    }
}

#[tokio::test]
async fn of_two_sinks_one_is_turned_away() {
    let scratch = Scratch::migrated().await;
    let (a, b) = (ready(&scratch).await, writer(&scratch));
    let rows_a = [row("A", 0, false, 1), row("B", 0, false, 1)];
    let rows_b = [row("B", 0, false, 2), row("A", 0, false, 2)];
    for round in 0..20 {
        let moves = [step(round, round + 1), Move { slot: OTHER, expected: round, next: round + 1 }];
        let moves_b = [moves[1], moves[0]];
        let (work_a, work_b) = (work(&rows_a, &[], &moves), work(&rows_b, &[], &moves_b));
        let (first, second) = join!(a.write(&work_a), b.write(&work_b));
        let fenced =
            [first.unwrap(), second.unwrap()].into_iter().filter(|one| *one == Written::Fenced).count();
        assert_eq!(fenced, 1, "round {round}");
        let offsets = a.read(&[SLOT, OTHER]).await.unwrap();
        assert_eq!(offsets, BTreeMap::from([(SLOT, round + 1), (OTHER, round + 1)]));
    }
}

#[tokio::test]
async fn an_offset_elsewhere_keeps_everything_out() {
    let scratch = Scratch::migrated().await;
    let writer = ready(&scratch).await;
    let rows = [row("A", 0, false, 1)];
    for moves in [
        vec![step(5, 6)],
        // One of two is right, and still nothing moves.
        vec![step(0, 6), Move { slot: OTHER, expected: 1, next: 2 }],
        // A partition without a row.
        vec![Move { slot: Slot { partition: 9, ..SLOT }, expected: 0, next: 1 }],
    ] {
        assert_eq!(writer.write(&work(&rows, &[], &moves)).await.unwrap(), Written::Fenced, "{moves:?}");
    }
    assert_eq!(writer.read(&[SLOT, OTHER]).await.unwrap(), BTreeMap::from([(SLOT, 0), (OTHER, 0)]));
    assert!(texts(&scratch.connection().await, "SELECT symbol FROM stock_aggregates").await.is_empty());
    // A COMMIT whose answer was lost: the same work again is fenced, and the offset tells that it stands.
    let work = work(&rows, &[], &[step(0, 3)]);
    assert_eq!(writer.write(&work).await.unwrap(), Written::Committed { rows: 1, alerts: 0 });
    assert_eq!(writer.write(&work).await.unwrap(), Written::Fenced);
    assert_eq!(writer.read(&[SLOT]).await.unwrap(), BTreeMap::from([(SLOT, 3)]));
    // Creating again leaves it there.
    writer.create(&[(SLOT, 0)]).await.unwrap();
    assert_eq!(writer.read(&[SLOT]).await.unwrap(), BTreeMap::from([(SLOT, 3)]));
}

#[tokio::test]
async fn culprits_are_named_and_nothing_is_written_before_they_are_gone() {
    let scratch = Scratch::migrated().await;
    let writer = ready(&scratch).await;
    let connection = scratch.connection().await;
    let checks = "ALTER TABLE stock_aggregates ADD CONSTRAINT no_poison CHECK (trade_count <> 666); \
                  ALTER TABLE breakout_alerts ADD CONSTRAINT no_poison CHECK (symbol <> 'POISON')";
    connection.batch_execute(checks).await.unwrap();
    let mut rows: Vec<StockAggregate> =
        (0..1_000).map(|n| row(&format!("S{n:04}"), 0, false, n + 1_000)).collect();
    for poisoned in [0, 500, 501, 999] {
        rows[poisoned].trade_count = 666;
    }
    // Year -10709: the client can say it, the server's type cannot hold it.
    rows[7].window_start = -400_000_000_000_000;
    let alerts = [alert("A", 0), alert("POISON", 1), alert("Z", 2)];
    let moves = [step(0, 1_000), Move { slot: OTHER, expected: 0, next: 3 }];
    let Written::Culprits(culprits) = writer.write(&work(&rows, &alerts, &moves)).await.unwrap() else {
        panic!("the poison was written");
    };
    let found: Vec<(usize, &str)> =
        culprits.iter().map(|(index, refusal)| (*index, refusal.sqlstate.as_deref().unwrap())).collect();
    assert_eq!(
        found,
        [(0, "23514"), (7, "22008"), (500, "23514"), (501, "23514"), (999, "23514"), (1, "23514")]
    );
    assert!(culprits[0].1.text.contains("no_poison"), "{}", culprits[0].1.text);
    assert!(texts(&connection, "SELECT symbol FROM stock_aggregates").await.is_empty());
    assert_eq!(writer.read(&[SLOT]).await.unwrap(), BTreeMap::from([(SLOT, 0)]));

    let mut good = work(&rows, &alerts, &moves);
    good.rows.retain(|(index, _)| ![0, 7, 500, 501, 999].contains(index));
    good.alerts.retain(|(index, _)| *index != 1);
    assert_eq!(writer.write(&good).await.unwrap(), Written::Committed { rows: 995, alerts: 2 });
}

#[tokio::test]
async fn the_search_for_culprits_has_a_limit() {
    let scratch = Scratch::migrated().await;
    let writer = ready(&scratch).await;
    let check = "ALTER TABLE stock_aggregates ADD CHECK (trade_count <> 666)";
    scratch.connection().await.batch_execute(check).await.unwrap();
    let mut rows: Vec<StockAggregate> = (0..64).map(|n| row("S", n, false, 1)).collect();
    rows.iter_mut().for_each(|row| row.trade_count = 666);
    let limited = Work { culprits_max: 10, ..work(&rows, &[], &[step(0, 64)]) };
    let Written::Culprits(culprits) = writer.write(&limited).await.unwrap() else { panic!("written") };
    assert_eq!(culprits.len(), 10);
}

#[tokio::test]
async fn a_lost_connection_is_a_retry_and_the_next_one_works() {
    let scratch = Scratch::migrated().await;
    let writer = ready(&scratch).await;
    let rows = [row("A", 0, false, 1)];
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    scratch.connection().await.query(kill, &[]).await.unwrap();
    // The pool may notice before the write, or the write does: never anything else than a retry.
    let mut offset = 0;
    for _ in 0..2 {
        match writer.write(&work(&rows, &[], &[step(offset, offset + 1)])).await {
            Ok(written) => {
                assert!(matches!(written, Written::Committed { .. }));
                offset += 1;
            }
            Err(error) => assert_eq!(error.reaction(), Reaction::Retry, "{error}"),
        }
    }
    assert_eq!(writer.read(&[SLOT]).await.unwrap(), BTreeMap::from([(SLOT, offset)]));
    assert!(offset > 0);
}

#[tokio::test]
async fn a_schema_that_is_not_ours_stops_with_the_remedy() {
    let scratch = Scratch::new().await;
    let error = writer(&scratch).read(&[SLOT]).await.unwrap_err();
    assert_eq!(error.reaction(), Reaction::Config);
    assert!(error.to_string().contains("tape migrate"), "{error}");
}

#[tokio::test]
async fn hours_with_bars_are_marked() {
    const HOUR_MS: i64 = 3_600_000;
    let scratch = Scratch::migrated().await;
    let writer = ready(&scratch).await;
    let bar = |window_end: i64, trades: u64| StockAggregate {
        symbol: "A".to_owned(),
        window_start: window_end - 300_000,
        window_end,
        trade_count: 1,
        bar_trades: trades,
        ..StockAggregate::default()
    };
    // A bar lies in the hour of its start, one slide before the end of its window; one without trades adds nothing.
    let rows =
        [bar(HOUR_MS, 1), bar(HOUR_MS + 60_000, 1), bar(5 * HOUR_MS + 60_000, 0), bar(-HOUR_MS + 59_999, 2)];
    let marked = Work { marks: true, ..work(&rows, &[], &[step(0, 4)]) };
    assert!(matches!(writer.write(&marked).await.unwrap(), Written::Committed { rows: 4, .. }));
    let sql = "SELECT DISTINCT (extract(epoch FROM hour) / 3600)::bigint FROM rollup_stale ORDER BY 1";
    let hours = scratch.connection().await.query(sql, &[]).await.unwrap();
    let hours: Vec<i64> = hours.iter().map(|row| row.get(0)).collect();
    assert_eq!(hours, [-2, 0, 1]);
}
