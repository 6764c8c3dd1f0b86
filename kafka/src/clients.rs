//! Where clients come from: one [`Clients`] per role, which knows the brokers and the log-in.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use tape_service::config::{Compression, Kafka, Producer as ProducerSettings};

use crate::admin::Admin;
use crate::error::Error;
use crate::group::GroupConsumer;
use crate::producer::Producer;
use crate::reader::Reader;
use crate::settings;
use crate::transaction::TransactionalProducer;

/// Which records a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Those of committed transactions and those outside of transactions, up to the first open transaction.
    ReadCommitted,
    /// All of them.
    ReadUncommitted,
}

impl Isolation {
    /// The word that Kafka clients use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read_committed",
            Self::ReadUncommitted => "read_uncommitted",
        }
    }
}

/// A member of a consumer group.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// `group.id`.
    pub group: String,
    /// `group.instance.id`: static membership, a restart within the session time-out keeps the partitions. `None` =
    /// dynamic. Two live members with one id fence each other.
    pub instance_id: Option<String>,
    /// Topics to subscribe to.
    pub topics: Vec<String>,
    /// How long the group waits for a silent member; within the broker's limits (6 s – 30 min by default).
    pub session_timeout: Duration,
    /// Longest time between two calls of `poll_events` or `consume`; at least the session time-out (a smaller value
    /// is raised to it).
    pub max_poll_interval: Duration,
}

/// A transactional producer.
#[derive(Clone, Debug)]
pub struct TxnSpec {
    /// After how long the broker aborts an open transaction.
    pub transaction_timeout: Duration,
    /// How long a batch waits for more; a commit does not wait for it.
    pub linger: Duration,
    /// Compression of batches.
    pub compression: Compression,
    /// Bytes that may wait for the broker.
    pub buffer_memory: usize,
    /// Topic whose acknowledged offsets are kept (the changelog); see [`TransactionalProducer::acked_offset`].
    pub tracked_topic: Option<String>,
}

/// Makes clients of one cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clients {
    base: Arc<ClientConfig>,
}

impl Clients {
    /// Remembers brokers and log-in; talks to nobody. `client_id` names the role in the broker's logs and quotas.
    pub fn new(kafka: &Kafka, client_id: &str) -> Self {
        Self { base: Arc::new(settings::base(kafka, client_id)) }
    }

    /// A member of a group, subscribed to its topics. Joining goes on in the background; see
    /// [`GroupConsumer::poll_events`].
    pub fn group_consumer(&self, spec: GroupSpec) -> Result<GroupConsumer, Error> {
        GroupConsumer::new(&settings::group(self.config(), &spec), spec)
    }

    /// A reader without a group, for restores, tails and probes.
    pub fn reader(&self, isolation: Isolation) -> Result<Reader, Error> {
        Reader::new(&settings::reader(self.config(), isolation))
    }

    /// A transactional producer. Call [`TransactionalProducer::init`] before anything else.
    pub fn transactional_producer(
        &self,
        transactional_id: &str,
        spec: TxnSpec,
    ) -> Result<TransactionalProducer, Error> {
        let config = settings::transactional(self.config(), transactional_id, &spec);
        TransactionalProducer::new(&config, transactional_id, spec.tracked_topic)
    }

    /// A producer without transactions; idempotent when `acks` is `all`.
    pub fn producer(&self, settings: &ProducerSettings) -> Result<Producer, Error> {
        Producer::new(&settings::producer(self.config(), settings), None)
    }

    /// The same, counting what is acknowledged of each partition of a topic.
    pub fn tracking_producer(&self, settings: &ProducerSettings, topic: &str) -> Result<Producer, Error> {
        let mut config = settings::producer(self.config(), settings);
        config.set("delivery.report.only.error", "false");
        Producer::new(&config, Some(topic.to_owned()))
    }

    /// Topics and lag.
    pub fn admin(&self) -> Result<Admin, Error> {
        Admin::new(self.config())
    }

    fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.base)
    }
}

#[cfg(test)]
mod tests;
