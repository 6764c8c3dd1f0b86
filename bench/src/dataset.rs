//! The trades that everybody gets: they follow from a seed and nothing else.
//!
//! - Symbols `S0`, `S1`, … by Zipf's law with exponent 1: `S0` has the largest share.
//! - The market's clock runs evenly from the first trade to the last; each trade's event time lies up to the disorder before it.
//! - The price of each symbol walks at random; it is a multiple of 0.01, every tenth of 0.0001. Volumes are integers.
//! - The value is what `tape produce` writes: five members, the last of them the vendor's message as a text.

use std::fmt::Write as _;
use std::io::Write as _;

use tape_harness::Dice;
use tape_proto::trade::{Trade, encode_json};

/// Event time of the first trade: long ago, so that no guard against the future ever speaks.
pub(crate) const START_MS: i64 = 1_700_000_000_000 / MINUTE_MS * MINUTE_MS;
/// A minute.
pub(crate) const MINUTE_MS: i64 = 60_000;
/// Nanos in the unit of prices.
const NANOS_PER_STEP: i64 = 100_000;
/// A price in units of 1e-4.
const LOWEST: i64 = 10_000;
const HIGHEST: i64 = 10_000_000;
/// Units of 1e-4 in a cent.
const CENT: i64 = 100;
/// Largest step of a price: a two-thousandth part of it.
const STEP: i64 = 2_000;

/// What to generate.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) records: u64,
    pub(crate) symbols: usize,
    /// Event time of the first trade, epoch ms.
    pub(crate) start_ms: i64,
    /// Event time between the first trade and the last, ms.
    pub(crate) span_ms: i64,
    /// How far back an event time may lie, ms.
    pub(crate) disorder_ms: u64,
}

impl Shape {
    /// Thirty minutes of a thousand symbols.
    pub(crate) fn market(records: u64) -> Self {
        Shape {
            seed: 7,
            records,
            symbols: 1_000,
            start_ms: START_MS,
            span_ms: 30 * MINUTE_MS,
            disorder_ms: 20_000,
        }
    }

    /// All trades, in the order of the log.
    pub(crate) fn ticks(&self) -> Ticks {
        let mut dice = Dice::new(self.seed);
        let prices = (0..self.symbols).map(|_| between(&mut dice, 100 * LOWEST / 10, 500 * LOWEST)).collect();
        Ticks { shape: self.clone(), shares: shares(self.symbols), dice, prices, number: 0 }
    }
}

/// Running sums of each symbol's share of 2^32.
fn shares(symbols: usize) -> Vec<u64> {
    let whole: f64 = (1..=symbols).map(|rank| 1.0 / rank as f64).sum();
    let mut sum = 0.0;
    let share = |rank: usize| {
        sum += 1.0 / rank as f64;
        (sum / whole * 2_f64.powi(32)) as u64
    };
    (1..=symbols).map(share).collect()
}

/// One trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) number: u64,
    pub(crate) symbol: usize,
    /// Units of 1e-4.
    pub(crate) price: i64,
    pub(crate) volume: i64,
    pub(crate) event_time: i64,
}

/// See [`Shape::ticks`].
pub(crate) struct Ticks {
    shape: Shape,
    shares: Vec<u64>,
    dice: Dice,
    prices: Vec<i64>,
    number: u64,
}

impl Iterator for Ticks {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        if self.number == self.shape.records {
            return None;
        }
        let number = self.number;
        self.number += 1;
        let drawn = self.dice.below(1 << 32);
        let symbol = self.shares.partition_point(|sum| *sum <= drawn).min(self.shares.len() - 1);
        let walk = &mut self.prices[symbol];
        let step = *walk / STEP;
        *walk = (*walk + between(&mut self.dice, -step, step)).clamp(LOWEST, HIGHEST);
        let price = if self.dice.below(10) == 0 { *walk } else { *walk / CENT * CENT };
        let clock = i128::from(self.shape.span_ms) * i128::from(number) / i128::from(self.shape.records);
        let clock = self.shape.start_ms + i64::try_from(clock).unwrap_or_default();
        let back = self.dice.below(self.shape.disorder_ms + 1).cast_signed();
        let event_time = (clock - back).max(self.shape.start_ms);
        Some(Tick { number, symbol, price, volume: between(&mut self.dice, 1, 500), event_time })
    }
}

/// Writes trades down.
pub(crate) struct Encoder {
    names: Vec<String>,
    raw: String,
}

