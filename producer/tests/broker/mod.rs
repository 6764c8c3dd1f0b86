//! What the tests on a real broker share: a topic of their own, and the log as it should be and as it is.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tape_kafka::{Clients, Isolation, TopicSpec};
use tape_producer::simulate::{Market, Simulation};
use tape_producer::{Cursor, Poll};
use tape_proto::partition::partition;
use tape_service::Config;
use tape_service::config::Format;

pub(crate) const PARTITIONS: i32 = 3;
/// 2026-01-05 12:00:00 UTC.
#[allow(dead_code, reason = "not every test binary has a market")]
pub(crate) const NOON: i64 = 1_767_614_400_000;
const ANSWER: Duration = Duration::from_secs(30);
/// Longer than any wait of these tests that succeeds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A record: key, value, value of the header `tape-source`.
pub(crate) type Logged = (String, String, String);

/// A topic of a test's own on the broker that `make test` has started.
pub(crate) struct Topic {
    pub(crate) config: Arc<Config>,
    pub(crate) clients: Clients,
    pub(crate) name: String,
    /// The settings as a process of its own needs them.
    #[allow(dead_code, reason = "only one of the test binaries starts processes")]
    pub(crate) settings: Vec<(String, String)>,
}

impl Topic {
    #[allow(dead_code, reason = "not every test binary does without settings")]
    pub(crate) fn new(test: &str) -> Self {
        Self::with(test, &[])
    }

    /// With settings besides those that say where it is.
    pub(crate) fn with(test: &str, settings: &[(&str, &str)]) -> Self {
        let topic = Self::named(test, settings);
        let spec = TopicSpec {
            name: topic.name.clone(),
            partitions: PARTITIONS,
            replication: 1,
            config: vec![("message.timestamp.type", "LogAppendTime".to_owned())],
        };
        topic.clients.admin().unwrap().create(&[spec], ANSWER).unwrap();
        topic
    }

    /// The same without the topic being there.
    #[allow(dead_code, reason = "only one of the test binaries does without")]
    pub(crate) fn missing(test: &str) -> Self {
        Self::named(test, &[])
    }

    fn named(test: &str, more: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let brokers = std::env::var("KAFKA_BOOTSTRAP_SERVERS")
            .expect("KAFKA_BOOTSTRAP_SERVERS is not set: run it through `make test`");
        let name = format!("producer-{test}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let settings = [
            ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
            ("KAFKA_TOPIC_RAW_TRADES", &name),
            ("HTTP_BIND_PRODUCER", "off"),
        ];
        let settings: Vec<_> = settings
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let config = Arc::new(Config::load(settings.clone(), None).unwrap().config);
        let clients = Clients::new(&config.kafka, "producer-tests");
        Self { config, clients, name, settings }
    }

    /// How many records the log has.
    #[allow(dead_code, reason = "not every test binary asks")]
    pub(crate) fn len(&self) -> usize {
        let reader = self.clients.reader(Isolation::ReadUncommitted).unwrap();
        let parts = reader.partitions(&self.name, ANSWER).unwrap();
        let end = |part| reader.watermarks(part, Isolation::ReadUncommitted, ANSWER).unwrap().1;
        usize::try_from(parts.iter().map(end).sum::<i64>()).unwrap()
    }

    /// The log, partition by partition.
    pub(crate) fn read(&self) -> Vec<Vec<Logged>> {
        let mut reader = self.clients.reader(Isolation::ReadUncommitted).unwrap();
        let parts = reader.partitions(&self.name, ANSWER).unwrap();
        let mut log = vec![Vec::new(); parts.len()];
        let mut ends = Vec::new();
        for part in parts {
            let (low, end) = reader.watermarks(&part, Isolation::ReadUncommitted, ANSWER).unwrap();
            reader.assign(&[(part.clone(), low)], ANSWER).unwrap();
            ends.push((part, end));
        }
        let begun = Instant::now();
        while !ends.iter().all(|(part, end)| reader.caught_up(part, *end)) {
            assert!(begun.elapsed() < PATIENCE, "the log of {} could not be read", self.name);
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            let keep = &mut |record: tape_kafka::Record<'_>| {
                let source = record.headers().find(|(name, _)| name == "tape-source");
                let source = text(source.and_then(|(_, value)| value));
                log[record.partition as usize].push((text(record.key), text(record.value), source));
            };
            reader.poll(10_000, Duration::from_millis(100), keep).unwrap();
        }
        log
    }
}

/// Waits for a condition; fails when it does not come true.
#[allow(dead_code, reason = "not every test binary waits")]
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "still waiting for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A market of so many seconds from noon.
#[allow(dead_code, reason = "not every test binary has a market")]
pub(crate) fn market(seconds: i64) -> Market {
    Market { start: Some(NOON), end: Some(NOON + seconds * 1000), ..Market::default() }
}

/// The log that a market makes when nothing goes wrong, partition by partition: key and value, and what follows the id in
/// the header.
#[allow(dead_code, reason = "the live feed has other records")]
pub(crate) fn expected(market: &Market, config: &Config) -> Vec<Vec<Logged>> {
    let market = market.with_symbols(&config.source.symbols);
    let mut simulation = Simulation::new(&market, NOON, Format::Json, Cursor::fresh(PARTITIONS as usize));
    let mut log = vec![Vec::new(); PARTITIONS as usize];
    loop {
        match simulation.poll(i64::MAX) {
            Poll::Record(record) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let logged =
                    (text(record.key), text(record.value.unwrap_or_default()), record.number.to_string());
                log[partition(record.key, PARTITIONS) as usize].push(logged);
            }
            Poll::Wait(_) => {}
            Poll::End => return log,
        }
    }
}

/// The log without the ids of the sources: key, value, number.
#[allow(dead_code, reason = "the live feed has other records")]
pub(crate) fn without_ids(log: Vec<Vec<Logged>>) -> Vec<Vec<Logged>> {
    let number = |source: String| source.rsplit(':').next().unwrap_or_default().to_owned();
    let strip = |(key, value, source)| (key, value, number(source));
    log.into_iter().map(|records| records.into_iter().map(strip).collect()).collect()
}

/// Compares two logs.
#[allow(dead_code, reason = "the live feed has other records")]
pub(crate) fn assert_same(found: &[Vec<Logged>], expected: &[Vec<Logged>]) {
    for (partition, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_alike(&format!("partition {partition}"), found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

/// Compares two lists and says where they differ, not all that is in them.
#[allow(dead_code, reason = "one of the test binaries compares numbers")]
pub(crate) fn assert_alike<T: PartialEq + Debug>(name: &str, found: &[T], expected: &[T]) {
    let same = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
    assert!(
        same == expected.len() && same == found.len(),
        "{name}: {} of {} are in the log, the first {same} alike, then {:?} instead of {:?}",
        found.len(),
        expected.len(),
        found.get(same),
        expected.get(same)
    );
}
