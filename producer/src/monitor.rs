//! What a running producer shows of itself: to a progress bar, to the log, to Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use metrics::{Counter, Gauge, counter, gauge};

use crate::table::METRICS;

/// Numbers of one run, shared by clones. Reading them costs nothing to the producer.
#[derive(Clone, Debug, Default)]
pub struct Monitor {
    numbers: Arc<Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    records: AtomicU64,
    acknowledged: AtomicU64,
    skipped: AtomicU64,
    rejected: AtomicU64,
    bytes_read: AtomicU64,
    bytes_total: AtomicU64,
    event_time: AtomicI64,
}

/// The numbers at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Records handed to the client.
    pub records: u64,
    /// Records that the brokers have acknowledged; never more than `records`.
    pub acknowledged: u64,
    /// Records that the log had already.
    pub skipped: u64,
    /// Lines that were no trades.
    pub rejected: u64,
    /// Bytes read of all files.
    pub bytes_read: u64,
    /// Length of all files in bytes; 0 when there is no end in sight.
    pub bytes_total: u64,
    /// Event time of the last record, in milliseconds since the Unix epoch; 0 before the first.
    pub event_time: i64,
}

impl Monitor {
    /// The numbers now.
    pub fn snapshot(&self) -> Snapshot {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let numbers = &self.numbers;
        Snapshot {
            records: get(&numbers.records),
            acknowledged: get(&numbers.acknowledged),
            skipped: get(&numbers.skipped),
            rejected: get(&numbers.rejected),
            bytes_read: get(&numbers.bytes_read),
            bytes_total: get(&numbers.bytes_total),
            event_time: numbers.event_time.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn set(&self, now: &Snapshot) {
        let set = |number: &AtomicU64, value| number.store(value, Ordering::Relaxed);
        let numbers = &self.numbers;
        set(&numbers.records, now.records);
        set(&numbers.acknowledged, now.acknowledged);
        set(&numbers.skipped, now.skipped);
        set(&numbers.rejected, now.rejected);
        set(&numbers.bytes_read, now.bytes_read);
        set(&numbers.bytes_total, now.bytes_total);
        numbers.event_time.store(now.event_time, Ordering::Relaxed);
    }
}

/// The same for Prometheus.
pub(crate) struct Meters {
    records: Counter,
    bytes: Counter,
    acknowledged: Counter,
    skipped: Counter,
    rejected: Counter,
    restarts: Counter,
    in_flight: Gauge,
    event_time: Gauge,
}

impl Meters {
    /// Call it after the recorder is installed.
    pub(crate) fn new() -> Self {
        tape_service::metrics::describe(METRICS);
        Self {
            records: counter!("tape_producer_records_total"),
            bytes: counter!("tape_producer_bytes_total"),
            acknowledged: counter!("tape_producer_acknowledged_total"),
            skipped: counter!("tape_producer_skipped_total"),
            rejected: counter!("tape_producer_rejected_total"),
            restarts: counter!("tape_producer_restarts_total"),
            in_flight: gauge!("tape_producer_in_flight"),
            event_time: gauge!("tape_producer_event_timestamp_seconds"),
        }
    }

    pub(crate) fn restarted(&self) {
        self.restarts.increment(1);
    }

    /// What has changed between two snapshots, and the state now. `bytes` = of the values sent since.
    pub(crate) fn update(&self, before: &Snapshot, now: &Snapshot, bytes: u64, in_flight: usize) {
        let grow = |counter: &Counter, before: u64, now: u64| counter.increment(now.saturating_sub(before));
        grow(&self.records, before.records, now.records);
        grow(&self.acknowledged, before.acknowledged, now.acknowledged);
        grow(&self.skipped, before.skipped, now.skipped);
        grow(&self.rejected, before.rejected, now.rejected);
        self.bytes.increment(bytes);
        self.in_flight.set(in_flight as f64);
        if now.event_time > 0 {
            self.event_time.set(now.event_time as f64 / 1000.0);
        }
    }
}
