//! Numbers of backfills for Prometheus.

use metrics::{Counter, Gauge, counter, gauge};

use crate::massive::backfill::Figures;
use crate::table::BACKFILL_METRICS;

pub(super) struct Numbers {
    counters: [Counter; 8],
    gauges: [Gauge; 3],
    told: Figures,
}

impl Numbers {
    pub(super) fn new() -> Self {
        tape_service::metrics::describe(BACKFILL_METRICS);
        let trades = |fate: &'static str| counter!("tape_producer_backfill_trades_total", "fate" => fate);
        let gaps = |fate: &'static str| counter!("tape_producer_backfill_gaps_total", "fate" => fate);
        let counters = [
            gaps("filled"),
            gaps("given_up"),
            trades("added"),
            trades("twice"),
            trades("skipped"),
            counter!("tape_producer_backfill_calls_total"),
            counter!("tape_producer_backfill_failures_total"),
            counter!("tape_producer_backfill_forgotten_total"),
        ];
        let gauges = [
            gauge!("tape_producer_backfill_pending"),
            gauge!("tape_producer_backfill_oldest_seconds"),
            gauge!("tape_producer_backfill_held_bytes"),
        ];
        Self { counters, gauges, told: Figures::default() }
    }

    /// True: gaps were filled or given up since the last time.
    pub(super) fn update(&mut self, now: &Figures) -> bool {
        let all = |figures: &Figures| {
            let Figures { filled, given_up, added, twice, skipped, calls, failures, forgotten, .. } =
                *figures;
            [filled, given_up, added, twice, skipped, calls, failures, forgotten]
        };
        let (before, after) = (all(&self.told), all(now));
        for ((counter, before), after) in self.counters.iter().zip(before).zip(after) {
            counter.increment(after - before);
        }
        let gauges = [now.pending as f64, now.oldest.as_secs_f64(), now.held_bytes as f64];
        for (gauge, value) in self.gauges.iter().zip(gauges) {
            gauge.set(value);
        }
        self.told = *now;
        before[..2] != after[..2]
    }
}
