//! The group's events, and the way of a partition from assigned to running.

use std::collections::{BTreeMap, BTreeSet};

use tape_kafka::{GroupEvent, Isolation, Part, Reaction};
use tape_service::Failure;
use tracing::{error, info, warn};

use crate::slot::Slot;
use crate::start::{Log, Start, start};
use crate::trouble::Trouble;
use crate::worker::{ANSWER_TIMEOUT, Worker, is_out_of_range};

impl Worker {
    /// Asks what the group wants. Revoked partitions are written first, lost ones belong to somebody else already.
    pub(crate) fn answer_events(&mut self) -> Result<(), Trouble> {
        let events = match self.consumer.poll_events() {
            Ok(events) => events,
            Err(error) if error.reaction == Reaction::Retry && !is_out_of_range(&error) => {
                self.rounds.kafka_is_away(&error);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // Every event is answered before the first trouble is told: an unanswered one stops the whole group.
        let mut result = Ok(());
        for event in events {
            let answer = match event {
                GroupEvent::Assigned(parts) => {
                    self.joined = true;
                    self.unanswered.extend(parts);
                    Ok(())
                }
                GroupEvent::Revoked(parts) => self.revoked(&parts),
                GroupEvent::Lost(parts) => {
                    self.joined = false;
                    self.give_up(&parts)
                }
            };
            result = result.and(answer);
        }
        result
    }

    /// Takes newly assigned partitions, parked.
    pub(crate) fn answer_assigned(&mut self) -> Result<(), Trouble> {
        if self.unanswered.is_empty() {
            return Ok(());
        }
        // Parked at the end: nothing is fetched that the seek of the start would throw away.
        let offsets = self.ask(ANSWER_TIMEOUT, |admin, timeout| {
            admin.end_offsets(&self.unanswered, Isolation::ReadUncommitted, timeout)
        })?;
        self.consumer.assign(&offsets)?;
        for part in self.unanswered.drain(..) {
            if let Some(slot) = self.context.names.slot(&part) {
                self.partitions.assigned(slot);
            }
        }
        Ok(())
    }

    /// Brings every parked partition to where the database stands and lets it run.
    pub(crate) fn start_parked(&mut self) -> Result<(), Trouble> {
        let parked = self.partitions.parked();
        if parked.is_empty() {
            return Ok(());
        }
        self.check_settings()?;
        let mut stored = self.stored_offsets(&parked)?;
        let logs = self.logs(&parked)?;
        let is_new = |(slot, log): (&Slot, &Log)| match start(stored.get(slot).copied(), *log) {
            Start::New { offset } => Some((*slot, offset)),
            Start::At { .. } | Start::Beyond { .. } => None,
        };
        let new: Vec<(Slot, i64)> = logs.iter().filter_map(is_new).collect();
        if !new.is_empty() {
            let context = &self.context;
            context.runtime.block_on(context.writer.create(&new))?;
            stored = self.stored_offsets(&parked)?;
        }
        for (slot, log) in logs {
            self.start_one(slot, stored.get(&slot).copied(), log)?;
        }
        self.waiting_for = None;
        // What was owed stands after all (a COMMIT whose answer was lost), or is somebody else's now.
        let partitions = &self.partitions;
        self.owed.retain(|&slot, end| partitions.stored(slot).is_some_and(|stored| stored < *end));
        Ok(())
    }

    fn start_one(&mut self, slot: Slot, stored: Option<i64>, log: Log) -> Result<(), Trouble> {
        let part = self.context.names.part(slot);
        match start(stored, log) {
            Start::At { stored, from, missing } => {
                if missing > 0 {
                    self.meter.missing(missing);
                    error!(%part, stored, oldest = from, missing, "retention deleted records before they were read");
                }
                self.consumer.seek(&part, from, ANSWER_TIMEOUT)?;
                self.consumer.start(&part)?;
                self.partitions.started(slot, stored, from);
                info!(%part, offset = from, end = log.high, "partition started");
                Ok(())
            }
            Start::New { .. } => {
                Err(Trouble::later(format!("the offset of {part} vanished from the database")))
            }
            Start::Beyond { stored } => Err(Trouble::Stop(Failure::Config(format!(
                "the database {} has read {part} up to offset {stored}, but the topic ends at {}: it was made anew \
                 or is of another cluster; use a database of its own (DB_NAME), or delete the rows of topic {} from \
                 sink_offsets to read it from its beginning",
                self.context.writer.pool().target(),
                log.high,
                part.topic,
            )))),
        }
    }

    /// The ends of these partitions' logs, freshly asked.
    fn logs(&self, slots: &[Slot]) -> Result<BTreeMap<Slot, Log>, Trouble> {
        let parts: Vec<Part> = slots.iter().map(|&slot| self.context.names.part(slot)).collect();
        let (low, high) = self.ask(ANSWER_TIMEOUT, |admin, timeout| {
            let low = admin.low_offsets(&parts, timeout)?;
            Ok((low, admin.end_offsets(&parts, Isolation::ReadUncommitted, timeout)?))
        })?;
        let logs = low.into_iter().zip(high).filter_map(|((part, low), (_, high))| {
            Some((self.context.names.slot(&part)?, Log { low, high }))
        });
        Ok(logs.collect())
    }

    fn stored_offsets(&self, slots: &[Slot]) -> Result<BTreeMap<Slot, i64>, Trouble> {
        Ok(self.context.runtime.block_on(self.context.writer.read(slots))?)
    }

    /// The database may be another one than at the start of the role (a failover, a restore).
    fn check_settings(&mut self) -> Result<(), Trouble> {
        let pool = self.context.writer.pool();
        let (fits, marks) = self.context.runtime.block_on(async {
            let connection = pool.get().await?;
            let fits = tape_db::schema::fits(&connection, pool, &self.context.config).await?;
            Ok::<_, tape_db::Error>((fits, tape_db::layout::has_marks(&connection).await?))
        })?;
        fits?;
        self.marks = marks;
        Ok(())
    }

    /// Partitions go to another member: write what waits while they are still ours. What fails is read by the next owner.
    fn revoked(&mut self, parts: &[Part]) -> Result<(), Trouble> {
        let mut trouble = None;
        let waits = parts
            .iter()
            .filter_map(|part| self.context.names.slot(part))
            .any(|slot| self.lanes.iter().any(|lane| lane.holds(slot)));
        if waits && let Err(found) = self.flush_all() {
            warn!("the batch of revoked partitions was not written; their next owner reads it again");
            trouble = Some(found);
        }
        self.give_up(parts)?;
        trouble.map_or(Ok(()), Err)
    }

    fn give_up(&mut self, parts: &[Part]) -> Result<(), Trouble> {
        let slots: BTreeSet<Slot> = parts.iter().filter_map(|part| self.context.names.slot(part)).collect();
        let settled = self.settle();
        self.lanes.iter_mut().for_each(|lane| lane.batch.remove(&slots));
        self.owed.retain(|slot, _| !slots.contains(slot));
        self.unanswered.retain(|part| !parts.contains(part));
        for &slot in &slots {
            self.partitions.removed(slot);
            self.rounds.forget(slot);
            self.meter.lag(self.context.names.topic(slot.table), slot.partition, None);
        }
        info!(partitions = slots.len(), "partitions given up");
        self.consumer.unassign(parts).map_err(|error| match Trouble::from(error) {
            // The answer cannot be given later; a new consumer owes none.
            Trouble::Later { why, .. } => Trouble::Renew { why },
            other => other,
        })?;
        settled
    }
}
