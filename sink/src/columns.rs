//! The arrays behind the two statements of [`statement`](crate::statement): one for each column, in the statement's order.
//!
//! Prices and volumes become the nearest double here and nowhere else; `bar_notional` travels as its exact decimal text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tape_db::ToSql;
use tape_proto::decimal::{Atto, nanos_to_f64};
use tape_proto::messages::{BreakoutAlert, StockAggregate};

/// Parameters of a statement.
pub(crate) type Parameters<'a, const N: usize> = [&'a (dyn ToSql + Sync); N];

/// Columns of rows, as arrays.
#[derive(Debug, Default)]
pub(crate) struct AggregateColumns<'a> {
    symbol: Vec<&'a str>,
    window_start: Vec<SystemTime>,
    window_end: Vec<SystemTime>,
    avg_price: Vec<Option<f64>>,
    max_price: Vec<Option<f64>>,
    min_price: Vec<Option<f64>>,
    open_price: Vec<Option<f64>>,
    close_price: Vec<Option<f64>>,
    vwap: Vec<Option<f64>>,
    total_volume: Vec<f64>,
    trade_count: Vec<i64>,
    ma_5min: Vec<Option<f64>>,
    side: Vec<i16>,
    bar_open: Vec<Option<f64>>,
    bar_high: Vec<Option<f64>>,
    bar_low: Vec<Option<f64>>,
    bar_close: Vec<Option<f64>>,
    bar_volume: Vec<f64>,
    bar_trades: Vec<i64>,
    bar_notional: Vec<String>,
    bar_notional_size: Vec<f64>,
    is_final: Vec<bool>,
    revision: Vec<i64>,
    closed_by: Vec<Option<&'static str>>,
}

impl<'a> AggregateColumns<'a> {
    pub(crate) fn new(rows: &[(usize, &'a StockAggregate)]) -> Self {
        let mut columns = Self::default();
        for (_, row) in rows {
            columns.push(row);
        }
        columns
    }

    fn push(&mut self, row: &'a StockAggregate) {
        self.symbol.push(&row.symbol);
        self.window_start.push(instant(row.window_start));
        self.window_end.push(instant(row.window_end));
        self.avg_price.push(price(row.avg_price));
        self.max_price.push(price(row.max_price));
        self.min_price.push(price(row.min_price));
        self.open_price.push(price(row.open_price));
        self.close_price.push(price(row.close_price));
        self.vwap.push(price(row.vwap));
        self.total_volume.push(nanos_to_f64(row.total_volume()));
        self.trade_count.push(count(row.trade_count));
        self.ma_5min.push(price(row.ma_5min));
        // The decoder lets -1, 0 and 1 through.
        self.side.push(row.side as i16);
        self.bar_open.push(price(row.bar_open));
        self.bar_high.push(price(row.bar_high));
        self.bar_low.push(price(row.bar_low));
        self.bar_close.push(price(row.bar_close));
        self.bar_volume.push(nanos_to_f64(row.bar_volume()));
        self.bar_trades.push(count(row.bar_trades));
        self.bar_notional.push(Atto(row.bar_notional()).to_string());
        self.bar_notional_size.push(nanos_to_f64(row.bar_notional_size()));
        self.is_final.push(row.is_final);
        self.revision.push(row.revision);
        self.closed_by.push(row.closed_by().text());
    }

    pub(crate) fn parameters(&self) -> Parameters<'_, 24> {
        [
            &self.symbol,
            &self.window_start,
            &self.window_end,
            &self.avg_price,
            &self.max_price,
            &self.min_price,
            &self.open_price,
            &self.close_price,
            &self.vwap,
            &self.total_volume,
            &self.trade_count,
            &self.ma_5min,
            &self.side,
            &self.bar_open,
            &self.bar_high,
            &self.bar_low,
            &self.bar_close,
            &self.bar_volume,
            &self.bar_trades,
            &self.bar_notional,
            &self.bar_notional_size,
            &self.is_final,
            &self.revision,
            &self.closed_by,
        ]
    }
}

/// Columns of alerts, as arrays.
#[derive(Debug, Default)]
pub(crate) struct AlertColumns<'a> {
    symbol: Vec<&'a str>,
    timestamp: Vec<SystemTime>,
    current_price: Vec<Option<f64>>,
    window_avg: Vec<Option<f64>>,
    signal: Vec<Option<&'static str>>,
    r#type: Vec<Option<&'static str>>,
}

impl<'a> AlertColumns<'a> {
    pub(crate) fn new(alerts: &[(usize, &'a BreakoutAlert)]) -> Self {
        let mut columns = Self::default();
        for (_, alert) in alerts {
            columns.symbol.push(&alert.symbol);
            columns.timestamp.push(instant(alert.timestamp));
            columns.current_price.push(price(alert.current_price));
            columns.window_avg.push(price(alert.window_avg));
            columns.signal.push(alert.signal().text());
            columns.r#type.push(alert.r#type().text());
        }
        columns
    }

    pub(crate) fn parameters(&self) -> Parameters<'_, 6> {
        [&self.symbol, &self.timestamp, &self.current_price, &self.window_avg, &self.signal, &self.r#type]
    }
}

/// Milliseconds since the epoch as the client's time. Entries outside its range were refused on their way in.
pub(crate) fn instant(ms: i64) -> SystemTime {
    let distance = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

fn price(nanos: Option<i64>) -> Option<f64> {
    nanos.map(|nanos| nanos_to_f64(nanos.into()))
}

/// The decoder lets counts below 2^63 through.
fn count(records: u64) -> i64 {
    i64::try_from(records).unwrap_or(i64::MAX)
}
