//! Gauges of tasks, stores and the disk, every few seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::gauge;
use tape_state::{Disk, Progress, StoreMetrics, Usage};

/// Gauges of a partition that are 0 when it is not ours: nothing of it waits, lives or is restored here. Its times stay, as the
/// last that were known.
const OURS: [&str; 13] = [
    "tape_processor_lag_records",
    "tape_processor_last_commit_timestamp_seconds",
    "tape_processor_live_symbols",
    "tape_processor_live_panes",
    "tape_processor_restore_remaining_records",
    "tape_processor_restore_left_seconds",
    "tape_processor_store_keys",
    "tape_processor_store_table_bytes",
    "tape_processor_store_memtable_bytes",
    "tape_processor_store_pending_compaction_bytes",
    "tape_processor_store_unflushed_records",
    "tape_processor_store_background_errors",
    "tape_processor_store_writes_stopped",
];

/// Says how many tasks of a worker are in a phase.
pub(crate) fn tasks(worker: usize, phase: &'static str, count: usize) {
    gauge!("tape_processor_tasks", "worker" => worker.to_string(), "phase" => phase).set(count as f64);
}

/// Figures of a running task.
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

/// Records of a partition were last committed so long ago.
pub(crate) fn last_commit(partition: i32, ago: Duration) {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(ago);
    gauge!("tape_processor_last_commit_timestamp_seconds", "partition" => partition.to_string())
        .set(at.as_secs_f64());
}

/// How an open store is.
pub(crate) fn store(partition: i32, store: &StoreMetrics) {
    let partition = partition.to_string();
    let set = |name: &'static str, value: u64| {
        gauge!(name, "partition" => partition.clone()).set(value as f64);
    };
    set("tape_processor_store_keys", store.keys);
    set("tape_processor_store_table_bytes", store.sst_bytes);
    set("tape_processor_store_memtable_bytes", store.memtable_bytes);
    set("tape_processor_store_pending_compaction_bytes", store.pending_compaction_bytes);
    set("tape_processor_store_unflushed_records", store.unflushed_records);
    set("tape_processor_store_background_errors", store.background_errors);
    set("tape_processor_store_writes_stopped", store.write_stopped.into());
}

/// What all stores of the process share.
pub(crate) fn shared(usage: &Usage, disk: Option<&Disk>) {
    gauge!("tape_processor_store_cache_bytes").set(usage.cache_bytes as f64);
    gauge!("tape_processor_store_write_buffer_bytes").set(usage.write_buffer_bytes as f64);
    if let Some(disk) = disk {
        gauge!("tape_processor_state_disk_bytes").set(disk.bytes as f64);
        gauge!("tape_processor_state_disk_free_bytes").set(disk.free_bytes as f64);
    }
}

/// A partition is not ours any more.
pub(crate) fn given_up(partition: i32) {
    let partition = partition.to_string();
    for name in OURS {
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

#[cfg(test)]
mod tests {
    use super::OURS;
    use crate::METRICS;

    /// Known for good, or of no meaning without the others.
    const KEPT: [&str; 3] = [
        "tape_processor_stream_time_seconds",
        "tape_processor_watermark_seconds",
        "tape_processor_restore_total_records",
    ];

    #[test]
    fn every_figure_of_a_partition_ends_with_it_or_stays_on_purpose() {
        let of_partition = METRICS.iter().filter(|metric| metric.labels.contains(&"partition"));
        let mut named: Vec<_> = of_partition.map(|metric| metric.name).collect();
        let mut known: Vec<_> = OURS.into_iter().chain(KEPT).collect();
        named.sort_unstable();
        known.sort_unstable();
        assert_eq!(named, known);
    }
}
