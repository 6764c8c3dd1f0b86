//! The tools and the demo against a real Kafka and a real PostgreSQL.
//!
//! Every test has names of its own for topics, groups and database, so that they do not meet.

mod program;

use std::path::Path;
use std::process::Output;

use program::{Tape, text};

/// Settings under which one test meets nobody.
fn tape(folder: &Path, name: &str) -> Tape {
    let mut tape = Tape::new(folder);
    tape.servers();
    for (setting, value) in [
        ("APP_ID", format!("cli-{name}")),
        ("KAFKA_TOPIC_RAW_TRADES", format!("cli-{name}-trades")),
        ("KAFKA_TOPIC_AGGREGATES", format!("cli-{name}-rows")),
        ("KAFKA_TOPIC_ALERTS", format!("cli-{name}-alerts")),
        ("KAFKA_TOPIC_LATE", format!("cli-{name}-late")),
        ("KAFKA_TOPIC_DEAD_LETTERS", format!("cli-{name}-dlq")),
        ("STATE_DIR", folder.join("state").to_string_lossy().into_owned()),
        ("LOG_LEVEL", "warn".to_owned()),
        ("HTTP_BIND_PRODUCER", "off".to_owned()),
        ("HTTP_BIND_PROCESSOR", "off".to_owned()),
        ("HTTP_BIND_SINK", "off".to_owned()),
    ] {
        tape.env(setting, &value);
    }
    tape
}

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A word that no earlier run used: topics of a run that was killed may still be there.
fn unique() -> String {
    let id = std::process::id();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    format!("{id}-{}", now.subsec_nanos())
}

#[test]
fn topics_are_created_once_and_checked() {
    let (folder, name) = (tempfile::tempdir().expect("a temporary folder"), unique());
    let table = succeed(&tape(folder.path(), &name).args(["topics"]).output());
    assert_eq!(table.lines().filter(|line| line.ends_with("created")).count(), 7, "{table}");
    let again = succeed(&tape(folder.path(), &name).args(["topics", "--json"]).output());
    let topics: Vec<serde_json::Value> = serde_json::from_str(&again).expect("a JSON array");
    assert_eq!(topics.len(), 7);
    assert!(topics.iter().all(|topic| topic["created"] == false && topic["partitions"] == 3), "{again}");

    // The changelog's name now belongs to a topic that is no changelog.
    let rows = format!("cli-{name}-rows");
    let wrong = tape(folder.path(), &name)
        .env("KAFKA_TOPIC_CHANGELOG", &rows)
        .env("KAFKA_TOPIC_AGGREGATES", &format!("cli-{name}-others"))
        .args(["topics"])
        .output();
    assert_eq!(wrong.status.code(), Some(64), "{}", text(&wrong.stderr));
    assert!(text(&wrong.stderr).contains(&rows) && text(&wrong.stderr).contains("cleanup.policy"));
}

#[test]
fn what_is_produced_is_tailed_and_read_back() {
    let (folder, name) = (tempfile::tempdir().expect("a temporary folder"), unique());
    let run = |args: &[&str]| succeed(&tape(folder.path(), &name).args(args.iter().copied()).output());
    run(&["topics"]);
    let topic = format!("cli-{name}-trades");
    run(&[
        "produce",
        "--source",
        "simulate",
        "--rate",
        "50",
        "--seed",
        "3",
        "--poison-share",
        "0.02",
        "--late-share",
        "0.02",
        "--start",
        "2024-01-02T14:00:00Z",
        "--end",
        "2024-01-02T14:20:00Z",
    ]);
    let all = run(&["tail", &topic, "--from", "earliest", "--until-end"]);
    let lines: Vec<serde_json::Value> =
        all.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert!(lines.len() > 20_000, "{} records", lines.len());
    assert!(lines.iter().any(|line| line["error"].is_string()), "poison keeps its place");
    for partition in 0..3 {
        let of_partition = lines.iter().filter(|line| line["partition"] == partition);
        for (expected, line) in (0..).zip(of_partition) {
            assert_eq!(line["offset"].as_i64(), Some(expected), "partition {partition}");
        }
    }
    let one = run(&["tail", &topic, "--partition", "1", "--from", "7", "--limit", "1"]);
    let one: serde_json::Value = serde_json::from_str(&one).expect("one line");
    assert_eq!((&one["partition"], &one["offset"]), (&1.into(), &7.into()));

    std::fs::write(folder.path().join("log.jsonl"), &all).expect("it can be written");
    let output =
        tape(folder.path(), &name).args(["backtest", "log.jsonl", "--json", "--output", "rows"]).output();
    succeed(&output);
    let stderr = text(&output.stderr);
    let last = stderr.lines().last().expect("the summary");
    let summary: serde_json::Value = serde_json::from_str(last).expect("the summary is JSON");
    assert_eq!(summary["records"], lines.len());
    assert!(summary["rows"].as_u64() > Some(50), "{summary}");
    assert!(summary["rejected"]["missing_symbol"].as_u64() > Some(0), "{summary}");

    let missing = tape(folder.path(), &unique()).args(["tail", "raw-trades"]).output();
    assert_eq!(missing.status.code(), Some(64), "{}", text(&missing.stderr));
}

#[test]
fn the_demo_checks_itself_and_resumes() {
    let (folder, name) = (tempfile::tempdir().expect("a temporary folder"), unique());
    let trades: String = std::iter::once("symbol,price,size,timestamp\n".to_owned())
        .chain((0..60_000_i64).map(|number| {
            let scattered = number * 7_919 % 1_009;
            let time = 1_700_000_000_000 + number * 97 - scattered * 300 % 90_000;
            let price = 10_000 + scattered;
            format!(
                "{},{}.{:02},{},{time}\n",
                ["A", "B", "D", "F"][(scattered % 4) as usize],
                price / 100,
                price % 100,
                1 + scattered % 50
            )
        }))
        .collect();
    std::fs::write(folder.path().join("market.csv"), trades).expect("it can be written");
    let run = || {
        let db = std::env::var("DB_NAME").expect("DB_NAME is not set: run it through `make test`");
        let mut tape = tape(folder.path(), &name);
        tape.env("DB_NAME", &db).args(["demo", "--source", "replay:market.csv"]);
        succeed(&tape.output())
    };
    let first = run();
    assert!(first.contains("No difference."), "{first}");
    assert!(first.contains("60000 trades written, 0 that raw-trades had already"), "{first}");
    let second = run();
    assert!(second.contains("No difference."), "{second}");
    assert!(second.contains("0 trades written, 60000 that raw-trades had already"), "{second}");
}

/// A million real trades, through the whole pipeline and checked row by row.
#[test]
fn the_real_tape_passes_without_a_difference() {
    let (folder, name) = (tempfile::tempdir().expect("a temporary folder"), unique());
    let required = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run it through `make test`"))
    };
    let source = format!("replay:{}", required("REAL_TAPE"));
    let mut tape = tape(folder.path(), &name);
    tape.env("DB_NAME", &required("DB_NAME"));
    let output = tape.args(["demo", "--source", &source, "--symbol", "XBTUSD", "--absolute-size"]).output();
    let report = succeed(&output);
    assert!(report.contains("No difference."), "{report}");
    assert!(report.contains("1000000 trades written"), "{report}");
}
