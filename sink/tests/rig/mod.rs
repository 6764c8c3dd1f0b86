//! A sink between a real Kafka and a real PostgreSQL: topics and a database of its own for each test.

#![allow(clippy::unwrap_used, reason = "a failed step of the scaffold is a failed test")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tape_kafka::{Clients, Isolation, Outgoing, Part, Producer, TopicSpec};
use tape_proto::messages::{AlertType, BreakoutAlert, ClosedBy, Signal, StockAggregate};
use tape_proto::output::OutputFormat;
use tape_proto::{aggregate, alert};
use tape_service::{Config, Failure, Shutdown};
use tokio::task::JoinHandle;

use crate::scratch::Scratch;

/// Longest wait for anything; a healthy machine needs a few seconds.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
/// Longest wait for one answer of the brokers.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

/// The (is_final, revision) of each (symbol, window_start in ms).
pub(crate) type Table = BTreeMap<(String, i64), (bool, i64)>;

/// A dead letter: value, and headers by name (the last of a name counts).
pub(crate) type Letter = (Option<Vec<u8>>, BTreeMap<String, String>);

pub(crate) struct Rig {
    pub(crate) scratch: Scratch,
    pub(crate) config: Config,
    pub(crate) clients: Clients,
    pub(crate) producer: Producer,
}

/// A sink that runs.
pub(crate) struct Running {
    address: Option<SocketAddr>,
    shutdown: Shutdown,
    handle: JoinHandle<Result<(), Failure>>,
}

impl Running {
    /// Status and body of a health or metrics page; `None` when nobody serves it.
    pub(crate) fn page(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address?).ok()?;
        stream.set_read_timeout(Some(ANSWER)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: sink\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    pub(crate) async fn ready(&self, wanted: bool) -> String {
        let mut reason = String::new();
        wait_until(if wanted { "the sink is ready" } else { "the sink is not ready" }, async || {
            let Some((status, body)) = self.page("/health/ready") else { return false };
            reason = body;
            (status == 200) == wanted
        })
        .await;
        reason
    }

    /// Stops in order; the result of `run`.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.shutdown.request();
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Result<(), Failure> {
        tokio::time::timeout(DEADLINE, self.handle).await.expect("the sink ends in time").unwrap()
    }
}

impl Rig {
    pub(crate) async fn new(partitions: i32) -> Self {
        let rig = Self::without_topics().await;
        rig.create_topics(partitions);
        rig
    }

    pub(crate) fn create_topics(&self, partitions: i32) {
        let topics = &self.config.topics;
        let specs = [&topics.aggregates, &topics.alerts, &topics.sink_dead_letters].map(|name| TopicSpec {
            name: name.clone(),
            partitions,
            replication: 1,
            config: vec![("message.timestamp.type", "LogAppendTime".to_owned())],
        });
        self.clients.admin().unwrap().create(&specs, ANSWER).unwrap();
    }

    pub(crate) async fn without_topics() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        assert!(
            std::env::var_os("KAFKA_BOOTSTRAP_SERVERS").is_some(),
            "KAFKA_BOOTSTRAP_SERVERS is not set: run it through `make test`"
        );
        let scratch = Scratch::migrated().await;
        if std::env::var_os("LOG_LEVEL").is_some() {
            tape_service::logs::init(&scratch.config.log).unwrap();
        }
        let mut config = scratch.config.clone();
        let id = format!("sink-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        config.topics.aggregates = format!("{id}-aggregates");
        config.topics.alerts = format!("{id}-alerts");
        config.topics.sink_dead_letters = format!("{id}-dlq");
        config.app_id = id;
        config.http.sink = None;
        // Leaving members and killed ones are noticed soon.
        config.kafka.session_timeout = Duration::from_secs(6);
        let clients = Clients::new(&config.kafka, "test");
        let producer = clients.producer(&config.producer).unwrap();
        Self { scratch, config, clients, producer }
    }

    /// A sink of the test's group, with an address of its own.
    pub(crate) fn start(&self) -> Running {
        let mut config = self.config.clone();
        config.http.sink = Some(free_address());
        self.start_with(config)
    }

    pub(crate) fn start_with(&self, config: Config) -> Running {
        let (address, shutdown) = (config.http.sink, Shutdown::new());
        let handle = tokio::spawn(tape_sink::run(Arc::new(config), shutdown.clone()));
        Running { address, shutdown, handle }
    }

    pub(crate) fn send_raw(&self, topic: &str, key: &str, value: Option<&[u8]>) {
        let outgoing = Outgoing { topic, key: Some(key.as_bytes()), value, ..Outgoing::default() };
        self.producer.send(&outgoing).unwrap();
    }

    pub(crate) fn send_row(&self, row: &StockAggregate, format: OutputFormat) {
        let mut value = Vec::new();
        aggregate::encode(row, format, &mut value);
        self.send_raw(&self.config.topics.aggregates, &row.symbol, Some(&value));
    }

