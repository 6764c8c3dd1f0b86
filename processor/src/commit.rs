//! The commit: the one place that knows its order.
//!
//! Exactly once:
//! 1. begin
//! 2. outputs: rows, alerts, late records, dead letters
//! 3. one changelog record for each changed pane, symbol and task
//! 4. input offsets
//! 5. the broker's yes
//! 6. one RocksDB write batch a task: the same changes with the changelog offset after them
//!
//! **The disk holds only committed state**, because 6 comes after 5. A crash between them is healed by the changelog, whose
//! tail is longer than the store. When 1–5 fail, nothing of 6 happens, and the caller suspends every task of the worker:
//! what is in memory counts as never read.
//!
//! At least once: 2 and 3, wait until everything is acknowledged, 6, then 4 by itself.

use std::sync::Arc;
use std::time::Duration;

use tape_analytics::Settings;
use tape_kafka::{
    Clients, CommitMode, Error, GroupConsumer, Isolation, Outgoing, Part, Producer, Reaction,
    TransactionalProducer, TxnSpec,
};
use tape_service::config::{self, Guarantee};
use tape_state::{CodecError, StoreError};

use crate::batch::{Outbox, OutputTopics};
use crate::task::Running;

/// Longest wait for one step that the broker answers. A step that takes longer is given up and the transaction with it; the
/// broker aborts it by itself after `KAFKA_TRANSACTION_TIMEOUT`.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// Orders of a commit: the right one, and broken ones that tests must catch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommitOrder {
    /// As this file says.
    #[default]
    Right,
    /// The store is written before the transaction commits.
    StateFirst,
    /// The input offsets are committed by themselves, after the transaction.
    OffsetsOutside,
}

/// How to write: fixed at start.
#[derive(Clone, Debug)]
pub(crate) struct CommitSpec {
    pub(crate) guarantee: Guarantee,
    pub(crate) transactional_id: String,
    pub(crate) transaction_timeout: Duration,
    pub(crate) producer: config::Producer,
    pub(crate) input: Arc<str>,
    pub(crate) outputs: OutputTopics,
    pub(crate) changelog: Arc<str>,
    pub(crate) order: CommitOrder,
}

/// Why a commit failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Kafka did not take it; nothing is committed, or nobody knows.
    #[error(transparent)]
    Kafka(#[from] Error),
    /// A change cannot be stored: a fault of ours that no repetition heals.
    #[error("a change of task {partition} cannot be stored: {error}")]
    Unstorable { partition: i32, error: CodecError },
}

/// The producer of a worker and the order of its commits.
pub(crate) struct Committer {
    spec: CommitSpec,
    clients: Clients,
    output: Output,
}

enum Output {
    Transactional(TransactionalProducer),
    Plain(Producer),
}

/// A store that could not take what is committed. The changelog has it: suspend the task without its store, restore.
pub(crate) type StoreFailure = (i32, StoreError);

impl Committer {
    /// Makes the producer; [`Committer::init`] must follow.
    pub(crate) fn new(spec: CommitSpec, clients: Clients) -> Result<Self, Error> {
        let output = open(&spec, &clients)?;
        Ok(Committer { spec, clients, output })
    }

    /// Makes this producer the only one with its id: aborts what an earlier one left open, fences one that still lives.
    pub(crate) fn init(&self, timeout: Duration) -> Result<(), Error> {
        match &self.output {
            Output::Transactional(producer) => producer.init(timeout),
            Output::Plain(_) => Ok(()),
        }
    }

    /// Replaces a producer that is dead; [`Committer::init`] must follow.
    pub(crate) fn replace(&mut self) -> Result<(), Error> {
        self.output = open(&self.spec, &self.clients)?;
        Ok(())
    }

    /// Gives up the transaction under way, if there is one. On an error the producer must be replaced.
    pub(crate) fn abort(&self) -> Result<(), Error> {
        match &self.output {
            Output::Transactional(producer) => producer.abort(STEP_TIMEOUT),
            // Nothing to take back: at least once.
            Output::Plain(producer) => producer.flush(STEP_TIMEOUT),
        }
    }

