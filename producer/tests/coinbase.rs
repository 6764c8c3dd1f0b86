//! The feed of Coinbase, from a server of ours that speaks as the venue's documentation says, to a real broker. The venue itself was
//! never asked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here, with the line")]

mod broker;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use broker::{Topic, until};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tape_producer::{Source, Venue, run};
use tape_service::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// What is traded there.
const PRODUCTS: [&str; 2] = ["BTC-USD", "ETH-USD"];
/// Matches on a connection before it breaks, and on the one that does not.
const BREAKS: [u64; 4] = [0, 40, 7, 100];
const LAST: u64 = 200;

/// What the venue knows.
#[derive(Default)]
struct Exchange {
    /// The number of each product's newest trade.
    numbers: BTreeMap<String, u64>,
    /// Symbol and number of each trade that was delivered.
    delivered: Vec<(String, u64)>,
    connections: usize,
    is_over: bool,
}

type Shared = Arc<Mutex<Exchange>>;

async fn serve(exchange: Shared) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let socket = accept_async(stream).await.unwrap();
            let connection = exchange.lock().unwrap().connections;
            exchange.lock().unwrap().connections += 1;
            follow(&exchange, socket, BREAKS.get(connection).copied()).await;
        }
    });
    address
}

/// Confirms, then trades, and breaks after `matches`, in the middle of nothing: the stream just ends.
async fn follow(exchange: &Shared, mut socket: WebSocketStream<TcpStream>, matches: Option<u64>) {
    let mut subscribed = BTreeSet::new();
    while subscribed.len() < PRODUCTS.len() {
        let Some(Ok(Message::Text(text))) = socket.next().await else { return };
        let asked: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&asked["type"], &asked["channels"]), (&json!("subscribe"), &json!(["matches"])));
        let products: Vec<String> = serde_json::from_value(asked["product_ids"].clone()).unwrap();
        let answer = match products.iter().find(|product| !PRODUCTS.contains(&product.as_str())) {
            Some(product) => json!({"type": "error", "message": "Failed to subscribe",
                "reason": format!("{product} is not a valid product")}),
            None => {
                subscribed.extend(products);
                json!({"type": "subscriptions", "channels": [{"name": "matches", "product_ids": subscribed}]})
            }
        };
        socket.send(Message::text(answer.to_string())).await.unwrap();
    }
    for product in PRODUCTS {
        let last = exchange.lock().unwrap().numbers.get(product).copied().unwrap_or(1);
        socket.send(Message::text(trade("last_match", product, last))).await.unwrap();
    }
    for turn in 0..matches.unwrap_or(LAST) {
        let product = PRODUCTS[usize::from(turn % 3 == 0)];
        let number = {
            let mut exchange = exchange.lock().unwrap();
            let number = exchange.numbers.entry(product.to_owned()).or_insert(1);
            *number += 1;
            *number
        };
        let text = trade("match", product, number);
        socket.send(Message::text(text.clone())).await.unwrap();
        exchange.lock().unwrap().delivered.push((product.to_owned(), number));
        // The venue repeats itself, and says what nobody asked for.
        if turn % 5 == 0 {
            socket.send(Message::text(text)).await.unwrap();
            socket.send(Message::text(r#"{"type":"heartbeat","sequence":1}"#)).await.unwrap();
            socket.send(Message::text(r#"{"type":"match","product_id":"BTC-USD"}"#)).await.unwrap();
        }
    }
    exchange.lock().unwrap().is_over = matches.is_none();
    if matches.is_some() {
        // Some trade while nobody listens.
        for number in exchange.lock().unwrap().numbers.values_mut() {
            *number += 3;
        }
        return;
    }
    while let Some(Ok(_)) = socket.next().await {}
}

fn trade(kind: &str, product: &str, number: u64) -> String {
    json!({"type": kind, "trade_id": number, "sequence": 50 + number, "maker_order_id": "m", "taker_order_id": "t",
        "time": format!("2026-01-05T12:00:{:02}.{:03}456Z", number / 1000, number % 1000), "product_id": product,
        "size": "5.23512", "price": format!("400.{number:04}"), "side": "sell"})
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_match_that_came_is_in_the_log_once() {
    let exchange = Shared::default();
    let url = format!("ws://{}", serve(Arc::clone(&exchange)).await);
    let state = tempfile::TempDir::new().unwrap();
    let settings = [
        ("COINBASE_WS_URL", url.as_str()),
        ("SYMBOLS", "BTC-USD,ETH-USD,NOPE-USD"),
        ("RECONNECT_DELAY", "100ms"),
        ("RECONNECT_DELAY_MAX", "1s"),
        ("STATE_DIR", state.path().to_str().unwrap()),
    ];
    let topic = Topic::with("coinbase", &settings);
    let shutdown = Shutdown::new();
    let running = tokio::spawn(run(topic.config.clone(), Source::Live(Venue::Coinbase), shutdown.clone()));
    let is_over = || exchange.lock().unwrap().is_over;
    until("the last connection's matches", || running.is_finished() || is_over()).await;
    let expected = exchange.lock().unwrap().delivered.clone();
    until("their records", || running.is_finished() || topic.len() >= expected.len()).await;
    shutdown.request();
    running.await.unwrap().unwrap();

    let mut log: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (symbol, value, _) in topic.read().into_iter().flatten() {
        let value: Value = serde_json::from_str(&value).unwrap();
        assert_eq!((&value["symbol"], &value["volume"]), (&json!(symbol), &json!(5.23512)));
        let number = value["timestamp"].as_u64().unwrap() - 1_767_614_400_000;
        assert_eq!(value["price"].to_string(), format!("400.{number:04}").trim_end_matches('0'));
        log.entry(symbol).or_default().push(number);
    }
    for product in PRODUCTS {
        let numbers: Vec<u64> =
            expected.iter().filter(|(symbol, _)| symbol == product).map(|(_, number)| *number).collect();
        assert_eq!(log.remove(product).as_ref(), Some(&numbers), "{product}");
    }
    assert!(log.is_empty(), "{log:?}");
    assert_eq!(exchange.lock().unwrap().connections, BREAKS.len() + 1);
}
