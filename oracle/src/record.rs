//! What goes into the oracle, and its judgement of one record.

/// A trade or bar whose fields have passed every check of the contract that needs nothing but the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    /// Symbol; rows of one time are ordered by its bytes.
    pub symbol: String,
    /// Price in nanos, above 0; of a bar: its close.
    pub price: i64,
    /// Size in nanos, not negative; of a bar: its volume.
    pub size: i128,
    /// The exchange's time in milliseconds since the Unix epoch, not negative.
    pub event_time: i64,
    /// Opening price in nanos; of a trade: its price.
    pub open: i64,
    /// Highest price in nanos; of a trade: its price.
    pub high: i64,
    /// Lowest price in nanos; of a trade: its price.
    pub low: i64,
    /// Volume-weighted price in nanos; of a trade: its price.
    pub vwap: i64,
    /// Whether it enters averages, highs and lows.
    pub sets_price: bool,
    /// Whether it may be the open or close of a window.
    pub sets_last: bool,
    /// Whether its size counts as volume.
    pub counts_volume: bool,
}

impl Trade {
    /// Whether it enters averages, highs and lows.
    ///
    /// Decision: "may set last" implies "may set price", so `sets_last` alone is read as both.
    pub(crate) fn is_price(&self) -> bool {
        self.sets_price || self.sets_last
    }
}

/// The four sums of a set of trades that the contract limits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Σprice of price-eligible trades, nanos.
    pub(crate) price: i128,
    /// Σsize of volume-eligible trades, nanos.
    pub(crate) size: i128,
    /// Σ(vwap·size) of trades eligible for both, 1e-18.
    pub(crate) notional: i128,
    /// Σsize of trades eligible for both, nanos.
    pub(crate) notional_size: i128,
}

impl Sums {
    /// These sums with `trade`, or nothing when one does not fit 128 bits.
    pub(crate) fn plus(self, trade: &Trade) -> Option<Self> {
        let mut sums = self;
        if trade.is_price() {
            sums.price = sums.price.checked_add(i128::from(trade.price))?;
        }
        if trade.counts_volume {
            sums.size = sums.size.checked_add(trade.size)?;
        }
        if trade.is_price() && trade.counts_volume {
            let notional = i128::from(trade.vwap).checked_mul(trade.size)?;
            sums.notional = sums.notional.checked_add(notional)?;
            sums.notional_size = sums.notional_size.checked_add(trade.size)?;
        }
        Some(sums)
    }

    /// Whether every sum is at most `limit`.
    pub(crate) fn are_within(&self, limit: i128) -> bool {
        [self.price, self.size, self.notional, self.notional_size].iter().all(|sum| *sum <= limit)
    }
}

/// One record of the partition's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Place in the log; not negative, larger than that of every record before it.
    pub offset: i64,
    /// The record's own timestamp (log append time) in epoch milliseconds; without one there is no future guard.
    pub append_time: Option<i64>,
    /// The trade, or `None` when decoding has already rejected the record.
    pub trade: Option<Trade>,
}

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Counted in `windows` open windows, 1 to K; in fewer than K means partly late.
    Counted {
        /// Number of windows.
        windows: u32,
    },
    /// Dropped: all of its windows had closed. It moved stream time if it was newer.
    Late,
    /// Rejected: too far ahead of its own timestamp. Touched nothing.
    RejectedFuture,
    /// Rejected: a sum of its pane would exceed the limit. Touched nothing.
    RejectedSum,
    /// Rejected before it got here. Touched nothing.
    RejectedDecode,
}
