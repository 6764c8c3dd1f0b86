//! What the processor shows.

use tape_service::metrics::Metric;

/// Every metric of the processor.
pub const METRICS: &[Metric] = &[
    Metric::counter("tape_processor_records_total", "records read and committed").like("process-total"),
    Metric::counter("tape_processor_late_records_total", "records that came after all their windows had closed")
        .like("dropped-records-total"),
    Metric::counter(
        "tape_processor_late_partial_records_total",
        "records that came after some of their windows had closed",
    ),
    Metric::counter(
        "tape_processor_rejected_records_total",
        "records sent to the dead-letter topic, by reason",
    )
    .by(&["reason"])
    .like("dropped-records-total"),
    Metric::counter("tape_processor_final_rows_total", "rows of windows that have closed"),
    Metric::counter("tape_processor_open_rows_total", "rows of windows that are still open"),
    Metric::counter("tape_processor_alerts_total", "alerts, by type").by(&["type"]),
    Metric::gauge(
        "tape_processor_lag_records",
        "records of a partition that are not read yet; 0 when the partition is not ours",
    )
    .by(&["partition"])
    .like("records-lag"),
    Metric::gauge(
        "tape_processor_stream_time_seconds",
        "highest event time of a partition, since the Unix epoch",
    )
    .by(&["partition"]),
    Metric::gauge(
        "tape_processor_watermark_seconds",
        "windows that end up to here have closed, since the Unix epoch",
    )
    .by(&["partition"]),
    Metric::histogram(
        "tape_processor_end_to_end_seconds",
        "time from the append of the newest record of a commit to the end of the commit",
    )
    .like("record-e2e-latency-avg, record-e2e-latency-max"),
    // Commits.
    Metric::counter("tape_processor_commits_total", "transactions committed").like("commit-total"),
    Metric::histogram(
        "tape_processor_commit_seconds",
        "time of a commit, from its begin to the broker's yes and the store's write",
    )
    .like("commit-latency-avg, commit-latency-max"),
    Metric::histogram(
        "tape_processor_commit_phase_seconds",
        "time of a commit by phase: stage (changes are encoded), send (records to the Kafka client), offsets (input offsets, the \
         coordinator's answer), broker (flush and the broker's yes), store (RocksDB)",
    )
    .by(&["phase"])
    .like("txn-send-offsets-time-ns-total, txn-commit-time-ns-total, flush-time-ns-total"),
    Metric::counter(
        "tape_processor_aborts_total",
        "times that uncommitted work was dropped and read again, by cause",
    )
    .by(&["cause"]),
    Metric::gauge(
        "tape_processor_last_commit_timestamp_seconds",
        "when records of a partition were last committed; 0 when the partition is not ours",
    )
    .by(&["partition"]),
    Metric::counter("tape_processor_changelog_records_total", "records written to the changelog"),
    // Workers.
    Metric::gauge("tape_processor_workers", "workers that this process should have (WORKERS)"),
    Metric::gauge("tape_processor_workers_alive", "workers whose thread runs").like("alive-stream-threads"),
    Metric::gauge(
        "tape_processor_workers_failed",
        "workers that have ended with an error; the process ends, too",
    )
    .like("failed-stream-threads"),
    Metric::counter(
        "tape_processor_worker_seconds_total",
        "where a worker's time goes, whole seconds: poll (records come), process, commit, restore, idle (no records), recover (after \
         trouble), other",
    )
    .by(&["worker", "activity"])
    .like("poll-ratio, process-ratio, commit-ratio, active-restore-ratio"),
    Metric::gauge("tape_processor_tasks", "tasks of a worker, by phase").by(&["worker", "phase"]),
    Metric::counter(
        "tape_processor_rebalances_total",
        "times that the group gave partitions to a worker, asked them back or passed them on: assigned, revoked, lost",
    )
    .by(&["event"])
    .like("task-created-total, task-closed-total"),
    // State.
    Metric::gauge("tape_processor_live_symbols", "symbols that a task holds in memory").by(&["partition"]),
    Metric::gauge("tape_processor_live_panes", "panes that a task holds in memory").by(&["partition"]),
    Metric::gauge(
        "tape_processor_restore_remaining_records",
        "offsets of the changelog that a restore has still to read",
    )
    .by(&["partition"])
    .like("restore-remaining-records-total"),
    Metric::gauge(
        "tape_processor_restore_total_records",
        "offsets of the changelog that a restore reads in all",
    )
    .by(&["partition"]),
    Metric::gauge(
        "tape_processor_restore_left_seconds",
        "time that a restore will take at its present rate",
    )
    .by(&["partition"]),
    Metric::counter("tape_processor_restored_records_total", "records of the changelog read by restores")
        .like("restore-total"),
    Metric::gauge("tape_processor_store_keys", "keys of a store, as RocksDB estimates them")
        .by(&["partition"])
        .like("estimate-num-keys"),
    Metric::gauge("tape_processor_store_table_bytes", "table files of a store")
        .by(&["partition"])
        .like("total-sst-files-size"),
    Metric::gauge("tape_processor_store_memtable_bytes", "write buffers of a store")
        .by(&["partition"])
        .like("cur-size-all-mem-tables"),
    Metric::gauge(
        "tape_processor_store_pending_compaction_bytes",
        "work that compaction of a store is behind with",
    )
    .by(&["partition"])
    .like("estimate-pending-compaction-bytes"),
    Metric::gauge(
        "tape_processor_store_unflushed_records",
        "changelog offsets of a store that are in memory only: a crash reads them again",
    )
    .by(&["partition"]),
    Metric::gauge(
        "tape_processor_store_background_errors",
        "flushes and compactions of a store that have failed since it was opened",
    )
    .by(&["partition"])
    .like("background-errors"),
    Metric::gauge("tape_processor_store_writes_stopped", "1: RocksDB makes writers of a store wait")
        .by(&["partition"])
        .like("write-stall-duration-total"),
    Metric::gauge(
        "tape_processor_store_cache_bytes",
        "block cache of all stores together, their write buffers included",
    )
    .like("block-cache-usage"),
    Metric::gauge("tape_processor_store_write_buffer_bytes", "write buffers of all stores together"),
    Metric::gauge("tape_processor_state_disk_bytes", "size of the file system that STATE_DIR lies in"),
    Metric::gauge("tape_processor_state_disk_free_bytes", "what of it this user can still write"),
];
