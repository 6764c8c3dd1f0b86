//! A reproducible stretch of a rough market, for tests that drive the whole system: trends, disorder, lateness, volume
//! spikes, bars, prints that may set nothing, and poison.
//!
//! The generator writes the JSON by itself and knows what each record must decode to, so it checks the decoder, too.

use crate::record::Trade;

/// What to generate.
#[derive(Clone, Debug)]
pub struct Market {
    /// Everything follows from it.
    pub seed: u64,
    /// Records, poison included.
    pub records: usize,
    /// Symbols, named `S000`, `S001`, …
    pub symbols: usize,
    /// Event time of the first record, ms.
    pub start_ms: i64,
    /// Mean event time between records, ms.
    pub step_ms: i64,
}

/// One record to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Key, as the producer would set it.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// What it decodes to; `None` = it must become a dead letter.
    pub trade: Option<Trade>,
}

/// Largest step back of a record that is merely out of order, ms.
const DISORDER_MS: u64 = 20_000;
/// Largest step back of a late record, ms.
const LATE_MS: u64 = 900_000;

impl Market {
    /// All records, in the order of the log.
    pub fn inputs(&self) -> Vec<Input> {
        self.stream().collect()
    }

    /// The same, one after the other, for markets that do not fit into memory. A market with more records begins with the
    /// same ones.
    pub fn stream(&self) -> impl Iterator<Item = Input> + use<> {
        let Market { records, symbols, step_ms, .. } = *self;
        let mut dice = Dice(self.seed.wrapping_mul(2).wrapping_add(1));
        let mut prices: Vec<i64> =
            (0..self.symbols).map(|_| dice.between(5_000_000_000, 500_000_000_000)).collect();
        let mut now = self.start_ms;
        (0..records).map(move |_| {
            now += dice.between(0, 2 * step_ms);
            let symbol = dice.index(symbols);
            // A slow swing of each symbol makes averages cross.
            let phase = (now / 240_000 + i64::try_from(symbol).unwrap_or(0)) % 2;
            let drift = prices[symbol] / 20_000 * (1 - 2 * phase);
            prices[symbol] =
                (prices[symbol] + drift + dice.between(-drift.abs() * 3, drift.abs() * 3)).max(1_000_000);
            let back = match dice.index(100) {
                0 => dice.below(LATE_MS),
                1..=60 => dice.below(DISORDER_MS),
                _ => 0,
            };
            let event_time = (now - i64::try_from(back).unwrap_or(0)).max(0);
            let trade = trade(&mut dice, &format!("S{symbol:03}"), prices[symbol], event_time);
            if dice.index(200) == 0 { poison(&mut dice, &trade) } else { plain(&mut dice, trade) }
        })
    }

    /// A record later than all others, which closes every window before it. `symbol` becomes its key.
    pub fn closing(&self, symbol: &str) -> Input {
        let records = i64::try_from(self.records).unwrap_or(i64::MAX / 8);
        let event_time = self.start_ms + 2 * self.step_ms * records + 3_600_000;
        let trade = trade(&mut Dice(7), symbol, 1_000_000_000, event_time);
        plain(&mut Dice(7), Trade { sets_price: true, sets_last: true, counts_volume: true, ..trade })
    }
}

fn trade(dice: &mut Dice, symbol: &str, price: i64, event_time: i64) -> Trade {
    let size = match dice.index(50) {
        0 => 0,
        1 => i128::from(dice.between(1, 999_999)),
        2 => i128::from(dice.between(100, 2_000)) * 1_000_000_000_000,
        _ => i128::from(dice.between(1, 50_000)) * 500_000_000,
    };
    let (sets_price, sets_last) = [(false, false), (true, false), (true, true), (true, true)][dice.index(4)];
    let bar = dice.index(20) == 0;
    let (low, high) = if bar { (price - price / 1_000, price + price / 1_000) } else { (price, price) };
    Trade {
        symbol: symbol.to_owned(),
        price,
        size,
        event_time,
        open: if bar { low } else { price },
        high,
        low,
        vwap: if bar { low + (high - low) / 3 } else { price },
        sets_price,
        sets_last,
        counts_volume: dice.index(10) != 0,
    }
}

