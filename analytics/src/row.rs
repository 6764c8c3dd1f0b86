//! Output: a row of `stock-aggregates`, computed from the merge of a window's panes.

use smol_str::SmolStr;

use crate::alert::side_of;
use crate::pane::Pane;
use crate::rounding::{as_price, average, div_half_even};
use crate::settings::Settings;
use crate::state::ClosedWindow;

/// What closed a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// A record moved the watermark.
    Record,
    /// The input was proven idle.
    Idle,
    /// A change of the number of partitions.
    Rescale,
    /// The end of a file.
    End,
}

/// The newest pane of a window, alone: the part of it that may be summed over windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// First price, 1e-9.
    pub open: Option<i64>,
    /// Highest price, 1e-9.
    pub high: Option<i64>,
    /// Lowest price, 1e-9.
    pub low: Option<i64>,
    /// Last price, 1e-9.
    pub close: Option<i64>,
    /// Volume, 1e-9.
    pub volume: i128,
    /// Records.
    pub trades: u64,
    /// Sum of vwap · size, exact, 1e-18.
    pub notional: i128,
    /// Sum of the sizes in `notional`, 1e-9.
    pub notional_size: i128,
}

/// One window of one symbol, as it stands or final. Columns as in the contract, section 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Symbol.
    pub symbol: SmolStr,
    /// Start, ms, inclusive.
    pub window_start: i64,
    /// End, ms, exclusive.
    pub window_end: i64,
    /// Mean price per print, 1e-9.
    pub avg_price: Option<i64>,
    /// Highest price, 1e-9.
    pub max_price: Option<i64>,
    /// Lowest price, 1e-9.
    pub min_price: Option<i64>,
    /// First price, 1e-9.
    pub open_price: Option<i64>,
    /// Last price, 1e-9.
    pub close_price: Option<i64>,
    /// Volume weighted average price, 1e-9.
    pub vwap: Option<i64>,
    /// Volume, 1e-9.
    pub total_volume: i128,
    /// Records counted.
    pub trade_count: u64,
    /// Mean of the averages of this window and those of the K − 1 slides before it, 1e-9.
    pub ma_5min: Option<i64>,
    /// +1 bullish, −1 bearish, 0 neutral.
    pub side: i8,
    /// The newest pane alone.
    pub bar: Bar,
    /// The window is closed and this row never changes.
    pub is_final: bool,
    /// Orders the rows of a key.
    pub revision: i64,
    /// What closed the window; `None` while it is open.
    pub closed_by: Option<ClosedBy>,
}

/// What a window is compared by: enough to go on to the next window.
pub(crate) struct Measures {
    pub(crate) avg: Option<i64>,
    pub(crate) ma: Option<i64>,
    pub(crate) side: i8,
    /// Side of the window one slide earlier; 0 when there is none.
    pub(crate) previous_side: i8,
}

/// Average, moving average and side of the window that starts at `start`, given the windows before it in `earlier`
/// (ascending by start).
pub(crate) fn measure(start: i64, window: &Pane, earlier: &[ClosedWindow], settings: &Settings) -> Measures {
    let avg = average(window.sum_price, window.prices);
    let oldest = start - settings.last_pane_ms();
    let (mut sum, mut count) = (i128::from(avg.unwrap_or(0)), u64::from(avg.is_some()));
    for window in earlier.iter().rev().take_while(|window| window.start >= oldest) {
        if let Some(avg) = window.avg {
            sum += i128::from(avg);
            count += 1;
        }
    }
    let ma = average(sum, count);
    let previous = earlier.last().filter(|window| window.start == start - settings.slide_ms);
    let previous_side = previous.map_or(0, |window| window.side);
    let own_side = match (avg, ma) {
        (Some(avg), Some(ma)) if window.prices >= settings.alerts.min_trades => {
            side_of(avg, ma, settings.alerts.cross_band_bps)
        }
        _ => 0,
    };
    let side = if own_side == 0 { previous_side } else { own_side };
    Measures { avg, ma, side, previous_side }
}

/// The row of a window that is still open, revision 0. `newest` is the newest pane of the window, if it has records.
pub(crate) fn open_row(
    symbol: &SmolStr,
    start: i64,
    window: &Pane,
    newest: Option<&Pane>,
    measures: &Measures,
    settings: &Settings,
) -> Row {
    Row {
        symbol: symbol.clone(),
        window_start: start,
        window_end: start + settings.window_ms,
        avg_price: measures.avg,
        max_price: window.high,
        min_price: window.low,
        open_price: window.open.map(|print| print.price),
        close_price: window.close.map(|print| print.price),
        vwap: (window.notional_size > 0)
            .then(|| as_price(div_half_even(window.notional, window.notional_size))),
        total_volume: window.sum_size,
        trade_count: window.records,
        ma_5min: measures.ma,
        side: measures.side,
        bar: newest.map(bar).unwrap_or_default(),
        is_final: false,
        revision: 0,
        closed_by: None,
    }
}

fn bar(pane: &Pane) -> Bar {
    Bar {
        open: pane.open.map(|print| print.price),
        high: pane.high,
        low: pane.low,
        close: pane.close.map(|print| print.price),
        volume: pane.sum_size,
        trades: pane.records,
        notional: pane.notional,
        notional_size: pane.notional_size,
    }
}
