//! The commands around the database, against a real PostgreSQL, and dead letters that go back, against a real Kafka.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod program;
#[path = "../../db/tests/scratch/mod.rs"]
mod scratch;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use program::{Tape, text};
use scratch::Scratch;
use serde_json::Value;
use tape_kafka::{Clients, Outgoing, TopicSpec};
use tape_proto::dead_letter::{DeadLetter, Record};

const ASK: Duration = Duration::from_secs(30);

fn json_lines(output: &std::process::Output) -> Vec<Value> {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn tape(folder: &Path, database: &str) -> Tape {
    let mut tape = Tape::new(folder);
    tape.servers().env("DB_NAME", database).env("LOG_LEVEL", "warn");
    tape
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_goes_up_says_what_it_is_and_goes_down() {
    let (scratch, folder) = (Scratch::new().await, tempfile::tempdir().unwrap());
    let run =
        |args: &[&str]| tape(folder.path(), &scratch.config.db.name).args(args.iter().copied()).output();
    let empty = run(&["migrate", "--status", "--json"]);
    assert_eq!(empty.status.code(), Some(1), "{}", text(&empty.stderr));
    assert!(text(&empty.stderr).contains("run `tape migrate`"), "{}", text(&empty.stderr));
    let status: Value = serde_json::from_slice(&empty.stdout).unwrap();
    assert_eq!((&status["edition"], &status["version"]), (&"postgresql".into(), &0.into()), "{status}");
    let pending = status["pending"].as_array().unwrap().len();
    let dry = json_lines(&run(&["migrate", "--dry-run", "--json"]));
    assert_eq!(dry[0]["pending"].as_array().unwrap().len(), pending);
    assert_eq!(run(&["migrate", "--status"]).status.code(), Some(1), "the dry run changed nothing");
    assert_eq!(run(&["maintain"]).status.code(), Some(64), "nothing to keep in order yet");

    let up = json_lines(&run(&["migrate", "--json"]));
    assert_eq!(up[0]["applied"].as_array().unwrap().len(), pending);
    assert!(run(&["migrate", "--status"]).status.success());
    let steps = json_lines(&run(&["maintain", "--json", "--reindex"]));
    let has = |step: &str, subject: &str| {
        steps.iter().any(|line| line["step"] == step && line["subject"] == subject)
    };
    for (step, subject) in [
        ("made partitions", "stock_aggregates"),
        ("rolled up hours", "bar_rollups"),
        ("deleted rows before the retention", "breakout_alerts"),
        ("analysed", "stock_aggregates"),
        ("reindexed", "stock_aggregates"),
    ] {
        assert!(has(step, subject), "{step} {subject}: {steps:?}");
    }
    assert!(
        steps.iter().any(|line| line["table"] == "stock_aggregates" && line["bytes"].as_i64() > Some(0)),
        "{steps:?}"
    );

    assert_eq!(run(&["migrate", "--down"]).status.code(), Some(64), "--down alone deletes nothing");
    assert!(run(&["migrate", "--status"]).status.success());
    assert!(run(&["migrate", "--down", "--yes"]).status.success());
    assert_eq!(run(&["migrate", "--status"]).status.code(), Some(1));
}

/// Trades of four symbols, 250 ms apart, over two hours and a half: prices that swing around their average, a silence of B for a quarter of
/// an hour, and for L now and then a trade that is ten minutes late. (symbol, price in cents, size, time in ms)
fn trades() -> Vec<(&'static str, i64, i64, i64)> {
    const BEGIN_MS: i64 = 1_700_006_400_000;
    let trade = |number: i64| {
        let symbol = ["A", "B", "D", "L"][(number % 4) as usize];
        let swing = (number / 7 + number % 4 * 900) % 1_400 - 700;
        let late = if symbol == "L" && number % 97 == 0 { 600_000 } else { 0 };
        (symbol, 10_000 + swing.abs(), 1 + number % 37, BEGIN_MS + number * 250 - late)
    };
    let is_silent =
        |symbol: &str, time: i64| symbol == "B" && (3_000_000..3_900_000).contains(&(time - BEGIN_MS));
    (0..36_000).map(trade).filter(|(symbol, _, _, time)| !is_silent(symbol, *time)).collect()
}

/// Open, high, low, close in cents, volume and trades of each symbol and bucket, straight from the trades.
fn candles(minutes: i64) -> BTreeMap<(String, i64), ([i64; 4], i64, i64)> {
    let mut candles = BTreeMap::new();
    for (symbol, price, size, time) in trades() {
        let bucket = time.div_euclid(minutes * 60_000) * minutes * 60_000;
        let ([_, high, low, close], volume, count) =
            candles.entry((symbol.to_owned(), bucket)).or_insert(([price; 4], 0, 0));
        (*high, *low, *close) = ((*high).max(price), (*low).min(price), price);
        (*volume, *count) = (*volume + size, *count + 1);
    }
    // What came too late is in no window.
    candles.retain(|(symbol, _), _| symbol != "L");
    candles
}

#[tokio::test(flavor = "multi_thread")]
async fn roll_ups_equal_the_raw_trades_and_crosses_the_alerts() {
    let (scratch, folder) = (Scratch::new().await, tempfile::tempdir().unwrap());
    let lines = trades().into_iter().map(|(symbol, cents, size, time)| {
        format!("{symbol},{}.{:02},{size},{time}\n", cents / 100, cents % 100)
    });
    let csv: String = std::iter::once("symbol,price,size,timestamp\n".to_owned()).chain(lines).collect();
    std::fs::write(folder.path().join("market.csv"), csv).unwrap();
    let name = format!("cli-candles-{}", std::process::id());
    let run = |database: &str, args: &[&str]| {
        let mut tape = tape(folder.path(), database);
        tape.env("APP_ID", &name).env("STATE_DIR", &folder.path().join("state").to_string_lossy());
        // The trades are older than what would be kept.
        tape.env("DB_RETENTION", "0").env("DB_ROLLUP_RETENTION", "0");
        for topic in ["RAW_TRADES", "AGGREGATES", "ALERTS", "LATE", "DEAD_LETTERS"] {
            tape.env(&format!("KAFKA_TOPIC_{topic}"), &format!("{name}-{topic}"));
        }
        for role in ["PRODUCER", "PROCESSOR", "SINK"] {
            tape.env(&format!("HTTP_BIND_{role}"), "off");
        }
        let output = tape.args(args.iter().copied()).output();
        assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    };
    run(&scratch.config.db.name, &["demo", "--source", "replay:market.csv"]);
    // A replay has a database of its own, named after both.
    let own = "SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1::text || '_')";
    let own: String =
        scratch.connection().await.query_one(own, &[&scratch.config.db.name]).await.unwrap().get(0);
    let mut replayed = Scratch { config: scratch.config.clone() };
    replayed.config.db.name = own;
    let connection = replayed.connection().await;
    for is_rolled_up in [false, true] {
        for (view, minutes) in [("stock_5min_agg", 5), ("stock_15min_agg", 15), ("stock_1hour_agg", 60)] {
            let sql = format!(
                "SELECT symbol, (extract(epoch FROM bucket) * 1000)::bigint, round(open_price * 100)::bigint, \
                     round(max_price * 100)::bigint, round(min_price * 100)::bigint, round(close_price * 100)::bigint, \
                     total_volume::bigint, trade_count FROM {view} WHERE symbol <> 'L'"
            );
            let rows = connection.query(&sql, &[]).await.unwrap();
            let found: BTreeMap<(String, i64), ([i64; 4], i64, i64)> = rows
                .iter()
                .map(|row| {
                    let prices = [2, 3, 4, 5].map(|column| row.get::<_, i64>(column));
                    ((row.get(0), row.get(1)), (prices, row.get(6), row.get(7)))
                })
                .collect();
            assert_eq!(found, candles(minutes), "{view}, rolled up: {is_rolled_up}");
        }
        run(&replayed.config.db.name, &["maintain"]);
    }
    let number = async |sql: &str| connection.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert!(number("SELECT count(*) FROM bar_rollups").await > 0);
    assert_eq!(number("SELECT count(*) FROM rollup_stale").await, 0, "all hours are over");
    for cross in ["golden", "death"] {
        let from_sql =
            format!("SELECT symbol, \"timestamp\", current_price, window_avg FROM get_{cross}_crosses()");
        let emitted = format!(
            "SELECT symbol, \"timestamp\", current_price, window_avg FROM breakout_alerts WHERE type = '{cross}_cross'"
        );
        let differing = format!(
            "SELECT (SELECT count(*) FROM ({from_sql} EXCEPT {emitted}) a) + (SELECT count(*) FROM ({emitted} EXCEPT {from_sql}) b)"
        );
        assert_eq!(number(&differing).await, 0, "{cross}");
        assert!(number(&format!("SELECT count(*) FROM ({emitted}) e")).await > 3, "{cross}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_go_back_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("cli-replay-{}", std::process::id());
    let (trades, letters) = (format!("{name}-trades"), format!("{name}-dlq"));
    let config = scratch::config();
    let clients = Clients::new(&config.kafka, &name);
    let admin = clients.admin().unwrap();
    let spec =
        |name: &str| TopicSpec { name: name.to_owned(), partitions: 3, replication: 1, config: Vec::new() };
    admin.create(&[spec(&trades), spec(&letters)], ASK).unwrap();
    let producer = clients.producer(&config.producer).unwrap();
    let long = vec![b'x'; 70_000];
    let cases: [(&str, i32, &str, &[u8]); 5] = [
        (&trades, 0, "A", b"{\"symbol\":\"A\",\"price\":1,\"volume\":1,\"timestamp\":1704931200000}"),
        (&trades, 2, "B", b"{\"symbol\":\"B\",\"price\":2,\"volume\":1,\"timestamp\":1704931200000}"),
        (&trades, 2, "C", b"{\"symbol\":\"C\",\"price\":3,\"volume\":1,\"timestamp\":1704931200000}"),
        (&trades, 1, "D", &long),
        ("somebody-elses", 0, "E", b"{}"),
    ];
    for (topic, partition, key, value) in cases {
        let record = Record {
            topic,
            partition,
            offset: 7,
            timestamp: None,
            key: Some(key.as_bytes()),
            value: Some(value),
            headers: Vec::new(),
        };
        let letter = DeadLetter::new(record, "bad_price", "no price");
        let headers: Vec<(&str, Option<&[u8]>)> =
            letter.headers.iter().map(|header| (&*header.name, header.value.as_deref())).collect();
        let outgoing = Outgoing {
            topic: &letters,
            key: letter.key,
            value: letter.value,
            headers: &headers,
            ..Outgoing::default()
        };
        producer.send(&outgoing).unwrap();
    }
    producer.flush(ASK).unwrap();

    let run = |args: &[&str]| {
        let mut tape = tape(folder.path(), "unused");
        tape.env("APP_ID", &name)
            .env("KAFKA_TOPIC_RAW_TRADES", &trades)
            .env("KAFKA_TOPIC_DEAD_LETTERS", &letters);
        tape.args(args.iter().copied()).output()
    };
    let replay = |more: &[&str]| {
        let args = [&["replay-dlq", "--topic", letters.as_str(), "--json"], more].concat();
        json_lines(&run(&args)).remove(0)
    };
    let counts = |report: &Value| ["sent", "cut", "foreign"].map(|field| report[field].as_u64().unwrap());
    assert_eq!(counts(&replay(&["--dry-run"])), [3, 1, 1]);
    let sent = replay(&[]);
    assert_eq!(counts(&sent), [3, 1, 1]);
    assert_eq!(sent["reasons"][format!("{trades} bad_price")], 4, "{sent}");
    assert_eq!(counts(&replay(&[])), [0, 0, 0], "a second run sends nothing twice");
    let lines = json_lines(&run(&["tail", &trades, "--from", "earliest", "--until-end"]));
    assert!(lines.iter().all(|line| line["symbol"].is_string()), "{lines:?}");
    let mut found: Vec<(i64, &str)> = lines
        .iter()
        .map(|line| (line["partition"].as_i64().unwrap(), line["symbol"].as_str().unwrap()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [(0, "A"), (2, "B"), (2, "C")]);

    let wrong = run(&["replay-dlq", "--topic", "raw-trades"]);
    assert_eq!(wrong.status.code(), Some(64), "{}", text(&wrong.stderr));
    admin.delete(&[&trades, &letters], ASK).unwrap();
}
