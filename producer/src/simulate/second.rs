//! What arrives in one second: a pure function of the market and the second.
//!
//! - **Price**: the listing's price times a sum of smooth curves with periods from hours to seconds. The long ones make
//!   sessions and trends; those of ten and three minutes turn the trend of five-minute averages every few minutes; the
//!   short ones are the noise of a book. A print is up to two cents off, as bid and ask are.
//! - **Activity** swells and falls with a curve of its own. In about one of twelve blocks of six minutes a symbol is busy:
//!   twice the trades, eight times the size.
//! - **Order**: by arrival, then by symbol, then by number. Each trade draws its delay from its own hash.

use std::borrow::Cow;

use tape_proto::trade::{PriceEligibility, Trade};

use super::market::{LATE_MAX_MS, LATE_MIN_MS, Listing, Market};
use super::noise::{curve, height};
use super::poison::Poison;
use crate::hash::{mix, pair, unit};

/// (period in ms, height as a share of the price) of the curves that make a price.
const CURVES: [(i64, f64); 6] = [
    (14_400_000, 0.020),
    (2_820_000, 0.008),
    (600_000, 0.0035),
    (180_000, 0.0015),
    (47_000, 0.0006),
    (7_000, 0.0002),
];

/// Period of the curve of activity, and how far it swells and falls.
const ACTIVITY: (i64, f64) = (260_000, 0.6);
/// Length of the blocks of which some are busy, in ms.
const BLOCK_MS: i64 = 360_000;
/// One of so many blocks is busy.
const BUSY_ONE_OF: u64 = 12;
const BUSY_TRADES: f64 = 2.0;
const BUSY_SIZE: f64 = 8.0;

/// Share of trades that arrive out of order.
const DISORDER_SHARE: f64 = 0.05;
/// Shares of prints that may not set a last price, that may set no price, and whose size does not count.
const PRICE_ONLY_SHARE: f64 = 0.02;
const NO_PRICE_SHARE: f64 = 0.01;
const NO_VOLUME_SHARE: f64 = 0.01;

/// A cent, and what a size is computed in, in units of 1e-9.
const CENT_NANOS: i64 = 10_000_000;
const NANOS: f64 = 1e9;

/// Different draws from one hash.
mod draw {
    pub(super) const COUNT: u64 = 1;
    pub(super) const MOMENT: u64 = 2;
    pub(super) const DELAY: u64 = 3;
    pub(super) const DELAY_LENGTH: u64 = 4;
    pub(super) const SIZE: u64 = 5;
    pub(super) const SPREAD: u64 = 6;
    pub(super) const CONDITION: u64 = 7;
    pub(super) const POISON: u64 = 8;
    pub(super) const ACTIVITY: u64 = 9;
    pub(super) const BUSY: u64 = 10;
    pub(super) const CURVE: u64 = 11;
}

/// All that arrives in a second, in order.
#[derive(Debug, Default)]
pub(super) struct Second {
    /// Seconds since the Unix epoch.
    pub(super) number: i64,
    pub(super) events: Vec<Event>,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Event {
    /// When it arrives, in milliseconds since the Unix epoch.
    pub(super) arrival: i64,
    /// Index of the symbol.
    pub(super) listing: usize,
    /// When it happened.
    pub(super) event_time: i64,
    price: i64,
    size: i128,
    price_eligibility: PriceEligibility,
    volume_eligible: bool,
    pub(super) value: Value,
}

/// Whether it is a trade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// It is.
    Trade,
    /// It is one spoilt.
    Poison(Poison),
}

