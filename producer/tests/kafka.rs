//! The producer on a real broker: whatever ends it, the log has every trade once and in order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here, with the line")]

mod broker;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use broker::{NOON, Topic, assert_same, expected, market, until, without_ids};
use tape_kafka::Outgoing;
use tape_producer::simulate::Market;
use tape_producer::{Monitor, Replay, SourceKind, SourceSpec, run, run_monitored};
use tape_service::{Failure, Shutdown};

fn simulate(market: Market, resume: bool) -> SourceSpec {
    SourceSpec { kind: SourceKind::Simulate(market), resume }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_in_its_partition_once_and_in_order() {
    let topic = Topic::new("plain");
    let market = Market { poison_share: 0.01, ..market(60) };
    run(topic.config.clone(), simulate(market.clone(), false), Shutdown::new()).await.unwrap();
    let log = topic.read();
    assert!(log.iter().flatten().all(|(_, _, source)| source.starts_with("simulate-")));
    assert_same(&without_ids(log), &expected(&market, &topic.config));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_is_continued_exactly() {
    let topic = Topic::new("stopped");
    let market = market(600);
    let mut stops = 0;
    for records in [1, 5_000, 30_000, 1, u64::MAX] {
        let (shutdown, monitor) = (Shutdown::new(), Monitor::default());
        let running = tokio::spawn(run_monitored(
            topic.config.clone(),
            simulate(market.clone(), true),
            monitor.clone(),
            shutdown.clone(),
        ));
        until("records", || running.is_finished() || monitor.snapshot().records >= records).await;
        stops += u32::from(!running.is_finished());
        shutdown.request();
        running.await.unwrap().unwrap();
        let snapshot = monitor.snapshot();
        assert_eq!(snapshot.acknowledged, snapshot.records, "a stop loses nothing of what was sent");
    }
    assert!(stops >= 2, "the stops came in time");
    assert_same(&without_ids(topic.read()), &expected(&market, &topic.config));
}

/// The program of `examples/produce.rs`, which `cargo test` builds beside this test.
fn program(topic: &Topic, seconds: i64) -> Child {
    let folder: PathBuf = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().into();
    let path = folder.join("examples").join("produce");
    Command::new(&path)
        .args([NOON.to_string(), seconds.to_string()])
        .env_clear()
        .envs(topic.settings.iter().cloned())
        .stdin(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{} cannot be started ({error}): run it through `make test`", path.display())
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_is_continued_exactly() {
    const SECONDS: i64 = 3000;
    let topic = Topic::new("killed");
    let expected = expected(&market(SECONDS), &topic.config);
    let total: usize = expected.iter().map(Vec::len).sum();
    for share in [1, 3, 5, 7] {
        let mut child = program(&topic, SECONDS);
        let mut is_over = || child.try_wait().unwrap().is_some();
        until("records in the log", || topic.len() >= total * share / 10 || is_over()).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(topic.len() < total, "it was killed before it was done");
    assert!(program(&topic, SECONDS).wait().unwrap().success());
    assert_same(&without_ids(topic.read()), &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_found_behind_the_records_of_others() {
    let topic = Topic::new("others");
    let first = market(20);
    run(topic.config.clone(), simulate(first.clone(), true), Shutdown::new()).await.unwrap();
    let before = topic.read();
    let producer = topic.clients.producer(&topic.config.producer).unwrap();
    for number in 0..3000 {
        let outgoing = Outgoing {
            topic: &topic.name,
            partition: Some(number % 3),
            key: Some(b"X"),
            value: Some(b"stranger"),
            ..Outgoing::default()
        };
        producer.send(&outgoing).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
    run(topic.config.clone(), simulate(market(40), true), Shutdown::new()).await.unwrap();
    let ours = |log: Vec<Vec<broker::Logged>>| -> Vec<Vec<broker::Logged>> {
        log.into_iter()
            .map(|records| records.into_iter().filter(|record| record.0 != "X").collect())
            .collect()
    };
    let after = ours(topic.read());
    assert!(after.iter().zip(&before).all(|(after, before)| after.starts_with(before)));
    assert_same(&without_ids(after), &expected(&market(40), &topic.config));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_replayed_once_continued_and_begun_again() {
    let topic = Topic::new("files");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trades.csv");
    let rows = |count: usize| {
        let row = |place: usize| format!("{},{},1,{place}\n", ["AAPL", "TSLA", "NVDA"][place % 3], place + 1);
        "symbol,price,size,timestamp\n".to_owned() + &(0..count).map(row).collect::<String>()
    };
    let replay = |resume| {
        let kind = SourceKind::Replay(Replay { files: vec![path.clone()], ..Replay::default() });
        run(topic.config.clone(), SourceSpec { kind, resume }, Shutdown::new())
    };

    std::fs::write(&path, rows(1000)).unwrap();
    replay(true).await.unwrap();
    assert_eq!(topic.len(), 1000);
    replay(true).await.unwrap();
    assert_eq!(topic.len(), 1000, "nothing was missing");
    std::fs::write(&path, rows(1500)).unwrap();
    replay(true).await.unwrap();
    assert_eq!(topic.len(), 1500, "a file that has grown is continued");
    replay(false).await.unwrap();
    assert_eq!(topic.len(), 3000, "without resume everything is written again");
    let numbers: Vec<_> = without_ids(topic.read()).concat().into_iter().map(|(.., number)| number).collect();
    assert_eq!(numbers.iter().filter(|number| *number == "1499").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_or_a_file_that_is_not_there_is_the_users_to_correct() {
    let check = async |topic: &Topic, kind: SourceKind, resume: bool, part: &str| match run(
        topic.config.clone(),
        SourceSpec { kind, resume },
        Shutdown::new(),
    )
    .await
    {
        Err(Failure::Config(message)) => assert!(message.contains(part), "{message}"),
        other => panic!("{other:?}"),
    };
    let topic = Topic::missing("missing");
    for resume in [false, true] {
        check(&topic, SourceKind::Simulate(market(1)), resume, &topic.name).await;
    }
    let replay = Replay { files: vec!["/nowhere.csv".into()], ..Replay::default() };
    check(&topic, SourceKind::Replay(replay), false, "/nowhere.csv").await;
    let market = Market { rate: 0, ..market(1) };
    check(&topic, SourceKind::Simulate(market), false, "--rate 0").await;
}
