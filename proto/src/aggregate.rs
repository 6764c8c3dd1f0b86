//! The value of a `stock-aggregates` record: one row of one window.
//!
//! JSON: the contract's column names in the contract's order; prices, volumes and notionals plain exact decimals, times and
//! counts integers, null where the table holds NULL. Reading ignores unknown names and takes an absent nullable column for
//! null; a name that stands twice is an error.
//!
//! Invariant: what [`encode`] writes, [`decode`] reads to an equal message, in both formats.

use std::borrow::Cow;

use prost::Message;
use serde::Deserialize;

use crate::decimal::{Atto, Nanos};
use crate::json::{Notional, Object, Price, Volume};
use crate::messages::{ClosedBy, is_symbol};
use crate::output::{DecodeError, OutputFormat, require};

pub use crate::messages::StockAggregate;

const SYMBOL: &str = "1 to 32 bytes of A-Z a-z 0-9 . - : / _";
const COUNT: &str = "a count below 2^63";

/// Reads a row, JSON or protobuf by its first byte, and checks what a table relies on: symbol, order of the times, side,
/// counts that fit 63 bits, `closed_by` exactly in final rows.
///
/// # Errors
/// The value is not a row of ours.
pub fn decode(value: &[u8]) -> Result<StockAggregate, DecodeError> {
    let row = match value {
        [b'{', ..] => from_json(value)?,
        _ => StockAggregate::decode(value).map_err(DecodeError::bad_protobuf)?,
    };
    let closed_by = ClosedBy::try_from(row.closed_by);
    require(is_symbol(&row.symbol), "symbol", SYMBOL)?;
    require(row.window_start < row.window_end, "window_end", "after window_start")?;
    require((-1..=1).contains(&row.side), "side", "-1, 0 or 1")?;
    require(i64::try_from(row.trade_count).is_ok(), "trade_count", COUNT)?;
    require(i64::try_from(row.bar_trades).is_ok(), "bar_trades", COUNT)?;
    require(
        closed_by.is_ok_and(|closed_by| (closed_by != ClosedBy::Unspecified) == row.is_final),
        "closed_by",
        "RECORD, IDLE, END or RESCALE in a final row and null in every other",
    )?;
    Ok(row)
}

/// Appends a row in the given format.
pub fn encode(row: &StockAggregate, format: OutputFormat, out: &mut Vec<u8>) {
    match format {
        OutputFormat::Protobuf => row.encode(out).expect("a Vec takes every message"),
        OutputFormat::Json => to_json(row, out),
    }
}

/// Appends a row as one JSON object without a line feed.
pub fn to_json(row: &StockAggregate, out: &mut Vec<u8>) {
    let price = |value: Option<i64>| value.map(|value| Nanos(value.into()));
    let mut object = Object::begin(out);
    object.string("symbol", &row.symbol);
    object.plain("window_start", row.window_start);
    object.plain("window_end", row.window_end);
    object.nullable("avg_price", price(row.avg_price));
    object.nullable("max_price", price(row.max_price));
    object.nullable("min_price", price(row.min_price));
    object.nullable("open_price", price(row.open_price));
    object.nullable("close_price", price(row.close_price));
    object.nullable("vwap", price(row.vwap));
    object.plain("total_volume", Nanos(row.total_volume()));
    object.plain("trade_count", row.trade_count);
    object.nullable("ma_5min", price(row.ma_5min));
    object.plain("side", row.side);
    object.nullable("bar_open", price(row.bar_open));
    object.nullable("bar_high", price(row.bar_high));
    object.nullable("bar_low", price(row.bar_low));
    object.nullable("bar_close", price(row.bar_close));
    object.plain("bar_volume", Nanos(row.bar_volume()));
    object.plain("bar_trades", row.bar_trades);
    object.plain("bar_notional", Atto(row.bar_notional()));
    object.plain("bar_notional_size", Nanos(row.bar_notional_size()));
    object.plain("is_final", row.is_final);
    object.plain("revision", row.revision);
    match row.closed_by().text() {
        Some(closed_by) => object.string("closed_by", closed_by),
        None => object.plain("closed_by", "null"),
    }
    object.end();
}

/// The columns as JSON holds them.
#[derive(Deserialize)]
struct Columns<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    window_start: i64,
    window_end: i64,
    avg_price: Option<Price>,
    max_price: Option<Price>,
    min_price: Option<Price>,
    open_price: Option<Price>,
    close_price: Option<Price>,
    vwap: Option<Price>,
    total_volume: Volume,
    trade_count: u64,
    ma_5min: Option<Price>,
    side: i32,
    bar_open: Option<Price>,
    bar_high: Option<Price>,
    bar_low: Option<Price>,
    bar_close: Option<Price>,
    bar_volume: Volume,
    bar_trades: u64,
    bar_notional: Notional,
    bar_notional_size: Volume,
    is_final: bool,
    revision: i64,
    #[serde(borrow)]
    closed_by: Option<Cow<'a, str>>,
}

fn from_json(value: &[u8]) -> Result<StockAggregate, DecodeError> {
    let text = std::str::from_utf8(value).map_err(DecodeError::bad_json)?;
    let columns: Columns<'_> = serde_json::from_str(text).map_err(DecodeError::bad_json)?;
    let price = |value: Option<Price>| value.map(|Price(nanos)| nanos);
    let closed_by = match columns.closed_by.as_deref() {
        None => ClosedBy::Unspecified,
        Some(text) => ClosedBy::from_text(text).ok_or(DecodeError::Invalid {
            column: "closed_by",
            expected: "RECORD, IDLE, END, RESCALE or null",
        })?,
    };
    let mut row = StockAggregate {
        symbol: columns.symbol.into_owned(),
        window_start: columns.window_start,
        window_end: columns.window_end,
        avg_price: price(columns.avg_price),
        max_price: price(columns.max_price),
        min_price: price(columns.min_price),
        open_price: price(columns.open_price),
        close_price: price(columns.close_price),
        vwap: price(columns.vwap),
        trade_count: columns.trade_count,
        ma_5min: price(columns.ma_5min),
        side: columns.side,
        is_final: columns.is_final,
        revision: columns.revision,
        closed_by: closed_by.into(),
        bar_open: price(columns.bar_open),
        bar_high: price(columns.bar_high),
        bar_low: price(columns.bar_low),
        bar_close: price(columns.bar_close),
        bar_trades: columns.bar_trades,
        ..StockAggregate::default()
    };
    row.set_total_volume(columns.total_volume.0);
    row.set_bar_volume(columns.bar_volume.0);
    row.set_bar_notional(columns.bar_notional.0);
    row.set_bar_notional_size(columns.bar_notional_size.0);
    Ok(row)
}

#[cfg(test)]
mod tests;
