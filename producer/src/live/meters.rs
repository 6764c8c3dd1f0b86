//! Numbers of a live feed for Prometheus, beside those that every source has.

use std::collections::HashMap;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use super::outbox::Figures;

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
    pub(crate) fn new() -> Self {
        describe_counter!("tape_producer_events_total", "trades and bars received, by the vendor's type");
        describe_counter!("tape_producer_ignored_events_total", "events of other types");
        describe_counter!("tape_producer_decode_errors_total", "events that could not be read, by reason");
        describe_counter!("tape_producer_unknown_conditions_total", "sale conditions without a rule");
        describe_counter!("tape_producer_reconnects_total", "ends of a connection, by cause");
        describe_counter!(
            "tape_producer_missing_acks_total",
            "subscriptions that were not acknowledged in time"
        );
        describe_counter!("tape_producer_slow_consumer_total", "times that the vendor called us slow");
        describe_counter!("tape_producer_gaps_total", "stretches of time that the feed was not followed");
        describe_counter!(
            "tape_producer_missing_trades_total",
            "trades that a venue has numbered and the feed did not bring"
        );
        describe_counter!("tape_producer_dropped_frames_total", "frames that found no room in memory");
        describe_counter!(
            "tape_producer_dropped_records_total",
            "records that found no room in memory or on disk"
        );
        describe_histogram!(
            "tape_producer_delay_seconds",
            "time from the exchange (of a bar: from its end) to the hand-over to the Kafka client"
        );
        describe_gauge!("tape_producer_waiting_frame_bytes", "frames that are not read yet");
        describe_gauge!("tape_producer_memory_bytes", "records that only memory holds");
        describe_gauge!("tape_producer_spooled_records", "records that wait on disk");
        describe_gauge!("tape_producer_spool_bytes", "size of the queue on disk");
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
