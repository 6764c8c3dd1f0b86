//! The value of a `breakout-alerts` record: one alert.
//!
//! JSON: the contract's column names `symbol`, `type`, `signal`, `timestamp`, `current_price`, `window_avg` in this order;
//! prices plain exact decimals or null, the time in milliseconds since the Unix epoch. Reading follows the rules of
//! [`aggregate`](crate::aggregate).
//!
//! Invariant: what [`encode`] writes, [`decode`] reads to an equal message, in both formats.

use std::borrow::Cow;

use prost::Message;
use serde::Deserialize;

use crate::json::{Object, Price};
use crate::messages::{AlertType, Signal, is_symbol};
use crate::output::{DecodeError, OutputFormat, require};

pub use crate::messages::BreakoutAlert;

const SYMBOL: &str = "1 to 32 bytes of A-Z a-z 0-9 . - : / _";
const TYPE: &str = "breakout, golden_cross, death_cross or high_volume";
const SIGNAL: &str = "BULLISH, BEARISH or NEUTRAL";

/// Reads an alert, JSON or protobuf by its first byte, and checks symbol, type and signal.
///
/// # Errors
/// The value is not an alert of ours.
pub fn decode(value: &[u8]) -> Result<BreakoutAlert, DecodeError> {
    let alert = match value {
        [b'{', ..] => from_json(value)?,
        _ => BreakoutAlert::decode(value).map_err(DecodeError::bad_protobuf)?,
    };
    require(is_symbol(&alert.symbol), "symbol", SYMBOL)?;
    require(AlertType::try_from(alert.r#type).is_ok_and(|known| known.text().is_some()), "type", TYPE)?;
    require(Signal::try_from(alert.signal).is_ok_and(|known| known.text().is_some()), "signal", SIGNAL)?;
    Ok(alert)
}

/// Appends an alert in the given format.
pub fn encode(alert: &BreakoutAlert, format: OutputFormat, out: &mut Vec<u8>) {
    match format {
        OutputFormat::Protobuf => alert.encode(out).expect("a Vec takes every message"),
        OutputFormat::Json => to_json(alert, out),
    }
}

/// Appends an alert as one JSON object without a line feed. Type and signal of an alert that nobody writes are empty texts.
pub fn to_json(alert: &BreakoutAlert, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.string("symbol", &alert.symbol);
    object.string("type", alert.r#type().text().unwrap_or_default());
    object.string("signal", alert.signal().text().unwrap_or_default());
    object.integer("timestamp", alert.timestamp);
    object.price("current_price", alert.current_price);
    object.price("window_avg", alert.window_avg);
    object.end();
}

/// The columns as JSON holds them.
#[derive(Deserialize)]
struct Columns<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    signal: Cow<'a, str>,
    timestamp: i64,
    current_price: Option<Price>,
    window_avg: Option<Price>,
}

fn from_json(value: &[u8]) -> Result<BreakoutAlert, DecodeError> {
    let text = std::str::from_utf8(value).map_err(DecodeError::bad_json)?;
    let columns: Columns<'_> = serde_json::from_str(text).map_err(DecodeError::bad_json)?;
    let price = |value: Option<Price>| value.map(|Price(nanos)| nanos);
    Ok(BreakoutAlert {
        symbol: columns.symbol.into_owned(),
        // An unknown text becomes the number that `decode` refuses.
        r#type: AlertType::from_text(&columns.r#type).unwrap_or_default().into(),
        signal: Signal::from_text(&columns.signal).unwrap_or_default().into(),
        timestamp: columns.timestamp,
        current_price: price(columns.current_price),
        window_avg: price(columns.window_avg),
    })
}

#[cfg(test)]
mod tests;
