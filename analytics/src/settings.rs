//! What a task computes with. Two tasks with equal settings are the same function of their input.

/// More panes than this in a window are refused: one minute in a day.
const PANES_PER_WINDOW_MAX: i64 = 1_440;

/// Basis points of a whole.
pub(crate) const BPS_WHOLE: i128 = 10_000;

/// Windows, lateness and alert rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Length of a window in ms; a multiple of `slide_ms`.
    pub window_ms: i64,
    /// Distance between windows, and the length of a pane, in ms.
    pub slide_ms: i64,
    /// How far the watermark stays behind stream time, in ms, ≥ 0.
    pub watermark_delay_ms: i64,
    /// How far an event time may lie ahead of the record's append time, in ms; at most `watermark_delay_ms`.
    pub max_future_ms: i64,
    /// Rules of the alerts.
    pub alerts: AlertSettings,
}

/// Rules of the alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSettings {
    /// Band around the window average in which no breakout is seen, in basis points, 0..10000.
    pub breakout_band_bps: u32,
    /// Band around the moving average in which a window keeps its side, in basis points, 0..10000.
    pub cross_band_bps: u32,
    /// Prices a window needs before its average is compared with anything, ≥ 1.
    pub min_trades: u64,
    /// Shortest event time between two breakout alerts of a symbol, in ms, ≥ 1.
    pub cooldown_ms: i64,
    /// Window volume above which `high_volume` fires, in 1e-9.
    pub high_volume_threshold: i128,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            window_ms: 300_000,
            slide_ms: 60_000,
            watermark_delay_ms: 60_000,
            max_future_ms: 10_000,
            alerts: AlertSettings::default(),
        }
    }
}

impl Default for AlertSettings {
    fn default() -> Self {
        AlertSettings {
            breakout_band_bps: 5,
            cross_band_bps: 2,
            min_trades: 20,
            cooldown_ms: 60_000,
            high_volume_threshold: 1_000_000 * 1_000_000_000,
        }
    }
}

/// A setting that the contract forbids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The slide must divide the window, both positive.
    #[error("a window of {window_ms} ms is not a positive multiple of a slide of {slide_ms} ms")]
    Slide {
        /// Length of the window, ms.
        window_ms: i64,
        /// Length of the slide, ms.
        slide_ms: i64,
    },
    /// Too many panes in a window.
    #[error("a window holds {panes} panes; at most {PANES_PER_WINDOW_MAX} are supported")]
    Panes {
        /// Panes in a window.
        panes: i64,
    },
    /// The delay of the watermark is negative, or the future guard is wider than it.
    #[error(
        "the future guard ({max_future_ms} ms) must lie between 0 and the watermark delay ({watermark_delay_ms} ms)"
    )]
    Future {
        /// Future guard, ms.
        max_future_ms: i64,
        /// Watermark delay, ms.
        watermark_delay_ms: i64,
    },
    /// An alert rule is out of its range.
    #[error(
        "alert rule out of range: bands below 10000 bps, cooldown and minimum of trades at least 1, threshold at least 0"
    )]
    Alerts,
}

impl Settings {
    /// Panes in a window, `K`.
    pub fn panes(&self) -> i64 {
        self.window_ms / self.slide_ms
    }

    /// Checks every rule of the contract.
    pub fn check(&self) -> Result<(), SettingsError> {
        let (window_ms, slide_ms) = (self.window_ms, self.slide_ms);
        if slide_ms <= 0 || window_ms <= 0 || window_ms % slide_ms != 0 {
            return Err(SettingsError::Slide { window_ms, slide_ms });
        }
        if self.panes() > PANES_PER_WINDOW_MAX {
            return Err(SettingsError::Panes { panes: self.panes() });
        }
        if self.max_future_ms < 0 || self.max_future_ms > self.watermark_delay_ms {
            return Err(SettingsError::Future {
                max_future_ms: self.max_future_ms,
                watermark_delay_ms: self.watermark_delay_ms,
            });
        }
        let alerts = &self.alerts;
        let bands_fit = i128::from(alerts.breakout_band_bps.max(alerts.cross_band_bps)) < BPS_WHOLE;
        if !bands_fit || alerts.min_trades < 1 || alerts.cooldown_ms < 1 || alerts.high_volume_threshold < 0 {
            return Err(SettingsError::Alerts);
        }
        Ok(())
    }

    /// Start of the pane that holds `time`.
    pub(crate) fn pane_of(&self, time: i64) -> i64 {
        time - time.rem_euclid(self.slide_ms)
    }

    /// Distance from a window's start to the start of its newest pane.
    pub(crate) fn last_pane_ms(&self) -> i64 {
        self.window_ms - self.slide_ms
    }

    /// Largest value a sum of a pane may reach, so that the merge of all panes of a window cannot overflow.
    pub(crate) fn pane_sum_max(&self) -> i128 {
        i128::MAX / i128::from(self.panes())
    }
}
