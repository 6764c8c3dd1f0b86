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

use crate::json::{Notional, Object, Price, Volume};
use crate::messages::{ClosedBy, is_symbol};
use crate::output::{DecodeError, OutputFormat, require};

pub use crate::messages::StockAggregate;

const SYMBOL: &str = "1 to 32 bytes of A-Z a-z 0-9 . - : / _";
/// Room for every row with a valid symbol: 34 bytes of symbol, 27 numbers of at most 12 bytes each.
const PROTOBUF_BYTES: usize = 384;
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
        OutputFormat::Protobuf => to_protobuf(row, out),
        OutputFormat::Json => to_json(row, out),
    }
}

/// Appends a row as protobuf. It is built in a buffer that does not grow: the bytes come one by one, and a `Vec` would ask for
/// room before each.
fn to_protobuf(row: &StockAggregate, out: &mut Vec<u8>) {
    let mut buffer = [0; PROTOBUF_BYTES];
    let mut rest = buffer.as_mut_slice();
    match row.encode(&mut rest) {
        Ok(()) => {
            let length = PROTOBUF_BYTES - rest.len();
            out.extend_from_slice(&buffer[..length]);
        }
        // Nobody's symbol is that long, but whoever makes one gets it back.
        Err(_) => row.encode(out).expect("a Vec takes every message"),
    }
}

/// Appends a row as one JSON object without a line feed.
pub fn to_json(row: &StockAggregate, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.string("symbol", &row.symbol);
    object.integer("window_start", row.window_start);
    object.integer("window_end", row.window_end);
    object.price("avg_price", row.avg_price);
    object.price("max_price", row.max_price);
    object.price("min_price", row.min_price);
    object.price("open_price", row.open_price);
    object.price("close_price", row.close_price);
    object.price("vwap", row.vwap);
    object.nanos("total_volume", row.total_volume());
    object.integer("trade_count", row.trade_count);
    object.price("ma_5min", row.ma_5min);
    object.integer("side", row.side);
    object.price("bar_open", row.bar_open);
    object.price("bar_high", row.bar_high);
    object.price("bar_low", row.bar_low);
    object.price("bar_close", row.bar_close);
    object.nanos("bar_volume", row.bar_volume());
    object.integer("bar_trades", row.bar_trades);
    object.atto("bar_notional", row.bar_notional());
    object.nanos("bar_notional_size", row.bar_notional_size());
    object.boolean("is_final", row.is_final);
    object.integer("revision", row.revision);
    match row.closed_by().text() {
        Some(closed_by) => object.string("closed_by", closed_by),
        None => object.null("closed_by"),
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
