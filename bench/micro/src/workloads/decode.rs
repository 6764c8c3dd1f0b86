//! From a record of the input to a trade.

use std::hint::black_box;

use tape_proto::decimal::Nanos;
use tape_proto::trade::{self, PriceEligibility, Trade};

use super::each;
use crate::Work;
use crate::market::{Market, Swing};

const RECORDS: usize = 1_000;

/// Key and value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// What every user of the topic writes.
pub(super) fn json() -> Box<dyn Work> {
    decoded(|trade, out| trade::encode_json(trade, None, out))
}

/// The same with the vendor's own message in it: about 220 bytes.
pub(super) fn json_raw() -> Box<dyn Work> {
    decoded(write_raw)
}

/// Prints that may not set everything.
pub(super) fn json_eligibility() -> Box<dyn Work> {
    decoded(|trade, out| {
        let price_eligibility = PriceEligibility::Price;
        let trade = Trade { price_eligibility, volume_eligible: false, ..trade.clone() };
        trade::encode_json(&trade, None, out);
    })
}

/// Numbers as texts, as careful vendors send them.
pub(super) fn json_quoted() -> Box<dyn Work> {
    decoded(|trade, out| {
        let Trade { symbol, event_time, .. } = trade;
        let (price, size) = (Nanos(trade.price.into()), Nanos(trade.size));
        let text = format!(
            r#"{{"symbol":"{symbol}","price":"{price}","volume":"{size}","timestamp":"{event_time}"}}"#
        );
        out.extend_from_slice(text.as_bytes());
    })
}

/// The other encoding.
pub(super) fn protobuf() -> Box<dyn Work> {
    decoded(|trade, out| trade::encode_protobuf(trade, None, out))
}

/// Records that cannot be used, and the line that says why.
pub(super) fn rejected() -> Box<dyn Work> {
    let pairs = pairs(|trade, out| {
        let text = format!(r#"{{"symbol":"{}","price":-1.5,"size":3,"timestamp":1}}"#, trade.symbol);
        out.extend_from_slice(text.as_bytes());
    });
    each(pairs, |(key, value)| {
        let reject = trade::decode(black_box(Some(key)), Some(value)).expect_err("a price below zero");
        black_box((reject.code(), reject.to_string()));
    })
}

/// A trade with what its vendor sent.
pub(super) fn write_raw(trade: &Trade<'_>, out: &mut Vec<u8>) {
    let Trade { symbol, event_time, .. } = trade;
    let (price, size) = (Nanos(trade.price.into()), Nanos(trade.size));
    let raw = format!(
        r#"{{"ev":"T","sym":"{symbol}","x":4,"i":"5253","z":3,"p":{price},"s":{size},"t":{event_time},"q":81,"c":[12,37]}}"#
    );
    trade::encode_json(trade, Some(&raw), out);
}

/// Records of a calm minute, written by `write`.
pub(super) fn pairs(write: fn(&Trade<'_>, &mut Vec<u8>)) -> Vec<Pair> {
    let trades = Market::new(Swing::Calm).trades(RECORDS);
    trades.iter().map(|trade| pair(trade, write)).collect()
}

pub(super) fn pair(trade: &Trade<'_>, write: fn(&Trade<'_>, &mut Vec<u8>)) -> Pair {
    let mut value = Vec::new();
    write(trade, &mut value);
    (trade.symbol.clone().into_owned().into_bytes(), value)
}

fn decoded(write: fn(&Trade<'_>, &mut Vec<u8>)) -> Box<dyn Work> {
    each(pairs(write), |(key, value)| {
        black_box(trade::decode(black_box(Some(key)), Some(value)).expect("a good trade"));
    })
}
