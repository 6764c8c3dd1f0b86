//! The live feed, from a server that speaks the vendor's protocol to a real broker: what the server delivered is in the log, each
//! event once and in order, whatever the server does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here, with the line")]

mod broker;
mod live;

use std::time::Duration;

use broker::{expected, market, until};
use live::{Feed, crypto_of, stocks_of, traded};
use tape_producer::fake::{Behaviour, Eviction, Fault, Options, Playback};
use tape_producer::simulate::Market;
use tape_service::Failure;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_sends_is_in_the_log_once_and_in_order() {
    let feed = Feed::start("polite", Options::default(), Playback::simulate(&traded(market(120))), &[]).await;
    let running = feed.produce();
    feed.played().await;
    running.stop().await.unwrap();
    let delivered = feed.delivered();
    assert!(stocks_of(&delivered) > 1000 && crypto_of(&delivered) > 1000, "both clusters play");
    feed.check(&delivered);
    assert_eq!(feed.server.counters().connections, 2, "one for each cluster");
}

/// The vendor's own client beside us on one server: what it receives is what we write.
#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_client_receives_what_we_write() {
    for (cluster, channels, symbols) in
        [("stocks", "T.AAPL,T.TSLA", "AAPL,TSLA"), ("crypto", "XT.BTC-USD,XT.ETH-USD", "BTC-USD,ETH-USD")]
    {
        let options = Options { audience: 2, ..Options::default() };
        let names = symbols.split(',').map(str::to_owned).collect();
        let market = Market { symbols: names, ..market(60) };
        let feed = Feed::start(
            &format!("peer-{cluster}"),
            options,
            Playback::simulate(&market),
            &[("SYMBOLS", symbols)],
        )
        .await;
        let trades = expected(&market, &feed.topic.config).iter().map(Vec::len).sum();
        let running = feed.produce();
        let received = peer(&feed, cluster, channels, trades).await;
        feed.played().await;
        running.stop().await.unwrap();
        assert_eq!(received.len(), trades);
        feed.check(&received);
    }
}

