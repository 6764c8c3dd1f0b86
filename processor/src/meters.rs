//! Metrics of a worker. Counted in plain integers while records are taken, handed to the recorder once per commit.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tape_analytics::AlertKind;
use tape_state::Progress;

/// Counters, and what they count.
const COUNTERS: &[(&str, &str)] = &[
    ("tape_processor_records_total", "records read and committed"),
    ("tape_processor_late_records_total", "records that came after all their windows had closed"),
    ("tape_processor_late_partial_records_total", "records that came after some of their windows had closed"),
    ("tape_processor_final_rows_total", "rows of windows that have closed"),
    ("tape_processor_open_rows_total", "rows of windows that are still open"),
    ("tape_processor_changelog_records_total", "records written to the changelog"),
    ("tape_processor_rejected_records_total", "records sent to the dead-letter topic, by reason"),
    ("tape_processor_alerts_total", "alerts, by type"),
    ("tape_processor_commits_total", "transactions committed"),
    ("tape_processor_aborts_total", "times that uncommitted work was dropped and read again, by cause"),
    ("tape_processor_restored_records_total", "records of the changelog read by restores"),
];
/// Counters with a label.
const LABELLED: &[&str] =
    &["tape_processor_rejected_records_total", "tape_processor_alerts_total", "tape_processor_aborts_total"];
const GAUGES: &[(&str, &str)] = &[
    ("tape_processor_tasks", "tasks of a worker, by phase"),
    (
        "tape_processor_lag_records",
        "records of a partition that are not read yet; 0 when the partition is not ours",
    ),
    ("tape_processor_live_symbols", "symbols that a task holds in memory"),
    ("tape_processor_live_panes", "panes that a task holds in memory"),
    ("tape_processor_stream_time_seconds", "highest event time of a partition, since the Unix epoch"),
    ("tape_processor_watermark_seconds", "windows that end up to here have closed, since the Unix epoch"),
    ("tape_processor_restore_remaining_records", "offsets of the changelog that a restore has still to read"),
    ("tape_processor_restore_total_records", "offsets of the changelog that a restore reads in all"),
    ("tape_processor_restore_left_seconds", "time that a restore will take at its present rate"),
];
const HISTOGRAMS: &[(&str, &str)] = &[
    (
        "tape_processor_commit_seconds",
        "time of a commit, from its begin to the broker's yes and the store's write",
    ),
    (
        "tape_processor_end_to_end_seconds",
        "time from the append of the newest record of a commit to the end of the commit",
    ),
];

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
    pub(crate) fn report(&mut self, commit: Duration) {
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
        if let Some(latency) = self.append_time.and_then(age) {
            histogram!("tape_processor_end_to_end_seconds").record(latency.as_secs_f64());
        }
        *self = Counts::default();
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
    for (name, text) in COUNTERS {
        describe_counter!(*name, *text);
        if !LABELLED.contains(name) {
            counter!(*name).increment(0);
        }
    }
    for (name, text) in GAUGES {
        describe_gauge!(*name, *text);
    }
    for (name, text) in HISTOGRAMS {
        describe_histogram!(*name, *text);
    }
    for kind in [AlertKind::Breakout, AlertKind::GoldenCross, AlertKind::DeathCross, AlertKind::HighVolume] {
        counter!("tape_processor_alerts_total", "type" => alert_label(kind)).increment(0);
    }
}

/// Says that a commit was given up, and why.
pub(crate) fn aborted(cause: &str) {
    counter!("tape_processor_aborts_total", "cause" => cause.to_owned()).increment(1);
}

/// Says how many tasks of a worker are in a phase.
pub(crate) fn tasks(worker: usize, phase: &'static str, count: usize) {
    gauge!("tape_processor_tasks", "worker" => worker.to_string(), "phase" => phase).set(count as f64);
}

/// Figures of a running task, every few seconds.
pub(crate) struct TaskFigures {
    pub(crate) partition: i32,
    pub(crate) lag: i64,
    pub(crate) symbols: usize,
    pub(crate) panes: usize,
    pub(crate) stream_time: Option<i64>,
    pub(crate) watermark: Option<i64>,
}

impl TaskFigures {
    pub(crate) fn report(&self) {
        let partition = self.partition.to_string();
        let set = |name: &'static str, value: f64| gauge!(name, "partition" => partition.clone()).set(value);
        set("tape_processor_lag_records", self.lag as f64);
        set("tape_processor_live_symbols", self.symbols as f64);
        set("tape_processor_live_panes", self.panes as f64);
        if let Some(time) = self.stream_time {
            set("tape_processor_stream_time_seconds", time as f64 / 1e3);
        }
        if let Some(time) = self.watermark {
            set("tape_processor_watermark_seconds", time as f64 / 1e3);
        }
    }
}

/// A partition is not ours any more: nothing of it waits, lives or is restored here. Its times stay, as the last that was known.
pub(crate) fn given_up(partition: i32) {
    let partition = partition.to_string();
    for name in [
        "tape_processor_lag_records",
        "tape_processor_live_symbols",
        "tape_processor_live_panes",
        "tape_processor_restore_remaining_records",
        "tape_processor_restore_left_seconds",
    ] {
        gauge!(name, "partition" => partition.clone()).set(0.0);
    }
}

/// How far a restoring task is: offsets of the changelog still to read and in all, and the time that takes.
pub(crate) fn restore(partition: i32, progress: &Progress) {
    let partition = partition.to_string();
    let set = |name: &'static str, value: f64| gauge!(name, "partition" => partition.clone()).set(value);
    set("tape_processor_restore_remaining_records", progress.remaining() as f64);
    set("tape_processor_restore_total_records", progress.total() as f64);
    if let Some(eta) = progress.eta() {
        set("tape_processor_restore_left_seconds", eta.as_secs_f64());
    }
}

/// A task was restored from so many records.
pub(crate) fn restored(partition: i32, records: u64) {
    let label = partition.to_string();
    gauge!("tape_processor_restore_remaining_records", "partition" => label.clone()).set(0.0);
    gauge!("tape_processor_restore_left_seconds", "partition" => label).set(0.0);
    counter!("tape_processor_restored_records_total").increment(records);
}
