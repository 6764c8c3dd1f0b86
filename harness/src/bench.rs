//! Topics, group, state and database of one test, and what stands in them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tape_kafka::{Admin, Clients, Isolation, Outgoing, Part};
use tape_oracle as oracle;
use tape_proto::{aggregate, alert};
use tape_service::{Config, Failure, Shutdown};

use crate::PARTITIONS;
use crate::expected::place;
use crate::outputs;
use crate::tables::Tables;

/// Longest wait for anything; far above what is needed, so that only a hang reaches it.
pub const DEADLINE: Duration = Duration::from_secs(120);
const ASK: Duration = Duration::from_secs(10);

/// Names and clients of one test.
pub struct Bench {
    /// First part of every name.
    pub prefix: String,
    /// Folder of the state folders.
    pub state: tempfile::TempDir,
    /// Clients of the broker.
    pub clients: Clients,
    /// Questions to the broker.
    pub admin: Admin,
}

/// A record of an output topic.
#[derive(Clone, Debug)]
pub struct Output {
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Headers; of a name that stands twice the last one.
    pub headers: BTreeMap<String, Vec<u8>>,
}

impl Bench {
    /// Creates the topics of a test.
    pub fn new(name: &str) -> Self {
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
    pub fn config(&self, settings: &[(&str, &str)]) -> Arc<Config> {
        Arc::new(load(&self.prefix, &self.state, settings))
    }

    /// Writes records where the partitioner would put them; a record without key goes to partition 0.
    pub fn publish(&self, inputs: &[oracle::Input]) {
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

    /// Creates the test's own database and brings its schema up to date.
    pub fn create_database(&self) {
        let config = self.config(&[]);
        let server = tape_service::config::Database { name: required("DB_NAME"), ..config.db.clone() };
        Tables::open(&server).create(&config.db.name);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let report = runtime.block_on(tape_db::migrate(&config, &Shutdown::new())).expect("migrated");
        assert!(report.is_some());
    }

    /// The test's own database.
    pub fn tables(&self) -> Tables {
        Tables::open(&self.config(&[]).db)
    }

    /// The settings of a process of the test, with these on top.
    pub fn environment(&self, settings: &[(&str, &str)]) -> BTreeMap<String, String> {
        environment(&self.prefix, &self.state, settings)
    }

    /// Records of the input that the processor's group has not committed yet; `None` while nobody knows.
    pub fn lag(&self) -> Option<i64> {
        let config = self.config(&[]);
        let lag = self.admin.lag(&tape_processor::group(&config), &config.topics.raw_trades, ASK).ok()?;
        (i32::try_from(lag.len()) == Ok(PARTITIONS)).then(|| lag.iter().map(tape_kafka::Lag::records).sum())
    }

    /// Starts a processor.
    pub fn start(&self, settings: &[(&str, &str)]) -> Running {
        Running::start(self.config(settings))
    }

    /// Waits until the group has committed everything that was published.
    pub fn drain(&self) {
        wait_for("lag zero", || self.lag() == Some(0));
    }

    /// Everything that a read_committed reader sees in a topic now.
    pub fn read(&self, topic: &str) -> Vec<Output> {
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
    pub fn rows(&self) -> BTreeMap<String, Vec<oracle::Row>> {
        let mut rows = BTreeMap::<_, Vec<_>>::new();
        for output in self.read(&self.config(&[]).topics.aggregates) {
            let message = aggregate::decode(&output.value.expect("a value")).expect("a row");
            assert_eq!(output.key.as_deref(), Some(message.symbol.as_bytes()));
            rows.entry(message.symbol.clone()).or_default().push(outputs::row(&message));
        }
        rows
    }

    /// Final rows in order, by symbol.
    pub fn final_rows(&self) -> BTreeMap<String, Vec<oracle::Row>> {
        let mut rows = self.rows();
        rows.values_mut().for_each(|rows| rows.retain(|row| row.is_final));
        rows.retain(|_, rows| !rows.is_empty());
        rows
    }

    /// Alerts in order, by symbol.
    pub fn alerts(&self) -> BTreeMap<String, Vec<oracle::Alert>> {
        let mut alerts = BTreeMap::<_, Vec<_>>::new();
        for output in self.read(&self.config(&[]).topics.alerts) {
            let message = alert::decode(&output.value.expect("a value")).expect("an alert");
            alerts.entry(message.symbol.clone()).or_default().push(outputs::alert(&message));
        }
        alerts
    }
}

/// A processor in this process, on a runtime of its own.
pub struct Running {
    runtime: tokio::runtime::Runtime,
    shutdown: Shutdown,
    role: Option<tokio::task::JoinHandle<Result<(), Failure>>>,
}

impl Running {
    /// Starts a processor with this configuration.
    pub fn start(config: Arc<Config>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let shutdown = Shutdown::new();
        let role = Some(runtime.spawn(tape_processor::run(config, shutdown.clone())));
        Running { runtime, shutdown, role }
    }

    /// Stops in order.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.shutdown.request();
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> Result<(), Failure> {
        let role = self.role.take().expect("waited for once");
        let ended = self.runtime.block_on(async { tokio::time::timeout(DEADLINE, role).await });
        ended.expect("the processor ends in time").expect("the processor does not panic")
    }
}

impl Drop for Running {
    /// A test that fails must not wait for a processor that nobody stops.
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

/// Polls a condition until it holds.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::yield_now();
    }
}

fn load(prefix: &str, state: &tempfile::TempDir, settings: &[(&str, &str)]) -> Config {
    Config::load(environment(prefix, state, settings), None).expect("a valid configuration").config
}

fn environment(
    prefix: &str,
    state: &tempfile::TempDir,
    settings: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let topic = |name: &str| format!("{prefix}-{name}");
    let mut values: BTreeMap<String, String> = BTreeMap::from([
        ("APP_ID".to_owned(), prefix.to_owned()),
        ("DB_NAME".to_owned(), prefix.to_owned()),
        ("KAFKA_TOPIC_RAW_TRADES".to_owned(), topic("raw")),
        ("KAFKA_TOPIC_AGGREGATES".to_owned(), topic("aggregates")),
        ("KAFKA_TOPIC_ALERTS".to_owned(), topic("alerts")),
        ("KAFKA_TOPIC_LATE".to_owned(), topic("late")),
        ("KAFKA_TOPIC_DEAD_LETTERS".to_owned(), topic("dlq")),
        ("KAFKA_SESSION_TIMEOUT".to_owned(), "6s".to_owned()),
        ("IDLE_TIMEOUT".to_owned(), "0".to_owned()),
        ("HTTP_BIND_PROCESSOR".to_owned(), "off".to_owned()),
        ("HTTP_BIND_SINK".to_owned(), "off".to_owned()),
        ("STATE_DIR".to_owned(), state.path().join("state").display().to_string()),
        ("WORKERS".to_owned(), "2".to_owned()),
    ]);
    for name in ["KAFKA_BOOTSTRAP_SERVERS", "DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD"] {
        values.insert(name.to_owned(), required(name));
    }
    values.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    values
}

fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run it through `make test`"))
}
