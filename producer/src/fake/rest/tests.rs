use std::time::Duration;

use serde_json::Value;
use tape_proto::trade::{Fields, check};
use ureq::Agent;

use super::*;
use crate::fake::events::Elements;

/// Two symbols, a trade of each a millisecond.
fn archive(count: i64) -> Archive {
    let (mut elements, mut events) = (Elements::default(), Vec::new());
    for time in 0..count {
        for symbol in ["AAA", "BTC-USD"] {
            let time = time.to_string();
            let fields = Fields {
                symbol: Some(symbol),
                price: Some("1.25"),
                size: Some("0.5"),
                timestamp: Some(&time),
                ..Fields::default()
            };
            elements.trade(&check(&fields).unwrap(), time.parse().unwrap(), &mut events);
        }
    }
    let archive = Archive::default();
    let mut tape = archive.record(events.into_iter());
    while tape.next(0) != Next::End {}
    archive
}

/// Status, `Retry-After` and body.
async fn get(server: &RestServer, path: &str, key: &str) -> (u16, Option<String>, Value) {
    let address =
        if path.starts_with("http") { path.to_owned() } else { format!("http://{}{path}", server.address()) };
    let bearer = format!("Bearer {key}");
    let asked = tokio::task::spawn_blocking(move || {
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(30)));
        let agent: Agent = config.proxy(None).build().into();
        let mut answer = agent.get(address).header("Authorization", bearer).call().unwrap();
        let after = answer.headers().get("Retry-After").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), after, answer.body_mut().read_to_string().unwrap())
    });
    let (status, after, body) = asked.await.unwrap();
    (status, after, serde_json::from_str(&body).unwrap_or_default())
}

#[tokio::test]
async fn pages_hold_each_trade_of_the_range_once() {
    let options = RestOptions { page_rows: 7, ..RestOptions::default() };
    let server = RestServer::start(options, archive(100)).await.unwrap();
    for (ticker, time) in [("AAA", "sip_timestamp"), ("X:BTCUSD", "participant_timestamp")] {
        let mut path =
            format!("/v3/trades/{ticker}?timestamp.gte=10000000&timestamp.lt=40000000&limit=50000");
        let mut times = Vec::new();
        loop {
            let (status, _, page) = get(&server, &path, "k").await;
            assert_eq!(status, 200);
            let rows = page["results"].as_array().unwrap().clone();
            assert!(rows.len() <= 7);
            times.extend(rows.iter().map(|row| row[time].as_i64().unwrap() / 1_000_000));
            match page["next_url"].as_str() {
                Some(next) => path = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(times, (10..40).collect::<Vec<_>>(), "{ticker}");
    }
    assert_eq!(server.calls().len(), 10);
}

#[tokio::test]
async fn refuses_wrong_keys_and_what_it_was_told_to() {
    let options = RestOptions {
        key: Some("k".to_owned()),
        statuses: vec![429, 500, 200],
        retry_after: Some(7),
        ..RestOptions::default()
    };
    let server = RestServer::start(options, archive(1)).await.unwrap();
    let path = "/v3/trades/AAA";
    assert_eq!(get(&server, path, "k").await.0, 429);
    assert_eq!(get(&server, path, "k").await.0, 500);
    let (status, after, _) = get(&server, path, "other").await;
    assert_eq!((status, after.as_deref()), (401, Some("7")));
    assert_eq!(get(&server, "/v3/trades/AAA?limit=0", "k").await.0, 400);
    assert_eq!(get(&server, "/v3/trades/AAA?cursor=1_2_x_4", "k").await.0, 400);
    assert_eq!(get(&server, "/v3/trades/AAA?cursor=1_2_-3_4", "k").await.0, 400);
    assert_eq!(get(&server, "/v2", "k").await.0, 404);
    let (status, _, page) = get(&server, "/v3/trades/AAA?apiKey=k", "k").await;
    assert_eq!((status, page["results"].as_array().map(Vec::len)), (200, Some(1)));
}
