//! A market that does not exist, for demonstrations and tests.
//!
//! - What is traded in a second is a pure function of the seed, the symbol and that second: see `second.rs`. There is no
//!   state, so a simulation begins anywhere and continues exactly.
//! - A record's number is `second · 2²⁰ + place in the second`. It does not depend on where the simulation began.
//! - A second is the second in which records *arrive*. Most trades arrive when they happen; some arrive a little later
//!   ([`Market::disorder_ms`]), some much later ([`Market::late_share`]). So records are out of order as in a real feed.
//! - It runs from its start as fast as it is asked, and once it has reached the wall clock as fast as time goes.
//!
//! Invariant: no record is given before the wall clock has reached its arrival, and no trade happens after it arrives
//! (except for poison that shows just this).

mod market;
mod noise;
mod poison;
mod second;

pub(crate) use market::HISTORY_MS;
pub use market::{LATE_MAX_MS, LATE_MIN_MS, Market, RATE_MAX};
use tape_service::config::Format;

use crate::cursor::Cursor;
use crate::feed::{FeedRecord, Poll, encode};
use market::Listing;
use second::{Event, Second, Value};

/// Bits of a number that hold the place in the second.
const PLACE_BITS: u32 = 20;

/// After so many records that were not sent the caller is asked back, so that it can stop.
const SILENT_MAX: u32 = 100_000;

/// A market being simulated.
pub struct Simulation {
    listings: Vec<Listing>,
    market: Market,
    cursor: Cursor,
    format: Format,
    second: Second,
    /// Place of the next record in the second.
    place: usize,
    end: i64,
    skipped: u64,
    value: Vec<u8>,
}

impl Simulation {
    /// Begins at `start` (milliseconds since the Unix epoch, cut to the second), or at the first second of which the
    /// cursor does not cover everything.
    pub fn new(market: &Market, start: i64, format: Format, cursor: Cursor) -> Self {
        let listings = market.listings();
        let start = start.div_euclid(1000);
        // A partition without a symbol of ours never gets a record: it must not hold the others back.
        let begun = |listing: &Listing| {
            cursor.last_of(listing.symbol.as_bytes()).map_or(start, |last| (last >> PLACE_BITS).cast_signed())
        };
        let first = listings.iter().map(begun).min().unwrap_or(start).max(start);
        let mut second = Second::default();
        second.fill(&listings, market, first);
        let end = market.end.unwrap_or(i64::MAX);
        Self {
            listings,
            market: market.clone(),
            cursor,
            format,
            second,
            place: 0,
            end,
            skipped: 0,
            value: Vec::new(),
        }
    }

    /// See [`Feed::poll`](crate::Feed::poll).
    pub fn poll(&mut self, now: i64) -> Poll<'_> {
        let mut silent = 0;
        let (number, event) = loop {
            let Some(event) = self.second.events.get(self.place).copied() else {
                let next = self.second.number + 1;
                if next * 1000 >= self.end {
                    return Poll::End;
                }
                if next * 1000 > now {
                    return Poll::Wait(next * 1000);
                }
                self.second.fill(&self.listings, &self.market, next);
                self.place = 0;
                continue;
            };
            if event.arrival >= self.end {
                return Poll::End;
            }
            if event.arrival > now {
                return Poll::Wait(event.arrival);
            }
            let number = self.second.number.cast_unsigned() << PLACE_BITS | self.place as u64;
            self.place += 1;
            if !self.cursor.covers(self.listings[event.listing].symbol.as_bytes(), number) {
                break (number, event);
            }
            self.skipped += 1;
            silent += 1;
            if silent == SILENT_MAX {
                return Poll::Wait(now);
            }
        };
        self.give(number, &event)
    }

    /// Records that the cursor covered.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn give(&mut self, number: u64, event: &Event) -> Poll<'_> {
        let listing = &self.listings[event.listing];
        let is_null = match &event.value {
            Value::Trade => {
                encode(&event.trade(&listing.symbol), None, self.format, &mut self.value);
                false
            }
            Value::Poison(poison) => !poison.write(&event.trade(&listing.symbol), &mut self.value),
        };
        let value = (!is_null).then_some(self.value.as_slice());
        Poll::Record(FeedRecord {
            number,
            key: listing.symbol.as_bytes(),
            value,
            event_time: event.event_time,
        })
    }
}

#[cfg(test)]
mod tests;
