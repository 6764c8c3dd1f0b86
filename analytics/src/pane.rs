//! A pane: what `slide` ms of one symbol add up to.
//!
//! Panes merge, and the merge is associative and commutative: sums add, extremes compare, open and close are the
//! smallest and the largest print by (event time, offset). Hence a window is the merge of its panes, in any grouping.

use crate::trade::Trade;

/// A print that may set open or close, ordered by its place in time, then in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// Event time, ms.
    pub time: i64,
    /// Offset in the log, which orders prints of equal time.
    pub offset: i64,
    /// Price in 1e-9.
    pub price: i64,
}

impl Print {
    /// Place in time, then in the log.
    pub(crate) fn place(&self) -> (i64, i64) {
        (self.time, self.offset)
    }
}

/// Sums and extremes of the records of one pane, or of several merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pane {
    /// Records counted.
    pub records: u64,
    /// Records that may set a price.
    pub prices: u64,
    /// Sum of their prices, 1e-9.
    pub sum_price: i128,
    /// Sum of the sizes of records that count into volume, 1e-9.
    pub sum_size: i128,
    /// Sum of `vwap · size` over records that do both, 1e-18.
    pub notional: i128,
    /// Sum of the sizes of records that do both, 1e-9.
    pub notional_size: i128,
    /// Largest high, 1e-9.
    pub high: Option<i64>,
    /// Smallest low, 1e-9.
    pub low: Option<i64>,
    /// First record that may set last; its price is the record's open.
    pub open: Option<Print>,
    /// Last record that may set last.
    pub close: Option<Print>,
}

impl Pane {
    /// True when a sum would exceed `limit` with this trade counted.
    pub(crate) fn would_exceed(&self, trade: &Trade<'_>, limit: i128) -> bool {
        // A trade adds at most 1e31 to a sum, less than 2^104. So far below the limit there is nothing to compute.
        let sums = self.sum_price | self.sum_size | self.notional | self.notional_size;
        if sums >> 112 == 0 && limit >> 113 != 0 {
            return false;
        }
        let price = if trade.sets_price { i128::from(trade.price) } else { 0 };
        let size = if trade.counts_volume { trade.size } else { 0 };
        let (pair_notional, pair_size) = Self::pair(trade);
        self.sum_price > limit - price
            || self.sum_size > limit - size
            || self.notional > limit - pair_notional
            || self.notional_size > limit - pair_size
    }

    /// What the trade adds to the VWAP pair.
    fn pair(trade: &Trade<'_>) -> (i128, i128) {
        if trade.sets_price && trade.counts_volume { (trade.notional(), trade.size) } else { (0, 0) }
    }

    /// Counts a trade.
    pub fn add(&mut self, trade: &Trade<'_>, offset: i64) {
        self.records += 1;
        if trade.counts_volume {
            self.sum_size += trade.size;
        }
        if !trade.sets_price {
            return;
        }
        self.prices += 1;
        self.sum_price += i128::from(trade.price);
        let (notional, size) = Self::pair(trade);
        self.notional += notional;
        self.notional_size += size;
        self.high = Some(self.high.map_or(trade.high, |high| high.max(trade.high)));
        self.low = Some(self.low.map_or(trade.low, |low| low.min(trade.low)));
        if trade.sets_last {
            let print = |price| Print { time: trade.event_time, offset, price };
            if self.open.is_none_or(|open| print(trade.open).place() < open.place()) {
                self.open = Some(print(trade.open));
            }
            if self.close.is_none_or(|close| print(trade.price).place() > close.place()) {
                self.close = Some(print(trade.price));
            }
        }
    }

    /// Adds another pane (or merge of panes) to this one.
    pub fn merge(&mut self, other: &Pane) {
        self.records += other.records;
        self.prices += other.prices;
        self.sum_price += other.sum_price;
        self.sum_size += other.sum_size;
        self.notional += other.notional;
        self.notional_size += other.notional_size;
        self.high = self.high.max(other.high);
        self.low = match (self.low, other.low) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.open = earlier(self.open, other.open);
        self.close = later(self.close, other.close);
    }
}

fn earlier(a: Option<Print>, b: Option<Print>) -> Option<Print> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.place() < a.place() { b } else { a }),
        (a, b) => a.or(b),
    }
}

pub(crate) fn later(a: Option<Print>, b: Option<Print>) -> Option<Print> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.place() > a.place() { b } else { a }),
        (a, b) => a.or(b),
    }
}
