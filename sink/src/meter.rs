//! What the sink counts. Names are part of the product; dashboards and rules use them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tape_db::{Error, NAMED_SQLSTATES, PoolStatus, Reaction};
use tape_service::metrics::Metric;

use crate::slot::Table;

/// Every metric of the sink.
pub const METRICS: &[Metric] = &[
    Metric::counter("tape_sink_records_total", "records consumed, by the table that they are for")
        .by(&["table"])
        .like("records-consumed-total"),
    Metric::counter("tape_sink_rows_total", "rows inserted or replaced, by table").by(&["table"]),
    Metric::counter(
        "tape_sink_dead_letters_total",
        "records sent to the sink's dead-letter topic and acknowledged, by table",
    )
    .by(&["table"])
    .like("dropped-records-total"),
    Metric::gauge(
        "tape_sink_lag_records",
        "records of a partition that are not in the database yet; NaN when the partition is not ours any more",
    )
    .by(&["topic", "partition"])
    .like("records-lag"),
    Metric::histogram("tape_sink_latency_seconds", "from a record's append time to its commit in the database")
        .like("record-e2e-latency-avg, record-e2e-latency-max"),
    Metric::histogram("tape_sink_batch_seconds", "time to write a batch, dead letters included")
        .like("commit-latency-avg, commit-latency-max"),
    Metric::histogram("tape_sink_batch_records", "records in a batch"),
    Metric::gauge("tape_sink_last_commit_timestamp_seconds", "when the last batch was committed"),
    Metric::counter("tape_sink_retries_total", "times that unwritten work was dropped and read again, by reason")
        .by(&["reason"]),
    Metric::counter(
        "tape_sink_fenced_total",
        "transactions rolled back because an offset was not where it should be",
    ),
    Metric::counter("tape_sink_missing_records_total", "offsets that retention deleted before they were read"),
    Metric::counter(
        "tape_sink_database_errors_total",
        "what the database refused, by SQLSTATE (of rare codes the class, their first two characters; none: no answer, or no \
         connection) and by what the sink does: retry, split, data, config, disk_full",
    )
    .by(&["sqlstate", "reaction"]),
    Metric::gauge("tape_sink_pool_connections", "open connections to the database: in_use, idle").by(&["state"]),
    Metric::gauge("tape_sink_pool_waiting", "writers that wait for a connection"),
    Metric::gauge("tape_sink_pool_max_connections", "most connections that there may be (DB_POOL_MAX)"),
];

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

/// Describes everything. The codes that have a name begin at 0: a rate needs a value before the first error.
pub(crate) fn describe() {
    tape_service::metrics::describe(METRICS);
    for code in NAMED_SQLSTATES {
        database_errors(code, Reaction::of_sqlstate(code)).increment(0);
    }
    database_errors("none", Reaction::Retry).increment(0);
}

/// The database has refused something, or did not answer.
pub(crate) fn database_error(error: &Error) {
    database_errors(error.sqlstate_label(), error.reaction()).increment(1);
}

fn database_errors(sqlstate: &str, reaction: Reaction) -> Counter {
    let sqlstate = sqlstate.to_owned();
    counter!("tape_sink_database_errors_total", "sqlstate" => sqlstate, "reaction" => reaction.as_str())
}

/// How the connections are used now.
pub(crate) fn pool(status: PoolStatus) {
    gauge!("tape_sink_pool_connections", "state" => "in_use").set(status.in_use as f64);
    gauge!("tape_sink_pool_connections", "state" => "idle").set(status.idle as f64);
    gauge!("tape_sink_pool_waiting").set(status.waiting as f64);
    gauge!("tape_sink_pool_max_connections").set(status.max as f64);
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
