//! Bars of a second and of a minute, from trades.
//!
//! - A bar is over when a trade of any symbol happens at its end or later. A trade that comes after that is in no bar of that
//!   length: there are no corrections.
//! - `o h l c vw` come from the trades that may set them, `v` from those whose size counts. Without a trade that may set `o`
//!   and `c` there is no bar.
//! - A day is one of UTC.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use tape_proto::decimal::Nanos;
use tape_proto::trade::Trade;

use super::{Cluster, Event, cluster, number, whole};

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// The bars that are open.
#[derive(Debug, Default)]
pub(super) struct Bars {
    /// By end, length and symbol: the order in which they go out.
    open: BTreeMap<(i64, i64, String), Bar>,
    days: HashMap<String, Day>,
    /// The latest time of a trade.
    now: i64,
}

/// Units of 1e-9; of notional sums 1e-18.
#[derive(Debug, Default)]
struct Bar {
    open: Option<i64>,
    close: Option<i64>,
    high: Option<i64>,
    low: Option<i64>,
    volume: i128,
    trades: i128,
    vwap: Vwap,
}

/// What a symbol's day has had so far.
#[derive(Debug, Default)]
struct Day {
    number: i64,
    open: Option<i64>,
    volume: i128,
    vwap: Vwap,
}

#[derive(Debug, Default)]
struct Vwap {
    notional: i128,
    size: i128,
}

impl Bars {
    /// Appends the bars that are over at this time.
    pub(super) fn advance(&mut self, time: i64, out: &mut Vec<Event>) {
        self.now = self.now.max(time);
        while let Some(first) = self.open.first_entry().filter(|first| first.key().0 <= self.now) {
            let ((end, length, symbol), bar) = first.remove_entry();
            let day = self.days.get(&symbol);
            out.extend(day.and_then(|day| bar.event(day, symbol, end, length)));
        }
    }

    pub(super) fn count(&mut self, trade: &Trade<'_>) {
        let day = self.days.entry(trade.symbol.clone().into_owned()).or_default();
        let number = trade.event_time.div_euclid(DAY_MS);
        if number > day.number {
            *day = Day { number, ..Day::default() };
        }
        day.count(trade);
        for length in [SECOND_MS, MINUTE_MS] {
            let end = (trade.event_time.div_euclid(length) + 1).saturating_mul(length);
            if end > self.now {
                let key = (end, length, trade.symbol.clone().into_owned());
                self.open.entry(key).or_default().count(trade);
            }
        }
    }
}

impl Bar {
    fn count(&mut self, trade: &Trade<'_>) {
        let price = trade.price;
        if trade.price_eligibility.sets_price() {
            self.high = self.high.max(Some(price));
            self.low = Some(self.low.map_or(price, |low| low.min(price)));
        }
        if trade.price_eligibility.sets_last() {
            self.open.get_or_insert(price);
            self.close = Some(price);
        }
        if trade.volume_eligible {
            self.volume = self.volume.saturating_add(trade.size);
        }
        self.trades += 1;
        self.vwap.count(trade);
    }

    fn event(self, day: &Day, symbol: String, end: i64, length: i64) -> Option<Event> {
        let (open, high, low, close) = (self.open?, self.high?, self.low?, self.close?);
        let volume = self.volume;
        let vwap = self.vwap.value(close);
        let mean = whole(volume) / self.trades;
        let cluster = cluster(&symbol);
        let start = end - length;
        let (channel_kind, json) = match cluster {
            Cluster::Stocks => {
                let channel_kind = if length == SECOND_MS { "A" } else { "AM" };
                let price = |price: i64| Nanos(price.into());
                let json = format!(
                    r#"{{"ev":"{channel_kind}","sym":"{symbol}","v":{},"dv":"{}","av":{},"dav":"{}","op":{},"vw":{},"o":{},"c":{},"h":{},"l":{},"a":{},"z":{mean},"s":{start},"e":{end}}}"#,
                    whole(volume),
                    Nanos(volume),
                    whole(day.volume),
                    Nanos(day.volume),
                    price(day.open.unwrap_or(open)),
                    price(vwap),
                    price(open),
                    price(close),
                    price(high),
                    price(low),
                    price(day.vwap.value(close)),
                );
                (channel_kind, json)
            }
            Cluster::Crypto => {
                let channel_kind = if length == SECOND_MS { "XAS" } else { "XA" };
                let price = |price: i64| number(price.into());
                let json = format!(
                    r#"{{"ev":"{channel_kind}","pair":"{symbol}","o":{},"c":{},"h":{},"l":{},"v":{},"vw":{},"z":{mean},"s":{start},"e":{end}}}"#,
                    price(open),
                    price(close),
                    price(high),
                    price(low),
                    number(volume),
                    price(vwap),
                );
                (channel_kind, json)
            }
        };
        Some(Event { cluster, channel_kind: Cow::Borrowed(channel_kind), symbol, json })
    }
}

impl Day {
    fn count(&mut self, trade: &Trade<'_>) {
        if trade.price_eligibility.sets_last() {
            self.open.get_or_insert(trade.price);
        }
        if trade.volume_eligible {
            self.volume = self.volume.saturating_add(trade.size);
        }
        self.vwap.count(trade);
    }
}

impl Vwap {
    fn count(&mut self, trade: &Trade<'_>) {
        if trade.price_eligibility.sets_price() && trade.volume_eligible {
            let notional = i128::from(trade.price).saturating_mul(trade.size);
            self.notional = self.notional.saturating_add(notional);
            self.size = self.size.saturating_add(trade.size);
        }
    }

    /// The average, cut to 1e-9, which leaves it between the lowest and the highest price; `without` if there is none.
    fn value(&self, without: i64) -> i64 {
        let value = self.notional.checked_div(self.size);
        value.and_then(|value| i64::try_from(value).ok()).unwrap_or(without)
    }
}