/// Runs `tests/peer/peer.py` until it has received so many events; the lines that it wrote.
async fn peer(feed: &Feed, cluster: &str, channels: &str, expected: usize) -> Vec<String> {
    let python = std::env::var("PEER_PYTHON").expect("PEER_PYTHON is not set: run it through `make test`");
    let folder = tempfile::TempDir::new().unwrap();
    let output = folder.path().join("events.jsonl");
    let status = tokio::process::Command::new(python)
        .arg("tests/peer/peer.py")
        .args(["--port", &feed.server.address().port().to_string(), "--market", cluster])
        .args(["--subscribe", channels, "--expect", &expected.to_string()])
        .arg("--output")
        .arg(&output)
        .status()
        .await
        .unwrap();
    assert!(status.success(), "the vendor's client: {status}");
    std::fs::read_to_string(output).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_server_costs_only_what_it_spoils() {
    let faults = [
        Fault::NoGreeting,
        Fault::NoAuthAnswer,
        Fault::AuthTimeout,
        Fault::Drop { after: 0 },
        Fault::Drop { after: 3 },
        Fault::DropInside { after: 2 },
        Fault::Close { after: 2, code: 1000 },
        Fault::Close { after: 1, code: 1001 },
        Fault::Close { after: 0, code: 1008 },
        Fault::DropInside { after: 0 },
        Fault::Drop { after: 1 },
        Fault::DropInside { after: 4 },
        Fault::Close { after: 3, code: 1000 },
    ];
    let behaviour = Behaviour {
        script: faults.iter().copied().map(Some).collect(),
        spoilt_share: 0.2,
        fragment_bytes: Some(1000),
        seed: 7,
        ..Behaviour::default()
    };
    // Frames beyond the mebibyte that other clients refuse.
    let options = Options { behaviour, frame_events: 20_000, ..Options::default() };
    let feed = Feed::start("hostile", options, Playback::simulate(&traded(market(600))), &[]).await;
    let running = feed.produce();
    feed.played().await;
    running.stop().await.unwrap();
    let delivered = feed.delivered();
    assert!(delivered.len() > 50_000);
    feed.check(&delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drops_everybody_each_second_is_not_hammered() {
    let behaviour = Behaviour { restart_every: Some(Duration::from_secs(1)), ..Behaviour::default() };
    let options = Options { behaviour, frame_events: 10, ..Options::default() };
    let market = traded(Market { start: None, end: None, rate: 2000, ..market(0) });
    let feed = Feed::start("restarts", options, Playback::simulate(&market), &[]).await;
    let running = feed.produce();
    let begun = std::time::Instant::now();
    until("a minute of it", || running.is_finished() || begun.elapsed() > Duration::from_secs(60)).await;
    let connections = feed.server.counters().connections;
    feed.end().await;
    running.stop().await.unwrap();
    // Two clusters, a pause of at least 100 ms (half of RECONNECT_DELAY) after each drop, a drop a second.
    assert!((60..=2 * (60 + 60)).contains(&connections), "{connections} connections in a minute");
    feed.check(&feed.delivered());
}

/// Neither events nor pongs: the connection is given up after its minute of silence, and followed by another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_no_ping_is_left() {
    let behaviour = Behaviour { script: vec![Some(Fault::Silence { after: 5 })], ..Behaviour::default() };
    let options = Options { behaviour, ..Options::default() };
    let market = Market { symbols: vec!["AAPL".to_owned(), "TSLA".to_owned()], ..market(120) };
    let settings = [("SYMBOLS", "AAPL,TSLA")];
    let feed = Feed::start("silence", options, Playback::simulate(&market), &settings).await;
    let running = feed.produce();
    feed.played().await;
    running.stop().await.unwrap();
    assert_eq!(feed.server.counters().connections, 2, "the second one plays to the end");
    let delivered = feed.delivered();
    assert!(stocks_of(&delivered) > 1000);
    feed.check(&delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_used_elsewhere_is_left_alone_for_a_minute() {
    let behaviour = Behaviour {
        script: vec![Some(Fault::MaxConnections); 100],
        eviction: Eviction::Newer,
        ..Behaviour::default()
    };
    let options = Options { behaviour, ..Options::default() };
    let feed = Feed::start("crowded", options, Playback::simulate(&traded(market(1))), &[]).await;
    let running = feed.produce();
    until("the first refusals", || feed.server.counters().kills >= 2).await;
    let begun = std::time::Instant::now();
    until("five seconds", || running.is_finished() || begun.elapsed() > Duration::from_secs(5)).await;
    assert_eq!(feed.server.counters().connections, 2, "one attempt for each cluster");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_ends_the_producer_with_the_vendors_words() {
    let options = Options { key: Some("the right one".to_owned()), ..Options::default() };
    let feed = Feed::start("key", options, Playback::simulate(&traded(market(1))), &[]).await;
    let running = feed.produce();
    match running.ended().await {
        Err(Failure::Config(message)) => {
            assert!(message.contains("authentication failed"), "{message}");
            assert!(message.contains("MASSIVE_API_KEY"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(feed.server.counters().connections <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn symbols_change_without_losing_the_connection() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "AAPL # first\n").unwrap();
    let path = file.path().to_str().unwrap();
    let market = traded(Market { start: None, end: None, rate: 500, ..market(0) });
    let options = Options { audience: 0, frame_events: 10, ..Options::default() };
    let feed = Feed::start("symbols", options, Playback::simulate(&market), &[("SYMBOLS_FILE", path)]).await;
    let running = feed.produce();
    let has = |symbol: &str| feed.delivered().iter().any(|event| event.contains(symbol));
    until("trades of AAPL", || has("\"AAPL\"")).await;
    assert!(!has("\"TSLA\""));
    std::fs::write(file.path(), "TSLA,BTC-USD\n").unwrap();
    until("trades of TSLA and BTC-USD", || has("\"TSLA\"") && has("\"BTC-USD\"")).await;
    std::fs::write(file.path(), "T.AAPL, A.AAPL").unwrap();
    let seen = feed.delivered().len();
    until("more trades, the refused file notwithstanding", || feed.delivered().len() > seen + 100).await;
    feed.end().await;
    running.stop().await.unwrap();
    assert_eq!(feed.server.counters().connections, 2, "the stocks' connection stayed, the crypto one came");
    feed.check(&feed.delivered());
}
