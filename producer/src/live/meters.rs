//! Numbers of a live feed for Prometheus, beside those that every source has.

use std::collections::HashMap;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::outbox::Figures;
use crate::table::LIVE_METRICS;

/// See the head of this file.
pub(crate) struct LiveMeters {
    delay: Histogram,
    waiting: Gauge,
    memory: Gauge,
    spooled: Gauge,
    spool_bytes: Gauge,
    pub(super) dropped: Counter,
    pub(super) missing: Counter,
    pub(super) unknown_conditions: Counter,
    /// By the vendor's name of the event; the names are few.
    events: HashMap<String, Counter>,
    ignored: HashMap<String, Counter>,
}

impl LiveMeters {
    /// `spool_limit` = bytes.
    pub(crate) fn new(spool_limit: u64) -> Self {
        tape_service::metrics::describe(LIVE_METRICS);
        gauge!("tape_producer_spool_limit_bytes").set(spool_limit as f64);
        Self {
            delay: histogram!("tape_producer_delay_seconds"),
            waiting: gauge!("tape_producer_waiting_frame_bytes"),
            memory: gauge!("tape_producer_memory_bytes"),
            spooled: gauge!("tape_producer_spooled_records"),
            spool_bytes: gauge!("tape_producer_spool_bytes"),
            dropped: counter!("tape_producer_dropped_records_total"),
            missing: counter!("tape_producer_missing_trades_total"),
            unknown_conditions: counter!("tape_producer_unknown_conditions_total"),
            events: HashMap::new(),
            ignored: HashMap::new(),
        }
    }

    /// A trade or bar that happened so long ago.
    pub(super) fn event(&mut self, kind: &str, delay_ms: i64) {
        self.delay.record(delay_ms.max(0) as f64 / 1e3);
        count(&mut self.events, "tape_producer_events_total", kind);
    }

    pub(super) fn ignored(&mut self, kind: &str) {
        count(&mut self.ignored, "tape_producer_ignored_events_total", kind);
    }

    pub(super) fn bad(&self, reason: &'static str) {
        counter!("tape_producer_decode_errors_total", "reason" => reason).increment(1);
    }

    pub(super) fn update(&self, figures: &Figures, waiting_bytes: usize) {
        self.waiting.set(waiting_bytes as f64);
        self.memory.set(figures.memory_bytes as f64);
        self.spooled.set(figures.spooled as f64);
        self.spool_bytes.set(figures.spool_bytes as f64);
    }
}

fn count(counters: &mut HashMap<String, Counter>, name: &'static str, kind: &str) {
    if let Some(counter) = counters.get(kind) {
        return counter.increment(1);
    }
    let counter = counter!(name, "type" => kind.to_owned());
    counter.increment(1);
    counters.insert(kind.to_owned(), counter);
}
