//! The Kafka client of a live feed: made beside the thread that publishes, because brokers that are away keep it waiting.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tape_kafka::{Clients, Error, Outgoing, Part, Producer};
use tape_proto::trade::SOURCE_HEADER;
use tape_service::{Config, Failure, Health, Shutdown};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::outbox::Broker;
use crate::cursor::{Cursor, write_header};
use crate::log_tail;
use crate::patience::patiently;
use crate::run_id::Lineage;
use crate::spool::Entry;

/// How long one answer of a broker may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The clocks of brokers and of the process that began a source may differ so much.
const CLOCKS_MS: i64 = 3_600_000;

/// A client and what it found.
pub(super) struct Client {
    pub(super) producer: Producer,
    topic: String,
    partitions: i32,
    source: String,
    header: Mutex<Vec<u8>>,
}

impl Broker for Client {
    fn partitions(&self) -> i32 {
        self.partitions
    }

    fn offer(&self, record: Entry<'_>, partition: i32) -> Result<bool, Error> {
        let mut header = self.header.lock().unwrap_or_else(PoisonError::into_inner);
        write_header(&self.source, record.number, &mut header);
        self.producer.offer(&Outgoing {
            topic: &self.topic,
            partition: Some(partition),
            key: Some(record.key),
            value: Some(record.value),
            headers: &[(SOURCE_HEADER, Some(&header))],
            timestamp: None,
        })
    }

    fn acknowledged(&self, partition: i32) -> u64 {
        self.producer.acknowledged(partition)
    }
}

/// A client on its way, or there.
pub(super) struct Link {
    maker: Arc<Maker>,
    state: State,
}

enum State {
    Making(JoinHandle<Result<Option<(Client, Cursor)>, Failure>>),
    Up(Box<Client>),
    Stopped,
}

struct Maker {
    config: Arc<Config>,
    clients: Clients,
    health: Health,
    shutdown: Shutdown,
    runtime: Handle,
    source: String,
}

impl Link {
    /// Begins to make a client. `source` = the id that numbers the records; `has_past`: the log may have records of it.
    pub(super) fn new(
        config: Arc<Config>,
        health: Health,
        shutdown: Shutdown,
        source: String,
        has_past: bool,
    ) -> Self {
        let clients = Clients::new(&config.kafka, &format!("{}-producer", config.app_id));
        let runtime = Handle::current();
        let maker = Arc::new(Maker { config, clients, health, shutdown, runtime, source });
        let state = maker.begin(has_past);
        Self { maker, state }
    }

    /// The client, if there is one.
    pub(super) fn client(&self) -> Option<&Client> {
        match &self.state {
            State::Up(client) => Some(client),
            _ => None,
        }
    }

    /// There is no client, and there will be none: the stop came first.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// What the log has, once, when a client has just come up.
    pub(super) fn look(&mut self) -> Result<Option<Cursor>, Failure> {
        let State::Making(handle) = &mut self.state else { return Ok(None) };
        if !handle.is_finished() {
            return Ok(None);
        }
        let made = self.maker.runtime.block_on(handle).map_err(|error| Failure::Other(error.into()))??;
        let Some((client, cursor)) = made else {
            self.state = State::Stopped;
            return Ok(None);
        };
        self.state = State::Up(Box::new(client));
        Ok(Some(cursor))
    }

    /// The client is of no use any more.
    pub(super) fn renew(&mut self) {
        self.state = self.maker.begin(true);
    }
}

impl Maker {
    fn begin(self: &Arc<Self>, has_past: bool) -> State {
        let maker = Arc::clone(self);
        State::Making(self.runtime.spawn_blocking(move || maker.make(has_past)))
    }

    /// `None` = the stop came first.
    fn make(&self, has_past: bool) -> Result<Option<(Client, Cursor)>, Failure> {
        let topic = self.config.topics.raw_trades.clone();
        let cursor =
            patiently((&self.shutdown, &self.health, &self.runtime), || self.locate(&topic, has_past))?;
        let Some(cursor) = cursor else { return Ok(None) };
        let producer = self.clients.tracking_producer(&self.config.producer, &topic)?;
        let partitions = i32::try_from(cursor.last().len()).unwrap_or(i32::MAX);
        let client =
            Client { producer, topic, partitions, source: self.source.clone(), header: Mutex::default() };
        Ok(Some((client, cursor)))
    }

    /// What each partition has of the source.
    fn locate(&self, topic: &str, has_past: bool) -> Result<Cursor, Error> {
        let ends = log_tail::ends(&self.clients, topic)?;
        let begin = self.source.rsplit_once('-').and_then(|(_, begin)| begin.parse::<i64>().ok());
        let (true, Some(begin)) = (has_past, begin) else { return Ok(Cursor::fresh(ends.len())) };
        let parts: Vec<Part> = (0..).take(ends.len()).map(|partition| Part::new(topic, partition)).collect();
        let from = self.clients.admin()?.offsets_at(&parts, begin * 1000 - CLOCKS_MS, ANSWER)?;
        let from: Vec<i64> =
            from.into_iter().zip(&ends).map(|((_, offset), end)| offset.unwrap_or(*end)).collect();
        let lineage = Lineage::fixed(self.source.clone());
        let last =
            log_tail::last_records(&self.clients, topic, &lineage, &from, &|| self.shutdown.is_requested())?;
        Ok(Cursor::new(last.into_iter().map(|last| last.map(|last| last.number)).collect()))
    }
}
