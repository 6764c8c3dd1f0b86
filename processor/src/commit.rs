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
//!
//! A commit waits for the broker no longer than `KAFKA_TRANSACTION_TIMEOUT`: then the broker aborts by itself. So a revocation,
//! which commits before it gives partitions back, is bounded by the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_analytics::Settings;
use tape_kafka::{Error, Isolation, Outgoing, Part, Reaction, TxnSpec};
use tape_service::config::{self, Guarantee};
use tape_state::{CodecError, StoreError};

use crate::batch::{Outbox, OutputTopics};
use crate::meters::Phases;
use crate::ports::{Group as _, Plain as _, TaskStore as _, Transactions as _, World};
use crate::task::Running;

/// Longest wait for one step outside of a transaction.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// How to write: fixed at start.
#[derive(Clone, Debug)]
pub(crate) struct CommitSpec {
    pub(crate) guarantee: Guarantee,
    pub(crate) order: CommitOrder,
    pub(crate) transactional_id: String,
    pub(crate) transaction_timeout: Duration,
    pub(crate) producer: config::Producer,
    pub(crate) input: Arc<str>,
    pub(crate) outputs: OutputTopics,
    pub(crate) changelog: Arc<str>,
}

/// The order of the steps. Only the right one is ever used in earnest; the broken ones prove that the tests see what a
/// wrong order does ([`crate::run_with`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommitOrder {
    /// As the head of this file has it.
    #[default]
    Right,
    /// Broken: the store takes the changes before the broker's yes.
    StateFirst,
    /// Broken: the input offsets are committed by themselves, after the transaction.
    OffsetsOutside,
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
pub(crate) struct Committer<W: World> {
    spec: CommitSpec,
    output: Output<W>,
}

enum Output<W: World> {
    Transactional(W::Transactions),
    Plain(W::Plain),
}

/// Tasks of one commit.
type Tasks<'a, W> = Vec<(i32, &'a mut Running<<W as World>::Store>)>;

/// A store that could not take what is committed. The changelog has it: suspend the task without its store, restore.
pub(crate) type StoreFailure = (i32, StoreError);

impl<W: World> Committer<W> {
    /// Makes the producer; [`Committer::init`] must follow.
    pub(crate) fn new(spec: CommitSpec, world: &W) -> Result<Self, Error> {
        let output = open(&spec, world)?;
        Ok(Committer { spec, output })
    }

    /// Makes this producer the only one with its id: aborts what an earlier one left open, fences one that still lives.
    pub(crate) fn init(&self, timeout: Duration) -> Result<(), Error> {
        match &self.output {
            Output::Transactional(producer) => producer.init(timeout),
            Output::Plain(_) => Ok(()),
        }
    }

