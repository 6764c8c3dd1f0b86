//! Writers beside the loop: a lane fills one batch while its thread writes the one before.
//!
//! - A partition belongs to one lane, so its batches are written in their order; lanes write at the same time.
//! - A lane that writes does not look at the linger of its next batch: under load the flush stretches, and of the rows of
//!   one key only the newest reaches the database.
//! - Memory is bounded: two batches a lane, however long the database takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tape_db::Error;
use tape_service::Failure;

use crate::batch::{Batch, Limits};
use crate::breaker::{Breaker, REFUSED_MAX};
use crate::slot::Slot;
use crate::worker::Context;
use crate::writer::{Move, Work, Written};

/// Most lanes of a sink. Beyond that it is the database that is busy.
const LANES_MAX: usize = 4;

/// How often a lane that writes is looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// A batch that is being written.
struct Flight {
    began: Instant,
    ends: BTreeMap<Slot, i64>,
    breaker: Breaker,
}

struct Job {
    batch: Batch,
    moves: Vec<Move>,
    marks: bool,
}

/// A batch that was written, or not.
pub(crate) struct Done {
    pub(crate) batch: Batch,
    pub(crate) result: Result<Written, Error>,
    /// When its way began, dead letters included.
    pub(crate) began: Instant,
    /// The breaker, should it count.
    pub(crate) breaker: Breaker,
}

/// One writer and what waits for it.
pub(crate) struct Lane {
    pub(crate) batch: Batch,
    flight: Option<Flight>,
    jobs: Sender<Job>,
    done: Receiver<(Batch, Result<Written, Error>)>,
}

impl Lane {
    /// As many as the pool has connections for, one being left for questions.
    pub(crate) fn all(context: &Arc<Context>) -> Result<Vec<Self>, Failure> {
        let count = context.config.db.pool_max.saturating_sub(1).clamp(1, LANES_MAX);
        (0..count).map(|number| Self::new(Arc::clone(context), number)).collect()
    }

    fn new(context: Arc<Context>, number: usize) -> Result<Self, Failure> {
        let (jobs, todo) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        // The thread ends when the lane is dropped.
        thread::Builder::new()
            .name(format!("sink-writer-{number}"))
            .spawn(move || write_all(&context, &todo, &finished))
            .map_err(|error| Failure::Other(anyhow!(error).context("a writer's thread cannot start")))?;
        Ok(Self { batch: Batch::default(), flight: None, jobs, done })
    }

    /// Hands a batch to the thread; the lane must be idle.
    pub(crate) fn launch(
        &mut self,
        batch: Batch,
        moves: Vec<Move>,
        marks: bool,
        began: Instant,
        breaker: Breaker,
    ) -> Result<(), Failure> {
        self.flight = Some(Flight { began, ends: batch.ends().clone(), breaker });
        self.jobs.send(Job { batch, moves, marks }).map_err(|_| dead())
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.flight.is_some()
    }

    /// True when the partition has records here that are not known to be written.
    pub(crate) fn holds(&self, slot: Slot) -> bool {
        let flies = self.flight.as_ref().is_some_and(|flight| flight.ends.contains_key(&slot));
        flies || self.batch.ends().contains_key(&slot)
    }

    pub(crate) fn is_due(&self, limits: &Limits, now: Instant) -> bool {
        !self.is_writing() && self.batch.is_due(limits, now)
    }

    /// How long the loop may wait for records before this lane needs it.
    pub(crate) fn patience(&self, limits: &Limits, now: Instant) -> Option<Duration> {
        if self.is_writing() { Some(GLANCE) } else { self.batch.time_left(limits, now) }
    }

    /// What was written meanwhile, waiting for it no longer than that.
    pub(crate) fn landed(&mut self, wait: Duration) -> Result<Option<Done>, Failure> {
        let Some(flight) = self.flight.take() else { return Ok(None) };
        match self.done.recv_timeout(wait) {
            Ok((batch, result)) => {
                Ok(Some(Done { batch, result, began: flight.began, breaker: flight.breaker }))
            }
            Err(RecvTimeoutError::Timeout) => {
                self.flight = Some(flight);
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => Err(dead()),
        }
    }
}

/// Records of partition `slot` go through this one of `count` lanes. Rows and alerts of a symbol share it.
pub(crate) fn lane_of(slot: Slot, count: usize) -> usize {
    usize::try_from(slot.partition).unwrap_or_default() % count
}

fn dead() -> Failure {
    Failure::Other(anyhow!("a writer's thread has died"))
}

fn write_all(context: &Context, todo: &Receiver<Job>, finished: &Sender<(Batch, Result<Written, Error>)>) {
    for Job { batch, moves, marks } in todo {
        let work =
            Work { rows: batch.rows(), alerts: batch.alerts(), moves, culprits_max: REFUSED_MAX + 1, marks };
        let result = context.runtime.block_on(context.writer.write(&work));
        if finished.send((batch, result)).is_err() {
            return;
        }
    }
}
