//! A batch's way into the database.
//!
//! 1. Ask the breaker.
//! 2. Deliver dead letters and wait for the brokers.
//! 3. Write rows, alerts and offsets in one SQL transaction, on the lane's thread.
//! 4. If the database blames rows, make dead letters of them and begin again at 1.
//! 5. Tell Kafka, as a hint.
//!
//! Invariant: an offset is moved only when every record before it is in a table, superseded, or an acknowledged dead letter.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use tape_kafka::CommitMode;
use tape_service::Failure;
use tracing::{debug, warn};

use crate::batch::Batch;
use crate::breaker::{Breaker, REFUSED_MAX, WINDOW};
use crate::lanes::{Done, Lane};
use crate::slot::Table;
use crate::trouble::Trouble;
use crate::worker::{Worker, configured_limits};
use crate::writer::{Move, Written};

/// Longer than any transaction takes, its time-out included.
const LANDING_MAX: Duration = Duration::from_secs(300);

impl Worker {
    /// Takes what was written and launches what is due.
    pub(crate) fn flush_due(&mut self) -> Result<(), Trouble> {
        for index in 0..self.lanes.len() {
            self.land(index, Duration::ZERO)?;
            if self.lanes[index].is_due(&self.limits, Instant::now()) {
                self.launch_waiting(index)?;
            }
        }
        Ok(())
    }

    /// Writes everything that waits.
    pub(crate) fn flush_all(&mut self) -> Result<(), Trouble> {
        loop {
            for index in 0..self.lanes.len() {
                if !self.lanes[index].is_writing() && !self.lanes[index].batch.is_empty() {
                    self.launch_waiting(index)?;
                }
            }
            let Some(index) = self.lanes.iter().position(Lane::is_writing) else { return Ok(()) };
            self.land(index, LANDING_MAX)?;
        }
    }

    /// Waits for what is being written and launches nothing; the first trouble of several.
    pub(crate) fn settle(&mut self) -> Result<(), Trouble> {
        let mut result = Ok(());
        for index in 0..self.lanes.len() {
            let landed = match self.lanes[index].landed(LANDING_MAX) {
                Ok(Some(Done { batch, result: Ok(Written::Culprits(_)), .. })) => {
                    self.failed(&batch, Trouble::later("the database refused rows"))
                }
                Ok(Some(done)) => self.take(index, done),
                Ok(None) => Ok(()),
                Err(failure) => Err(failure.into()),
            };
            result = result.and(landed);
        }
        result
    }

    /// Takes what a lane has written by then.
    pub(crate) fn land(&mut self, index: usize, wait: Duration) -> Result<(), Trouble> {
        match self.lanes[index].landed(wait)? {
            Some(done) => self.take(index, done),
            None => Ok(()),
        }
    }

    fn take(&mut self, index: usize, done: Done) -> Result<(), Trouble> {
        let Done { mut batch, result, began, breaker } = done;
        match result {
            Ok(Written::Committed { rows, alerts }) => {
                self.committed(&batch, [(Table::Aggregates, rows), (Table::Alerts, alerts)], began, breaker);
                Ok(())
            }
            Ok(Written::Fenced) => {
                self.meter.fenced();
                let why = "an offset in the database is not where this sink left it: another sink of the group \
                           writes the partition, or an earlier COMMIT went through unheard";
                self.failed(&batch, Trouble::later(why))
            }
            Ok(Written::Culprits(culprits)) => {
                for (culprit, refusal) in culprits {
                    let entry = &mut batch.entries_mut()[culprit];
                    let topic = self.context.names.topic(entry.slot.table);
                    warn!(
                        %topic, partition = entry.slot.partition, offset = entry.offset, reason = %refusal.text,
                        "the database refuses the row; it goes to the dead-letter topic"
                    );
                    entry.refuse(topic, &refusal);
                }
                self.launch(index, batch, began)
            }
            Err(error) => self.failed(&batch, error.into()),
        }
    }

    fn launch_waiting(&mut self, index: usize) -> Result<(), Trouble> {
        let batch = std::mem::take(&mut self.lanes[index].batch);
        self.launch(index, batch, Instant::now())
    }

    fn launch(&mut self, index: usize, mut batch: Batch, began: Instant) -> Result<(), Trouble> {
        let refused = batch.entries().iter().map(|entry| entry.is_refused());
        let Some(breaker) = self.breaker.after(refused) else { return Err(self.tripped()) };
        if let Err(error) = self.letters.deliver(batch.entries_mut(), &self.meter) {
            return self.failed(&batch, error.into());
        }
        match self.moves(&batch) {
            Ok(moves) => Ok(self.lanes[index].launch(batch, moves, self.marks, began, breaker)?),
            Err(trouble) => self.failed(&batch, trouble),
        }
    }

    /// Nothing of the batch was written as far as we know.
    fn failed(&mut self, batch: &Batch, trouble: Trouble) -> Result<(), Trouble> {
        self.owed.extend(batch.ends());
        self.failed_keys = batch.keys();
        Err(trouble)
    }

    fn moves(&self, batch: &Batch) -> Result<Vec<Move>, Trouble> {
        let step = |(&slot, &next)| {
            let expected = self.partitions.stored(slot);
            let expected =
                expected.ok_or_else(|| Trouble::later("a partition in the batch is not running"))?;
            Ok(Move { slot, expected, next })
        };
        batch.ends().iter().map(step).collect()
    }

    fn committed(&mut self, batch: &Batch, written: [(Table, u64); 2], began: Instant, breaker: Breaker) {
        let entries = batch.entries();
        self.meter.committed(written, entries.len(), began.elapsed());
        self.meter.latencies(entries.iter().filter_map(|entry| entry.append_time));
        let mut hints = Vec::with_capacity(batch.ends().len());
        for (&slot, &end) in batch.ends() {
            self.partitions.written(slot, end);
            self.owed.remove(&slot);
            hints.push((self.context.names.part(slot), end));
        }
        if let Err(error) = self.consumer.commit_offsets(&hints, CommitMode::Async) {
            debug!(%error, "hint of offsets to Kafka failed");
        }
        self.last_commit = Some(Instant::now());
        self.breaker = breaker;
        self.backoff.reset();
        let configured = configured_limits(&self.context.config);
        self.limits.rows = self.limits.rows.saturating_mul(2).min(configured.rows);
    }

    fn tripped(&self) -> Trouble {
        let topic = &self.context.config.topics.sink_dead_letters;
        Trouble::Stop(Failure::Other(anyhow!(
            "more than {REFUSED_MAX} of the last {WINDOW} records were refused: this is no bad record but a wrong \
             topic, schema or version; the last reasons are in the headers of topic {topic}; nothing of the last \
             batch was written"
        )))
    }
}
