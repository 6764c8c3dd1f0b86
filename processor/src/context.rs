//! What all workers of a process share, and never changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::batch::OutputTopics;
use crate::codec;
use crate::commit::{CommitOrder, CommitSpec};
use crate::ports::World;
use crate::status::Status;
use tape_analytics::Settings;
use tape_kafka::{GroupSpec, TopicId};
use tape_proto::output::OutputFormat;
use tape_service::config::{Config, Format, Guarantee, OutputMode};

/// The group throws a member out that does not poll for so long.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(300);

/// Which topics the names of the settings mean. An id that nobody knows (an old broker) is not checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicIds {
    pub(crate) input: Option<TopicId>,
    pub(crate) changelog: Option<TopicId>,
    /// Partitions of the input: with another number, symbols lie elsewhere.
    pub(crate) partitions: Option<u32>,
}

/// Shared facts of a process.
pub(crate) struct Context<W> {
    pub(crate) world: W,
    pub(crate) settings: Settings,
    pub(crate) status: Arc<Status>,
    pub(crate) guarantee: Guarantee,
    pub(crate) input: Arc<str>,
    pub(crate) changelog: Arc<str>,
    /// Known once the topics are checked.
    ids: OnceLock<TopicIds>,
    pub(crate) group: String,
    /// `<APP_ID>-<INSTANCE_ID>`: with a worker's number, its member id and transactional id.
    pub(crate) member: String,
    pub(crate) session_timeout: Duration,
    pub(crate) commit_interval: Duration,
    pub(crate) trigger_interval: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) output_mode: OutputMode,
    pub(crate) output_format: OutputFormat,
    order: CommitOrder,
    pub(crate) transaction_timeout: Duration,
    producer: tape_service::config::Producer,
    outputs: OutputTopics,
    /// The topics are not what they were: nothing may be committed any more.
    spoiled: AtomicBool,
}

impl<W: World> Context<W> {
    pub(crate) fn new(
        config: &Config,
        member: String,
        world: W,
        status: Arc<Status>,
        order: CommitOrder,
    ) -> Self {
        let processing = &config.processing;
        status.set_member(&member);
        Context {
            world,
            settings: codec::settings(processing),
            status,
            guarantee: processing.guarantee,
            input: config.topics.raw_trades.as_str().into(),
            changelog: config.topics.changelog.as_str().into(),
            ids: OnceLock::new(),
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
            order,
            transaction_timeout: config.kafka.transaction_timeout,
            producer: config.producer.clone(),
            spoiled: AtomicBool::new(false),
            outputs: OutputTopics {
                aggregates: config.topics.aggregates.clone(),
                alerts: config.topics.alerts.clone(),
                late: config.topics.late.clone(),
                dead_letters: config.topics.dead_letters.clone(),
            },
        }
    }

    /// Keeps what the start has found out.
    pub(crate) fn know(&self, ids: TopicIds) {
        let known = *self.ids.get_or_init(|| ids);
        debug_assert_eq!(known, ids);
    }

    /// Which topics this process works on.
    pub(crate) fn ids(&self) -> TopicIds {
        self.ids.get().copied().unwrap_or_default()
    }

    /// From now on nothing is committed: the topics have changed under us.
    pub(crate) fn spoil(&self) {
        self.spoiled.store(true, Ordering::Release);
    }

    pub(crate) fn is_spoiled(&self) -> bool {
        self.spoiled.load(Ordering::Acquire)
    }

    /// What a worker's place in the group is asked for with.
    pub(crate) fn group_spec(&self, number: usize) -> GroupSpec {
        GroupSpec {
            group: self.group.clone(),
            instance_id: Some(self.worker_id(number)),
            topics: vec![self.input.to_string()],
            session_timeout: self.session_timeout,
            max_poll_interval: MAX_POLL_INTERVAL,
        }
    }

    /// Name of a worker in the group and towards the transaction coordinator: stable, so that a process that restarts in
    /// place takes its own place at once.
    pub(crate) fn worker_id(&self, number: usize) -> String {
        format!("{}-{number}", self.member)
    }

    pub(crate) fn commit_spec(&self, number: usize) -> CommitSpec {
        CommitSpec {
            guarantee: self.guarantee,
            order: self.order,
            transactional_id: self.worker_id(number),
            transaction_timeout: self.transaction_timeout,
            producer: self.producer.clone(),
            input: Arc::clone(&self.input),
            outputs: self.outputs.clone(),
            changelog: Arc::clone(&self.changelog),
        }
    }
}

/// The consumer group of the processor.
pub(crate) fn group(config: &Config) -> String {
    format!("{}-processor", config.app_id)
}
