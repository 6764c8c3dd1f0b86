//! A processor on a real Kafka, beside the oracle. Each test has topics, group and state of its own.

#![allow(dead_code, reason = "shared by several test binaries, each uses a part")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tape_kafka::{Admin, Clients, Isolation, Outgoing, Part};
use tape_oracle as oracle;
use tape_proto::messages::{AlertType, BreakoutAlert, ClosedBy, Signal, StockAggregate};
use tape_proto::{aggregate, alert, partition};
use tape_service::{Config, Failure, Shutdown};

pub(crate) const PARTITIONS: i32 = 3;
/// Longest wait for anything; far above what is needed, so that only a hang reaches it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
const ASK: Duration = Duration::from_secs(10);

/// Names and clients of one test.
pub(crate) struct Bench {
    pub(crate) prefix: String,
    pub(crate) state: tempfile::TempDir,
    pub(crate) clients: Clients,
    pub(crate) admin: Admin,
}

/// A record of an output topic.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: BTreeMap<String, Vec<u8>>,
}

impl Bench {
    /// Creates the topics of a test.
    pub(crate) fn new(name: &str) -> Self {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
        let prefix = format!("{name}-{nanos}");
        let state = tempfile::tempdir().expect("a folder for the state");
        let config = load(&prefix, &state, &[]);
        // Shown when a test fails; the first test of the binary sets it up for all.
        let _ = tape_service::logs::init(&config.log);
        let clients = Clients::new(&config.kafka, &prefix);
        let admin = clients.admin().expect("an admin client");
        let mistakes = admin.ensure(&config, ASK).expect("topics can be created");
        assert!(mistakes.is_empty(), "{mistakes:?}");
        Bench { prefix, state, clients, admin }
    }

    /// The configuration of the test with these settings on top.
    pub(crate) fn config(&self, settings: &[(&str, &str)]) -> Arc<Config> {
        Arc::new(load(&self.prefix, &self.state, settings))
    }

    /// Writes records where the partitioner would put them; a record without key goes to partition 0.
    pub(crate) fn publish(&self, inputs: &[oracle::Input]) {
        let config = self.config(&[]);
        let producer = self.clients.producer(&config.producer).expect("a producer");
        for input in inputs {
            let (key, value) = (input.key.as_deref(), input.value.as_deref());
            let topic = config.topics.raw_trades.as_str();
            let record = Outgoing { topic, partition: Some(place(input)), key, value, ..Outgoing::default() };
            while producer.send(&record).is_err() {}
        }
        producer.flush(DEADLINE).expect("everything is acknowledged");
    }

    /// Starts a processor.
    pub(crate) fn start(&self, settings: &[(&str, &str)]) -> Running {
        Running::start(self.config(settings))
    }

    /// Waits until the group has committed everything that was published.
    pub(crate) fn drain(&self) {
        let config = self.config(&[]);
        let group = tape_processor::group(&config);
        wait_for("lag zero", || {
            let lag = self.admin.lag(&group, &config.topics.raw_trades, ASK).unwrap_or_default();
            lag.len() == 3 && lag.iter().all(|lag| lag.records() == 0)
        });
    }

    /// Everything that a read_committed reader sees in a topic now.
    pub(crate) fn read(&self, topic: &str) -> Vec<Output> {
        let mut reader = self.clients.reader(Isolation::ReadCommitted).expect("a reader");
        let parts = reader.partitions(topic, ASK).expect("the topic exists");
        let mut ends = Vec::new();
        for part in &parts {
            let (low, high) = reader.watermarks(part, Isolation::ReadCommitted, ASK).expect("watermarks");
            if high > low {
                reader.assign(&[(part.clone(), low)], ASK).expect("assigned");
                ends.push((part.clone(), high));
            }
        }
        let mut found = Vec::new();
        wait_for("the end of the topic", || {
            let polled = reader.poll(10_000, Duration::from_millis(100), &mut |record| {
                let headers = record
                    .headers()
                    .map(|(name, value)| (name.into_owned(), value.unwrap_or_default().to_vec()));
                found.push(Output {
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: headers.collect(),
                });
            });
            polled.expect("readable");
            ends.iter().all(|(part, end): &(Part, i64)| reader.caught_up(part, *end))
        });
        found
    }

