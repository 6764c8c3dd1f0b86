//! The commands around the database, against a real PostgreSQL, and dead letters that go back, against a real Kafka.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod program;
#[path = "../../db/tests/scratch/mod.rs"]
mod scratch;

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
