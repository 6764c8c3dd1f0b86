//! What was received and is not acknowledged by the brokers yet, in order: in the client's buffer, and behind it on disk.
//!
//! ```text
//! direct:    push ─────────────────────────▶ client's buffer ──▶ brokers
//! spilling:  push ──▶ spool (disk) ─ turn ─▶ client's buffer ──▶ brokers
//! ```
//!
//! - Direct → spilling: the buffer is full, its oldest record has waited [`PATIENCE`], or the client is gone. What is in the
//!   buffer is written to the spool first, so that a crash of this process loses nothing that was received before.
//! - Spilling → direct: the client has been given all of the spool.
//!
//! Every record has a number in its header. After a crash, or when a client was lost, the log says which numbers each partition
//! has ([`Cursor`]), and what it has is not sent again.
//!
//! Invariants: records are handed to a client in the order of their numbers; each ends up acknowledged, or on disk, or dropped
//! and counted. Memory is bounded by `memory_limit`.

mod flight;

use std::collections::VecDeque;
use std::time::Duration;

use tape_kafka::Error;
use tape_proto::partition::partition;

use crate::cursor::Cursor;
use crate::spool::{Entry, Pushed, Spool, SpoolError};
use flight::{Flight, Kept};

/// How long a record may wait in memory before everything that waits is written to disk.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How often the spool is made safe against a crash of the machine.
const SYNC_EVERY: Duration = Duration::from_millis(200);
/// Records that one turn takes from the spool, so that the feed is not kept waiting.
const TURN_RECORDS: usize = 20_000;
/// Records of the spool that a client is given at a time: enough to keep brokers busy. Its buffer would take half a million, and hold
/// them in memory for as long as the brokers are away.
const FLIGHT_RECORDS: usize = 50_000;

/// The client that writes to the brokers.
pub(crate) trait Broker {
    /// Partitions of the topic, at least 1.
    fn partitions(&self) -> i32;
    /// Takes a record, or says false: there is no room now.
    fn offer(&self, record: Entry<'_>, partition: i32) -> Result<bool, Error>;
    /// How many of the records that were offered for a partition are acknowledged: the first ones.
    fn acknowledged(&self, partition: i32) -> u64;
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The client has it.
    Sent,
    /// It waits, in memory or on disk.
    Waits,
    /// There was no room anywhere.
    Dropped,
}

/// Numbers for the eyes of an operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Records that a client has and the brokers have not acknowledged.
    pub(crate) in_flight: usize,
    /// Bytes of records that only memory holds.
    pub(crate) memory_bytes: usize,
    /// Records and bytes on disk.
    pub(crate) spooled: u64,
    pub(crate) spool_bytes: u64,
    pub(crate) acknowledged: u64,
}

/// See the head of this file.
pub(crate) struct Outbox {
    spool: Option<Spool>,
    source: String,
    next_number: u64,
    memory_limit: usize,
    flight: Flight,
    /// Without a spool: what waits for a client, oldest first.
    waiting: VecDeque<Kept>,
    waiting_bytes: usize,
    spilling: bool,
    /// Read from the spool and not taken by the client yet.
    held: Option<Kept>,
    /// The highest number that the present client was given; what the spool gives up to it is on its way.
    handed: Option<u64>,
    /// What the log had when the present client began.
    cursor: Cursor,
    released: Option<u64>,
    acknowledged: u64,
    synced: Duration,
    /// Why the present client is of no use any more.
    broken: Option<Error>,
}

impl Outbox {
    /// `source` = the id of who numbers the records, from `next_number` on; `memory_limit` = bytes.
    pub(crate) fn new(spool: Option<Spool>, source: String, next_number: u64, memory_limit: usize) -> Self {
        let spilling = spool.as_ref().is_some_and(|spool| !spool.is_empty());
        Self {
            spool,
            source,
            next_number,
            memory_limit,
            flight: Flight::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            spilling,
            held: None,
            handed: None,
            cursor: Cursor::default(),
            released: None,
            acknowledged: 0,
            synced: Duration::ZERO,
            broken: None,
        }
    }

    /// Who numbers the records.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// A new client goes on after what the log has.
    pub(crate) fn resume(&mut self, cursor: Cursor) {
        self.cursor = cursor;
    }

    /// Takes a record. Without a client, or while others wait, it waits.
    ///
    /// # Errors
    /// The disk refuses: the record is dropped.
    pub(crate) fn push(
        &mut self,
        broker: Option<&impl Broker>,
        (key, value): (&[u8], &[u8]),
        now: Duration,
    ) -> Result<Fate, SpoolError> {
        let record = Entry { number: self.next_number, key, value };
        self.next_number += 1;
        if let Some(broker) = broker
            && !self.spilling
            && self.nothing_waits()
            && self.flight.bytes() < self.memory_limit
            && self.offer(broker, record, true, now)
        {
            return Ok(Fate::Sent);
        }
        if self.spool.is_some() {
            self.spill()?;
            return self.store(record);
        }
        if self.flight.bytes() + self.waiting_bytes >= self.memory_limit {
            return Ok(Fate::Dropped);
        }
        self.waiting_bytes += record.key.len() + record.value.len();
        self.waiting.push_back(Kept::of(record));
        Ok(Fate::Waits)
    }

