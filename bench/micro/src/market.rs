//! Reproducible trades: a thousand symbols, the busiest of which have most of the trades, as on a real exchange.

use tape_proto::trade::Trade;

/// Symbols of a market.
pub(crate) const SYMBOLS: usize = 1_000;
/// Beginning of a market's first minute.
const OPENING: i64 = 1_700_000_040_000;
/// A minute, which is also the slide of the windows.
pub(crate) const MINUTE_MS: i64 = 60_000;
/// A fifth of the trades are out of order by up to this.
const DISORDER_MS: u64 = 20_000;

/// How far prices move, in millionths of the price to both sides. The band of the breakout alert lies at 500.
#[derive(Clone, Copy)]
pub(crate) enum Swing {
    /// They stay inside the band.
    Calm = 300,
    /// They leave it now and then.
    Wild = 700,
}

/// Where the trades come from.
pub(crate) struct Market {
    dice: Dice,
    swing: Swing,
    symbols: Vec<Listed>,
    /// Beginning of the present minute.
    pub(crate) minute: i64,
}

struct Listed {
    name: String,
    price: i64,
    /// Share of this symbol and of all before it in the trades.
    share: u64,
}

impl Market {
    pub(crate) fn new(swing: Swing) -> Self {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut share = 0;
        let symbols = (1..=SYMBOLS as u64).map(|rank| {
            // Zipf's law.
            share += 1_000_000 / rank;
            let price = 5_000_000_000 + (dice.below(495_000) as i64) * 1_000_000;
            Listed { name: name(rank), price, share }
        });
        let symbols = symbols.collect();
        Market { dice, swing, symbols, minute: OPENING }
    }

    /// Trades of the present minute, in the order of the log.
    pub(crate) fn trades(&mut self, count: usize) -> Vec<Trade<'static>> {
        (0..count).map(|number| self.any(number, count)).collect()
    }

    /// One trade of each symbol at the beginning of the present minute.
    pub(crate) fn round(&mut self) -> Vec<Trade<'static>> {
        (0..SYMBOLS).map(|symbol| self.trade(symbol, self.minute)).collect()
    }

    /// Trade `number` of the `count` of a minute.
    fn any(&mut self, number: usize, count: usize) -> Trade<'static> {
        let all = self.symbols.last().map_or(1, |listed| listed.share);
        let drawn = self.dice.below(all);
        let symbol = self.symbols.partition_point(|listed| listed.share <= drawn);
        let back = if self.dice.below(5) == 0 { self.dice.below(DISORDER_MS) } else { 0 };
        let now = self.minute + number as i64 * MINUTE_MS / count as i64;
        self.trade(symbol, now - back as i64)
    }

    fn trade(&mut self, symbol: usize, time: i64) -> Trade<'static> {
        let Listed { name, price, .. } = &self.symbols[symbol];
        let swing = self.swing as i64;
        let moved = price + price / 1_000_000 * (self.dice.below(2 * swing as u64 + 1) as i64 - swing);
        // Hundredths of a cent, as vendors send them.
        let price = moved - moved % 100_000;
        let size = i128::from(1 + self.dice.below(500)) * 1_000_000_000;
        Trade::plain(name.clone(), price, size, time)
    }
}

/// Four letters.
fn name(rank: u64) -> String {
    let mut rest = 26_u64.pow(3) + rank * 431;
    let mut letters = [0_u8; 4];
    for letter in letters.iter_mut().rev() {
        *letter = b'A' + (rest % 26) as u8;
        rest /= 26;
    }
    letters.iter().map(|letter| char::from(*letter)).collect()
}

/// The generator xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end
    }
}
