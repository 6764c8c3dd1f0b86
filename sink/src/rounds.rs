//! What is done once a second: idle connections, a word with the database when nothing was written, hints to Kafka beyond transaction markers, a look for missing topics, lag.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_kafka::{CommitMode, Error, Isolation, Part};
use tracing::{debug, info, warn};

use crate::meter;
use crate::slot::{Slot, Table};
use crate::trouble::Trouble;
use crate::worker::Worker;

/// Distance of two rounds.
const EVERY: Duration = Duration::from_secs(1);
/// Longest wait for an end offset; the loop stands still meanwhile.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// Least distance of two log lines about brokers that are away.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// State between rounds.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    last: Option<Instant>,
    hinted: BTreeMap<Slot, i64>,
    /// Both topics were seen to exist.
    topics_exist: bool,
    /// One of them was seen to be missing.
    was_missing: bool,
    away: Option<String>,
    last_log: Option<Instant>,
}

impl Rounds {
    /// Notes that the brokers do not answer; readiness says so until the next round gets an answer.
    pub(crate) fn kafka_is_away(&mut self, error: &Error) {
        self.wait_for(format!("Kafka: {error}"));
    }

    fn wait_for(&mut self, why: String) {
        if self.last_log.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            self.last_log = Some(Instant::now());
            warn!("{why}; the sink goes on trying");
        }
        self.away = Some(why);
    }

    /// The brokers answer; the next time that they do not is news.
    fn answered(&mut self) {
        if self.away.take().is_some() {
            self.last_log = None;
            info!("Kafka answers again");
        }
    }

    /// Why the brokers count as away.
    pub(crate) fn away(&self) -> Option<&str> {
        self.away.as_deref()
    }

    pub(crate) fn forget(&mut self, slot: Slot) {
        self.hinted.remove(&slot);
    }
}

impl Worker {
    /// A round, if it is time. Trouble with Kafka only shows in readiness, because its client goes on by itself; but a topic
    /// that has come to be asks for a new consumer, because the old one looks for topics only every few minutes.
    pub(crate) fn round(&mut self) -> Result<(), Trouble> {
        if self.rounds.last.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        self.rounds.last = Some(Instant::now());
        self.context.writer.pool().sweep();
        meter::pool(self.context.writer.pool().status());
        if self.retry_at.is_none() && self.last_commit.is_none_or(|at| at.elapsed() >= EVERY) {
            // An idle sink must notice too that the database is away.
            self.context.runtime.block_on(self.context.writer.ping())?;
        }
        let hints = self.hints();
        if !hints.is_empty() {
            match self.consumer.commit_offsets(&hints, CommitMode::Async) {
                Ok(()) => {
                    let slots =
                        hints.iter().filter_map(|(part, next)| Some((self.context.names.slot(part)?, *next)));
                    self.rounds.hinted.extend(slots);
                }
                Err(error) => debug!(%error, "hint of offsets to Kafka failed"),
            }
        }
        match self.missing_topic().and_then(|missing| self.measure_lag().map(|()| missing)) {
            Ok(None) if std::mem::take(&mut self.rounds.was_missing) => {
                return Err(Trouble::Renew { why: "the missing topic exists now".to_owned() });
            }
            Ok(None) => self.rounds.answered(),
            Ok(Some(topic)) => {
                self.rounds.was_missing = true;
                self.rounds.wait_for(format!("the topic {topic} does not exist; `tape topics` creates it"));
            }
            Err(error) => self.rounds.kafka_is_away(&error),
        }
        Ok(())
    }

    /// Offsets worth telling Kafka: of partitions whose records are all written, the position behind transaction markers, so
    /// that lag tools see zero and not one.
    pub(crate) fn hints(&self) -> Vec<(Part, i64)> {
        let hint = |slot: Slot| {
            let part = self.context.names.part(slot);
            let position = self.consumer.position(&part)?;
            let stored = self.partitions.stored(slot)?;
            let known = self.rounds.hinted.get(&slot).copied().unwrap_or(0);
            (self.partitions.is_clean(slot) && position > stored.max(known)).then_some((part, position))
        };
        self.partitions.running().into_iter().filter_map(hint).collect()
    }

    /// A topic that does not exist yet; the group assigns its partitions once it is there.
    fn missing_topic(&mut self) -> Result<Option<Arc<str>>, Error> {
        if self.rounds.topics_exist {
            return Ok(None);
        }
        for table in Table::ALL {
            let topic = self.context.names.topic(table);
            if self.admin.partition_count(topic, END_TIMEOUT)?.is_none() {
                return Ok(Some(Arc::clone(topic)));
            }
        }
        self.rounds.topics_exist = true;
        Ok(None)
    }

    /// Lag of each running partition: end of the committed log minus where the table stands.
    fn measure_lag(&self) -> Result<(), Error> {
        let running = self.partitions.running();
        let parts: Vec<Part> = running.iter().map(|&slot| self.context.names.part(slot)).collect();
        if parts.is_empty() {
            // Nothing to measure; asking all the same tells whether the brokers answer.
            let topic = self.context.names.topic(Table::Aggregates);
            return self.admin.partition_count(topic, END_TIMEOUT).map(|_| ());
        }
        let ends = self.ask(END_TIMEOUT, |admin, timeout| {
            admin.end_offsets(&parts, Isolation::ReadCommitted, timeout)
        })?;
        for (slot, (part, end)) in running.into_iter().zip(ends) {
            let Some(stored) = self.partitions.stored(slot) else { continue };
            let reached = match self.consumer.position(&part) {
                Some(position) if self.partitions.is_clean(slot) => position.max(stored),
                _ => stored,
            };
            self.meter.lag(&part.topic, part.partition, Some((end - reached).max(0)));
        }
        Ok(())
    }

    /// The gauges of partitions that this sink no longer speaks for.
    pub(crate) fn forget_lag(&self) {
        for slot in self.partitions.running() {
            self.meter.lag(self.context.names.topic(slot.table), slot.partition, None);
        }
    }
}