    /// Looks at what was acknowledged, moves on what waits. Call it often. True = there is more to move at once.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn turn(&mut self, broker: Option<&impl Broker>, now: Duration) -> Result<bool, SpoolError> {
        let mut more = false;
        if let Some(broker) = broker {
            self.acknowledged += self.flight.settle(|partition| broker.acknowledged(partition));
            if !self.spilling && self.spool.is_some() && self.flight.waits_since(now) > PATIENCE {
                self.spill()?;
            }
            more = self.refill(broker, now)?;
        }
        self.release()?;
        if let Some(spool) = &mut self.spool
            && now.saturating_sub(self.synced) >= SYNC_EVERY
        {
            self.synced = now;
            spool.sync()?;
        }
        Ok(more)
    }

    /// Why the client must be replaced, if it must; said once.
    pub(crate) fn take_broken(&mut self) -> Option<Error> {
        self.broken.take()
    }

    /// The client is gone, and with it what it was given. What is not acknowledged waits for the next one.
    ///
    /// # Errors
    /// The disk refuses: what only memory held is dropped, as many records as are returned otherwise.
    pub(crate) fn lost(&mut self) -> Result<u64, SpoolError> {
        let mut dropped = 0;
        if self.spool.is_some() {
            self.spill()?;
            dropped = self.flight.held_in_memory();
        } else {
            let kept = self.flight.drain().into_iter().chain(self.held.take());
            for record in kept.collect::<Vec<_>>().into_iter().rev() {
                self.waiting_bytes += record.bytes();
                self.waiting.push_front(record);
            }
        }
        self.flight = Flight::default();
        (self.held, self.handed) = (None, None);
        if let Some(spool) = &mut self.spool {
            spool.rewind();
            self.spilling = !spool.is_empty();
        }
        Ok(dropped)
    }

    /// Everything that the brokers have not acknowledged is on disk afterwards, if there is a spool.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn save(&mut self) -> Result<(), SpoolError> {
        self.spill()?;
        self.release()?;
        self.spool.as_mut().map_or(Ok(()), Spool::sync)
    }

    /// Nothing waits and nothing is on its way.
    pub(crate) fn is_settled(&self) -> bool {
        !self.spilling && self.nothing_waits() && self.flight.is_empty()
    }

    /// In memory, for a client.
    fn nothing_waits(&self) -> bool {
        self.held.is_none() && self.waiting.is_empty()
    }

    /// Records go to disk first.
    pub(crate) fn is_spilling(&self) -> bool {
        self.spilling
    }

    pub(crate) fn figures(&self) -> Figures {
        let spool = self.spool.as_ref();
        let held = self.held.as_ref().filter(|_| spool.is_none());
        Figures {
            in_flight: self.flight.len(),
            memory_bytes: self.flight.bytes() + self.waiting_bytes + held.map_or(0, Kept::bytes),
            spooled: spool.map_or(0, Spool::len),
            spool_bytes: spool.map_or(0, Spool::bytes),
            acknowledged: self.acknowledged,
        }
    }

    fn offer(&mut self, broker: &impl Broker, record: Entry<'_>, keep: bool, now: Duration) -> bool {
        if self.broken.is_some() {
            return false;
        }
        let partition = partition(record.key, broker.partitions());
        match broker.offer(record, partition) {
            Ok(true) => {
                self.handed = Some(record.number);
                self.flight.add(partition, record, keep, now);
                true
            }
            Ok(false) => false,
            Err(error) => {
                self.broken = Some(error);
                false
            }
        }
    }

    /// From now on through the disk; what only memory holds is written there first.
    fn spill(&mut self) -> Result<(), SpoolError> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        if !self.spilling {
            self.spilling = true;
            // Nothing of an emptied spool is on its way; reading begins at what is written now.
            self.flight.hand_over(|record| Ok(matches!(spool.push(&self.source, record)?, Pushed::Yes)))?;
        }
        Ok(())
    }

    fn store(&mut self, record: Entry<'_>) -> Result<Fate, SpoolError> {
        let Some(spool) = &mut self.spool else { return Ok(Fate::Dropped) };
        Ok(match spool.push(&self.source, record)? {
            Pushed::Yes => Fate::Waits,
            Pushed::Full(_) => Fate::Dropped,
        })
    }

    fn refill(&mut self, broker: &impl Broker, now: Duration) -> Result<bool, SpoolError> {
        for _ in 0..TURN_RECORDS {
            if self.spilling && self.flight.len() >= FLIGHT_RECORDS {
                return Ok(false);
            }
            let Some(record) = self.next_waiting()? else {
                self.spilling = false;
                return Ok(false);
            };
            if self.cursor.covers(record.key(), record.number) {
                self.acknowledged += 1;
                self.handed = self.handed.max(Some(record.number));
            } else if !self.offer(broker, record.entry(), self.spool.is_none(), now) {
                self.held = Some(record);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The oldest record that the present client has not been given.
    fn next_waiting(&mut self) -> Result<Option<Kept>, SpoolError> {
        if self.held.is_some() {
            return Ok(self.held.take());
        }
        if let Some(record) = self.waiting.pop_front() {
            self.waiting_bytes -= record.bytes();
            return Ok(Some(record));
        }
        let Some(spool) = self.spool.as_mut().filter(|_| self.spilling) else { return Ok(None) };
        while let Some(entry) = spool.next()? {
            if self.handed.is_none_or(|handed| entry.number > handed) {
                return Ok(Some(Kept::of(entry)));
            }
        }
        Ok(None)
    }

    /// Tells the spool what it may forget: all before the oldest record that is on its way.
    fn release(&mut self) -> Result<(), SpoolError> {
        let (Some(spool), Some(handed)) = (&mut self.spool, self.handed) else { return Ok(()) };
        let Some(up_to) = self.flight.lowest().map_or(Some(handed), |lowest| lowest.checked_sub(1)) else {
            return Ok(());
        };
        if !spool.is_empty() && self.released.is_none_or(|released| released < up_to) {
            spool.release(up_to)?;
            self.released = Some(up_to);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