/// The record of a trade, in one of the spellings that mean the same.
fn plain(dice: &mut Dice, trade: Trade) -> Input {
    let mut fields = vec![
        format!(r#""symbol":"{}""#, trade.symbol),
        format!(r#""timestamp":{}"#, trade.event_time),
        match dice.index(3) {
            0 => format!(r#""price":"{}""#, decimal(trade.price.into())),
            1 => format!(r#""price":{}e-9"#, trade.price),
            _ => format!(r#""price":{}"#, decimal(trade.price.into())),
        },
    ];
    let name = if dice.index(2) == 0 { "size" } else { "volume" };
    fields.push(format!(r#""{name}":{}"#, decimal(trade.size)));
    if (trade.low, trade.high) != (trade.price, trade.price) {
        for (name, value) in
            [("low", trade.low), ("high", trade.high), ("open", trade.open), ("vwap", trade.vwap)]
        {
            fields.push(format!(r#""{name}":{}"#, decimal(value.into())));
        }
    }
    match (trade.sets_price, trade.sets_last) {
        (_, true) => {}
        (true, false) => fields.push(r#""price_eligibility":"price""#.to_owned()),
        (false, false) => fields.push(r#""price_eligibility":"none""#.to_owned()),
    }
    if !trade.counts_volume {
        fields.push(r#""volume_eligible":false"#.to_owned());
    }
    if dice.index(4) == 0 {
        fields.push(r#""raw":"{\"ev\":\"T\"}","x":{"a":[1,{"a":2,"a":3}]}"#.to_owned());
    }
    let first = dice.index(fields.len());
    fields.rotate_left(first);
    let value = format!("{{{}}}", fields.join(","));
    Input {
        key: Some(trade.symbol.clone().into_bytes()),
        value: Some(value.into_bytes()),
        trade: Some(trade),
    }
}

/// A record that must become a dead letter.
fn poison(dice: &mut Dice, trade: &Trade) -> Input {
    let Trade { symbol, event_time, .. } = trade;
    let value: Vec<u8> = match dice.index(12) {
        0 => b"{".to_vec(),
        1 => format!(r#"{{"symbol":"{symbol}","price":0,"size":1,"timestamp":{event_time}}}"#).into(),
        2 => format!(r#"{{"symbol":"{symbol}","price":1e400,"size":1,"timestamp":{event_time}}}"#).into(),
        3 => format!(r#"{{"symbol":"{symbol}","price":1,"size":-1,"timestamp":{event_time}}}"#).into(),
        4 => format!(r#"{{"symbol":"{symbol}","price":NaN,"size":1,"timestamp":{event_time}}}"#).into(),
        5 => format!(r#"{{"symbol":"{symbol}","price":1,"size":1,"volume":null,"timestamp":{event_time}}}"#)
            .into(),
        6 => {
            format!(r#"{{"symbol":"{symbol}","price":1,"price":1,"size":1,"timestamp":{event_time}}}"#).into()
        }
        7 => format!(r#"{{"symbol":"","price":1,"size":1,"timestamp":{event_time}}}"#).into(),
        // In the year 2200: more than any clock is wrong by.
        8 => format!(r#"{{"symbol":"{symbol}","price":1,"size":1,"timestamp":7258118400000}}"#).into(),
        9 => vec![b'{', 0xff, 0xfe, b'}'],
        10 => vec![b'x'; 900],
        _ => {
            let key = Some(b"WRONG".to_vec());
            let value = format!(r#"{{"symbol":"{symbol}","price":1,"size":1,"timestamp":{event_time}}}"#);
            return Input { key, value: Some(value.into_bytes()), trade: None };
        }
    };
    Input { key: Some(symbol.clone().into_bytes()), value: Some(value), trade: None }
}

/// An amount in 1e-9 as a plain decimal.
fn decimal(nanos: i128) -> String {
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Splitmix64: small, and the same everywhere.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 ≤ result < `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap_or(0)
    }

    /// `low` ≤ result ≤ `high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below(high.abs_diff(low) + 1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Market, decimal};

    const MARKET: Market =
        Market { seed: 3, records: 5_000, symbols: 7, start_ms: 1_700_000_000_000, step_ms: 20 };

    #[test]
    fn the_same_seed_gives_the_same_market() {
        assert_eq!(MARKET.inputs(), MARKET.inputs());
        assert_ne!(MARKET.inputs(), Market { seed: 4, ..MARKET }.inputs());
    }

    #[test]
    fn a_market_has_everything_in_it() {
        let inputs = MARKET.inputs();
        let poison = inputs.iter().filter(|input| input.trade.is_none()).count();
        assert!((5..100).contains(&poison), "{poison}");
        let trades: Vec<_> = inputs.iter().filter_map(|input| input.trade.as_ref()).collect();
        assert!(trades.iter().any(|trade| trade.low < trade.price));
        assert!(trades.iter().any(|trade| !trade.sets_price));
        assert!(trades.windows(2).any(|pair| pair[1].event_time < pair[0].event_time - 60_000));
        let last = MARKET.closing("Z").trade.map(|trade| trade.event_time);
        assert!(trades.iter().all(|trade| Some(trade.event_time) < last));
    }

    #[test]
    fn decimals_are_plain() {
        for (nanos, text) in [(0, "0"), (1_500_000_000, "1.5"), (1, "0.000000001"), (20_000_000_000, "20")] {
            assert_eq!(decimal(nanos), text);
        }
    }
}
