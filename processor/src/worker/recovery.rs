//! What a worker does after a turn that failed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tape_kafka::{Error, Part, Reaction};
use tape_service::{Failure, Shutdown};
use tape_state::StoreError;

use super::{ASK_TIMEOUT, Trouble, Worker, init};
use crate::commit::CommitError;
use crate::meters::{self, Counts};
use crate::ports::{Changelog as _, Group as _, World};
use crate::task::{Phase, Task};
use crate::waits::For;

/// So many fences in so short a time mean that another process uses our name.
const FENCES_MAX: usize = 5;
const FENCE_WINDOW: Duration = Duration::from_secs(120);

impl<W: World> Worker<W> {
    /// Drops everything that is not committed and sends every task through its restore.
    pub(super) fn rewind(&mut self, cause: &str) {
        self.forget(cause);
        self.suspend(|_| true);
    }

    /// Drops what is on its way out.
    fn forget(&mut self, cause: &str) {
        meters::aborted(cause);
        self.outbox.clear();
        self.effects.rows.clear();
        self.effects.alerts.clear();
        self.counts = Counts::default();
        self.uncommitted_since = None;
        self.pace.reset();
    }

    fn say_useless(&self, error: &Error) {
        tracing::warn!(worker = self.number, %error, "the Kafka client is of no use any more; joining the group anew");
    }

    /// Replaces consumer and reader when they are dead, or get nowhere. Stores are closed as they were committed.
    fn renew_clients(&mut self) -> Result<(), Failure> {
        self.forget("client renewed");
        self.give_back();
        self.events.clear();
        self.unanswered.clear();
        self.joined = false;
        let consumer = self.context.world.join(self.context.group_spec(self.number))?;
        std::mem::replace(&mut self.consumer, consumer).close(ASK_TIMEOUT);
        self.reader = self.context.world.changelog()?;
        Ok(())
    }

    pub(super) fn suspend(&mut self, mut which: impl FnMut(&mut Task<W::Store>) -> bool) {
        for task in self.tasks.values_mut() {
            if !which(task) {
                continue;
            }
            let input = Part::new(Arc::clone(&self.context.input), task.partition);
            if task.running().is_some()
                && let Err(error) = self.consumer.stop(&input, ASK_TIMEOUT)
            {
                tracing::debug!(task = task.partition, %error, "the input cannot be parked; its records are skipped");
            }
            self.reader.unassign(&Part::new(Arc::clone(&self.context.changelog), task.partition));
            task.suspend();
        }
    }

    /// Deals with a turn that failed, or returns what ends the process.
    pub(super) fn recover(&mut self, trouble: Trouble, shutdown: &Shutdown) -> Result<(), Failure> {
        match trouble {
            Trouble::Stop(failure) => {
                self.give_back();
                Err(failure)
            }
            Trouble::Client(error) => match error.reaction {
                Reaction::Retry | Reaction::Abort => {
                    if let Some(lasted) = self.waits.note(For::Kafka, self.context.world.now()) {
                        tracing::warn!(worker = self.number, %error, "waiting for Kafka{lasted}");
                    }
                    self.context.status.report(self.number, "waiting for Kafka");
                    Ok(())
                }
                // It does not prove a twin: after a long outage a member can be fenced by its own return.
                Reaction::Fenced => {
                    self.note_fence(&error)?;
                    self.renew_clients()
                }
                Reaction::Fatal => {
                    self.say_useless(&error);
                    self.renew_clients()
                }
                Reaction::Config => {
                    self.give_back();
                    Err(error.into())
                }
            },
            Trouble::Stuck(error) => {
                self.say_useless(&error);
                self.renew_clients()
            }
            Trouble::Commit(CommitError::Unstorable { partition, error }) => {
                self.give_back();
                Err(Failure::Other(anyhow!("task {partition}: a change cannot be stored: {error}")))
            }
            Trouble::Commit(CommitError::Kafka(error)) => self.recover_commit(error, shutdown),
        }
    }

    /// After a commit that failed: abort when the producer can, else replace it; then everything is read again.
    pub(super) fn recover_commit(&mut self, error: Error, shutdown: &Shutdown) -> Result<(), Failure> {
        if error.reaction == Reaction::Fenced {
            self.note_fence(&error)?;
        } else {
            tracing::warn!(worker = self.number, %error, "commit failed; going back to the last one");
        }
        let cause = error.code_name().unwrap_or_else(|| "timeout".to_owned());
        self.rewind(&cause);
        if error.reaction == Reaction::Config {
            let _ = self.committer.abort();
            self.give_back();
            return Err(error.into());
        }
        let aborted = error.reaction == Reaction::Abort && self.committer.abort().is_ok();
        if !aborted {
            self.committer.replace(&self.context.world)?;
            self.context.status.report(self.number, "waiting for the transaction coordinator");
            let heartbeat = &self.heartbeat;
            let (committer, waits) = (&mut self.committer, &mut self.waits);
            init(committer, &self.context, waits, self.number, shutdown, &mut || heartbeat.beat())?;
        }
        Ok(())
    }

    /// A fence may only mean that our transaction or session timed out; many of them mean a twin.
    fn note_fence(&mut self, error: &Error) -> Result<(), Failure> {
        let now = self.context.world.now();
        self.fences.retain(|fence| now.duration_since(*fence) < FENCE_WINDOW);
        self.fences.push(now);
        if self.fences.len() > FENCES_MAX {
            return Err(Failure::Config(format!(
                "another process works as {}: give each process its own INSTANCE_ID and STATE_DIR",
                self.context.worker_id(self.number)
            )));
        }
        tracing::warn!(
            worker = self.number,
            %error,
            "fenced as {}: our session or transaction ended meanwhile, or another process took this name; going back to the last \
             commit and taking the place back ({} of {FENCES_MAX})",
            self.context.worker_id(self.number),
            self.fences.len()
        );
        Ok(())
    }

    /// The commit stands in Kafka, only the store lacks it: drop the store and let the changelog fill it.
    pub(super) fn on_store_failure(&mut self, partition: i32, error: &StoreError) {
        tracing::error!(task = partition, %error, "state store failed; restoring the task");
        let part = Part::new(Arc::clone(&self.context.input), partition);
        if let Err(error) = self.consumer.stop(&part, ASK_TIMEOUT) {
            tracing::warn!(task = partition, %error, "the input cannot be parked");
        }
        let Some(task) = self.tasks.get_mut(&partition) else { return };
        task.suspend();
        task.phase = Phase::Suspended(None);
        if let StoreError::Corrupt { .. } = error
            && let Err(error) = self.context.world.set_aside(partition)
        {
            tracing::warn!(task = partition, %error, "a damaged store cannot be set aside");
        }
    }
}
