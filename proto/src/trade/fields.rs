//! A trade as texts: how columns of a file and the values of a JSON object are read.

use std::borrow::Cow;

use super::check::Values;
use super::reject::{Field, Reject};
use super::{PriceEligibility, Trade};
use crate::decimal::{DecimalError, TEXT_MAX_BYTES, parse_nanos};

/// The text of each field as it stands in a file, without quotes and white space around it; `None` = the file has no such
/// column. An empty text of an optional field counts as absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Required.
    pub symbol: Option<&'a str>,
    /// Required, a decimal.
    pub price: Option<&'a str>,
    /// Required unless `volume` is given, a decimal.
    pub size: Option<&'a str>,
    /// The other name of `size`; both given, empty or not, is an error.
    pub volume: Option<&'a str>,
    /// Required, milliseconds since the Unix epoch, digits only.
    pub timestamp: Option<&'a str>,
    /// A decimal.
    pub high: Option<&'a str>,
    /// A decimal.
    pub low: Option<&'a str>,
    /// A decimal.
    pub open: Option<&'a str>,
    /// A decimal.
    pub vwap: Option<&'a str>,
    /// `none`, `price` or `last`.
    pub price_eligibility: Option<&'a str>,
    /// `true` or `false`.
    pub volume_eligible: Option<&'a str>,
}

/// Reads a trade from the columns of a file, by the rules of [`decode`](super::decode) (there is no key to compare).
///
/// # Errors
/// The reason why the line is no trade.
pub fn check<'a>(fields: &Fields<'a>) -> Result<Trade<'a>, Reject> {
    if fields.size.is_some() && fields.volume.is_some() {
        return Err(Reject::SizeAndVolume);
    }
    let number = |field, text: Option<&str>| text.map(|text| number(field, text)).transpose();
    let optional = |text: Option<&'a str>| text.filter(|text| !text.is_empty());
    let values = Values {
        symbol: fields.symbol.map(Cow::Borrowed),
        price: number(Field::Price, fields.price)?,
        size: number(Field::Size, fields.size.or(fields.volume))?,
        timestamp: fields.timestamp.map(timestamp).transpose()?,
        high: number(Field::High, optional(fields.high))?,
        low: number(Field::Low, optional(fields.low))?,
        open: number(Field::Open, optional(fields.open))?,
        vwap: number(Field::Vwap, optional(fields.vwap))?,
        price_eligibility: optional(fields.price_eligibility).map(price_eligibility).transpose()?,
        volume_eligible: optional(fields.volume_eligible).map(volume_eligible).transpose()?,
    };
    values.check()
}

/// A decimal in units of 1e-9, rounded half to even.
pub(super) fn number(field: Field, text: &str) -> Result<i128, Reject> {
    parse_nanos(text).map_err(|error| match error {
        DecimalError::Syntax | DecimalError::TooLong => Reject::malformed(field, text),
        DecimalError::TooLarge => Reject::OutOfRange { field, value: text.to_owned() },
    })
}

/// A time in milliseconds: digits only, without leading zeros, as every number.
pub(super) fn timestamp(text: &str) -> Result<i64, Reject> {
    let digits = text.as_bytes();
    let plain = match digits {
        [] => false,
        [b'0', _, ..] => false,
        _ => digits.len() <= TEXT_MAX_BYTES && digits.iter().all(u8::is_ascii_digit),
    };
    if !plain {
        return Err(Reject::malformed(Field::Timestamp, text));
    }
    text.parse().map_err(|_| Reject::OutOfRange { field: Field::Timestamp, value: text.to_owned() })
}

pub(super) fn price_eligibility(text: &str) -> Result<PriceEligibility, Reject> {
    PriceEligibility::from_text(text).ok_or_else(|| Reject::malformed(Field::PriceEligibility, text))
}

pub(super) fn volume_eligible(text: &str) -> Result<bool, Reject> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Reject::malformed(Field::VolumeEligible, text)),
    }
}
