//! The small JSON writer of the codecs, and decimals as serde reads them. Numbers are written from integers and read from their
//! raw text, so that none passes through floating point.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use crate::decimal::{parse_atto, parse_nanos, write_atto, write_nanos};

/// A `Vec` grows or aborts.
const INFALLIBLE: &str = "writing to memory cannot fail";

/// A JSON object being written; names appear in the order of the calls.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    pub(crate) fn integer(&mut self, name: &str, value: impl itoa::Integer) {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A number in units of 1e-9.
    pub(crate) fn nanos(&mut self, name: &str, value: i128) {
        self.name(name);
        write_nanos(value, self.out);
    }

    /// A price in units of 1e-9, or null.
    pub(crate) fn price(&mut self, name: &str, value: Option<i64>) {
        match value {
            Some(value) => self.nanos(name, value.into()),
            None => self.null(name),
        }
    }

    /// A number in units of 1e-18.
    pub(crate) fn atto(&mut self, name: &str, value: i128) {
        self.name(name);
        write_atto(value, self.out);
    }

    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn null(&mut self, name: &str) {
        self.name(name);
        self.out.extend_from_slice(b"null");
    }

    /// A string, with whatever escapes it needs.
    pub(crate) fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        serde_json::to_writer(&mut *self.out, value).expect(INFALLIBLE);
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    /// Our own names need no escapes.
    fn name(&mut self, name: &str) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// A price: a JSON number in units of 1e-9 that fits 64 bits.
pub(crate) struct Price(pub(crate) i64);

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Volume(nanos) = Volume::deserialize(deserializer)?;
        i64::try_from(nanos).map(Self).map_err(|_| D::Error::custom("a price that does not fit 64 bits"))
    }
}

/// A volume: a JSON number in units of 1e-9.
pub(crate) struct Volume(pub(crate) i128);

impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        parse_nanos(raw.get()).map(Self).map_err(D::Error::custom)
    }
}

/// A sum of price times size: a JSON number in units of 1e-18.
pub(crate) struct Notional(pub(crate) i128);

impl<'de> Deserialize<'de> for Notional {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        parse_atto(raw.get()).map(Self).map_err(D::Error::custom)
    }
}
