//! Requests, without signals (those are in `tests/process.rs`).

use std::time::{Duration, Instant};

use super::Shutdown;

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_request_reaches_every_clone_and_stays() {
    let shutdown = Shutdown::new();
    let waiting = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.requested().await }
    });
    assert!(!shutdown.is_requested());
    shutdown.request();
    shutdown.request();
    waiting.await.expect("it saw the request");
    shutdown.requested().await;
    assert!(shutdown.is_requested());
}

#[tokio::test]
async fn a_child_stops_alone_and_with_its_parent() {
    let parent = Shutdown::new();
    let (one, two) = (parent.child(), parent.child());
    one.request();
    assert!(one.is_requested() && !two.is_requested() && !parent.is_requested());
    parent.request();
    two.requested().await;
}

#[tokio::test]
async fn a_pause_ends_early() {
    let shutdown = Shutdown::new();
    assert!(shutdown.pause(Duration::from_millis(1)).await, "slept to the end");
    let begin = Instant::now();
    let pause = shutdown.pause(LONG);
    shutdown.request();
    assert!(!pause.await);
    assert!(!shutdown.pause(Duration::ZERO).await, "a request goes before a pause that is over");
    assert!(begin.elapsed() < LONG);
}
