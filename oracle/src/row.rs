//! A row: one window of one symbol with every column of the contract.

/// What closed a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClosedBy {
    /// A record that moved the watermark.
    Record,
    /// The idle rule.
    Idle,
    /// The end of the input.
    End,
    /// A change of the number of partitions; the oracle never writes it, it is here to be compared with.
    Rescale,
}

/// One window of one symbol; the fields bear the names of the contract's columns.
///
/// Prices in nanos, volumes in nanos, `bar_notional` in 1e-18, times in epoch milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Symbol.
    pub symbol: String,
    /// Start of the window, which it includes; may be before 1970.
    pub window_start: i64,
    /// End of the window, which it does not include.
    pub window_end: i64,
    /// Mean price per print, rounded half to even; none without a price.
    pub avg_price: Option<i64>,
    /// Largest high of price-eligible records.
    pub max_price: Option<i64>,
    /// Smallest low of price-eligible records.
    pub min_price: Option<i64>,
    /// Open of the first record that may set last.
    pub open_price: Option<i64>,
    /// Price of the last record that may set last.
    pub close_price: Option<i64>,
    /// Volume-weighted mean price, rounded half to even; none when nothing was traded that is eligible for both.
    pub vwap: Option<i64>,
    /// Σsize of volume-eligible records.
    pub total_volume: i128,
    /// Number of records counted, at least 1.
    pub trade_count: u64,
    /// Mean of the rounded averages of this window and the K − 1 before it, of those that exist and have a price.
    pub ma_5min: Option<i64>,
    /// Trend: +1, 0 or −1.
    pub side: i8,
    /// `open_price` of the newest pane alone.
    pub bar_open: Option<i64>,
    /// `max_price` of the newest pane alone.
    pub bar_high: Option<i64>,
    /// `min_price` of the newest pane alone.
    pub bar_low: Option<i64>,
    /// `close_price` of the newest pane alone.
    pub bar_close: Option<i64>,
    /// `total_volume` of the newest pane alone.
    pub bar_volume: i128,
    /// `trade_count` of the newest pane alone.
    pub bar_trades: u64,
    /// Σ(vwap·size) of the newest pane over records eligible for both, exact.
    pub bar_notional: i128,
    /// Σsize of the newest pane over records eligible for both.
    pub bar_notional_size: i128,
    /// Whether the window has closed.
    pub is_final: bool,
    /// Offset of the record that closed the window; for idle, end and rows that are not final the next offset to read.
    pub revision: i64,
    /// What closed the window; none while it is open.
    pub closed_by: Option<ClosedBy>,
}
