//! Records that the present client has and the brokers have not acknowledged, by partition.

use std::collections::VecDeque;
use std::time::Duration;

use crate::spool::Entry;

/// A record of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: u64,
    key_bytes: usize,
    bytes: Box<[u8]>,
}

impl Kept {
    pub(super) fn of(record: Entry<'_>) -> Self {
        let bytes = [record.key, record.value].concat().into_boxed_slice();
        Self { number: record.number, key_bytes: record.key.len(), bytes }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.key_bytes]
    }

    pub(super) fn entry(&self) -> Entry<'_> {
        let (key, value) = self.bytes.split_at(self.key_bytes);
        Entry { number: self.number, key, value }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    since: Duration,
    /// `None`: the spool has it.
    record: Option<Kept>,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Flight {
    partitions: Vec<Lane>,
    records: usize,
    /// Of the records that only memory holds.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Waiting>,
    /// Records taken from the front so far.
    settled: u64,
}

impl Flight {
    /// A client has taken a record; `keep`: nothing else has it.
    pub(super) fn add(&mut self, partition: i32, record: Entry<'_>, keep: bool, now: Duration) {
        let index = usize::try_from(partition).unwrap_or(0);
        if self.partitions.len() <= index {
            self.partitions.resize_with(index + 1, Lane::default);
        }
        let kept = keep.then(|| Kept::of(record));
        self.records += 1;
        self.bytes += kept.as_ref().map_or(0, Kept::bytes);
        self.partitions[index].waiting.push_back(Waiting { number: record.number, since: now, record: kept });
    }

    /// Forgets what is acknowledged: so many records of each partition since the client began. Says how many these are.
    pub(super) fn settle(&mut self, acknowledged: impl Fn(i32) -> u64) -> u64 {
        let mut count = 0;
        for (partition, lane) in (0..).zip(&mut self.partitions) {
            if lane.waiting.is_empty() {
                continue;
            }
            let upto = acknowledged(partition);
            while lane.settled < upto
                && let Some(waiting) = lane.waiting.pop_front()
            {
                lane.settled += 1;
                self.bytes -= waiting.record.as_ref().map_or(0, Kept::bytes);
                count += 1;
            }
        }
        self.records -= usize::try_from(count).unwrap_or(self.records);
        count
    }

    /// How long the oldest one waits.
    pub(super) fn waits_since(&self, now: Duration) -> Duration {
        let oldest = self.partitions.iter().filter_map(|lane| Some(lane.waiting.front()?.since)).min();
        oldest.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// The lowest number.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.partitions.iter().filter_map(|lane| Some(lane.waiting.front()?.number)).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(super) fn len(&self) -> usize {
        self.records
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records that only memory holds.
    pub(super) fn held_in_memory(&self) -> u64 {
        let held = |lane: &Lane| lane.waiting.iter().filter(|waiting| waiting.record.is_some()).count();
        self.partitions.iter().map(held).sum::<usize>() as u64
    }

    /// Gives what only memory holds to `take`, in the order of the numbers; what it took is kept there from now on.
    pub(super) fn hand_over<E>(
        &mut self,
        mut take: impl FnMut(Entry<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut waiting: Vec<&mut Waiting> =
            self.partitions.iter_mut().flat_map(|lane| &mut lane.waiting).collect();
        waiting.sort_unstable_by_key(|waiting| waiting.number);
        for waiting in waiting {
            let Some(record) = &waiting.record else { continue };
            if !take(record.entry())? {
                return Ok(());
            }
            self.bytes -= record.bytes();
            waiting.record = None;
        }
        Ok(())
    }

    /// Takes out what only memory holds, in the order of the numbers.
    pub(super) fn drain(&mut self) -> Vec<Kept> {
        let lanes = std::mem::take(self).partitions;
        let mut kept: Vec<Kept> =
            lanes.into_iter().flat_map(|lane| lane.waiting).filter_map(|waiting| waiting.record).collect();
        kept.sort_unstable_by_key(|record| record.number);
        kept
    }
}
