//! The vendor's elements: made from trades, or taken from a file.
//!
//! | symbol | cluster | of a trade | when a second, a minute is over |
//! |---|---|---|---|
//! | `BTC-USD`: with a hyphen | crypto | `XT` | `XAS`, `XA` |
//! | all others | stocks | `T` | `A`, `AM` |
//!
//! - Prices and sizes are exact. Of a stock `ds` and `dv` are exact and `s` and `v` cut to whole shares; a crypto price or size below
//!   1e-4 is written with an exponent, as the vendor does.
//! - What a trade does not tell (exchange, ids, sides) is drawn from its symbol and number, so the same trades with the same
//!   numbers give the same elements.
//! - The eligibility of a stock trade becomes a sale condition that says the same. Crypto has no such thing: it is lost.
//! - Of a trade that is a bar only the price and the size are used.

mod bars;

use std::borrow::Cow;
use std::fmt::Write;

use serde::Deserialize;
use tape_proto::decimal::Nanos;
use tape_proto::trade::{PriceEligibility, Trade};

use super::channel::Cluster;
use super::tape::Event;
use crate::hash;
use bars::Bars;

/// Makes elements from trades.
#[derive(Debug, Default)]
pub struct Elements {
    bars: Bars,
}

impl Elements {
    /// Appends the bars that are over at the time of this trade, then the trade's own element. `sequence`: the trade's
    /// number, larger than that of the trade before of the same symbol.
    pub fn trade(&mut self, trade: &Trade<'_>, sequence: u64, out: &mut Vec<Event>) {
        self.bars.advance(trade.event_time, out);
        self.bars.count(trade);
        out.push(element(trade, sequence));
    }

    /// Appends the bars that are still open.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        self.bars.advance(i64::MAX, out);
    }
}

/// An element as it stands in a file; `None`: not an object with a known `ev` and a symbol.
#[must_use]
pub fn from_line(line: &str) -> Option<Event> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        ev: Cow<'a, str>,
        #[serde(borrow, alias = "pair", alias = "T")]
        sym: Cow<'a, str>,
    }
    let head: Head<'_> = serde_json::from_str(line).ok()?;
    let known = |cluster: &Cluster| cluster.kinds().iter().find(|kind| **kind == head.ev);
    let cluster = Cluster::ALL.into_iter().find(|cluster| known(cluster).is_some())?;
    Some(Event {
        cluster,
        channel_kind: Cow::Borrowed(known(&cluster)?),
        symbol: head.sym.into_owned(),
        json: line.trim().to_owned(),
    })
}

fn cluster(symbol: &str) -> Cluster {
    if symbol.contains('-') { Cluster::Crypto } else { Cluster::Stocks }
}

fn element(trade: &Trade<'_>, sequence: u64) -> Event {
    let dice = Dice(hash::pair(hash::bytes(trade.symbol.as_bytes()), sequence));
    let cluster = cluster(&trade.symbol);
    let (channel_kind, json) = match cluster {
        Cluster::Stocks => ("T", stock(trade, sequence, dice)),
        Cluster::Crypto => ("XT", crypto(trade, sequence, dice)),
    };
    Event {
        cluster,
        channel_kind: Cow::Borrowed(channel_kind),
        symbol: trade.symbol.clone().into_owned(),
        json: json.expect("writing to memory cannot fail"),
    }
}

fn stock(trade: &Trade<'_>, sequence: u64, dice: Dice) -> Result<String, std::fmt::Error> {
    // 4 = reported by FINRA, off any exchange; the others are made of exchanges that exist.
    let exchange = [4, 4, 4, 10, 11, 12, 15, 19][dice.below(1, 8) as usize];
    let time = trade.event_time;
    let executed = time.saturating_sub(dice.below(2, 25).cast_signed()).max(0);
    let tape = 1 + hash::bytes(trade.symbol.as_bytes()) % 3;
    let mut json = format!(
        r#"{{"ev":"T","sym":"{}","i":"{sequence}","x":{exchange},"p":{},"s":{},"ds":"{}""#,
        trade.symbol,
        Nanos(trade.price.into()),
        whole(trade.size),
        Nanos(trade.size),
    );
    if let Some(conditions) = conditions(trade) {
        write!(json, r#","c":{conditions}"#)?;
    }
    write!(json, r#","t":{time},"pt":{executed},"q":{sequence},"z":{tape}"#)?;
    if exchange == 4 {
        let reported = executed + (time - executed) / 2;
        write!(json, r#","trfi":{},"trft":{reported}"#, 201 + dice.below(3, 2))?;
    }
    json.push('}');
    Ok(json)
}

/// Sale conditions that mean what the trade may set; `None`: everything, which needs none.
fn conditions(trade: &Trade<'_>) -> Option<&'static str> {
    match (trade.price_eligibility, trade.volume_eligible) {
        (PriceEligibility::Last, true) => None,
        (PriceEligibility::Price, true) => Some("[10]"),
        (PriceEligibility::None, true) => Some("[37]"),
        (PriceEligibility::Last, false) => Some("[38]"),
        (PriceEligibility::Price, false) => Some("[10,38]"),
        (PriceEligibility::None, false) => Some("[15]"),
    }
}

fn crypto(trade: &Trade<'_>, sequence: u64, dice: Dice) -> Result<String, std::fmt::Error> {
    let mut json = format!(
        r#"{{"ev":"XT","pair":"{}","p":{},"s":{}"#,
        trade.symbol,
        number(trade.price.into()),
        number(trade.size)
    );
    // The side of whoever came second: 1 sold, 2 bought, 0 or no list at all = unknown.
    if let Some(side) = [Some(1), Some(2), Some(1), Some(2), Some(0), None][dice.below(1, 6) as usize] {
        write!(json, r#","c":[{side}]"#)?;
    }
    // Some exchanges number their trades, some name them.
    match dice.below(2, 2) {
        0 => write!(json, r#","i":{sequence}"#)?,
        _ => write!(json, r#","i":"a{sequence}""#)?,
    }
    let exchange = [1, 2, 6, 23][dice.below(3, 4) as usize];
    let received = trade.event_time.saturating_add(dice.below(4, 60).cast_signed());
    write!(json, r#","x":{exchange},"t":{},"r":{received}}}"#, trade.event_time)?;
    Ok(json)
}

/// Random numbers of one trade.
#[derive(Debug, Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn below(self, throw: u64, limit: u64) -> u64 {
        hash::pair(self.0, throw) % limit
    }
}

/// Units of 1e-9 as whole ones, cut.
fn whole(nanos: i128) -> i128 {
    nanos / 1_000_000_000
}

/// Units of 1e-9 as a JSON number as the vendor writes floating point: below 1e-4 `4.2e-05`, else plain.
fn number(nanos: i128) -> String {
    if !(1..100_000).contains(&nanos) {
        return Nanos(nanos).to_string();
    }
    let digits = nanos.to_string();
    let exponent = 10 - digits.len();
    let (first, rest) = digits.split_at(1);
    match rest.trim_end_matches('0') {
        "" => format!("{first}e-{exponent:02}"),
        rest => format!("{first}.{rest}e-{exponent:02}"),
    }
}

#[cfg(test)]
mod tests;
