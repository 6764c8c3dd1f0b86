//! The value of a `raw-trades` record: one trade, or one bar of a vendor.
//!
//! Two encodings, told apart record by record by the first byte: `{` or white space begins JSON, everything else is the
//! protobuf message [`messages::Trade`](crate::messages::Trade). Text (the columns of a file) is the third way in. All three end in the same
//! checks, so that a trade means the same however it was written.
//!
//! Order of operations of [`decode`]: null, empty, bytes before the object, encoding (UTF-8, depth, grammar), duplicate
//! names, each field by itself, the limits, the relations between fields, the key. The first that fails is the reason;
//! whatever the order of the fields, the same value gets the same reason.
//!
//! JSON, beside the grammar of RFC 8259:
//! - The whole value is UTF-8 without a byte order mark, one object, at most [`JSON_DEPTH_MAX`] levels deep.
//! - Known names: `symbol`, `price`, `size` or `volume`, `timestamp`, `high`, `low`, `open`, `vwap`, `price_eligibility`,
//!   `volume_eligible`, each at most once, `size` and `volume` never together (not even when null).
//! - Others are ignored and not looked into.
//! - A number is a JSON number or the same text in quotes, at most [`TEXT_MAX_BYTES`](crate::decimal::TEXT_MAX_BYTES) bytes
//!   between them; `timestamp` is digits only. `null` means absent.
//!
//! Values of the shape that producers write go through a quick scan of the same meaning; all others through a JSON parser.
//!
//! Invariant: a plain JSON trade (no escapes in its known fields, nothing nested) is decoded without an allocation.

mod check;
mod encode;
mod fields;
mod json;
mod protobuf;
mod reject;
mod scan;

use std::borrow::Cow;

pub use encode::{encode_json, encode_protobuf};
pub use fields::{Fields, check};
pub use reject::{Field, Reject};

use check::Values;

use crate::decimal::{ATTO_PER_UNIT, NANOS_PER_UNIT};

/// The longest symbol, in bytes.
pub const SYMBOL_MAX_BYTES: usize = 32;

/// The highest price, in units of 1e-9: 9e9, the largest round number whose nanos fit 64 bits.
pub const PRICE_MAX: i64 = 9_000_000_000 * NANOS_PER_UNIT as i64;

/// The largest size, in units of 1e-9: 1e12.
pub const SIZE_MAX: i128 = 1_000_000_000_000 * NANOS_PER_UNIT;

/// The largest price·size and vwap·size, in units of 1e-18: 1e13. Keeps sums far from overflow.
pub const NOTIONAL_MAX: i128 = 10_000_000_000_000 * ATTO_PER_UNIT;

/// The last event time, in milliseconds since the Unix epoch: the end of the year 9999.
pub const EVENT_TIME_MAX: i64 = 253_402_300_799_999;

/// The deepest JSON value, counting the outer object as level 1.
pub const JSON_DEPTH_MAX: usize = 128;

/// The header by which a producer with a resumable source says where a record came from: `<source id>:<number>`, number =
/// the record's number in the source, from 0.
pub const SOURCE_HEADER: &str = "tape-source";

/// Which prices a print may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PriceEligibility {
    /// No price: only its size and its count matter.
    None,
    /// Averages, highs and lows, but neither open nor close.
    Price,
    /// Averages, highs, lows, open and close.
    #[default]
    Last,
}

impl PriceEligibility {
    /// `none`, `price` or `last`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Price => "price",
            Self::Last => "last",
        }
    }

    /// The inverse of [`text`](Self::text).
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::None, Self::Price, Self::Last].into_iter().find(|eligibility| eligibility.text() == text)
    }

    /// Whether the print counts in averages, highs and lows.
    #[must_use]
    pub const fn sets_price(self) -> bool {
        matches!(self, Self::Price | Self::Last)
    }

    /// Whether the print may set open and close.
    #[must_use]
    pub const fn sets_last(self) -> bool {
        matches!(self, Self::Last)
    }
}

/// One trade with its defaults filled in. [`decode`] and [`check`] give only trades inside the limits of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade<'a> {
    /// 1 to [`SYMBOL_MAX_BYTES`] bytes of `A–Z a–z 0–9 . - : / _`.
    pub symbol: Cow<'a, str>,
    /// Price, of a bar its close; units of 1e-9, 1 to [`PRICE_MAX`].
    pub price: i64,
    /// Size, of a bar its volume; units of 1e-9, 0 to [`SIZE_MAX`]; `price·size` is at most [`NOTIONAL_MAX`].
    pub size: i128,
    /// The exchange's time, of a bar its end − 1; milliseconds since the Unix epoch, 0 to [`EVENT_TIME_MAX`].
    pub event_time: i64,
    /// First price of a bar, of a trade its price; units of 1e-9, `low` to `high`.
    pub open: i64,
    /// Highest price of a bar, of a trade its price; units of 1e-9, at least `price`.
    pub high: i64,
    /// Lowest price of a bar, of a trade its price; units of 1e-9, at most `price`.
    pub low: i64,
    /// Volume-weighted average of a bar, of a trade its price; units of 1e-9, `low` to `high`; `vwap·size` is at most
    /// [`NOTIONAL_MAX`].
    pub vwap: i64,
    /// Which prices it may set.
    pub price_eligibility: PriceEligibility,
    /// Whether its size counts in volumes.
    pub volume_eligible: bool,
}

impl<'a> Trade<'a> {
    /// A trade with nothing but the required fields, units and ranges as in [`Trade`].
    #[must_use]
    pub fn plain(symbol: impl Into<Cow<'a, str>>, price: i64, size: i128, event_time: i64) -> Self {
        Self {
            symbol: symbol.into(),
            price,
            size,
            event_time,
            open: price,
            high: price,
            low: price,
            vwap: price,
            price_eligibility: PriceEligibility::default(),
            volume_eligible: true,
        }
    }
}

/// Reads a record of `raw-trades`: its key and its value as they stand in the log.
///
/// # Errors
/// The reason why the record cannot be used; it belongs into the dead-letter topic.
pub fn decode<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Result<Trade<'a>, Reject> {
    let trade = decode_value(value.ok_or(Reject::NullValue)?)?;
    let key = key.ok_or(Reject::MissingKey)?;
    if key == trade.symbol.as_bytes() { Ok(trade) } else { Err(Reject::key_mismatch(&trade.symbol, key)) }
}

/// Reads a value alone, as it stands in a file that has no keys.
///
/// # Errors
/// The reason why the value cannot be used.
pub fn decode_value(value: &[u8]) -> Result<Trade<'_>, Reject> {
    match value {
        [] => Err(Reject::EmptyValue),
        [0xef, 0xbb, 0xbf, ..] => Err(Reject::ByteOrderMark),
        // White space may stand before a JSON text. The tags that these bytes would be are reserved in our message.
        [b'{' | b' ' | b'\t' | b'\n' | b'\r', ..] => {
            // In place: the fields are many, and to move them costs as much as to read one.
            let mut values = Values::default();
            match scan::read(value, &mut values) {
                Some(()) => values.check(),
                None => json::read(value)?.check(),
            }
        }
        _ => protobuf::read(value)?.check(),
    }
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
