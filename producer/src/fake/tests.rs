mod faults;
mod handshake;
mod playing;

use std::borrow::Cow;
use std::future::Future;

use futures::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;

/// So long everything may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a client hears.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    /// The elements of an array.
    Array(Vec<String>),
    /// A text that is no array.
    Torn,
    Pong,
    Close(u16),
    /// The end of the stream, without a close frame before.
    End,
}

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(server: &Server, path: &str) -> Result<Self, tungstenite::Error> {
        let address = format!("ws://{}/{path}", server.address());
        within(connect_async(address)).await.map(|(socket, _)| Self(socket))
    }

    /// Connects to stocks with a key and subscribes.
    async fn subscribed(server: &Server, key: &str, list: &str) -> Self {
        let mut client = Self::connect(server, "stocks").await.unwrap();
        assert_eq!(client.status().await, "connected");
        client.say("auth", key).await;
        assert_eq!(client.status().await, "auth_success");
        client.say("subscribe", list).await;
        assert_eq!(client.status().await, "success");
        client
    }

    /// A client that has gone is no fault of the test.
    async fn say(&mut self, action: &str, params: &str) {
        let text = json!({"action": action, "params": params}).to_string();
        drop(self.0.send(Message::text(text)).await);
    }

    async fn hear(&mut self) -> Heard {
        match within(self.0.next()).await {
            Some(Ok(Message::Text(text))) => match serde_json::from_str::<Vec<Box<RawValue>>>(&text) {
                Ok(elements) => Heard::Array(elements.iter().map(|one| one.get().to_owned()).collect()),
                Err(_) => Heard::Torn,
            },
            Some(Ok(Message::Close(frame))) => Heard::Close(frame.map_or(1005, |frame| frame.code.into())),
            Some(Ok(_)) => Heard::Pong,
            Some(Err(_)) | None => Heard::End,
        }
    }

    async fn array(&mut self) -> Vec<String> {
        match self.hear().await {
            Heard::Array(elements) => elements,
            other => panic!("{other:?}"),
        }
    }

    /// The status of an array that begins with one.
    async fn status(&mut self) -> String {
        status(&self.array().await[0]).unwrap()
    }

    /// Reads to the end: elements that are no statuses, the last status, how it ended.
    async fn rest(&mut self) -> (Vec<String>, Option<String>, Heard) {
        let (mut events, mut last) = (Vec::new(), None);
        loop {
            match self.hear().await {
                Heard::Array(elements) => {
                    for element in elements {
                        match status(&element) {
                            Some(status) => last = Some(status),
                            None => events.push(element),
                        }
                    }
                }
                Heard::Torn | Heard::Pong => {}
                end => return (events, last, end),
            }
        }
    }

    /// Ends this side of the stream without a word.
    async fn hang_up(&mut self) {
        drop(self.0.get_mut().shutdown().await);
    }
}

fn status(element: &str) -> Option<String> {
    let value: Value = serde_json::from_str(element).ok()?;
    (value["ev"] == "status").then(|| value["status"].as_str().unwrap().to_owned())
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("too slow")
}

/// Waits for a state of the server.
async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Trades of `AAA`, `BBB`, `AAA`, …, so many, all due.
fn trades(count: usize) -> std::vec::IntoIter<Event> {
    let event = |number| {
        let symbol = if number % 2 == 0 { "AAA" } else { "BBB" };
        Event {
            cluster: Cluster::Stocks,
            channel_kind: Cow::Borrowed("T"),
            symbol: symbol.to_owned(),
            json: format!(r#"{{"ev":"T","sym":"{symbol}","p":1.50,"s":7,"t":{number}}}"#),
        }
    };
    (0..count).map(event).collect::<Vec<_>>().into_iter()
}

fn texts(count: usize) -> Vec<String> {
    trades(count).map(|event| event.json).collect()
}

async fn start(options: Options, tape: impl Tape + Send + 'static) -> Server {
    Server::start(Options { record: true, ..options }, tape).await.unwrap()
}

async fn misbehaving(behaviour: Behaviour, events: usize) -> Server {
    start(Options { behaviour, frame_events: 10, ..Options::default() }, trades(events)).await
}
