//! The protobuf messages of package `tape.v1` (`schema/tape/v1/*.proto`) and what belongs to them: 128-bit numbers as
//! halves, the texts of the enumerations, the grammar of a symbol.
//!
//! These are wire types: prices and averages `i64` in units of 1e-9, 128-bit numbers in two halves with accessors here,
//! enumerations as `i32` with accessors from prost. Numbers of fields and enumerations never change their meaning; a new
//! field gets a new number.

use crate::trade::SYMBOL_MAX_BYTES;

/// What prost generates.
#[allow(unused_qualifications, reason = "generated code spells paths out")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tape.v1.rs"));
}

pub use generated::*;

/// A 128-bit number as its high and low halves, in two's complement.
#[must_use]
pub const fn split(value: i128) -> (i64, u64) {
    ((value >> 64) as i64, value as u64)
}

/// The inverse of [`split`].
#[must_use]
pub const fn join(high: i64, low: u64) -> i128 {
    (high as i128) << 64 | low as i128
}

/// Whether the text is a symbol: 1 to 32 bytes of `A–Z a–z 0–9 . - : / _`.
#[must_use]
pub fn is_symbol(text: &str) -> bool {
    (1..=SYMBOL_MAX_BYTES).contains(&text.len()) && text.bytes().all(is_symbol_byte)
}

/// Whether a byte may stand in a symbol.
pub(crate) const fn is_symbol_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'/' | b'_')
}

/// The 128-bit columns.
impl StockAggregate {
    /// The volume in units of 1e-9.
    #[must_use]
    pub const fn total_volume(&self) -> i128 {
        join(self.total_volume_high, self.total_volume_low)
    }

    /// Sets the volume, in units of 1e-9.
    pub const fn set_total_volume(&mut self, nanos: i128) {
        (self.total_volume_high, self.total_volume_low) = split(nanos);
    }

    /// The bar's volume in units of 1e-9.
    #[must_use]
    pub const fn bar_volume(&self) -> i128 {
        join(self.bar_volume_high, self.bar_volume_low)
    }

    /// Sets the bar's volume, in units of 1e-9.
    pub const fn set_bar_volume(&mut self, nanos: i128) {
        (self.bar_volume_high, self.bar_volume_low) = split(nanos);
    }

    /// The bar's sum of vwap times size in units of 1e-18, exact.
    #[must_use]
    pub const fn bar_notional(&self) -> i128 {
        join(self.bar_notional_high, self.bar_notional_low)
    }

    /// Sets the bar's sum of vwap times size, in units of 1e-18.
    pub const fn set_bar_notional(&mut self, atto: i128) {
        (self.bar_notional_high, self.bar_notional_low) = split(atto);
    }

    /// The size that belongs to [`bar_notional`](Self::bar_notional), in units of 1e-9.
    #[must_use]
    pub const fn bar_notional_size(&self) -> i128 {
        join(self.bar_notional_size_high, self.bar_notional_size_low)
    }

    /// Sets the size that belongs to the bar's notional, in units of 1e-9.
    pub const fn set_bar_notional_size(&mut self, nanos: i128) {
        (self.bar_notional_size_high, self.bar_notional_size_low) = split(nanos);
    }
}

impl ClosedBy {
    /// `RECORD`, `IDLE`, `END` or `RESCALE`; `None` (null) while the window is open.
    #[must_use]
    pub const fn text(self) -> Option<&'static str> {
        match self {
            Self::Unspecified => None,
            Self::Record => Some("RECORD"),
            Self::Idle => Some("IDLE"),
            Self::End => Some("END"),
            Self::Rescale => Some("RESCALE"),
        }
    }

    /// The inverse of [`text`](Self::text); an unknown text is `None`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Record, Self::Idle, Self::End, Self::Rescale]
            .into_iter()
            .find(|known| known.text() == Some(text))
    }
}

impl AlertType {
    /// `breakout`, `golden_cross`, `death_cross` or `high_volume`; `None` for the number that nobody writes.
    #[must_use]
    pub const fn text(self) -> Option<&'static str> {
        match self {
            Self::Unspecified => None,
            Self::Breakout => Some("breakout"),
            Self::GoldenCross => Some("golden_cross"),
            Self::DeathCross => Some("death_cross"),
            Self::HighVolume => Some("high_volume"),
        }
    }

    /// The inverse of [`text`](Self::text); an unknown text is `None`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Breakout, Self::GoldenCross, Self::DeathCross, Self::HighVolume]
            .into_iter()
            .find(|known| known.text() == Some(text))
    }
}

impl Signal {
    /// `BULLISH`, `BEARISH` or `NEUTRAL`; `None` for the number that nobody writes.
    #[must_use]
    pub const fn text(self) -> Option<&'static str> {
        match self {
            Self::Unspecified => None,
            Self::Bullish => Some("BULLISH"),
            Self::Bearish => Some("BEARISH"),
            Self::Neutral => Some("NEUTRAL"),
        }
    }

    /// The inverse of [`text`](Self::text); an unknown text is `None`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Bullish, Self::Bearish, Self::Neutral].into_iter().find(|known| known.text() == Some(text))
    }
}
