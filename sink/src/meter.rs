//! What the sink counts. Names are part of the product; dashboards and rules use them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::slot::Table;

/// Handles of the metrics; made after the recorder was installed.
pub(crate) struct Meter {
    batch_seconds: Histogram,
    batch_rows: Histogram,
    latency_seconds: Histogram,
    last_commit: Gauge,
    missing: Counter,
    fenced: Counter,
}

impl Meter {
    pub(crate) fn new() -> Self {
        describe();
        for table in Table::ALL {
            rows(table).increment(0);
            records(table).increment(0);
            dead_letters(table).increment(0);
        }
        Self {
            batch_seconds: histogram!("tape_sink_batch_seconds"),
            batch_rows: histogram!("tape_sink_batch_records"),
            latency_seconds: histogram!("tape_sink_latency_seconds"),
            last_commit: gauge!("tape_sink_last_commit_timestamp_seconds"),
            missing: counter!("tape_sink_missing_records_total"),
            fenced: counter!("tape_sink_fenced_total"),
        }
    }

    pub(crate) fn consumed(&self, table: Table) {
        records(table).increment(1);
    }

    /// A batch of `records` records was committed.
    pub(crate) fn committed(&self, written: [(Table, u64); 2], records: usize, took: Duration) {
        for (table, count) in written {
            rows(table).increment(count);
        }
        self.batch_seconds.record(took);
        self.batch_rows.record(records as f64);
        self.last_commit.set(since_epoch().as_secs_f64());
    }

    /// Append times of committed records, milliseconds since the epoch.
    pub(crate) fn latencies(&self, append_times: impl Iterator<Item = i64>) {
        let now_ms = i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX);
        for append_time in append_times {
            let latency_ms = now_ms.saturating_sub(append_time).max(0);
            self.latency_seconds.record(latency_ms as f64 / 1_000.0);
        }
    }

    pub(crate) fn dead_letter(&self, table: Table) {
        dead_letters(table).increment(1);
    }

    pub(crate) fn retry(&self, reason: &'static str) {
        counter!("tape_sink_retries_total", "reason" => reason).increment(1);
    }

    pub(crate) fn fenced(&self) {
        self.fenced.increment(1);
    }

    pub(crate) fn missing(&self, records: i64) {
        self.missing.increment(records.unsigned_abs());
    }

    /// Records of a partition that are not in the table yet; NaN when the partition is not ours any more.
    pub(crate) fn lag(&self, topic: &str, partition: i32, records: Option<i64>) {
        let gauge = gauge!("tape_sink_lag_records", "topic" => topic.to_owned(), "partition" => partition.to_string());
        gauge.set(records.map_or(f64::NAN, |records| records as f64));
    }
}

fn rows(table: Table) -> Counter {
    counter!("tape_sink_rows_total", "table" => table.name())
}

fn records(table: Table) -> Counter {
    counter!("tape_sink_records_total", "table" => table.name())
}

fn dead_letters(table: Table) -> Counter {
    counter!("tape_sink_dead_letters_total", "table" => table.name())
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn describe() {
    describe_counter!("tape_sink_records_total", "records consumed, by the table that they are for");
    describe_counter!("tape_sink_rows_total", "rows inserted or replaced, by table");
    describe_counter!(
        "tape_sink_dead_letters_total",
        "records sent to the sink's dead-letter topic and acknowledged"
    );
    describe_counter!(
        "tape_sink_retries_total",
        "times that unwritten work was dropped and read again, by reason"
    );
    describe_counter!(
        "tape_sink_fenced_total",
        "transactions rolled back because an offset was not where it should be"
    );
    describe_counter!(
        "tape_sink_missing_records_total",
        "offsets that retention deleted before they were read"
    );
    describe_histogram!("tape_sink_batch_seconds", "time to write a batch, dead letters included");
    describe_histogram!("tape_sink_batch_records", "records in a batch");
    describe_histogram!(
        "tape_sink_latency_seconds",
        "from a record's append time to its commit in the database"
    );
    describe_gauge!("tape_sink_last_commit_timestamp_seconds", "when the last batch was committed");
    describe_gauge!("tape_sink_lag_records", "records of a partition that are not in the database yet");
}
