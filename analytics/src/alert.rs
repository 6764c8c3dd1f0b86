//! Alert rules (contract, section 5): decided by the order of a symbol's records and nothing else.

use smol_str::SmolStr;

use crate::settings::{AlertSettings, BPS_WHOLE};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertKind {
    /// The price left the band around its window's average.
    Breakout,
    /// The window average crossed above its moving average.
    GoldenCross,
    /// The window average crossed below its moving average.
    DeathCross,
    /// The volume of the newest window rose above the threshold.
    HighVolume,
}

/// Direction of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Upwards.
    Bullish,
    /// Downwards.
    Bearish,
    /// None.
    Neutral,
}

/// An alert; its identity is (symbol, kind, timestamp, signal).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Symbol.
    pub symbol: SmolStr,
    /// What it is about.
    pub kind: AlertKind,
    /// Direction.
    pub signal: Signal,
    /// Event time of the record, or end of the window for a cross; ms.
    pub timestamp: i64,
    /// Price of the record, average of the crossing window, or last price of the newest window; 1e-9.
    pub current_price: Option<i64>,
    /// Average of the newest window, or the moving average of the crossing window; 1e-9.
    pub window_avg: Option<i64>,
}

/// The last breakout alert of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastBreakout {
    /// +1 above, −1 below.
    pub side: i8,
    /// Event time, ms.
    pub time: i64,
}

/// What a symbol remembers of its alerts. Void after a silence of a window (contract, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertState {
    /// Last breakout alert.
    pub breakout: Option<LastBreakout>,
    /// `high_volume` fired and was not armed again.
    pub disarmed: bool,
    /// The volume was above the threshold when last judged.
    pub above: bool,
}

impl AlertState {
    /// False while the cooldown of the last breakout lasts: then no price can break out.
    pub(crate) fn may_break_out(&self, time: i64, rules: &AlertSettings) -> bool {
        self.breakout.is_none_or(|last| time - last.time >= rules.cooldown_ms)
    }

    /// Judges a record that became the close of its symbol's newest window with average `avg`.
    pub(crate) fn breakout(
        &mut self,
        time: i64,
        price: i64,
        avg: i64,
        rules: &AlertSettings,
    ) -> Option<Signal> {
        let side = side_of(price, avg, rules.breakout_band_bps);
        let allowed = self.may_break_out(time, rules) && self.breakout.is_none_or(|last| side != last.side);
        if side == 0 || !allowed {
            return None;
        }
        self.breakout = Some(LastBreakout { side, time });
        Some(signal_of(side))
    }

    /// Judges the volume of the newest window after a record in its newest pane; true when the alert fires.
    pub(crate) fn high_volume(&mut self, opens_pane: bool, volume: i128, rules: &AlertSettings) -> bool {
        if opens_pane && !self.above {
            self.disarmed = false;
        }
        self.above = volume > rules.high_volume_threshold;
        let fires = self.above && !self.disarmed;
        self.disarmed |= fires;
        fires
    }
}

/// +1 when `value` lies above `reference` by more than `bps`, −1 when below by more, else 0.
pub(crate) fn side_of(value: i64, reference: i64, bps: u32) -> i8 {
    let (scaled, reference, bps) = (i128::from(value) * BPS_WHOLE, i128::from(reference), i128::from(bps));
    if scaled > reference * (BPS_WHOLE + bps) {
        1
    } else if scaled < reference * (BPS_WHOLE - bps) {
        -1
    } else {
        0
    }
}

pub(crate) fn signal_of(side: i8) -> Signal {
    match side {
        1.. => Signal::Bullish,
        0 => Signal::Neutral,
        _ => Signal::Bearish,
    }
}
