//! A trade as JSON: first the value as a whole, then each known field from its raw text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::check::Values;
use super::reject::{Field, Reject};
use super::{JSON_DEPTH_MAX, fields};
use crate::decimal::TEXT_MAX_BYTES;

/// The longest useful text between quotes: [`TEXT_MAX_BYTES`] bytes, each written as `\u0000`. Longer ones are not even
/// unescaped.
const ESCAPED_MAX_BYTES: usize = 6 * TEXT_MAX_BYTES;

/// Reads the fields of a JSON object; no limit is checked yet.
pub(super) fn read(value: &[u8]) -> Result<Values<'_>, Reject> {
    let text =
        std::str::from_utf8(value).map_err(|error| Reject::BadUtf8 { valid_bytes: error.valid_up_to() })?;
    if is_too_deep(value) {
        return Err(Reject::TooDeep);
    }
    let members: Members<'_> =
        serde_json::from_str(text).map_err(|error| Reject::BadJson { detail: error.to_string() })?;
    members.values()
}

/// The known members of the object as raw text; a null is a text here.
#[derive(Default)]
struct Members<'a> {
    symbol: Option<&'a RawValue>,
    price: Option<&'a RawValue>,
    size: Option<&'a RawValue>,
    volume: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    high: Option<&'a RawValue>,
    low: Option<&'a RawValue>,
    open: Option<&'a RawValue>,
    vwap: Option<&'a RawValue>,
    price_eligibility: Option<&'a RawValue>,
    volume_eligible: Option<&'a RawValue>,
    /// The last known name that stood twice.
    duplicate: Option<&'static str>,
}

impl<'a> Members<'a> {
    /// The place of a known name.
    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Option<&'a RawValue>)> {
        Some(match name {
            "symbol" => ("symbol", &mut self.symbol),
            "price" => ("price", &mut self.price),
            "size" => ("size", &mut self.size),
            "volume" => ("volume", &mut self.volume),
            "timestamp" => ("timestamp", &mut self.timestamp),
            "high" => ("high", &mut self.high),
            "low" => ("low", &mut self.low),
            "open" => ("open", &mut self.open),
            "vwap" => ("vwap", &mut self.vwap),
            "price_eligibility" => ("price_eligibility", &mut self.price_eligibility),
            "volume_eligible" => ("volume_eligible", &mut self.volume_eligible),
            _ => return None,
        })
    }

    fn values(&self) -> Result<Values<'a>, Reject> {
        if let Some(name) = self.duplicate {
            return Err(Reject::DuplicateField { name });
        }
        if self.size.is_some() && self.volume.is_some() {
            return Err(Reject::SizeAndVolume);
        }
        Ok(Values {
            symbol: given(self.symbol).map(|raw| string(Field::Symbol, raw)).transpose()?,
            price: number(Field::Price, self.price)?,
            size: number(Field::Size, self.size.or(self.volume))?,
            timestamp: given(self.timestamp).map(timestamp).transpose()?,
            high: number(Field::High, self.high)?,
            low: number(Field::Low, self.low)?,
            open: number(Field::Open, self.open)?,
            vwap: number(Field::Vwap, self.vwap)?,
            price_eligibility: given(self.price_eligibility)
                .map(|raw| fields::price_eligibility(&string(Field::PriceEligibility, raw)?))
                .transpose()?,
            volume_eligible: given(self.volume_eligible)
                .map(|raw| fields::volume_eligible(raw.get()))
                .transpose()?,
        })
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        // Raw, because a name that cannot be unescaped is an unknown name, not an error.
        while let Some(name) = object.next_key::<&RawValue>()? {
            let name = unescape(name);
            match name.as_deref().and_then(|name| members.slot(name)) {
                None => {
                    object.next_value::<IgnoredAny>()?;
                }
                Some((name, slot)) => {
                    if slot.replace(object.next_value()?).is_some() {
                        members.duplicate = Some(name);
                    }
                }
            }
        }
        Ok(members)
    }
}

/// A null is as good as absent.
fn given(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

fn number(field: Field, raw: Option<&RawValue>) -> Result<Option<i128>, Reject> {
    given(raw).map(|raw| fields::number(field, &bare(field, raw)?)).transpose()
}

fn timestamp(raw: &RawValue) -> Result<i64, Reject> {
    fields::timestamp(&bare(Field::Timestamp, raw)?)
}

/// The text of a number that may stand in quotes.
fn bare(field: Field, raw: &RawValue) -> Result<Cow<'_, str>, Reject> {
    if raw.get().starts_with('"') { string(field, raw) } else { Ok(Cow::Borrowed(raw.get())) }
}

/// The content of a string; any other value is malformed.
fn string(field: Field, raw: &RawValue) -> Result<Cow<'_, str>, Reject> {
    unescape(raw).ok_or_else(|| Reject::malformed(field, raw.get()))
}

/// The content of a string, borrowed unless it has escapes; `None` when it is no string, has half of a surrogate pair or is
/// longer than anything of use.
fn unescape(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.len() > ESCAPED_MAX_BYTES {
        None
    } else if inner.contains('\\') {
        serde_json::from_str(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Whether the value has more than [`JSON_DEPTH_MAX`] levels. (The parser sets no limit to what it does not look into.)
fn is_too_deep(value: &[u8]) -> bool {
    let opens = |byte: &&u8| matches!(byte, b'{' | b'[');
    // Whoever has few brackets is not deep; counting is far cheaper than following the strings.
    value.iter().filter(opens).count() > JSON_DEPTH_MAX && depth(value) > JSON_DEPTH_MAX
}

/// The largest number of brackets open at a time, outside of strings.
fn depth(value: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' => open = open.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

/// Moves behind the quote that ends the string.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}
