//! What waits to be written: entries in the order of arrival, bounded by rows, bytes and time.
//!
//! A batch ends (is *due*) at the first of: keys, records, bytes, linger since its first entry. Of each partition it holds a
//! gapless run of what was delivered, so "the offset after its last entry" is where the table stands once it is written.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use tape_proto::messages::{BreakoutAlert, StockAggregate};

use crate::entry::{Content, Entry};
use crate::order::{distinct_alerts, newest_rows};
use crate::slot::Slot;

/// When a batch is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Most keys, so most rows of a statement, at least 1.
    pub(crate) rows: usize,
    /// Most bytes; one entry may exceed it.
    pub(crate) bytes: usize,
    /// Longest wait of the first entry.
    pub(crate) linger: Duration,
}

/// Most records a key, on average: a backlog of update rows is written as the newest of each key.
const RECORDS_A_KEY: usize = 8;

/// Entries that wait.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    entries: Vec<Entry>,
    bytes: usize,
    opened: Option<Instant>,
    /// Offset after the last entry of each partition.
    ends: BTreeMap<Slot, i64>,
    /// Hashes of the keys of rows and alerts: two that share one only make the batch end a row later.
    keys: HashSet<u64>,
    hasher: RandomState,
}

impl Batch {
    pub(crate) fn push(&mut self, entry: Entry, now: Instant) {
        self.opened.get_or_insert(now);
        self.bytes += entry.bytes;
        self.keys.extend(self.key(&entry));
        self.ends.insert(entry.slot, entry.offset + 1);
        self.entries.push(entry);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_due(&self, limits: &Limits, now: Instant) -> bool {
        self.keys.len() >= limits.rows
            || self.entries.len() >= limits.rows.saturating_mul(RECORDS_A_KEY)
            || self.bytes >= limits.bytes
            || self.time_left(limits, now).is_some_and(|left| left.is_zero())
    }

    /// How many more entries fit; 0 when the bytes are used up.
    pub(crate) fn room(&self, limits: &Limits) -> usize {
        if self.bytes >= limits.bytes {
            return 0;
        }
        let records = limits.rows.saturating_mul(RECORDS_A_KEY).saturating_sub(self.entries.len());
        limits.rows.saturating_sub(self.keys.len()).min(records)
    }

    /// How long the first entry may still wait; `None` without one.
    pub(crate) fn time_left(&self, limits: &Limits, now: Instant) -> Option<Duration> {
        Some(limits.linger.saturating_sub(now.saturating_duration_since(self.opened?)))
    }

    /// Keys of rows and alerts.
    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    fn key(&self, entry: &Entry) -> Option<u64> {
        match &entry.content {
            Content::Row(row, _) => Some(self.hasher.hash_one((&row.symbol, row.window_start))),
            Content::Alert(alert, _) => {
                Some(self.hasher.hash_one((&alert.symbol, alert.timestamp, alert.r#type, alert.signal)))
            }
            Content::Refused { .. } => None,
        }
    }

    /// Where each partition stands once the batch is written.
    pub(crate) fn ends(&self) -> &BTreeMap<Slot, i64> {
        &self.ends
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// The rows to write, each with the index of its entry: one for each key, sorted by key.
    pub(crate) fn rows(&self) -> Vec<(usize, &StockAggregate)> {
        let rows = self.entries.iter().enumerate().filter_map(|(index, entry)| match &entry.content {
            Content::Row(row, _) => Some((index, &**row)),
            _ => None,
        });
        newest_rows(rows.collect())
    }

    /// The alerts to write, each with the index of its entry: one for each identity, sorted by it.
    pub(crate) fn alerts(&self) -> Vec<(usize, &BreakoutAlert)> {
        let alerts = self.entries.iter().enumerate().filter_map(|(index, entry)| match &entry.content {
            Content::Alert(alert, _) => Some((index, &**alert)),
            _ => None,
        });
        distinct_alerts(alerts.collect())
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
        self.opened = None;
        self.ends.clear();
        self.keys.clear();
    }

    /// Forgets the entries of partitions that are no longer ours.
    pub(crate) fn remove(&mut self, slots: &BTreeSet<Slot>) {
        self.entries.retain(|entry| !slots.contains(&entry.slot));
        self.ends.retain(|slot, _| !slots.contains(slot));
        self.bytes = self.entries.iter().map(|entry| entry.bytes).sum();
        self.keys = self.entries.iter().filter_map(|entry| self.key(entry)).collect();
        if self.entries.is_empty() {
            self.opened = None;
        }
    }
}

#[cfg(test)]
mod tests;