impl Second {
    /// Fills in what arrives in this second.
    pub(super) fn fill(&mut self, listings: &[Listing], market: &Market, number: i64) {
        self.number = number;
        self.events.clear();
        for (index, listing) in listings.iter().enumerate() {
            let seed = pair(listing.seed, number.cast_unsigned());
            let time = number * 1000;
            let busy = is_busy(listing, time);
            let swell = 1.0 + ACTIVITY.1 * curve(pair(listing.seed, draw::ACTIVITY), time, ACTIVITY.0);
            let rate = listing.rate * swell * if busy { BUSY_TRADES } else { 1.0 };
            let count = (rate + unit(pair(seed, draw::COUNT))) as u64;
            self.events
                .extend((0..count).map(|place| event(listing, index, market, time, mix(seed ^ place))));
        }
        // Stable: what arrives in the same millisecond stays in the order of symbols and places.
        self.events.sort_by_key(|event| event.arrival);
    }
}

fn is_busy(listing: &Listing, time: i64) -> bool {
    let block = time.div_euclid(BLOCK_MS).cast_unsigned();
    pair(pair(listing.seed, draw::BUSY), block).is_multiple_of(BUSY_ONE_OF)
}

fn event(listing: &Listing, index: usize, market: &Market, second: i64, seed: u64) -> Event {
    let draw = |what: u64| unit(pair(seed, what));
    let arrival = second + (draw(draw::MOMENT) * 1000.0) as i64;
    let event_time = (arrival - delay(market, draw(draw::DELAY), draw(draw::DELAY_LENGTH))).max(0);
    let (price_eligibility, volume_eligible) = condition(draw(draw::CONDITION));
    let cents = price(listing, event_time) * 100.0 + 4.0 * (draw(draw::SPREAD) - 0.5);
    let busy = if is_busy(listing, event_time) { BUSY_SIZE } else { 1.0 };
    // A few large trades among many small ones; on average 1.
    let share = draw(draw::SIZE);
    let units = listing.size * busy * (0.1 + 2.7 * share * share) * NANOS;
    let size = (units as i128 / listing.lot).max(1) * listing.lot;
    let value = if draw(draw::POISON) < market.poison_share {
        Value::Poison(Poison::draw(mix(seed)))
    } else {
        Value::Trade
    };
    Event {
        arrival,
        listing: index,
        event_time,
        price: (cents as i64).max(1) * CENT_NANOS,
        size,
        price_eligibility,
        volume_eligible,
        value,
    }
}

/// How long a trade was on its way, from two draws.
fn delay(market: &Market, kind: f64, length: f64) -> i64 {
    if kind < market.late_share {
        LATE_MIN_MS + (length * (LATE_MAX_MS - LATE_MIN_MS) as f64) as i64
    } else if kind > 1.0 - DISORDER_SHARE {
        (length * market.disorder_ms as f64) as i64
    } else {
        0
    }
}

fn condition(draw: f64) -> (PriceEligibility, bool) {
    if draw < NO_PRICE_SHARE {
        (PriceEligibility::None, true)
    } else if draw < NO_PRICE_SHARE + PRICE_ONLY_SHARE {
        (PriceEligibility::Price, true)
    } else {
        (PriceEligibility::Last, draw < 1.0 - NO_VOLUME_SHARE)
    }
}

/// The price at a time, in dollars. Only sums and products, which every processor rounds alike.
fn price(listing: &Listing, time: i64) -> f64 {
    let seed = pair(listing.seed, draw::CURVE);
    let moves = CURVES.iter().enumerate().map(|(number, (period, share))| {
        let seed = pair(seed, number as u64);
        // Each symbol has its own rhythm.
        let period = period + (height(seed, i64::MAX) * 0.2 * *period as f64) as i64;
        share * curve(seed, time, period)
    });
    listing.price * (1.0 + moves.sum::<f64>())
}

impl Event {
    /// The trade, of poison the one that was spoilt.
    pub(super) fn trade<'a>(&self, symbol: &'a str) -> Trade<'a> {
        Trade {
            price_eligibility: self.price_eligibility,
            volume_eligible: self.volume_eligible,
            ..Trade::plain(Cow::Borrowed(symbol), self.price, self.size, self.event_time)
        }
    }
}
