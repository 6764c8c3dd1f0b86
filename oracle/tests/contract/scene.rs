//! An oracle with a short way to feed it and to look at it.

use tape_oracle::{Oracle, Record, Row, Settings, Trade, Verdict};

/// One unit of price or size, in nanos.
pub(crate) const UNIT: i64 = 1_000_000_000;

/// A window of `slides` slides of 10 ms, watermark 10 ms behind; a single price decides, 100 units are a high volume.
pub(crate) fn settings(slides: i64) -> Settings {
    Settings {
        window_ms: slides * 10,
        slide_ms: 10,
        watermark_delay_ms: 10,
        max_future_ms: 10,
        breakout_band_bps: 5,
        cross_band_bps: 2,
        alert_min_trades: 1,
        alert_cooldown_ms: 20,
        high_volume_threshold: units(100),
    }
}

/// Units as a size in nanos.
pub(crate) fn units(units: i64) -> i128 {
    i128::from(units) * i128::from(UNIT)
}

/// A plain print of symbol A at a price in nanos and a size in units.
pub(crate) fn print(time: i64, nanos: i64, size: i64) -> Trade {
    Trade {
        symbol: "A".to_owned(),
        price: nanos,
        size: units(size),
        event_time: time,
        open: nanos,
        high: nanos,
        low: nanos,
        vwap: nanos,
        sets_price: true,
        sets_last: true,
        counts_volume: true,
    }
}

/// The print without the right to set a price or last.
pub(crate) fn without_price(trade: Trade) -> Trade {
    Trade { sets_price: false, sets_last: false, ..trade }
}

/// An oracle and the offset of the next record; offsets begin at 0.
pub(crate) struct Scene {
    pub(crate) oracle: Oracle,
    next_offset: i64,
}

impl Scene {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { oracle: Oracle::new(settings), next_offset: 0 }
    }

    /// Feeds one trade without an append time.
    pub(crate) fn feed(&mut self, trade: Trade) -> Verdict {
        self.record(Some(trade), None)
    }

    /// Feeds one record.
    pub(crate) fn record(&mut self, trade: Option<Trade>, append_time: Option<i64>) -> Verdict {
        let offset = self.next_offset;
        self.next_offset += 1;
        self.oracle.step(&Record { offset, append_time, trade })
    }

    /// Feeds prints of symbol A: (time, price in units, size in units).
    pub(crate) fn prints(&mut self, prints: &[(i64, i64, i64)]) {
        for (time, price, size) in prints {
            self.feed(print(*time, price * UNIT, *size));
        }
    }

    /// Closes everything and returns the final rows.
    pub(crate) fn finish(&mut self) -> &[Row] {
        self.oracle.finish();
        &self.oracle.rows
    }

    /// The alerts so far: (type and direction in a word, timestamp).
    pub(crate) fn alerts(&self) -> Vec<(String, i64)> {
        self.oracle
            .alerts
            .iter()
            .map(|alert| (format!("{:?} {:?}", alert.kind, alert.signal), alert.timestamp))
            .collect()
    }
}

/// Compares alerts with (type and direction, timestamp).
pub(crate) fn check_alerts(scene: &Scene, expected: &[(&str, i64)]) {
    let expected: Vec<(String, i64)> =
        expected.iter().map(|(text, time)| ((*text).to_owned(), *time)).collect();
    assert_eq!(scene.alerts(), expected);
}
