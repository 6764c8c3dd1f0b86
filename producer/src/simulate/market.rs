//! What is traded and how much: the description of a market, and what each symbol is like.

use crate::hash;
use crate::source::{SourceError, check_symbols};

/// The highest [`Market::rate`]. With every symbol at its busiest a second then still has fewer records than a number has
/// places for.
pub const RATE_MAX: u32 = 100_000;
/// How late a late trade is at least: above the default `WATERMARK_DELAY`, so that it often finds its windows closed.
pub const LATE_MIN_MS: i64 = 61_000;
/// How late a late trade is at most: above the default window and delay together, so that some find all of them closed.
pub const LATE_MAX_MS: i64 = 480_000;

/// The longest [`Market::disorder_ms`].
const DISORDER_MAX_MS: i64 = 60_000;
/// The most symbols.
const SYMBOLS_MAX: usize = 10_000;
/// How far back a simulation begins unless told otherwise: two hours fill every chart of the demo.
pub(crate) const HISTORY_MS: i64 = 2 * 60 * 60 * 1000;

/// Well-known symbols: price in dollars, and whether fractions are traded as of a currency.
const KNOWN: [(&str, f64, bool); 8] = [
    ("AAPL", 231.5, false),
    ("TSLA", 342.0, false),
    ("BTC-USD", 97_400.0, true),
    ("NVDA", 141.2, false),
    ("MSFT", 417.8, false),
    ("AMZN", 202.6, false),
    ("GOOGL", 172.4, false),
    ("ETH-USD", 3_380.0, true),
];

/// Shares of stock that a symbol trades in five minutes on a quiet day: a quarter of what the default
/// `HIGH_VOLUME_THRESHOLD` calls unusual, so that a busy quarter of an hour passes it and others do not.
const QUIET_SHARES: f64 = 250_000.0;
/// The same for currencies: units of the coin.
const QUIET_COINS: f64 = 900.0;
const QUIET_SECONDS: f64 = 300.0;

/// A simulated market.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    /// Another seed is another market.
    pub seed: u64,
    /// Trades per second of event time over all symbols, on average; 1 to [`RATE_MAX`].
    pub rate: u32,
    /// Where it begins, in milliseconds since the Unix epoch, cut to the second; `None` = two hours ago, and when a run is
    /// resumed, where that run began.
    pub start: Option<i64>,
    /// Where it ends, in the same unit: no record arrives at this time or later. `None` = never.
    pub end: Option<i64>,
    /// What is traded; empty = the configured symbols and some well-known ones.
    pub symbols: Vec<String>,
    /// A twentieth of the trades arrive up to so many milliseconds after they happened, 0 to 60,000.
    pub disorder_ms: i64,
    /// Share of trades that arrive [`LATE_MIN_MS`] to [`LATE_MAX_MS`] after they happened, 0 to 1.
    pub late_share: f64,
    /// Share of records that are no trades in one of many ways, 0 to 1.
    pub poison_share: f64,
}

impl Default for Market {
    fn default() -> Self {
        Self {
            seed: 1,
            rate: 200,
            start: None,
            end: None,
            symbols: Vec::new(),
            disorder_ms: 2000,
            late_share: 0.0,
            poison_share: 0.0,
        }
    }
}

impl Market {
    pub(crate) fn check(&self) -> Result<(), SourceError> {
        let refuse = |text: String| Err(SourceError(text));
        if !(1..=RATE_MAX).contains(&self.rate) {
            return refuse(format!("--rate {}: give 1 to {RATE_MAX} trades per second", self.rate));
        }
        if !(0..=DISORDER_MAX_MS).contains(&self.disorder_ms) {
            return refuse(format!("--disorder {} ms: give 0 to {DISORDER_MAX_MS} ms", self.disorder_ms));
        }
        for (name, share) in [("late-share", self.late_share), ("poison-share", self.poison_share)] {
            if !(0.0..=1.0).contains(&share) {
                return refuse(format!("--{name} {share}: give a share from 0 to 1"));
            }
        }
        let times = 0..=tape_proto::trade::EVENT_TIME_MAX;
        for (name, time) in [("start", self.start), ("end", self.end)] {
            if time.is_some_and(|time| !times.contains(&time)) {
                return refuse(format!("--{name}: give a time from 1970 to 9999"));
            }
        }
        if self.symbols.len() > SYMBOLS_MAX {
            return refuse(format!("{} symbols; give at most {SYMBOLS_MAX}", self.symbols.len()));
        }
        check_symbols(&self.symbols)
    }

    /// The same market with its symbols written out if it has none: the configured ones (`SYMBOLS`), and well-known ones
    /// until there are eight. A [`Simulation`](super::Simulation) wants them written out.
    #[must_use]
    pub fn with_symbols(&self, configured: &[String]) -> Self {
        let mut market = self.clone();
        if market.symbols.is_empty() {
            market.symbols = configured.to_vec();
            for (symbol, ..) in KNOWN {
                if market.symbols.len() < KNOWN.len() && !configured.iter().any(|known| known == symbol) {
                    market.symbols.push(symbol.to_owned());
                }
            }
        }
        market
    }

    /// What ids of this market begin with: everything that decides its trades, except when it begins and ends.
    pub(crate) fn source_id(&self) -> String {
        let Self { seed, rate, symbols, disorder_ms, late_share, poison_share, start: _, end: _ } = self;
        let text = format!("{seed} {rate} {} {disorder_ms} {late_share} {poison_share}", symbols.join(","));
        format!("simulate-{:016x}", hash::bytes(text.as_bytes()))
    }

    pub(super) fn listings(&self) -> Vec<Listing> {
        // The first symbols are traded more than the last ones, as on any market, but none is forgotten.
        let weight = |rank: usize| 1.0 / (1.0 + 0.35 * rank as f64);
        let total: f64 = (0..self.symbols.len()).map(weight).sum();
        let listing = |(rank, symbol): (usize, &String)| {
            Listing::new(symbol, self.seed, f64::from(self.rate) * weight(rank) / total)
        };
        self.symbols.iter().enumerate().map(listing).collect()
    }
}

/// A symbol of the market.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) symbol: String,
    pub(super) seed: u64,
    /// Price around which everything moves, in dollars.
    pub(super) price: f64,
    /// Trades per second on average.
    pub(super) rate: f64,
    /// Size of a trade on average.
    pub(super) size: f64,
    /// Smallest difference of sizes, in units of 1e-9.
    pub(super) lot: i128,
}

impl Listing {
    fn new(symbol: &str, seed: u64, rate: f64) -> Self {
        let seed = hash::pair(seed, hash::bytes(symbol.as_bytes()));
        let known = KNOWN.iter().find(|(known, ..)| *known == symbol);
        let (price, is_currency) = match known {
            Some((_, price, is_currency)) => (*price, *is_currency),
            None => (10.0 + 490.0 * hash::unit(seed), symbol.ends_with("USD")),
        };
        let quiet = if is_currency { QUIET_COINS } else { QUIET_SHARES };
        let size = quiet / (rate * QUIET_SECONDS);
        // Whole shares as long as trades have enough of them; else fractions, as brokers sell them.
        let lot = if !is_currency && size >= 10.0 { 1_000_000_000 } else { 100_000 };
        Self { symbol: symbol.to_owned(), seed, price, rate, size, lot }
    }
}
