//! A batch's way into the database.
//!
//! 1. Ask the breaker.
//! 2. Deliver dead letters and wait for the brokers.
//! 3. Write rows, alerts and offsets in one SQL transaction.
//! 4. If the database blames rows, make dead letters of them and begin again at 1.
//! 5. Tell Kafka, as a hint.
//!
//! Invariant: an offset is moved only when every record before it is in a table, superseded, or an acknowledged dead letter.

use std::time::Instant;

use anyhow::anyhow;
use tape_kafka::CommitMode;
use tape_service::Failure;
use tracing::{debug, warn};

use crate::breaker::{Breaker, REFUSED_MAX, WINDOW};
use crate::slot::Table;
use crate::trouble::Trouble;
use crate::worker::{Worker, configured_limits};
use crate::writer::{Move, Work, Written};

impl Worker {
    /// Writes the batch. With an error it is still there, and nothing of it was written as far as we know.
    pub(crate) fn flush(&mut self) -> Result<(), Trouble> {
        let result = self.write_batch();
        if result.is_err() {
            self.owed.extend(self.batch.ends());
        }
        result
    }

    fn write_batch(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        loop {
            let refused = self.batch.entries().iter().map(|entry| entry.is_refused());
            let Some(breaker) = self.breaker.after(refused) else { return Err(self.tripped()) };
            self.letters.deliver(self.batch.entries_mut(), &self.meter)?;
            let work = Work {
                rows: self.batch.rows(),
                alerts: self.batch.alerts(),
                moves: self.moves()?,
                culprits_max: REFUSED_MAX + 1,
            };
            match self.context.runtime.block_on(self.context.writer.write(&work))? {
                Written::Committed { rows, alerts } => {
                    self.committed([(Table::Aggregates, rows), (Table::Alerts, alerts)], began, breaker);
                    return Ok(());
                }
                Written::Fenced => {
                    self.meter.fenced();
                    return Err(Trouble::later(
                        "an offset in the database is not where this sink left it: another sink of the group \
                         writes the partition, or an earlier COMMIT went through unheard",
                    ));
                }
                Written::Culprits(culprits) => {
                    for (index, refusal) in culprits {
                        let entry = &mut self.batch.entries_mut()[index];
                        let topic = self.context.names.topic(entry.slot.table);
                        warn!(
                            %topic, partition = entry.slot.partition, offset = entry.offset, reason = %refusal.text,
                            "the database refuses the row; it goes to the dead-letter topic"
                        );
                        entry.refuse(topic, &refusal);
                    }
                }
            }
        }
    }

    fn moves(&self) -> Result<Vec<Move>, Trouble> {
        let step = |(&slot, &next)| {
            let expected = self.partitions.stored(slot);
            let expected =
                expected.ok_or_else(|| Trouble::later("a partition in the batch is not running"))?;
            Ok(Move { slot, expected, next })
        };
        self.batch.ends().iter().map(step).collect()
    }

    fn committed(&mut self, written: [(Table, u64); 2], began: Instant, breaker: Breaker) {
        let entries = self.batch.entries();
        self.meter.committed(written, entries.len(), began.elapsed());
        self.meter.latencies(entries.iter().filter_map(|entry| entry.append_time));
        let mut hints = Vec::with_capacity(self.batch.ends().len());
        for (&slot, &end) in self.batch.ends() {
            self.partitions.written(slot, end);
            self.owed.remove(&slot);
            hints.push((self.context.names.part(slot), end));
        }
        if let Err(error) = self.consumer.commit_offsets(&hints, CommitMode::Async) {
            debug!(%error, "hint of offsets to Kafka failed");
        }
        self.batch.clear();
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
