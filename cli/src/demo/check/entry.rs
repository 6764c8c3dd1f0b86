//! A row and an alert as PostgreSQL holds them, made from either side, so that comparing is comparing columns.

use std::fmt;

use tape_analytics::{Alert, AlertKind, Row, Signal};
use tape_processor::codec;
use tape_proto::decimal::{Atto, nanos_to_f64};

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// NULL.
    Null,
    /// Double precision; compared exactly.
    Double(f64),
    /// Counts, times in ms, the side.
    Integer(i64),
    /// `bar_notional`, in 1e-18.
    Exact(i128),
    /// Texts and booleans.
    Word(String),
}

impl Cell {
    pub(super) fn double(value: Option<f64>) -> Self {
        value.map_or(Self::Null, Self::Double)
    }

    pub(super) fn word(value: Option<&str>) -> Self {
        value.map_or(Self::Null, |word| Self::Word(word.to_owned()))
    }

    fn price(nanos: Option<i64>) -> Self {
        Self::double(nanos.map(|nanos| nanos_to_f64(nanos.into())))
    }

    fn volume(nanos: i128) -> Self {
        Self::Double(nanos_to_f64(nanos))
    }

    /// Counts of the contract fit 63 bits.
    fn count(count: u64) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Exact(value) => write!(f, "{}", Atto(*value)),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// Columns of a row besides its key, in the order of [`RowEntry::cells`].
pub(super) const ROW_COLUMNS: [&str; 22] = [
    "window_end",
    "avg_price",
    "max_price",
    "min_price",
    "open_price",
    "close_price",
    "vwap",
    "total_volume",
    "trade_count",
    "ma_5min",
    "side",
    "bar_open",
    "bar_high",
    "bar_low",
    "bar_close",
    "bar_volume",
    "bar_trades",
    "bar_notional",
    "bar_notional_size",
    "is_final",
    "revision",
    "closed_by",
];

/// Columns of an alert besides its identity.
pub(super) const ALERT_COLUMNS: [&str; 2] = ["current_price", "window_avg"];

/// What closed a row's window, as far as the check tells rows apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    Open,
    Record,
    Idle,
}

impl Closing {
    /// From the column `closed_by`.
    pub(super) fn of(closed_by: Option<&str>) -> Self {
        match closed_by {
            None => Self::Open,
            Some("IDLE") => Self::Idle,
            Some(_) => Self::Record,
        }
    }
}

/// A row of `stock_aggregates`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RowEntry {
    pub(super) symbol: String,
    /// ms.
    pub(super) window_start: i64,
    pub(super) closing: Closing,
    pub(super) cells: [Cell; ROW_COLUMNS.len()],
}

/// An alert of `breakout_alerts`: identity (symbol, time in ms, type, signal) and prices.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AlertEntry {
    pub(super) identity: (String, i64, String, String),
    pub(super) cells: [Cell; ALERT_COLUMNS.len()],
}

impl RowEntry {
    /// The value of a column.
    pub(super) fn cell(&self, column: &str) -> &Cell {
        ROW_COLUMNS.iter().position(|name| *name == column).map_or(&Cell::Null, |at| &self.cells[at])
    }
}

impl From<&Row> for RowEntry {
    fn from(row: &Row) -> Self {
        let closed_by = codec::row_message(row).closed_by().text();
        let bar = &row.bar;
        Self {
            symbol: row.symbol.to_string(),
            window_start: row.window_start,
            closing: Closing::of(closed_by),
            cells: [
                Cell::Integer(row.window_end),
                Cell::price(row.avg_price),
                Cell::price(row.max_price),
                Cell::price(row.min_price),
                Cell::price(row.open_price),
                Cell::price(row.close_price),
                Cell::price(row.vwap),
                Cell::volume(row.total_volume),
                Cell::count(row.trade_count),
                Cell::price(row.ma_5min),
                Cell::Integer(row.side.into()),
                Cell::price(bar.open),
                Cell::price(bar.high),
                Cell::price(bar.low),
                Cell::price(bar.close),
                Cell::volume(bar.volume),
                Cell::count(bar.trades),
                Cell::Exact(bar.notional),
                Cell::volume(bar.notional_size),
                Cell::Word(row.is_final.to_string()),
                Cell::Integer(row.revision),
                Cell::word(closed_by),
            ],
        }
    }
}

impl From<&Alert> for AlertEntry {
    fn from(alert: &Alert) -> Self {
        let message = codec::alert_message(alert);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            identity: (
                message.symbol.clone(),
                alert.timestamp,
                text(message.r#type().text()),
                text(message.signal().text()),
            ),
            cells: [Cell::price(alert.current_price), Cell::price(alert.window_avg)],
        }
    }
}

/// An alert that says that a window's average crossed its moving average: those follow from closings.
pub(super) fn is_cross(alert: &Alert) -> bool {
    matches!(alert.kind, AlertKind::GoldenCross | AlertKind::DeathCross) && alert.signal != Signal::Neutral
}
