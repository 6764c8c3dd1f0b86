//! Counts what a run does and tells it: to the [`Monitor`], to Prometheus, to the log.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tape_kafka::Producer;
use tracing::info;

use crate::feed::{Feed, FeedRecord};
use crate::monitor::{Meters, Monitor, Snapshot};

/// Numbers are brought up to date after so many records.
const REPORT_RECORDS: u64 = 4096;
/// How often the log says how far the source is.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Counts what happens and tells it: to the monitor, to Prometheus, to the log.
pub(crate) struct Report {
    monitor: Monitor,
    meters: Meters,
    now: Snapshot,
    told: Snapshot,
    /// Acknowledged by clients that are gone.
    acknowledged_before: u64,
    bytes: u64,
    logged: (Instant, u64),
}

impl Report {
    pub(crate) fn new(monitor: Monitor) -> Self {
        let zero = Snapshot::default();
        Self {
            monitor,
            meters: Meters::new(),
            now: zero,
            told: zero,
            acknowledged_before: 0,
            bytes: 0,
            logged: (Instant::now(), 0),
        }
    }

    /// Records handed to clients so far.
    pub(crate) fn records(&self) -> u64 {
        self.now.records
    }

    /// Records acknowledged so far, as of the last update.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.now.acknowledged
    }

    /// A client was lost.
    pub(crate) fn restarted(&self) {
        self.meters.restarted();
    }

    /// A new client begins to count at 0.
    pub(crate) fn begin(&mut self) {
        self.acknowledged_before = self.now.acknowledged;
    }

    pub(crate) fn sent(&mut self, record: &FeedRecord<'_>) {
        self.now.records += 1;
        self.now.event_time = record.event_time;
        self.bytes += record.value.map_or(0, <[u8]>::len) as u64;
    }

    pub(crate) fn is_due(&self) -> bool {
        self.now.records - self.told.records >= REPORT_RECORDS
    }

    pub(crate) fn update(&mut self, feed: &Feed, producer: &Producer) {
        let progress = feed.progress();
        self.now.acknowledged = self.acknowledged_before + producer.delivered();
        self.now.skipped = progress.skipped;
        self.now.rejected = progress.rejected;
        self.now.bytes_read = progress.bytes_read;
        self.now.bytes_total = progress.bytes_total.unwrap_or(0);
        self.monitor.set(&self.now);
        self.meters.update(&self.told, &self.now, std::mem::take(&mut self.bytes), producer.in_flight());
        self.told = self.now;
        let (at, records) = self.logged;
        if at.elapsed() >= LOG_EVERY {
            let per_second = (self.now.records - records) as f64 / at.elapsed().as_secs_f64();
            self.log(per_second);
            self.logged = (Instant::now(), self.now.records);
        }
    }

    fn log(&self, per_second: f64) {
        let Snapshot { records, skipped, rejected, bytes_read, bytes_total, event_time, .. } = self.now;
        let per_second = per_second.round();
        let behind_s = (now_ms() - event_time) / 1000;
        if let Some(percent) = (bytes_read * 100).checked_div(bytes_total) {
            info!(records, per_second, skipped, rejected, percent, "sending");
        } else {
            info!(records, per_second, skipped, behind_s, "sending");
        }
    }
}

/// The wall clock in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    // A clock before 1970 is a clock that was never set: nothing is due yet.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