    pub(crate) fn send_alert(&self, alert: &BreakoutAlert, format: OutputFormat) {
        let mut value = Vec::new();
        alert::encode(alert, format, &mut value);
        self.send_raw(&self.config.topics.alerts, &alert.symbol, Some(&value));
    }

    pub(crate) fn sent(&self) {
        self.producer.flush(ANSWER).unwrap();
    }

    /// Waits until everything that was sent is in the database, as `sink_offsets` tells.
    pub(crate) async fn settled(&self) {
        self.sent();
        let admin = self.clients.admin().unwrap();
        let mut ends = Vec::new();
        for topic in [&self.config.topics.aggregates, &self.config.topics.alerts] {
            let count = admin.partition_count(topic, ANSWER).unwrap().unwrap();
            let parts: Vec<Part> = (0..count).map(|partition| Part::new(topic.as_str(), partition)).collect();
            ends.extend(admin.end_offsets(&parts, Isolation::ReadCommitted, ANSWER).unwrap());
        }
        wait_until("everything sent is in the database", async || {
            let sql = "SELECT topic, partition, next_offset FROM sink_offsets";
            let rows = self.scratch.connection().await.query(sql, &[]).await.unwrap();
            let stored: BTreeMap<(String, i32), i64> =
                rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
            ends.iter().all(|(part, end)| {
                stored.get(&(part.topic.to_string(), part.partition)).is_some_and(|next| next >= end)
            })
        })
        .await;
    }

    pub(crate) async fn table(&self) -> Table {
        let sql = "SELECT symbol, (extract(epoch FROM window_start) * 1000)::bigint, is_final, revision, trade_count \
                   FROM stock_aggregates";
        let rows = self.scratch.connection().await.query(sql, &[]).await.unwrap();
        rows.iter()
            .map(|row| {
                let (is_final, revision): (bool, i64) = (row.get(2), row.get(3));
                assert_eq!(row.get::<_, i64>(4), content(is_final, revision), "a row of two halves");
                ((row.get(0), row.get(1)), (is_final, revision))
            })
            .collect()
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.scratch.connection().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.scratch.connection().await.batch_execute(sql).await.unwrap();
    }

    /// All dead letters of the test.
    pub(crate) fn dead_letters(&self) -> Vec<Letter> {
        let mut reader = self.clients.reader(Isolation::ReadCommitted).unwrap();
        let parts = reader.partitions(&self.config.topics.sink_dead_letters, ANSWER).unwrap();
        let mut letters = Vec::new();
        for part in parts {
            let (low, high) = reader.watermarks(&part, Isolation::ReadCommitted, ANSWER).unwrap();
            reader.assign(&[(part.clone(), low)], ANSWER).unwrap();
            let began = Instant::now();
            while !reader.caught_up(&part, high) {
                assert!(began.elapsed() < DEADLINE, "the dead letters cannot be read");
                let mut take = |record: tape_kafka::Record<'_>| {
                    let text = |value: Option<&[u8]>| {
                        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
                    };
                    let headers =
                        record.headers().map(|(name, value)| (name.into_owned(), text(value))).collect();
                    letters.push((record.value.map(<[u8]>::to_vec), headers));
                };
                reader.poll(1_000, Duration::from_millis(100), &mut take).unwrap();
            }
            reader.unassign(&part);
        }
        letters
    }
}

/// Asks until it is so; fails loudly when it takes too long.
pub(crate) async fn wait_until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < DEADLINE, "waited {} s until {what}", DEADLINE.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The rest of a row as a function of its rank, so that a row of two halves is noticed.
fn content(is_final: bool, revision: i64) -> i64 {
    revision * 2 + i64::from(is_final)
}

pub(crate) fn row(symbol: &str, minute: i64, is_final: bool, revision: i64) -> StockAggregate {
    StockAggregate {
        symbol: symbol.to_owned(),
        window_start: minute * 60_000,
        window_end: minute * 60_000 + 300_000,
        trade_count: content(is_final, revision).unsigned_abs(),
        is_final,
        revision,
        closed_by: if is_final { ClosedBy::Record } else { ClosedBy::Unspecified }.into(),
        ..StockAggregate::default()
    }
}

pub(crate) fn cross(symbol: &str, minute: i64) -> BreakoutAlert {
    BreakoutAlert {
        symbol: symbol.to_owned(),
        r#type: AlertType::GoldenCross.into(),
        signal: Signal::Bullish.into(),
        timestamp: minute * 60_000,
        current_price: Some(1),
        window_avg: Some(2),
    }
}

/// What the table must hold after these rows, in whatever order.
pub(crate) fn newest<'a>(rows: impl IntoIterator<Item = &'a StockAggregate>) -> Table {
    let mut table = Table::new();
    for row in rows {
        let rank = (row.is_final, row.revision);
        let stored = table.entry((row.symbol.clone(), row.window_start)).or_insert(rank);
        *stored = (*stored).max(rank);
    }
    table
}

/// An address of loopback that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
