//! The sink between a real Kafka and a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../db/tests/scratch/mod.rs"]
mod scratch;

mod rig;

use std::collections::BTreeMap;
use std::time::Duration;

use rig::{ANSWER, Rig, cross, newest, row, wait_until};
use tape_kafka::{Outgoing, TxnSpec};
use tape_proto::aggregate;
use tape_proto::messages::StockAggregate;
use tape_proto::output::OutputFormat::{self, Json, Protobuf};
use tape_service::Failure;

/// Rows in a disorder that repeats in every run: later ranks first for some, repetitions, both formats.
fn shuffled_rows(symbols: i64, minutes: i64) -> Vec<StockAggregate> {
    let mut rows = Vec::new();
    for symbol in 0..symbols {
        for minute in 0..minutes {
            for (is_final, revision) in [(false, 3), (false, 9), (true, 12), (false, 7), (true, 12)] {
                rows.push(row(&format!("S{symbol}"), minute, is_final, revision + minute));
            }
        }
    }
    // A step that is prime to the length visits each once.
    let length = rows.len();
    let step = (length / 3..).find(|&step| step > 0 && gcd(step, length) == 1).unwrap();
    (0..length).map(|index| rows[index * step % length].clone()).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn format_of(index: usize) -> OutputFormat {
    if index.is_multiple_of(2) { Json } else { Protobuf }
}

fn send_rows(rig: &Rig, rows: &[StockAggregate]) {
    for (index, row) in rows.iter().enumerate() {
        rig.send_row(row, format_of(index));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_alerts_arrive_once_and_a_restart_goes_on() {
    let rig = Rig::new(3).await;
    let rows = shuffled_rows(20, 40);
    let (first, second) = rows.split_at(rows.len() / 2);
    let sink = rig.start();
    send_rows(&rig, first);
    for minute in 0..100 {
        rig.send_alert(&cross("A", minute % 50), format_of(usize::try_from(minute).unwrap()));
    }
    rig.settled().await;
    assert_eq!(rig.table().await, newest(first));
    assert_eq!(rig.count("SELECT count(*) FROM breakout_alerts").await, 50);
    sink.ready(true).await;

    let (status, metrics) = sink.page("/metrics").unwrap();
    assert_eq!(status, 200);
    for name in [
        "tape_sink_rows_total{table=\"stock_aggregates\"}",
        "tape_sink_rows_total{table=\"breakout_alerts\"}",
        "tape_sink_batch_seconds_count",
        "tape_sink_latency_seconds_bucket",
        "tape_sink_dead_letters_total",
        "tape_sink_last_commit_timestamp_seconds",
    ] {
        assert!(metrics.contains(name), "{name} is missing in:\n{metrics}");
    }
    sink.stop().await.unwrap();

    // Kafka knows the offsets too, for lag tools.
    for topic in [&rig.config.topics.aggregates, &rig.config.topics.alerts] {
        let group = format!("{}-sink", rig.config.app_id);
        let lags = rig.clients.admin().unwrap().lag(&group, topic, ANSWER).unwrap();
        assert!(lags.iter().all(|lag| lag.records() == 0), "{lags:?}");
    }

    send_rows(&rig, second);
    rig.sent();
    let sink = rig.start();
    rig.settled().await;
    assert_eq!(rig.table().await, newest(&rows));
    assert_eq!(rig.count("SELECT count(*) FROM breakout_alerts").await, 50);
    sink.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_goes_to_the_dead_letters() {
    let rig = Rig::new(2).await;
    rig.execute("ALTER TABLE stock_aggregates ADD CONSTRAINT no_poison CHECK (trade_count <> 667)").await;
    let (aggregates, alerts) = (rig.config.topics.aggregates.clone(), rig.config.topics.alerts.clone());
    let rows = shuffled_rows(5, 20);
    let junk = vec![b'x'; 900_000];
    send_rows(&rig, &rows);
    rig.send_raw(&aggregates, "S0", Some(b"{\"symbol\":1}"));
    rig.send_raw(&aggregates, "S0", None);
    rig.send_raw(&aggregates, "S0", Some(&junk));
    rig.send_raw(&alerts, "S0", Some(b""));
    // The poison is the largest of its key, an older row of the same key is good and must win.
    let good = row("POISON", 0, false, 300);
    let poison = row("POISON", 0, true, 333);
    rig.send_row(&good, Protobuf);
    rig.send_row(&poison, Json);
    rig.send_alert(&cross("A", 1), Protobuf);

    let sink = rig.start();
    rig.settled().await;
    assert_eq!(rig.table().await, newest(rows.iter().chain([&good])));
    assert_eq!(rig.count("SELECT count(*) FROM breakout_alerts").await, 1);

    let letters = rig.dead_letters();
    let header =
        |letter: &BTreeMap<String, String>, name: &str| letter.get(&format!("tape-dlq-{name}")).cloned();
    let mut found: Vec<_> = letters
        .iter()
        .map(|(value, headers)| {
            assert!(
                header(headers, "offset").is_some() && header(headers, "message").is_some(),
                "{headers:?}"
            );
            (
                header(headers, "topic").unwrap(),
                value.as_ref().map(Vec::len),
                header(headers, "value-length").unwrap(),
                header(headers, "reason").unwrap(),
                header(headers, "sqlstate"),
            )
        })
        .collect();
    found.sort();
    let mut poison_value = Vec::new();
    aggregate::to_json(&poison, &mut poison_value);
    let undecodable = |topic: &str, kept: Option<usize>, length: &str| {
        (topic.to_owned(), kept, length.to_owned(), "undecodable".to_owned(), None)
    };
    let mut expected = [
        undecodable(&aggregates, Some(12), "12"),
        undecodable(&aggregates, None, "-1"),
        undecodable(&aggregates, Some(65_536), "900000"),
        undecodable(&alerts, Some(0), "0"),
        (
            aggregates.clone(),
            Some(poison_value.len()),
            poison_value.len().to_string(),
            "refused_by_database".to_owned(),
            Some("23514".to_owned()),
        ),
    ];
    expected.sort();
    assert_eq!(found, expected);
    assert!(letters.iter().any(|(value, _)| value.as_ref() == Some(&poison_value)));
    sink.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_junk_stops_the_sink_and_leaves_the_offset() {
    let rig = Rig::new(1).await;
    for _ in 0..600 {
        rig.send_raw(&rig.config.topics.aggregates, "S0", Some(b"junk"));
    }
    rig.sent();
    let failure = rig.start().ended().await.unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    assert!(failure.to_string().contains("of the last 1000 records were refused"), "{failure}");
    let stored = rig.count("SELECT coalesce(max(next_offset), 0) FROM sink_offsets").await;
    assert!(stored <= 500, "{stored} junk records were passed over");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_committed_records_are_read() {
    let rig = Rig::new(1).await;
    let spec = TxnSpec {
        transaction_timeout: Duration::from_secs(30),
        linger: Duration::ZERO,
        compression: rig.config.producer.compression,
        buffer_memory: 1 << 20,
        tracked_topic: None,
    };
    let producer = rig.clients.transactional_producer(&rig.config.app_id, spec).unwrap();
    producer.init(ANSWER).unwrap();
    let send = |row: &StockAggregate| {
        let mut value = Vec::new();
        aggregate::encode(row, Protobuf, &mut value);
        let topic = rig.config.topics.aggregates.as_str();
        let outgoing = Outgoing { topic, key: Some(b"A"), value: Some(&value), ..Outgoing::default() };
        producer.send(&outgoing).unwrap();
    };
    let sink = rig.start();
    sink.ready(true).await;
    for revision in 0..20 {
        producer.begin().unwrap();
        send(&row("A", revision % 5, false, revision));
        if revision % 3 == 0 { producer.commit(ANSWER).unwrap() } else { producer.abort(ANSWER).unwrap() }
    }
    let committed: Vec<_> =
        (0..20).step_by(3).map(|revision| row("A", revision % 5, false, revision)).collect();
    wait_until("the committed rows are there", async || rig.table().await == newest(&committed)).await;
    // Behind the last row lie only transaction markers and aborted records: lag tools must see zero all the same.
    let group = format!("{}-sink", rig.config.app_id);
    let admin = rig.clients.admin().unwrap();
    wait_until("the lag is zero", async || {
        let lags = admin.lag(&group, &rig.config.topics.aggregates, ANSWER).unwrap();
        lags.iter().all(|lag| lag.committed.is_some() && lag.records() == 0)
    })
    .await;
    assert_eq!(rig.table().await, newest(&committed));
    sink.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_waited_for() {
    let rig = Rig::new(2).await;
    let rows = shuffled_rows(10, 30);
    let (before, meanwhile) = rows.split_at(rows.len() / 3);
    let sink = rig.start();
    send_rows(&rig, before);
    rig.settled().await;
    sink.ready(true).await;

    let admin = tape_db::Pool::new(&scratch::config().db, "test-admin").unwrap().get().await.unwrap();
    let name = &rig.config.db.name;
    scratch::close_to_all(&admin, name).await;
    send_rows(&rig, meanwhile);
    rig.sent();
    let reason = sink.ready(false).await;
    assert!(reason.contains("database"), "{reason}");
    assert_eq!(sink.page("/health/live").unwrap().0, 200);
    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await.unwrap();
    rig.settled().await;
    sink.ready(true).await;
    assert_eq!(rig.table().await, newest(&rows));
    sink.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let rig = Rig::new(1).await;
    let admin = tape_db::Pool::new(&scratch::config().db, "test-admin").unwrap().get().await.unwrap();
    let name = &rig.config.db.name;
    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await.unwrap();
    let sink = rig.start();
    let reason = sink.ready(false).await;
    assert!(reason.contains("starting") || reason.contains("database"), "{reason}");
    wait_until("it says what it waits for", async || {
        sink.page("/health/ready").is_some_and(|(_, body)| body.contains("not currently accepting"))
    })
    .await;
    admin.batch_execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await.unwrap();
    rig.send_row(&row("A", 0, true, 1), Protobuf);
    rig.settled().await;
    sink.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_do_not_exist_yet_are_waited_for() {
    let rig = Rig::without_topics().await;
    let sink = rig.start();
    let mut reason = String::new();
    wait_until("the reason names the missing topic", async || {
        reason = sink.ready(false).await;
        reason.contains(&rig.config.topics.aggregates)
    })
    .await;
    rig.create_topics(2);
    let rows = shuffled_rows(3, 3);
    send_rows(&rig, &rows);
    rig.settled().await;
    assert_eq!(rig.table().await, newest(&rows));
    sink.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_is_brought_up_to_date_again() {
    let rig = Rig::new(2).await;
    let rows = shuffled_rows(10, 20);
    let (before, after) = rows.split_at(rows.len() / 3);
    let sink = rig.start();
    send_rows(&rig, before);
    rig.settled().await;
    rig.execute(
        "BEGIN; CREATE TABLE backup_rows AS TABLE stock_aggregates; \
         CREATE TABLE backup_offsets AS TABLE sink_offsets; COMMIT",
    )
    .await;
    send_rows(&rig, after);
    rig.settled().await;
    assert_eq!(rig.table().await, newest(&rows));
    rig.execute(
        "BEGIN; TRUNCATE stock_aggregates, sink_offsets; INSERT INTO stock_aggregates TABLE backup_rows; \
         INSERT INTO sink_offsets TABLE backup_offsets; COMMIT",
    )
    .await;
    assert_eq!(rig.table().await, newest(before));
    // The next record of each partition finds the offset elsewhere.
    let more: Vec<_> = (0..20).map(|symbol| row(&format!("T{symbol}"), 0, true, 1)).collect();
    send_rows(&rig, &more);
    rig.settled().await;
    assert_eq!(rig.table().await, newest(rows.iter().chain(&more)));
    sink.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sinks_share_the_work_through_lost_connections_and_rebalances() {
    let rig = Rig::new(4).await;
    let rows = shuffled_rows(40, 60);
    let sink = rig.start();
    let mut second = Some(rig.start());
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    for (round, chunk) in rows.chunks(600).enumerate() {
        send_rows(&rig, chunk);
        for minute in 0..10 {
            rig.send_alert(&cross(&format!("S{}", round % 7), minute), Protobuf);
        }
        rig.sent();
        rig.execute(kill).await;
        match round % 6 {
            0 | 1 => second.as_ref().unwrap().ready(true).await.clear(),
            2 => second.take().unwrap().stop().await.unwrap(),
            5 => second = Some(rig.start()),
            _ => {}
        }
    }
    rig.settled().await;
    assert_eq!(rig.table().await, newest(&rows));
    assert_eq!(rig.count("SELECT count(*) FROM breakout_alerts").await, 70);
    assert!(rig.dead_letters().is_empty());
    sink.stop().await.unwrap();
    if let Some(second) = second {
        second.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_must_correct_ends_with_code_64() {
    let rig = Rig::new(1).await;
    let check = async |change: &dyn Fn(&mut tape_service::Config), words: [&str; 2]| {
        let mut config = rig.config.clone();
        change(&mut config);
        let failure = rig.start_with(config).ended().await.unwrap_err();
        assert!(matches!(failure, Failure::Config(_)) && failure.exit_code() == 64, "{failure}");
        for word in words {
            assert!(failure.to_string().contains(word), "{word:?} in {failure}");
        }
    };
    check(&|config| config.processing.slide = Duration::from_secs(30), ["SLIDE_DURATION is 30s", "60s"])
        .await;
    check(&|config| config.db.name = "tape_no_such_database".to_owned(), ["3D000", "DB_NAME"]).await;
    check(&|config| config.db.user = "tape_no_such_role".to_owned(), ["SQLSTATE 28", "DB_USER"]).await;
    let empty = scratch::Scratch::new().await;
    let name = empty.config.db.name.clone();
    check(&|config| config.db.name.clone_from(&name), ["never migrated", "tape migrate"]).await;

    // A topic that was made anew ends before the stored offset.
    rig.send_row(&row("A", 0, true, 1), Protobuf);
    let sink = rig.start();
    rig.settled().await;
    sink.stop().await.unwrap();
    rig.execute("UPDATE sink_offsets SET next_offset = 1000").await;
    check(&|_| {}, ["up to offset 1000", "sink_offsets"]).await;
}
