//! What tells two trades apart.
//!
//! | event | made of |
//! |---|---|
//! | trade with an id | symbol, exchange, reporting facility, id |
//! | trade with a sequence number only | symbol, day, sequence number |
//! | any other trade | symbol, exchange, time, price, size, conditions or side |
//! | bar | symbol, time |
//!
//! and the kind of event in each.

use tape_proto::trade::Trade;

use super::Kind;
use super::text::{content, integer};
use crate::hash;
use crate::venue::Identity;

/// Five hours: the New York calendar without daylight saving. No session runs past midnight there, so a sequence number stands
/// once in such a day.
const NEW_YORK_STANDARD_MS: i64 = 5 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

impl Identity {
    /// Of a trade with an id. Numbers are texts as JSON writes them; `None` = the field is absent.
    pub(crate) fn by_id(
        kind: Kind,
        symbol: &str,
        exchange: Option<&str>,
        facility: Option<&str>,
        id: &str,
    ) -> Self {
        // No facility has the number 0: some deliveries leave out what is not there, others may write 0.
        let facility = facility.filter(|raw| *raw != "0");
        // An id is a text even if it looks like a number: `1e2` is not `100`.
        Self::new(kind, symbol, 1)
            .and(number(exchange))
            .and(number(facility))
            .and(hash::bytes(content(id).as_bytes()))
    }

    /// Of a trade with a sequence number; `event_time` in milliseconds since the Unix epoch.
    pub(crate) fn by_sequence(kind: Kind, symbol: &str, event_time: i64, sequence: &str) -> Self {
        let day = event_time.saturating_sub(NEW_YORK_STANDARD_MS).div_euclid(DAY_MS);
        Self::new(kind, symbol, 2).and(day.cast_unsigned()).and(number(Some(sequence)))
    }

    /// Of a trade that has neither.
    pub(super) fn by_fields(
        kind: Kind,
        trade: &Trade<'_>,
        exchange: Option<&str>,
        conditions: Option<&str>,
    ) -> Self {
        let Trade { price, size, event_time, .. } = *trade;
        Self::new(kind, &trade.symbol, 3)
            .and(number(exchange))
            .and(event_time.cast_unsigned())
            .and(price.cast_unsigned())
            .and(hash::bytes(&size.to_le_bytes()))
            .and(hash::bytes(conditions.unwrap_or_default().as_bytes()))
    }

    /// Of a bar.
    pub(super) fn bar(kind: Kind, bar: &Trade<'_>) -> Self {
        Self::new(kind, &bar.symbol, 4).and(bar.event_time.cast_unsigned())
    }

    fn new(kind: Kind, symbol: &str, way: u64) -> Self {
        Self(hash::bytes(symbol.as_bytes())).and((kind as u64) << 8 | way)
    }

    const fn and(self, part: u64) -> Self {
        Self(hash::pair(self.0, part))
    }
}

/// An integer however it was written; whatever else came tells trades apart too.
fn number(raw: Option<&str>) -> u64 {
    let Some(raw) = raw else { return 0 };
    let text = content(raw);
    integer(&text).map_or_else(|| hash::bytes(text.as_bytes()), |value| hash::mix(value.cast_unsigned()))
}

#[cfg(test)]
mod tests;
