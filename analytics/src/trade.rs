//! Input: a trade (or bar) that passed the checks of the contract's section 1, and its place in the log.

/// A checked trade. A bar is a trade whose `open`, `high`, `low` and `vwap` differ from its `price`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade<'a> {
    /// Symbol, 1–32 bytes.
    pub symbol: &'a str,
    /// Price, or close of a bar, in 1e-9; 0 < price ≤ 9e18.
    pub price: i64,
    /// Size, or volume of a bar, in 1e-9; 0 ≤ size ≤ 1e21; `price · size` and `vwap · size` are at most 1e31.
    pub size: i128,
    /// The exchange's time, ms since the epoch, ≥ 0.
    pub event_time: i64,
    /// Open in 1e-9; `price` for a trade.
    pub open: i64,
    /// High in 1e-9; `price` for a trade.
    pub high: i64,
    /// Low in 1e-9; `price` for a trade.
    pub low: i64,
    /// Volume weighted average price in 1e-9; `price` for a trade.
    pub vwap: i64,
    /// May set high, low and the averages.
    pub sets_price: bool,
    /// May set open and close; implies `sets_price`.
    pub sets_last: bool,
    /// Counts into volumes.
    pub counts_volume: bool,
}

impl Trade<'_> {
    /// `vwap · size`, in 1e-18.
    pub(crate) fn notional(&self) -> i128 {
        match i64::try_from(self.size) {
            // Two 64-bit factors are one multiplication, which cannot overflow.
            Ok(size) => i128::from(self.vwap) * i128::from(size),
            Err(_) => i128::from(self.vwap) * self.size,
        }
    }
}

/// A trade with its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The trade.
    pub trade: Trade<'a>,
    /// Offset in the partition; larger offsets are later in the log.
    pub offset: i64,
    /// The log's own time of the record, ms; `None` switches the future guard off (a file without append times).
    pub append_time: Option<i64>,
}
