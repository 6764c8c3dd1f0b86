//! What all workers of a process share, and never changes.

use std::sync::Arc;
use std::time::Duration;

use tape_analytics::Settings;
use tape_kafka::Clients;
use tape_proto::output::OutputFormat;
use tape_service::config::{Config, Format, Guarantee, OutputMode};
use tape_service::logs::LogLimiter;
use tape_state::{Shared, StateDir};

use crate::batch::OutputTopics;
use crate::codec;
use crate::commit::{CommitOrder, CommitSpec};
use crate::status::Status;

/// Blocks of tables that all stores of the process keep in memory. Stores are written at commits and read at restarts, so
/// a larger cache buys nothing.
const STORE_CACHE_BYTES: usize = 32 << 20;
/// Writes of all stores that are not yet in a table.
const STORE_BUFFER_BYTES: usize = 32 << 20;
/// Repeated lines about waiting are written so often at most.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// Shared facts of a process.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) clients: Clients,
    pub(crate) state: StateDir,
    pub(crate) shared: Shared,
    pub(crate) status: Status,
    /// For lines that would repeat while something is away.
    pub(crate) log: LogLimiter,
    pub(crate) guarantee: Guarantee,
    pub(crate) input: Arc<str>,
    pub(crate) changelog: Arc<str>,
    pub(crate) group: String,
    /// `<APP_ID>-<INSTANCE_ID>`: with a worker's number, its member id and transactional id.
    pub(crate) member: String,
    pub(crate) session_timeout: Duration,
    pub(crate) commit_interval: Duration,
    pub(crate) trigger_interval: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) output_mode: OutputMode,
    pub(crate) output_format: OutputFormat,
    pub(crate) order: CommitOrder,
    transaction_timeout: Duration,
    producer: tape_service::config::Producer,
    outputs: OutputTopics,
}

impl Context {
    pub(crate) fn new(config: &Config, instance: &str, state: StateDir, status: Status) -> Self {
        let processing = &config.processing;
        let member = format!("{}-{instance}", config.app_id);
        Context {
            settings: codec::settings(processing),
            clients: Clients::new(&config.kafka, &member),
            state,
            shared: Shared::new(STORE_CACHE_BYTES, STORE_BUFFER_BYTES),
            status,
            log: LogLimiter::new(LOG_INTERVAL),
            guarantee: processing.guarantee,
            input: config.topics.raw_trades.as_str().into(),
            changelog: config.topics.changelog.as_str().into(),
            group: group(config),
            member,
            session_timeout: config.kafka.session_timeout,
            commit_interval: processing.commit_interval,
            trigger_interval: processing.trigger_interval,
            idle_timeout: processing.idle_timeout,
            output_mode: processing.output_mode,
            output_format: match processing.output_format {
                Format::Json => OutputFormat::Json,
                Format::Protobuf => OutputFormat::Protobuf,
            },
            order: CommitOrder::Right,
            transaction_timeout: config.kafka.transaction_timeout,
            producer: config.producer.clone(),
            outputs: OutputTopics {
                aggregates: config.topics.aggregates.clone(),
                alerts: config.topics.alerts.clone(),
                late: config.topics.late.clone(),
                dead_letters: config.topics.dead_letters.clone(),
            },
        }
    }

    /// The same with another order of the commit.
    pub(crate) fn with_order(self, order: CommitOrder) -> Self {
        Context { order, ..self }
    }

    /// Name of a worker in the group and towards the transaction coordinator: stable, so that a process that restarts in
    /// place takes its own place at once.
    pub(crate) fn worker_id(&self, number: usize) -> String {
        format!("{}-{number}", self.member)
    }

    pub(crate) fn commit_spec(&self, number: usize) -> CommitSpec {
        CommitSpec {
            guarantee: self.guarantee,
            transactional_id: self.worker_id(number),
            transaction_timeout: self.transaction_timeout,
            producer: self.producer.clone(),
            input: Arc::clone(&self.input),
            outputs: self.outputs.clone(),
            changelog: Arc::clone(&self.changelog),
            order: self.order,
        }
    }
}

/// The consumer group of the processor.
pub(crate) fn group(config: &Config) -> String {
    format!("{}-processor", config.app_id)
}
