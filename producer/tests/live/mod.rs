//! A fake server, a producer that follows it, and the comparison of what one sent and the other wrote.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tape_producer::fake::{Next, Options, Server, Tape};
use tape_producer::simulate::Market;
use tape_producer::{Source, Venue, run};
use tape_service::{Failure, Shutdown};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::broker::{PATIENCE, Topic, assert_alike, until};

/// A market of what the feed follows.
pub(crate) fn traded(market: Market) -> Market {
    Market { symbols: SYMBOLS.split(',').map(str::to_owned).collect(), ..market }
}

const SYMBOLS: &str = "AAPL,TSLA,BTC-USD,ETH-USD";

/// Events of each symbol, as the vendor wrote them, in order.
pub(crate) type Events = BTreeMap<String, Vec<String>>;

pub(crate) struct Feed {
    pub(crate) server: Server,
    over: Arc<AtomicBool>,
    pub(crate) topic: Topic,
    /// `STATE_DIR`.
    #[allow(dead_code, reason = "not every test binary looks into it")]
    pub(crate) state: TempDir,
}

/// A tape that ends when it is told to.
struct Ending<T> {
    tape: T,
    over: Arc<AtomicBool>,
}

impl<T: Tape> Tape for Ending<T> {
    fn next(&mut self, now_ms: i64) -> Next {
        if self.over.load(Ordering::Relaxed) {
            return Next::End;
        }
        match self.tape.next(now_ms) {
            // Often enough to hear of the end.
            Next::WaitUntil(time) => Next::WaitUntil(time.min(now_ms + 50)),
            next => next,
        }
    }
}

pub(crate) struct Running {
    task: JoinHandle<Result<(), Failure>>,
    shutdown: Shutdown,
}

impl Feed {
    pub(crate) async fn start(
        test: &str,
        options: Options,
        tape: impl Tape + Send + 'static,
        settings: &[(&str, &str)],
    ) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let tape = Ending { tape, over: Arc::clone(&over) };
        let server = Server::start(Options { record: true, ..options }, tape).await.unwrap();
        let state = TempDir::new().unwrap();
        let url = format!("ws://{}/stocks", server.address());
        let mut all = vec![
            ("MASSIVE_API_KEY", "a key"),
            ("MASSIVE_WS_URL", &url),
            ("CHANNELS", "T"),
            ("SYMBOLS", SYMBOLS),
            ("INCLUDE_RAW", "true"),
            ("RECONNECT_DELAY", "200ms"),
            ("RECONNECT_DELAY_MAX", "1s"),
            ("STATE_DIR", state.path().to_str().unwrap()),
        ];
        all.retain(|(name, _)| settings.iter().all(|(other, _)| name != other));
        all.extend(settings);
        let topic = Topic::with(test, &all);
        Self { server, over, topic, state }
    }

    pub(crate) fn produce(&self) -> Running {
        let shutdown = Shutdown::new();
        let source = Source::Live(Venue::Massive);
        let task = tokio::spawn(run(self.topic.config.clone(), source, shutdown.clone()));
        Running { task, shutdown }
    }

    /// The tape is over now, wherever it is; what was sent last may still be on its way.
    pub(crate) async fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.played().await;
    }

    /// Waits until the server has nothing more to say.
    pub(crate) async fn played(&self) {
        until("the end of the tape", || self.server.is_over()).await;
    }

    pub(crate) fn delivered(&self) -> Vec<String> {
        self.server.delivered()
    }

    /// The log holds these events, each once; those of a symbol in their order. The producer has stopped.
    #[allow(dead_code, reason = "not every test binary compares with what was delivered")]
    pub(crate) fn check(&self, delivered: &[String]) {
        let expected = by_symbol(delivered.iter().map(|event| (symbol_of(event), event.clone())));
        let found = self.written();
        for (symbol, events) in &expected {
            let log = found.get(symbol).map_or(&[][..], Vec::as_slice);
            assert_alike(symbol, log, events);
        }
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    }

    fn written(&self) -> Events {
        let records = self.topic.read().into_iter().flatten();
        by_symbol(records.map(|(key, value, _)| {
            let value: Value = serde_json::from_str(&value).unwrap();
            (key, value["raw"].as_str().expect("INCLUDE_RAW is set").to_owned())
        }))
    }
}

impl Running {
    pub(crate) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Asks it to stop and waits for that.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.shutdown.request();
        self.task.await.unwrap()
    }

    /// Waits until it ends by itself.
    #[allow(dead_code, reason = "not every test binary has one that does")]
    pub(crate) async fn ended(self) -> Result<(), Failure> {
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends").unwrap()
    }
}

fn by_symbol(events: impl Iterator<Item = (String, String)>) -> Events {
    let mut all = Events::new();
    for (symbol, event) in events {
        all.entry(symbol).or_default().push(event);
    }
    all
}

pub(crate) fn symbol_of(event: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap();
    let symbol = event.get("sym").or(event.get("pair"));
    symbol.and_then(Value::as_str).expect("an event has a symbol").to_owned()
}

#[allow(dead_code, reason = "not every test binary counts")]
pub(crate) fn stocks_of(events: &[String]) -> usize {
    events.iter().filter(|event| event.contains("\"ev\":\"T\"")).count()
}

#[allow(dead_code, reason = "not every test binary counts")]
pub(crate) fn crypto_of(events: &[String]) -> usize {
    events.iter().filter(|event| event.contains("\"ev\":\"XT\"")).count()
}
