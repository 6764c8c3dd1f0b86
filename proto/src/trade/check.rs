//! The one place that knows the limits of a trade, whatever it was read from.

use std::borrow::Cow;

use super::reject::{Field, Reject};
use super::{EVENT_TIME_MAX, NOTIONAL_MAX, PRICE_MAX, PriceEligibility, SIZE_MAX, Trade};
use crate::messages;

/// The fields of a trade as they were read, before any limit: `None` = absent or null. Prices and the size are in units of
/// 1e-9, rounded.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Values<'a> {
    pub(super) symbol: Option<Cow<'a, str>>,
    pub(super) price: Option<i128>,
    pub(super) size: Option<i128>,
    pub(super) timestamp: Option<i64>,
    pub(super) high: Option<i128>,
    pub(super) low: Option<i128>,
    pub(super) open: Option<i128>,
    pub(super) vwap: Option<i128>,
    pub(super) price_eligibility: Option<PriceEligibility>,
    pub(super) volume_eligible: Option<bool>,
}

impl<'a> Values<'a> {
    /// Checks every limit and fills in the defaults.
    pub(super) fn check(self) -> Result<Trade<'a>, Reject> {
        let symbol = self.symbol.ok_or(Reject::Missing(Field::Symbol))?;
        if !messages::is_symbol(&symbol) {
            return Err(Reject::malformed(Field::Symbol, &symbol));
        }
        let price = checked_price(Field::Price, self.price)?.ok_or(Reject::Missing(Field::Price))?;
        let size = self.size.ok_or(Reject::Missing(Field::Size))?;
        if !(0..=SIZE_MAX).contains(&size) {
            return Err(Reject::out_of_range(Field::Size, size));
        }
        let event_time = self.timestamp.ok_or(Reject::Missing(Field::Timestamp))?;
        if !(0..=EVENT_TIME_MAX).contains(&event_time) {
            return Err(Reject::out_of_range(Field::Timestamp, event_time.into()));
        }
        let is_bar = self.open.or(self.high).or(self.low).or(self.vwap).is_some();
        let trade = Trade {
            symbol,
            price,
            size,
            event_time,
            open: checked_price(Field::Open, self.open)?.unwrap_or(price),
            high: checked_price(Field::High, self.high)?.unwrap_or(price),
            low: checked_price(Field::Low, self.low)?.unwrap_or(price),
            vwap: checked_price(Field::Vwap, self.vwap)?.unwrap_or(price),
            price_eligibility: self.price_eligibility.unwrap_or_default(),
            volume_eligible: self.volume_eligible.unwrap_or(true),
        };
        if is_bar {
            check_bar(&trade)?;
        }
        check_notional(Field::Price, price, size)?;
        if is_bar {
            check_notional(Field::Vwap, trade.vwap, size)?;
        }
        Ok(trade)
    }
}

fn checked_price(field: Field, value: Option<i128>) -> Result<Option<i64>, Reject> {
    let Some(value) = value else { return Ok(None) };
    match i64::try_from(value) {
        Ok(price @ 1..=PRICE_MAX) => Ok(Some(price)),
        _ => Err(Reject::out_of_range(field, value)),
    }
}

/// A bar's prices lie between its lowest and its highest; all those of a plain trade are one.
fn check_bar(trade: &Trade<'_>) -> Result<(), Reject> {
    let &Trade { low, high, .. } = trade;
    let inside = [(Field::Price, trade.price), (Field::Open, trade.open), (Field::Vwap, trade.vwap)];
    for (field, value) in inside {
        if !(low..=high).contains(&value) {
            return Err(Reject::OutsideBar { field, value, low, high });
        }
    }
    Ok(())
}

fn check_notional(field: Field, value: i64, size: i128) -> Result<(), Reject> {
    if exceeds_notional(value, size) { Err(Reject::NotionalRange { field, value, size }) } else { Ok(()) }
}

/// Whether `value`·`size` is more than [`NOTIONAL_MAX`].
fn exceeds_notional(value: i64, size: i128) -> bool {
    match i64::try_from(size) {
        // Two 64-bit factors: one multiplication.
        Ok(size) => i128::from(value) * i128::from(size) > NOTIONAL_MAX,
        // 9e9 times 1e12 does not fit 128 bits in units of 1e-18.
        Err(_) => size.checked_mul(value.into()).is_none_or(|notional| notional > NOTIONAL_MAX),
    }
}
