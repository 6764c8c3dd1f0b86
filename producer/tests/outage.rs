//! The broker dies while the producer sends. In a test binary of its own, because it takes the broker away from everybody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here, with the line")]

mod broker;

use std::process::Command;

use broker::{Topic, assert_same, expected, market, until, without_ids};
use tape_producer::{Monitor, SourceKind, SourceSpec, run_monitored};
use tape_service::Shutdown;

/// `kafka.sh kill` or `start` on the servers that `make test` has started.
fn kafka(action: &str) {
    let servers =
        std::env::var("LOCAL_SERVERS").expect("LOCAL_SERVERS is not set: run it through `make test`");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/local/kafka.sh");
    let status = Command::new(script).args([action, &servers]).status().unwrap();
    assert!(status.success(), "{script} {action} {servers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_and_comes_back_costs_nothing() {
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
