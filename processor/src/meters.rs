//! Metrics of a worker. Counted in plain integers while records are taken, handed to the recorder once per commit.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{counter, gauge, histogram};
use tape_analytics::AlertKind;
use tape_state::Progress;

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
        let kind = match kind {
            AlertKind::Breakout => "breakout",
            AlertKind::GoldenCross => "golden_cross",
            AlertKind::DeathCross => "death_cross",
            AlertKind::HighVolume => "high_volume",
        };
        *self.alerts.entry(kind).or_default() += 1;
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
