//! Alerts: what they are, and how breakout and high volume are judged. Crosses are judged where windows close.
//!
//! Decision: "the symbol's latest pane before it" (void rule) is the pane with the largest start among those counted
//! before the record *in the log*, whatever the record's own time; an out-of-order record therefore never voids.
//!
//! Decision: a record for which the state is void resets it for good, whether or not it is judged itself.
//!
//! Decision: "each record in its symbol's newest pane" (high volume) means every counted record of that pane, also one
//! that is eligible for nothing: sizes that came in out of order in older panes are noticed by the next such record.
//!
//! Decision: "opens that pane" means the first record counted in it. When its newest window has closed already (after
//! idle closing) nothing is judged and nothing armed; that changes no later alert.

use crate::round;
use crate::settings::Settings;
use crate::window::Summary;

/// Type of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertKind {
    /// The price left the band around the average of its symbol's newest window.
    Breakout,
    /// The side of a closing window turned from −1 to +1.
    GoldenCross,
    /// The side of a closing window turned from +1 to −1.
    DeathCross,
    /// The volume of the symbol's newest window rose above the threshold.
    HighVolume,
}

/// Direction of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Up.
    Bullish,
    /// Down.
    Bearish,
    /// None.
    Neutral,
}

impl Signal {
    /// The signal of a side that is not 0.
    pub(crate) fn of_side(side: i8) -> Self {
        if side > 0 { Self::Bullish } else { Self::Bearish }
    }
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alert {
    /// Symbol.
    pub symbol: String,
    /// Type.
    pub kind: AlertKind,
    /// Direction.
    pub signal: Signal,
    /// Event time of the record, or the end of the window that crossed; epoch milliseconds.
    pub timestamp: i64,
    /// Price of the record, average of the window that crossed, or close of the newest window; nanos.
    pub current_price: Option<i64>,
    /// Average of the newest window, or `ma_5min` of the window that crossed; nanos.
    pub window_avg: Option<i64>,
}

/// Alert state of one symbol; the default is a fresh start.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlertState {
    /// Side and event time of the last breakout alert.
    last_breakout: Option<(i8, i64)>,
    /// Whether high volume has fired and was not armed again.
    disarmed: bool,
    /// Whether the volume was above the threshold when last judged.
    was_above: bool,
}

/// A counted record beside its symbol's newest window, itself included.
pub(crate) struct Judged<'a> {
    /// Symbol.
    pub(crate) symbol: &'a str,
    /// Event time of the record.
    pub(crate) event_time: i64,
    /// Arrival number of the record.
    pub(crate) arrival: u64,
    /// Whether its pane is the symbol's newest.
    pub(crate) in_newest_pane: bool,
    /// Whether it is the first record counted in its pane.
    pub(crate) opens_pane: bool,
    /// The symbol's newest window, which is open.
    pub(crate) newest: Summary,
}

impl AlertState {
    /// Breakout, when the record has just become the close of the newest window.
    pub(crate) fn judge_breakout(&mut self, settings: &Settings, record: &Judged<'_>) -> Option<Alert> {
        if record.newest.close_arrival != Some(record.arrival)
            || record.newest.prices < settings.alert_min_trades
        {
            return None;
        }
        let (price, average) = (record.newest.close?, record.newest.avg_price()?);
        let side = round::side(price, average, settings.breakout_band_bps);
        let may_fire = match self.last_breakout {
            None => true,
            Some((last_side, at)) => {
                side != last_side && record.event_time - at >= settings.alert_cooldown_ms
            }
        };
        if side == 0 || !may_fire {
            return None;
        }
        self.last_breakout = Some((side, record.event_time));
        Some(Alert {
            symbol: record.symbol.to_owned(),
            kind: AlertKind::Breakout,
            signal: Signal::of_side(side),
            timestamp: record.event_time,
            current_price: Some(price),
            window_avg: Some(average),
        })
    }

    /// High volume, when the record is in the newest pane.
    pub(crate) fn judge_high_volume(&mut self, settings: &Settings, record: &Judged<'_>) -> Option<Alert> {
        if !record.in_newest_pane {
            return None;
        }
        if record.opens_pane && !self.was_above {
            self.disarmed = false;
        }
        self.was_above = record.newest.sums.size > settings.high_volume_threshold;
        if self.disarmed || !self.was_above {
            return None;
        }
        self.disarmed = true;
        Some(Alert {
            symbol: record.symbol.to_owned(),
            kind: AlertKind::HighVolume,
            signal: Signal::Neutral,
            timestamp: record.event_time,
            current_price: record.newest.close,
            window_avg: record.newest.avg_price(),
        })
    }
}