    /// Rows of `stock-aggregates` in order, by symbol.
    pub(crate) fn rows(&self) -> BTreeMap<String, Vec<oracle::Row>> {
        let mut rows = BTreeMap::<_, Vec<_>>::new();
        for output in self.read(&self.config(&[]).topics.aggregates) {
            let message = aggregate::decode(&output.value.expect("a value")).expect("a row");
            assert_eq!(output.key.as_deref(), Some(message.symbol.as_bytes()));
            rows.entry(message.symbol.clone()).or_default().push(row(&message));
        }
        rows
    }

    /// Final rows in order, by symbol.
    pub(crate) fn final_rows(&self) -> BTreeMap<String, Vec<oracle::Row>> {
        let mut rows = self.rows();
        rows.values_mut().for_each(|rows| rows.retain(|row| row.is_final));
        rows.retain(|_, rows| !rows.is_empty());
        rows
    }

    /// Alerts in order, by symbol.
    pub(crate) fn alerts(&self) -> BTreeMap<String, Vec<oracle::Alert>> {
        let mut alerts = BTreeMap::<_, Vec<_>>::new();
        for output in self.read(&self.config(&[]).topics.alerts) {
            let message = alert::decode(&output.value.expect("a value")).expect("an alert");
            alerts.entry(message.symbol.clone()).or_default().push(alert_of(&message));
        }
        alerts
    }
}

/// A processor in this process, on a runtime of its own.
pub(crate) struct Running {
    runtime: tokio::runtime::Runtime,
    shutdown: Shutdown,
    role: Option<tokio::task::JoinHandle<Result<(), Failure>>>,
}

impl Running {
    pub(crate) fn start(config: Arc<Config>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let shutdown = Shutdown::new();
        let role = Some(runtime.spawn(tape_processor::run(config, shutdown.clone())));
        Running { runtime, shutdown, role }
    }

    /// Stops in order.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.shutdown.request();
        self.wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> Result<(), Failure> {
        let role = self.role.take().expect("waited for once");
        let ended = self.runtime.block_on(async { tokio::time::timeout(DEADLINE, role).await });
        ended.expect("the processor ends in time").expect("the processor does not panic")
    }
}

/// Polls a condition until it holds.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::yield_now();
    }
}

/// What the oracle makes of the log of each partition.
pub(crate) fn expected(inputs: &[oracle::Input], settings: &oracle::Settings) -> Vec<oracle::Oracle> {
    let mut partitions = vec![oracle::Oracle::new(settings.clone()); 3];
    let mut offsets = [0; 3];
    for input in inputs {
        let at = usize::try_from(place(input)).expect("not negative");
        partitions[at].step(&oracle::Record {
            offset: offsets[at],
            append_time: None,
            trade: input.trade.clone(),
        });
        offsets[at] += 1;
    }
    partitions
}

/// Rows or alerts of all partitions, by symbol.
pub(crate) fn by_symbol<T: Clone>(
    partitions: &[oracle::Oracle],
    items: impl Fn(&oracle::Oracle) -> Vec<T>,
    symbol: impl Fn(&T) -> &str,
) -> BTreeMap<String, Vec<T>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for item in partitions.iter().flat_map(items) {
        found.entry(symbol(&item).to_owned()).or_default().push(item);
    }
    found
}

/// One record per partition that closes every window before it.
pub(crate) fn closing(market: &oracle::Market) -> Vec<oracle::Input> {
    (0..PARTITIONS)
        .map(|wanted| {
            let symbol = (0..)
                .map(|n| format!("END{n}"))
                .find(|symbol| partition::partition(symbol.as_bytes(), PARTITIONS) == wanted);
            market.closing(&symbol.expect("some name lands in each partition"))
        })
        .collect()
}