impl Encoder {
    pub(crate) fn new(symbols: usize) -> Self {
        Encoder { names: (0..symbols).map(|symbol| format!("S{symbol}")).collect(), raw: String::new() }
    }

    /// The symbol's name, which is the record's key.
    pub(crate) fn name(&self, tick: &Tick) -> &str {
        &self.names[tick.symbol]
    }

    /// Appends the value of the record.
    pub(crate) fn json(&mut self, tick: &Tick, out: &mut Vec<u8>) {
        self.write_event(tick);
        let Tick { price, volume, event_time, .. } = *tick;
        let name = &self.names[tick.symbol];
        let size = i128::from(volume) * 1_000_000_000;
        let trade = Trade::plain(name.as_str(), price * NANOS_PER_STEP, size, event_time);
        encode_json(&trade, Some(&self.raw), out);
    }

    /// The vendor's event that the last value was made of.
    pub(crate) fn event(&self) -> &str {
        &self.raw
    }

    fn write_event(&mut self, tick: &Tick) {
        let Tick { number, price, volume, event_time, .. } = *tick;
        let name = &self.names[tick.symbol];
        let (whole, part) = (price / 10_000, price % 10_000);
        self.raw.clear();
        // Writing to a text cannot fail.
        let _ = write!(
            self.raw,
            r#"{{"ev":"T","sym":"{name}","i":"{number}","x":4,"p":{whole}.{part:04},"s":{volume},"c":[14,41],"t":{event_time},"q":{},"r":202,"z":3}}"#,
            1_000_000 + number
        );
    }

    /// Appends a line of CSV with the columns of [`CSV_HEADER`].
    pub(crate) fn csv(&self, tick: &Tick, out: &mut Vec<u8>) {
        let (whole, part) = (tick.price / 10_000, tick.price % 10_000);
        let name = self.name(tick);
        // Writing to memory cannot fail.
        let _ = writeln!(out, "{name},{whole}.{part:04},{},{}", tick.volume, tick.event_time);
    }
}

/// The first line of a CSV file.
pub(crate) const CSV_HEADER: &[u8] = b"symbol,price,size,timestamp\n";

/// `low` ≤ result ≤ `high`.
fn between(dice: &mut Dice, low: i64, high: i64) -> i64 {
    low + dice.below(high.abs_diff(low) + 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tape_proto::trade::decode;

    use super::{Encoder, START_MS, Shape, Tick};

    fn ticks(records: u64) -> Vec<Tick> {
        Shape::market(records).ticks().collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_trades() {
        assert_eq!(ticks(2_000), ticks(2_000));
        let other = Shape { seed: 8, ..Shape::market(2_000) };
        assert_ne!(ticks(2_000), other.ticks().collect::<Vec<_>>());
    }

    #[test]
    fn it_has_the_promised_shape() {
        let ticks = ticks(200_000);
        let mut counts = BTreeMap::<usize, usize>::new();
        ticks.iter().for_each(|tick| *counts.entry(tick.symbol).or_default() += 1);
        // Zipf: the first symbol has 1/7.49 of all, the tenth a tenth of that.
        assert!((25_000..28_500).contains(&counts[&0]), "{}", counts[&0]);
        assert!((2_300..3_100).contains(&counts[&9]), "{}", counts[&9]);
        assert!(counts.len() > 990, "{}", counts.len());
        let (mut newest, mut back, mut swapped) = (0, 0, 0);
        for tick in &ticks {
            newest = newest.max(tick.event_time);
            back = back.max(newest - tick.event_time);
            swapped += usize::from(tick.event_time < newest);
        }
        assert!((19_000..=20_000).contains(&back), "{back}");
        assert!(swapped > ticks.len() / 2);
        assert!((29 * 60_000..=30 * 60_000).contains(&(newest - START_MS)));
        assert!(ticks.iter().all(|tick| tick.price > 0 && tick.volume > 0));
    }

    #[test]
    fn its_values_are_what_we_read() {
        let mut encoder = Encoder::new(1_000);
        let (mut bytes, mut value) = (0, Vec::new());
        for tick in ticks(5_000) {
            value.clear();
            encoder.json(&tick, &mut value);
            let key = encoder.name(&tick).as_bytes().to_vec();
            let trade = decode(Some(&key), Some(&value)).expect("a good trade");
            assert_eq!((trade.price, trade.event_time), (tick.price * 100_000, tick.event_time));
            assert_eq!(trade.size, i128::from(tick.volume) * 1_000_000_000);
            bytes += value.len();
        }
        assert!((200..240).contains(&(bytes / 5_000)), "{}", bytes / 5_000);
    }
}