    /// Replaces a producer that is dead; [`Committer::init`] must follow.
    pub(crate) fn replace(&mut self, world: &W) -> Result<(), Error> {
        self.output = open(&self.spec, world)?;
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
        world: &W,
        group: &W::Group,
        tasks: impl Iterator<Item = (i32, &'a mut Running<W::Store>)>,
        outbox: &mut Outbox,
        settings: &Settings,
    ) -> Result<Committed, CommitError>
    where
        W::Store: 'a,
    {
        let began = world.now();
        let mut tasks: Tasks<'a, W> = tasks.filter(|(_, task)| task.uncommitted).collect();
        for (partition, task) in &mut tasks {
            task.changes
                .stage(&mut task.logic, settings)
                .map_err(|error| CommitError::Unstorable { partition: *partition, error })?;
        }
        let mut committed = Committed::default();
        if self.spec.order == CommitOrder::StateFirst {
            let reached: Vec<_> =
                tasks.iter().map(|(_, task)| task.store.changelog_offset().or(Some(0))).collect();
            apply::<W>(&mut tasks, &reached, &mut committed);
        }
        let staged = world.now();
        let answer = match &self.output {
            Output::Transactional(producer) => self.transaction(world, producer, group, &tasks, outbox)?,
            Output::Plain(producer) => self.flush(world, producer, &tasks, outbox)?,
        };
        let answered = world.now();
        apply::<W>(&mut tasks, &answer.next, &mut committed);
        let stored = world.now();
        for (partition, task) in &mut tasks {
            committed.partitions.push(*partition);
            committed.changelog_records += task.changes.len() as u64;
            task.changes.clear();
            task.uncommitted = false;
        }
        let outside = self.spec.order == CommitOrder::OffsetsOutside;
        let offsets = self.offsets(&tasks);
        if (outside || matches!(self.output, Output::Plain(_))) && !offsets.is_empty() {
            group.commit_offsets(&offsets, STEP_TIMEOUT)?;
        }
        committed.phases = Phases {
            stage: staged - began,
            send: answer.sent - staged,
            // At least once they come last.
            offsets: (answer.offsets - answer.sent) + (world.now() - stored),
            broker: answered - answer.offsets,
            store: stored - answered,
        };
        outbox.clear();
        Ok(committed)
    }

    /// Steps 1–5.
    fn transaction(
        &self,
        world: &W,
        producer: &W::Transactions,
        group: &W::Group,
        tasks: &Tasks<'_, W>,
        outbox: &Outbox,
    ) -> Result<Answer, Error> {
        let deadline = world.now() + self.spec.transaction_timeout;
        let left = || deadline.saturating_duration_since(world.now());
        producer.begin()?;
        outbox.send(&self.spec.outputs, |record| producer.send(record))?;
        self.send_changes(tasks, |record| producer.send(record))?;
        let sent = world.now();
        let offsets = self.offsets(tasks);
        if !offsets.is_empty() && self.spec.order != CommitOrder::OffsetsOutside {
            producer.send_offsets(&offsets, group, left())?;
        }
        let offsets = world.now();
        producer.commit(left())?;
        let acked = |partition| producer.acked_offset(partition).map(|offset| offset + 1);
        Ok(Answer { next: tasks.iter().map(|(partition, _)| acked(*partition)).collect(), sent, offsets })
    }

    /// Steps 2 and 3 without a transaction. There is one writer a changelog partition, so its end is behind our changes.
    fn flush(
        &self,
        world: &W,
        producer: &W::Plain,
        tasks: &Tasks<'_, W>,
        outbox: &Outbox,
    ) -> Result<Answer, Error> {
        let deadline = world.now() + STEP_TIMEOUT;
        let send = |record: &Outgoing<'_>| loop {
            match producer.send(record) {
                Err(error) if error.reaction == Reaction::Retry && world.now() < deadline => {}
                result => break result,
            }
        };
        outbox.send(&self.spec.outputs, send)?;
        self.send_changes(tasks, send)?;
        let sent = world.now();
        producer.flush(STEP_TIMEOUT)?;
        let mut ends = Vec::with_capacity(tasks.len());
        for (partition, task) in tasks {
            let part = Part::new(Arc::clone(&self.spec.changelog), *partition);
            let end = || world.log_ends(&[part], Isolation::ReadUncommitted, STEP_TIMEOUT);
            ends.push(if task.changes.is_empty() { None } else { end()?.first().copied() });
        }
        Ok(Answer { next: ends, sent, offsets: sent })
    }

    fn send_changes(
        &self,
        tasks: &Tasks<'_, W>,
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

    fn offsets(&self, tasks: &Tasks<'_, W>) -> Vec<(Part, i64)> {
        let part = |partition: i32| Part::new(Arc::clone(&self.spec.input), partition);
        tasks.iter().map(|(partition, task)| (part(*partition), task.next_offset)).collect()
    }
}

/// The broker's yes.
struct Answer {
    /// For each task the changelog offset after its last change.
    next: Vec<Option<i64>>,
    /// When the client had all records.
    sent: Instant,
    /// When the coordinator had the input offsets.
    offsets: Instant,
}

/// What a commit did.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// Whose input offsets stand now.
    pub(crate) partitions: Vec<i32>,
    pub(crate) phases: Phases,
    pub(crate) changelog_records: u64,
    pub(crate) store_failures: Vec<StoreFailure>,
}

/// Step 6.
fn apply<W: World>(tasks: &mut Tasks<'_, W>, next: &[Option<i64>], committed: &mut Committed) {
    for ((partition, task), next) in tasks.iter_mut().zip(next) {
        if let Some(next) = next
            && let Err(error) = task.store.apply(&mut task.changes.entries(), *next)
        {
            committed.store_failures.push((*partition, error));
        }
    }
}

fn open<W: World>(spec: &CommitSpec, world: &W) -> Result<Output<W>, Error> {
    match spec.guarantee {
        Guarantee::ExactlyOnce => {
            let transaction = TxnSpec {
                transaction_timeout: spec.transaction_timeout,
                // What belongs together comes together: nothing leaves before the partitions are part of the transaction.
                linger: Duration::ZERO,
                compression: spec.producer.compression,
                buffer_memory: spec.producer.buffer_memory,
                tracked_topic: Some(spec.changelog.to_string()),
            };
            world.transactions(&spec.transactional_id, transaction).map(Output::Transactional)
        }
        Guarantee::AtLeastOnce => world.plain(&spec.producer).map(Output::Plain),
    }
}