    /// Commits what the tasks and the outbox hold. Empties the outbox when it succeeds.
    pub(crate) fn commit<'a>(
        &self,
        consumer: &GroupConsumer,
        tasks: impl Iterator<Item = (i32, &'a mut Running)>,
        outbox: &mut Outbox,
        settings: &Settings,
    ) -> Result<Committed, CommitError> {
        let mut tasks: Vec<_> = tasks.filter(|(_, task)| task.uncommitted).collect();
        for (partition, task) in &mut tasks {
            stage(task, settings)
                .map_err(|error| CommitError::Unstorable { partition: *partition, error })?;
        }
        if self.spec.order == CommitOrder::StateFirst {
            for (_, task) in &mut tasks {
                let end = task.store.changelog_offset().unwrap_or(0);
                // Broken on purpose: what comes of it is what tests look for.
                let _ = task.store.apply(task.changes.entries(), end);
            }
        }
        let acked = match &self.output {
            Output::Transactional(producer) => self.transaction(producer, consumer, &tasks, outbox)?,
            Output::Plain(producer) => self.flush(producer, consumer, &tasks, outbox)?,
        };
        let mut committed = Committed::default();
        for ((partition, task), next) in tasks.iter_mut().zip(acked) {
            committed.changelog_records += task.changes.len() as u64;
            if let Some(next) = next
                && let Err(error) = task.store.apply(task.changes.entries(), next)
            {
                committed.store_failures.push((*partition, error));
            }
            task.changes.clear();
            task.uncommitted = false;
        }
        if matches!(self.output, Output::Plain(_)) || self.spec.order == CommitOrder::OffsetsOutside {
            consumer.commit_offsets(&self.offsets(&tasks), CommitMode::Wait(STEP_TIMEOUT))?;
        }
        outbox.clear();
        Ok(committed)
    }

    /// Steps 1–5; for each task the changelog offset after its last change.
    fn transaction(
        &self,
        producer: &TransactionalProducer,
        consumer: &GroupConsumer,
        tasks: &[(i32, &mut Running)],
        outbox: &Outbox,
    ) -> Result<Vec<Option<i64>>, Error> {
        producer.begin()?;
        outbox.send(&self.spec.outputs, |record| producer.send(record))?;
        self.send_changes(tasks, |record| producer.send(record))?;
        let offsets = self.offsets(tasks);
        if !offsets.is_empty() && self.spec.order != CommitOrder::OffsetsOutside {
            producer.send_offsets(&offsets, &consumer.group_metadata()?, STEP_TIMEOUT)?;
        }
        producer.commit(STEP_TIMEOUT)?;
        let acked = |partition| producer.acked_offset(partition).map(|offset| offset + 1);
        Ok(tasks.iter().map(|(partition, _)| acked(*partition)).collect())
    }

    /// Steps 2 and 3 without a transaction. There is one writer a changelog partition, so its end is behind our changes.
    fn flush(
        &self,
        producer: &Producer,
        consumer: &GroupConsumer,
        tasks: &[(i32, &mut Running)],
        outbox: &Outbox,
    ) -> Result<Vec<Option<i64>>, Error> {
        let send = |record: &Outgoing<'_>| loop {
            match producer.send(record) {
                Err(error) if error.reaction == Reaction::Retry => {}
                result => break result,
            }
        };
        outbox.send(&self.spec.outputs, send)?;
        self.send_changes(tasks, send)?;
        producer.flush(STEP_TIMEOUT)?;
        let end = |(partition, task): &(i32, &mut Running)| {
            if task.changes.is_empty() {
                return Ok(None);
            }
            let part = Part::new(Arc::clone(&self.spec.changelog), *partition);
            consumer.end_offset(&part, Isolation::ReadUncommitted, STEP_TIMEOUT).map(Some)
        };
        tasks.iter().map(end).collect()
    }

    fn send_changes(
        &self,
        tasks: &[(i32, &mut Running)],
        mut send: impl FnMut(&Outgoing<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (partition, task) in tasks {
            for (key, value) in task.changes.entries() {
                let topic = &self.spec.changelog;
                let partition = Some(*partition);
                send(&Outgoing { topic, partition, key: Some(key), value, ..Outgoing::default() })?;
            }
        }
        Ok(())
    }

    fn offsets(&self, tasks: &[(i32, &mut Running)]) -> Vec<(Part, i64)> {
        let part = |partition: i32| Part::new(Arc::clone(&self.spec.input), partition);
        tasks.iter().map(|(partition, task)| (part(*partition), task.next_offset)).collect()
    }
}

/// What a commit did.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    pub(crate) changelog_records: u64,
    pub(crate) store_failures: Vec<StoreFailure>,
}

fn stage(task: &mut Running, settings: &Settings) -> Result<(), CodecError> {
    task.changes.clear();
    let (changes, mut result) = (&mut task.changes, Ok(()));
    task.logic.drain_changes(|change| {
        if result.is_ok() {
            result = changes.push(&change, settings);
        }
    });
    result
}

fn open(spec: &CommitSpec, clients: &Clients) -> Result<Output, Error> {
    match spec.guarantee {
        Guarantee::ExactlyOnce => {
            let transaction = TxnSpec {
                transaction_timeout: spec.transaction_timeout,
                linger: Duration::from_millis(5),
                compression: spec.producer.compression,
                buffer_memory: spec.producer.buffer_memory,
                tracked_topic: Some(spec.changelog.to_string()),
            };
            clients.transactional_producer(&spec.transactional_id, transaction).map(Output::Transactional)
        }
        Guarantee::AtLeastOnce => clients.producer(&spec.producer).map(Output::Plain),
    }
}