fn place(input: &oracle::Input) -> i32 {
    input.key.as_deref().map_or(0, |key| partition::partition(key, PARTITIONS))
}

fn load(prefix: &str, state: &tempfile::TempDir, settings: &[(&str, &str)]) -> Config {
    let servers = std::env::var("KAFKA_BOOTSTRAP_SERVERS");
    let servers = servers.expect("these tests need a real Kafka: run them through `make test`");
    let state = state.path().join("state").display().to_string();
    let topic = |name: &str| format!("{prefix}-{name}");
    let mut values: BTreeMap<String, String> = BTreeMap::from([
        ("KAFKA_BOOTSTRAP_SERVERS".to_owned(), servers),
        ("APP_ID".to_owned(), prefix.to_owned()),
        ("KAFKA_TOPIC_RAW_TRADES".to_owned(), topic("raw")),
        ("KAFKA_TOPIC_AGGREGATES".to_owned(), topic("aggregates")),
        ("KAFKA_TOPIC_ALERTS".to_owned(), topic("alerts")),
        ("KAFKA_TOPIC_LATE".to_owned(), topic("late")),
        ("KAFKA_TOPIC_DEAD_LETTERS".to_owned(), topic("dlq")),
        ("KAFKA_SESSION_TIMEOUT".to_owned(), "6s".to_owned()),
        ("IDLE_TIMEOUT".to_owned(), "0".to_owned()),
        ("HTTP_BIND_PROCESSOR".to_owned(), "off".to_owned()),
        ("STATE_DIR".to_owned(), state),
        ("WORKERS".to_owned(), "2".to_owned()),
    ]);
    values.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Config::load(values, None).expect("a valid configuration").config
}

fn row(message: &StockAggregate) -> oracle::Row {
    oracle::Row {
        symbol: message.symbol.clone(),
        window_start: message.window_start,
        window_end: message.window_end,
        avg_price: message.avg_price,
        max_price: message.max_price,
        min_price: message.min_price,
        open_price: message.open_price,
        close_price: message.close_price,
        vwap: message.vwap,
        total_volume: message.total_volume(),
        trade_count: message.trade_count,
        ma_5min: message.ma_5min,
        side: i8::try_from(message.side).expect("-1, 0 or 1"),
        bar_open: message.bar_open,
        bar_high: message.bar_high,
        bar_low: message.bar_low,
        bar_close: message.bar_close,
        bar_volume: message.bar_volume(),
        bar_trades: message.bar_trades,
        bar_notional: message.bar_notional(),
        bar_notional_size: message.bar_notional_size(),
        is_final: message.is_final,
        revision: message.revision,
        closed_by: match message.closed_by() {
            ClosedBy::Unspecified => None,
            ClosedBy::Record => Some(oracle::ClosedBy::Record),
            ClosedBy::Idle => Some(oracle::ClosedBy::Idle),
            ClosedBy::End => Some(oracle::ClosedBy::End),
            ClosedBy::Rescale => Some(oracle::ClosedBy::Rescale),
        },
    }
}

fn alert_of(message: &BreakoutAlert) -> oracle::Alert {
    oracle::Alert {
        symbol: message.symbol.clone(),
        kind: match message.r#type() {
            AlertType::Breakout => oracle::AlertKind::Breakout,
            AlertType::GoldenCross => oracle::AlertKind::GoldenCross,
            AlertType::DeathCross => oracle::AlertKind::DeathCross,
            AlertType::HighVolume => oracle::AlertKind::HighVolume,
            AlertType::Unspecified => panic!("an alert without type"),
        },
        signal: match message.signal() {
            Signal::Bullish => oracle::Signal::Bullish,
            Signal::Bearish => oracle::Signal::Bearish,
            Signal::Neutral => oracle::Signal::Neutral,
            Signal::Unspecified => panic!("an alert without signal"),
        },
        timestamp: message.timestamp,
        current_price: message.current_price,
        window_avg: message.window_avg,
    }
}
