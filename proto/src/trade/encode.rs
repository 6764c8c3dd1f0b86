//! Writes a trade. Optional fields are written only where they differ from their default, so a plain trade is the five
//! members that every user of the topic knows.

use prost::Message;

use super::{PriceEligibility, Trade};
use crate::json::Object;
use crate::messages;

/// Appends the trade as JSON: `symbol`, `price`, `volume`, `timestamp`, what differs from its default, and `raw`, the
/// vendor's message as it came, if it is given. Decimals are plain and exact.
pub fn encode_json(trade: &Trade<'_>, raw: Option<&str>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.string("symbol", &trade.symbol);
    object.nanos("price", trade.price.into());
    object.nanos("volume", trade.size);
    object.integer("timestamp", trade.event_time);
    let prices = [("open", trade.open), ("high", trade.high), ("low", trade.low), ("vwap", trade.vwap)];
    for (name, value) in prices {
        if value != trade.price {
            object.nanos(name, value.into());
        }
    }
    if trade.price_eligibility != PriceEligibility::default() {
        object.string("price_eligibility", trade.price_eligibility.text());
    }
    if !trade.volume_eligible {
        object.boolean("volume_eligible", false);
    }
    if let Some(raw) = raw {
        object.string("raw", raw);
    }
    object.end();
}

/// Appends the trade as the protobuf message `tape.v1.Trade`, with the same rule for defaults.
pub fn encode_protobuf(trade: &Trade<'_>, raw: Option<&str>, out: &mut Vec<u8>) {
    let optional = |value: i64| (value != trade.price).then_some(value);
    let (size_high, size_low) = messages::split(trade.size);
    let price_eligibility = match trade.price_eligibility {
        PriceEligibility::None => messages::PriceEligibility::None,
        PriceEligibility::Price => messages::PriceEligibility::Price,
        PriceEligibility::Last => messages::PriceEligibility::Unspecified,
    };
    let message = messages::Trade {
        symbol: trade.symbol.clone().into_owned(),
        timestamp: Some(trade.event_time),
        price: Some(trade.price),
        size_low: Some(size_low),
        size_high,
        high: optional(trade.high),
        low: optional(trade.low),
        open: optional(trade.open),
        vwap: optional(trade.vwap),
        price_eligibility: price_eligibility.into(),
        volume_eligible: (!trade.volume_eligible).then_some(false),
        raw: raw.map(str::to_owned),
    };
    out.extend_from_slice(&message.encode_to_vec());
}
