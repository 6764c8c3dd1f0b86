//! The broker dies while the producer sends. In a test binary of its own, because it takes the broker away from everybody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here, with the line")]

mod broker;
mod live;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use broker::{Topic, assert_same, expected, market, until, without_ids};
use live::{Feed, traded};
use tape_producer::fake::{Options, Playback};
use tape_producer::simulate::Market;
use tape_producer::{Monitor, SourceKind, SourceSpec, run_monitored};
use tape_service::Shutdown;
use tokio::sync::Mutex;

/// There is one broker.
static TAKEN: Mutex<()> = Mutex::const_new(());

/// `kafka.sh kill` or `start` on the servers that `make test` has started.
fn kafka(action: &str) {
    let servers =
        std::env::var("LOCAL_SERVERS").expect("LOCAL_SERVERS is not set: run it through `make test`");
    let script = "../deploy/local/kafka.sh";
    let status = Command::new(script).args([action, &servers]).status().unwrap();
    assert!(status.success(), "{script} {action} {servers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_and_comes_back_costs_nothing() {
    let _taken = TAKEN.lock().await;
    let topic = Topic::new("outage");
    let market = market(6000);
    let monitor = Monitor::default();
    let source = SourceSpec::new(SourceKind::Simulate(market.clone()));
    let running = tokio::spawn(run_monitored(topic.config.clone(), source, monitor.clone(), Shutdown::new()));
    for share in [1, 4] {
        let expected = 1_200_000 * share / 10;
        until("acknowledged records", || {
            running.is_finished() || monitor.snapshot().acknowledged >= expected
        })
        .await;
        assert!(!running.is_finished(), "the broker dies while records are on their way");
        tokio::task::spawn_blocking(|| kafka("kill")).await.unwrap();
        tokio::task::spawn_blocking(|| kafka("start")).await.unwrap();
    }
    running.await.unwrap().unwrap();
    assert_same(&without_ids(topic.read()), &expected(&market, &topic.config));
}

fn bytes_in(folder: &Path) -> u64 {
    let Ok(files) = std::fs::read_dir(folder) else { return 0 };
    files.flatten().filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// The broker is away for longer than memory is to hold the records; meanwhile the producer is stopped and started again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_live_feed_brings_while_the_broker_is_away_is_written_when_it_is_back() {
    let _taken = TAKEN.lock().await;
    // Nothing is lost of what the sockets delivered, so the tape runs on while nobody listens.
    let options = Options { audience: 0, frame_events: 50, ..Options::default() };
    let market = traded(Market { start: None, end: None, rate: 5000, ..market(0) });
    let feed = Feed::start("away", options, Playback::simulate(&market), &[]).await;
    let spool = feed.state.path().join("spool");
    let delivered = |more: usize| {
        let goal = feed.delivered().len() + more;
        let feed = &feed;
        async move { until("events", || feed.delivered().len() >= goal).await }
    };

    let running = feed.produce();
    delivered(10_000).await;
    tokio::task::spawn_blocking(|| kafka("kill")).await.unwrap();
    let away = Instant::now();
    until("records on disk", || running.is_finished() || bytes_in(&spool) > 1 << 20).await;
    assert!(!running.is_finished());
    assert!(away.elapsed() > Duration::from_secs(5), "memory takes them first");
    running.stop().await.unwrap();
    let saved = bytes_in(&spool);
    let running = feed.produce();
    delivered(10_000).await;
    until("more records on disk", || bytes_in(&spool) > saved).await;
    tokio::task::spawn_blocking(|| kafka("start")).await.unwrap();
    until("an empty disk", || running.is_finished() || bytes_in(&spool) == 0).await;
    delivered(10_000).await;
    feed.end().await;
    running.stop().await.unwrap();
    feed.check(&feed.delivered());
}
