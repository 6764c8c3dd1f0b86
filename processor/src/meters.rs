//! Metrics of a worker. Counted in plain integers while records are taken, handed to the recorder once per commit.

mod figures;
mod table;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{counter, gauge, histogram};
use tape_analytics::AlertKind;

pub use table::METRICS;

pub(crate) use figures::{TaskFigures, given_up, last_commit, restore, shared, store, tasks};

/// What the group says, as a label.
const REBALANCES: [&str; 3] = ["assigned", "revoked", "lost"];

/// Counts since the last hand-over.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) records: u64,
    pub(crate) late: u64,
    pub(crate) late_partial: u64,
    pub(crate) final_rows: u64,
    pub(crate) open_rows: u64,
    pub(crate) changelog_records: u64,
    /// Append time of the newest record taken, ms.
    pub(crate) append_time: Option<i64>,
    rejected: BTreeMap<&'static str, u64>,
    alerts: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(crate) fn rejected(&mut self, code: &'static str) {
        *self.rejected.entry(code).or_default() += 1;
    }

    pub(crate) fn alert(&mut self, kind: AlertKind) {
        *self.alerts.entry(alert_label(kind)).or_default() += 1;
    }

    /// Hands the counts of a committed transaction over.
    pub(crate) fn report(&mut self, commit: Duration, phases: &Phases) {
        counter!("tape_processor_records_total").increment(self.records);
        counter!("tape_processor_late_records_total").increment(self.late);
        counter!("tape_processor_late_partial_records_total").increment(self.late_partial);
        counter!("tape_processor_final_rows_total").increment(self.final_rows);
        counter!("tape_processor_open_rows_total").increment(self.open_rows);
        counter!("tape_processor_changelog_records_total").increment(self.changelog_records);
        for (reason, count) in &self.rejected {
            counter!("tape_processor_rejected_records_total", "reason" => *reason).increment(*count);
        }
        for (kind, count) in &self.alerts {
            counter!("tape_processor_alerts_total", "type" => *kind).increment(*count);
        }
        counter!("tape_processor_commits_total").increment(1);
        histogram!("tape_processor_commit_seconds").record(commit.as_secs_f64());
        phases.report();
        if let Some(latency) = self.append_time.and_then(age) {
            histogram!("tape_processor_end_to_end_seconds").record(latency.as_secs_f64());
        }
        *self = Counts::default();
    }
}

/// How long the phases of a commit took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Phases {
    /// Changes become bytes.
    pub(crate) stage: Duration,
    /// The Kafka client takes rows, alerts and changes.
    pub(crate) send: Duration,
    /// The coordinator takes the input offsets.
    pub(crate) offsets: Duration,
    /// Everything is sent, and the broker says yes.
    pub(crate) broker: Duration,
    /// RocksDB takes the changes.
    pub(crate) store: Duration,
}

impl Phases {
    fn report(&self) {
        let Self { stage, send, offsets, broker, store } = *self;
        for (phase, took) in
            [("stage", stage), ("send", send), ("offsets", offsets), ("broker", broker), ("store", store)]
        {
            histogram!("tape_processor_commit_phase_seconds", "phase" => phase).record(took.as_secs_f64());
        }
    }
}

/// Time since an append time, by the wall clock; for display only.
fn age(append_time: i64) -> Option<Duration> {
    let append_time = UNIX_EPOCH + Duration::from_millis(append_time.try_into().ok()?);
    SystemTime::now().duration_since(append_time).ok()
}

const fn alert_label(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Breakout => "breakout",
        AlertKind::GoldenCross => "golden_cross",
        AlertKind::DeathCross => "death_cross",
        AlertKind::HighVolume => "high_volume",
    }
}

/// Describes everything, and begins the counters whose labels are known at 0: a rate needs a value before the first event.
pub(crate) fn announce() {
    tape_service::metrics::describe(METRICS);
    for kind in [AlertKind::Breakout, AlertKind::GoldenCross, AlertKind::DeathCross, AlertKind::HighVolume] {
        counter!("tape_processor_alerts_total", "type" => alert_label(kind)).increment(0);
    }
    for event in REBALANCES {
        counter!("tape_processor_rebalances_total", "event" => event).increment(0);
    }
}

/// Says that a commit was given up, and why.
pub(crate) fn aborted(cause: &str) {
    counter!("tape_processor_aborts_total", "cause" => cause.to_owned()).increment(1);
}

/// The group has given or taken partitions.
pub(crate) fn rebalanced(event: &'static str) {
    debug_assert!(REBALANCES.contains(&event));
    counter!("tape_processor_rebalances_total", "event" => event).increment(1);
}

/// So many more seconds of a worker went there.
pub(crate) fn worked(worker: usize, activity: &'static str, seconds: u64) {
    counter!("tape_processor_worker_seconds_total", "worker" => worker.to_string(), "activity" => activity)
        .increment(seconds);
}

/// Says how many workers this process should have.
pub(crate) fn workers(count: usize) {
    gauge!("tape_processor_workers").set(count as f64);
    gauge!("tape_processor_workers_alive").set(0.0);
    gauge!("tape_processor_workers_failed").set(0.0);
}

/// A thread of a worker runs, until this is dropped, also by a panic.
pub(crate) struct Alive;

impl Alive {
    pub(crate) fn new() -> Self {
        gauge!("tape_processor_workers_alive").increment(1.0);
        Self
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        gauge!("tape_processor_workers_alive").decrement(1.0);
    }
}

/// A worker has ended with an error.
pub(crate) fn worker_failed() {
    gauge!("tape_processor_workers_failed").increment(1.0);
}

/// A task was restored from so many records.
pub(crate) fn restored(partition: i32, records: u64) {
    let label = partition.to_string();
    gauge!("tape_processor_restore_remaining_records", "partition" => label.clone()).set(0.0);
    gauge!("tape_processor_restore_left_seconds", "partition" => label).set(0.0);
    counter!("tape_processor_restored_records_total").increment(records);
}
