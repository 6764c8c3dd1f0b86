//! The settings that decide rows and alerts, and the grid of panes and windows that follows from them.
//!
//! A pane is `[p, p+S)`, a window `[w, w+D)`; `p` and `w` are multiples of S. Half open: a time belongs to the one pane
//! that starts at or before it, and to the K = D / S windows that start at or before that pane and end after it.
//!
//! Decision: windows that start before 1970 exist like any other, because "a multiple of S" has no sign; a trade at
//! time 0 counts in K windows, K − 1 of which start before the epoch.

/// Most slides in a window that the contract allows.
const MOST_SLIDES: i64 = 1_440;

/// Settings of the contract; [`Settings::default`] has the contract's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Length D of a window, in milliseconds; a multiple of `slide_ms`, at most 1,440 slides.
    pub window_ms: i64,
    /// Distance S between the starts of two windows, and the length of a pane, in milliseconds; above 0.
    pub slide_ms: i64,
    /// How far the watermark stays behind stream time, in milliseconds; not negative.
    pub watermark_delay_ms: i64,
    /// How far an event time may be ahead of the record's own timestamp, in milliseconds; not negative.
    ///
    /// Decision: that it must not exceed `watermark_delay_ms` is a check at start; the oracle computes with any value.
    pub max_future_ms: i64,
    /// Band around the window's average that a breakout has to leave, in 1/10,000; 0 to 9,999.
    pub breakout_band_bps: i64,
    /// Band around `ma_5min` that `side` has to leave, in 1/10,000; 0 to 9,999.
    pub cross_band_bps: i64,
    /// Fewest prices in a window with which a side is decided; at least 1.
    pub alert_min_trades: u64,
    /// Shortest event time between two breakout alerts of a symbol, in milliseconds; at least 1.
    pub alert_cooldown_ms: i64,
    /// Volume above which a window is a high-volume window, in nanos.
    pub high_volume_threshold: i128,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_ms: 300_000,
            slide_ms: 60_000,
            watermark_delay_ms: 60_000,
            max_future_ms: 10_000,
            breakout_band_bps: 5,
            cross_band_bps: 2,
            alert_min_trades: 20,
            alert_cooldown_ms: 60_000,
            high_volume_threshold: 1_000_000 * 1_000_000_000,
        }
    }
}

impl Settings {
    /// Panics when the settings are outside the contract: a test that runs with such settings tests nothing.
    pub(crate) fn assert_valid(&self) {
        assert!(self.slide_ms > 0, "slide_ms = {} must be above 0", self.slide_ms);
        assert!(
            self.window_ms > 0 && self.window_ms % self.slide_ms == 0,
            "window_ms = {} must be a multiple of slide_ms = {}",
            self.window_ms,
            self.slide_ms
        );
        assert!(self.slides() <= MOST_SLIDES, "a window of {} slides; at most {MOST_SLIDES}", self.slides());
        assert!(self.watermark_delay_ms >= 0, "watermark_delay_ms = {} is negative", self.watermark_delay_ms);
        assert!(self.max_future_ms >= 0, "max_future_ms = {} is negative", self.max_future_ms);
        for bps in [self.breakout_band_bps, self.cross_band_bps] {
            assert!((0..10_000).contains(&bps), "a band of {bps} bps is outside 0 to 9,999");
        }
        assert!(self.alert_min_trades >= 1, "alert_min_trades must be at least 1");
        assert!(
            self.alert_cooldown_ms >= 1,
            "alert_cooldown_ms = {} must be at least 1",
            self.alert_cooldown_ms
        );
    }

    /// K, the number of slides (and panes) in a window.
    pub(crate) fn slides(&self) -> i64 {
        self.window_ms / self.slide_ms
    }

    /// Start of the pane that holds `time`.
    pub(crate) fn pane_of(&self, time: i64) -> i64 {
        time - time.rem_euclid(self.slide_ms)
    }

    /// Starts of the windows that hold `time` and whose end lies in `(after, until]`, ascending.
    pub(crate) fn windows_of(&self, time: i64, after: i64, until: i64) -> impl Iterator<Item = i64> + use<> {
        let pane = self.pane_of(time);
        let first_ending_later = self.pane_of(after - self.window_ms) + self.slide_ms;
        let first = first_ending_later.max(self.window_ending_with(pane));
        let last = self.pane_of(until - self.window_ms).min(pane);
        let slide = self.slide_ms;
        std::iter::successors(Some(first), move |start| Some(start + slide))
            .take_while(move |start| *start <= last)
    }

    /// Start of the window whose newest pane is `pane`.
    pub(crate) fn window_ending_with(&self, pane: i64) -> i64 {
        pane + self.slide_ms - self.window_ms
    }

    /// Whether every window that holds `time` has ended when the watermark stands at `watermark`.
    pub(crate) fn is_over(&self, time: i64, watermark: i64) -> bool {
        self.pane_of(time) + self.window_ms <= watermark
    }
}
