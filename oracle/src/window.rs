//! Windows computed from trades.
//!
//! The counted trades of a symbol stand in a map by (event time, arrival): the contract's order for "first" and
//! "last". A window is a range of that map and nothing else: a closed window is never looked at again, and every
//! trade that was counted in a window that is still open was counted in it, since no window opens again.

use std::collections::BTreeMap;

use crate::record::{Sums, Trade};
use crate::round;
use crate::row::Row;
use crate::settings::Settings;

/// A trade that was counted in at least one window.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    /// The trade.
    pub(crate) trade: Trade,
    /// Whether it was counted in all K windows; a trade that was not is in no bar.
    pub(crate) in_all_windows: bool,
}

/// Counted trades of one symbol by (event time, arrival number).
pub(crate) type Trades = BTreeMap<(i64, u64), Counted>;

/// What later windows need to know of a window that exists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// Rounded average.
    pub(crate) avg_price: Option<i64>,
    /// Side.
    pub(crate) side: i8,
}

/// Existing windows of one symbol by their start.
pub(crate) type Windows = BTreeMap<i64, Known>;

/// The trades whose event time lies in `[from, to)`, in order of (event time, arrival).
pub(crate) fn between(trades: &Trades, from: i64, to: i64) -> impl Iterator<Item = (u64, &Counted)> {
    trades.range((from, 0)..(to, 0)).map(|((_, arrival), counted)| (*arrival, counted))
}

/// The columns that are computed from a set of trades and nothing else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    /// Number of trades.
    pub(crate) count: u64,
    /// Number of price-eligible trades.
    pub(crate) prices: u64,
    /// The four sums.
    pub(crate) sums: Sums,
    /// Largest high.
    pub(crate) high: Option<i64>,
    /// Smallest low.
    pub(crate) low: Option<i64>,
    /// Open of the first trade that may set last.
    pub(crate) open: Option<i64>,
    /// Price of the last trade that may set last.
    pub(crate) close: Option<i64>,
    /// Arrival number of the trade that set `close`.
    pub(crate) close_arrival: Option<u64>,
}

impl Summary {
    /// Summary of trades given in order of (event time, arrival).
    pub(crate) fn of<'a>(trades: impl Iterator<Item = (u64, &'a Counted)>) -> Self {
        let mut summary = Self::default();
        for (arrival, Counted { trade, .. }) in trades {
            summary.count += 1;
            summary.sums =
                summary.sums.plus(trade).expect("K panes within the limit of the sums fit 128 bits");
            if trade.is_price() {
                summary.prices += 1;
                summary.high = summary.high.max(Some(trade.high));
                summary.low = Some(summary.low.map_or(trade.low, |low| low.min(trade.low)));
            }
            if trade.sets_last {
                summary.open = summary.open.or(Some(trade.open));
                summary.close = Some(trade.price);
                summary.close_arrival = Some(arrival);
            }
        }
        summary
    }

    /// Mean price per print.
    pub(crate) fn avg_price(&self) -> Option<i64> {
        (self.prices > 0).then(|| round::mean(self.sums.price, i128::from(self.prices)))
    }

    /// Volume-weighted mean price.
    pub(crate) fn vwap(&self) -> Option<i64> {
        (self.sums.notional_size > 0).then(|| round::mean(self.sums.notional, self.sums.notional_size))
    }
}

/// The row of window `start` as it stands, not final, with revision 0; `windows` holds every existing earlier window
/// that it can refer to.
pub(crate) fn row(settings: &Settings, symbol: &str, start: i64, trades: &Trades, windows: &Windows) -> Row {
    let end = start + settings.window_ms;
    let window = Summary::of(between(trades, start, end));
    let bar = between(trades, end - settings.slide_ms, end).filter(|(_, counted)| counted.in_all_windows);
    let bar = Summary::of(bar);
    let avg_price = window.avg_price();
    let ma_5min = moving_average(settings, start, avg_price, windows);
    Row {
        symbol: symbol.to_owned(),
        window_start: start,
        window_end: end,
        avg_price,
        max_price: window.high,
        min_price: window.low,
        open_price: window.open,
        close_price: window.close,
        vwap: window.vwap(),
        total_volume: window.sums.size,
        trade_count: window.count,
        ma_5min,
        side: side(settings, &window, ma_5min, side_before(settings, start, windows)),
        bar_open: bar.open,
        bar_high: bar.high,
        bar_low: bar.low,
        bar_close: bar.close,
        bar_volume: bar.sums.size,
        bar_trades: bar.count,
        bar_notional: bar.sums.notional,
        bar_notional_size: bar.sums.notional_size,
        is_final: false,
        revision: 0,
        closed_by: None,
    }
}

/// Side of the window one slide before `start`; 0 when that window does not exist.
pub(crate) fn side_before(settings: &Settings, start: i64, windows: &Windows) -> i8 {
    windows.get(&(start - settings.slide_ms)).map_or(0, |window| window.side)
}

/// Mean of the rounded averages of window `start` (given) and of the K − 1 windows before it.
fn moving_average(settings: &Settings, start: i64, avg_price: Option<i64>, windows: &Windows) -> Option<i64> {
    let earlier = (1..settings.slides())
        .filter_map(|slides_back| windows.get(&(start - slides_back * settings.slide_ms)))
        .filter_map(|window| window.avg_price);
    let averages: Vec<i128> = earlier.chain(avg_price).map(i128::from).collect();
    let count = i128::try_from(averages.len()).expect("at most 1,440 windows");
    (count > 0).then(|| round::mean(averages.iter().sum(), count))
}

/// Side of a window: decided outside the band with enough prices, else that of the window before.
fn side(settings: &Settings, window: &Summary, ma_5min: Option<i64>, before: i8) -> i8 {
    let decided = match (window.avg_price(), ma_5min) {
        (Some(avg_price), Some(ma_5min)) if window.prices >= settings.alert_min_trades => {
            round::side(avg_price, ma_5min, settings.cross_band_bps)
        }
        _ => 0,
    };
    if decided == 0 { before } else { decided }
}
