//! The venue's data frames: one JSON object each, a trade or what has to be counted.
//!
//! | record | `match` |
//! |---|---|
//! | symbol | `product_id` as it is |
//! | price, size | `price`, `size`: decimals in quotes, read exactly |
//! | event time | `time`: RFC 3339, cut to milliseconds |
//!
//! The numbers of a product's trades, `trade_id`, have no holes:
//! - A trade whose number is not above the highest so far is a second delivery. It is ignored as `duplicate`.
//! - Numbers between the highest so far and this one never came: told as [`Element::Missing`]. A trade that the contract refuses has come.
//! - `last_match`, the first message of each subscription, is the last trade before it: written by an earlier run, or from a time that
//!   nobody followed. It is ignored as a trade. Its number begins the count; after a break it counts as missing
//!   with those before it. So does what was traded while the settings did not hold the product.
//!
//! Numbers are compared within a run only. What is bad gets a code of [`Reject`], or `no_trade_id`.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use tape_proto::trade::{Field, Fields, Reject};

use crate::hash;
use crate::venue::{Decode, Decoded, Element, Fault, Identity, checked};

/// Known messages that are no trades, beside those with a meaning of their own.
const IGNORED: [&str; 8] =
    ["heartbeat", "ticker", "status", "received", "open", "done", "change", "activate"];

/// The label of every message that we do not know.
const OTHER: &str = "other";

/// Reads the frames of the feed.
#[derive(Debug)]
pub(crate) struct Decoder {
    include_raw: bool,
    /// The highest number so far of each product.
    last: HashMap<String, u64>,
}

/// The members that mean something. A message holds few others, and trades are some hundreds in a second, so texts are copied.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: Option<String>,
    trade_id: Option<u64>,
    product_id: Option<String>,
    price: Option<String>,
    size: Option<String>,
    time: Option<String>,
}

impl Decode for Decoder {
    fn decode<'f>(&mut self, frame: &'f [u8], each: &mut dyn FnMut(Element<'f>)) {
        let text = frame.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let element = match std::str::from_utf8(frame) {
            Ok(text) => self.message(text.trim_ascii(), each),
            Err(error) => Err(Reject::BadUtf8 { valid_bytes: error.valid_up_to() }.into()),
        };
        each(element.unwrap_or_else(|fault| fault.of(text)));
    }
}

impl Decoder {
    pub(crate) fn new(include_raw: bool) -> Self {
        Self { include_raw, last: HashMap::new() }
    }

    /// The element, after what is missing before it.
    fn message<'f>(
        &mut self,
        text: &'f str,
        each: &mut dyn FnMut(Element<'f>),
    ) -> Result<Element<'f>, Fault> {
        let message: Message =
            serde_json::from_str(text).map_err(|error| Reject::BadJson { detail: error.to_string() })?;
        let kind = match message.kind.as_deref() {
            Some(kind @ ("match" | "last_match")) => kind,
            Some("subscriptions" | "error") => return Ok(Element::Status),
            kind => {
                let known = IGNORED.into_iter().find(|name| Some(*name) == kind);
                return Ok(Element::Ignored(known.unwrap_or(OTHER)));
            }
        };
        let symbol = message.product_id.as_deref().ok_or(Reject::Missing(Field::Symbol))?;
        let id = message.trade_id.ok_or_else(|| Fault::new("no_trade_id", "the trade has no number"))?;
        let is_past = kind == "last_match";
        let (missing, is_new) = self.count(symbol, id, is_past);
        if missing > 0 {
            each(Element::Missing { symbol: symbol.to_owned(), count: missing });
        }
        match (is_past, is_new) {
            (true, _) => Ok(Element::Ignored("last_match")),
            (false, false) => Ok(Element::Ignored("duplicate")),
            (false, true) => self.trade(message, id, text).map(Element::Trade),
        }
    }

    /// How many trades of the product have not come up to this one, and whether this one is new. One of the past has not come.
    fn count(&mut self, symbol: &str, id: u64, is_past: bool) -> (u64, bool) {
        let Some(last) = self.last.get_mut(symbol) else {
            self.last.insert(symbol.to_owned(), id);
            return (0, true);
        };
        let ahead = id.saturating_sub(*last);
        *last = id.max(*last);
        (ahead.saturating_sub(u64::from(!is_past)), ahead > 0)
    }

    fn trade<'f>(&self, message: Message, id: u64, text: &'f str) -> Result<Decoded<'f>, Fault> {
        let time = message.time.map(|time| milliseconds(&time)).transpose()?;
        let fields = Fields {
            price: message.price.as_deref(),
            size: message.size.as_deref(),
            timestamp: time.as_deref(),
            ..Fields::default()
        };
        let trade = checked(message.product_id.map(Into::into), &fields)?;
        Ok(Decoded {
            kind: "match",
            identity: Identity(hash::pair(hash::bytes(trade.symbol.as_bytes()), id)),
            trade,
            participant_time: None,
            unknown_conditions: 0,
            raw: self.include_raw.then_some(text),
        })
    }
}

/// A time as the contract writes it.
fn milliseconds(text: &str) -> Result<String, Reject> {
    let time: Result<Timestamp, _> = text.parse();
    time.map(|time| time.as_millisecond().to_string()).map_err(|_| Reject::Malformed {
        field: Field::Timestamp,
        text: text[..text.floor_char_boundary(64)].to_owned(),
    })
}

#[cfg(test)]
mod tests;
