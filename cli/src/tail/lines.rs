//! One record as one line of JSON.
//!
//! | topic | line |
//! |---|---|
//! | raw-trades | the trade's fields, `raw` if there is one |
//! | late | the same, and `headers` |
//! | aggregates, alerts | the columns of the contract |
//! | changelog | `key` (`"meta"`, or symbol and start of the pane) and `value` (null: deleted), decimals exact |
//! | dead letters | `key`, `value`, `headers` |
//!
//! Every line ends with `partition`, `offset` and `append_time` (ms; the record's timestamp). A record that does not decode
//! is a line with these and `error`. Keys, values and headers are text; what is not UTF-8 is `{"hex": "…"}`. Of headers
//! with one name the last counts, as everywhere.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use serde::Serialize;
use serde_json::value::RawValue;
use tape_kafka::Record;
use tape_proto::decimal::{Atto, Nanos};
use tape_proto::messages;
use tape_proto::trade;
use tape_proto::{aggregate, alert};
use tape_service::{Config, Failure};
use tape_state::{Entry, Key, PaneValue, Print, SymbolValue};

/// A `Vec` grows or aborts, and nothing here has a shape that JSON lacks.
const INFALLIBLE: &str = "writing to memory cannot fail";

/// What a topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    RawTrades,
    Late,
    Aggregates,
    Alerts,
    Changelog,
    DeadLetters,
}

impl Kind {
    /// What the topic of this name holds; refuses topics that are not ours.
    pub(super) fn of(topic: &str, config: &Config) -> Result<Self, Failure> {
        let topics = &config.topics;
        let mut known = vec![
            (topics.raw_trades.as_str(), Self::RawTrades),
            (topics.aggregates.as_str(), Self::Aggregates),
            (topics.alerts.as_str(), Self::Alerts),
            (topics.dead_letters.as_str(), Self::DeadLetters),
            (topics.sink_dead_letters.as_str(), Self::DeadLetters),
            (topics.changelog.as_str(), Self::Changelog),
        ];
        known.extend(topics.late.as_deref().map(|late| (late, Self::Late)));
        known.iter().find(|(name, _)| *name == topic).map(|(_, kind)| *kind).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            Failure::Config(format!("{topic}: not a topic of tape, use one of {}", names.join(", ")))
        })
    }

    /// Appends the record as one object, without a line feed.
    pub(super) fn write(self, record: &Record<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        if let Err(error) = self.write_content(record, out) {
            out.truncate(start);
            write_json(&BTreeMap::from([("error", error)]), out);
        }
        out.pop();
        let Record { partition, offset, .. } = record;
        write!(out, ",\"partition\":{partition},\"offset\":{offset},\"append_time\":").expect(INFALLIBLE);
        match record.timestamp {
            Some(time) => write!(out, "{time}}}").expect(INFALLIBLE),
            None => out.extend_from_slice(b"null}"),
        }
    }

    /// Appends an object with at least one member.
    fn write_content(self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let value = record.value.unwrap_or_default();
        match self {
            Self::RawTrades => write_trade(record, out)?,
            Self::Late => {
                write_trade(record, out)?;
                out.pop();
                out.extend_from_slice(b",\"headers\":");
                write_json(&headers(record), out);
                out.push(b'}');
            }
            Self::Aggregates => {
                let row = aggregate::decode(value).map_err(|error| error.to_string())?;
                aggregate::to_json(&row, out);
            }
            Self::Alerts => {
                let alert = alert::decode(value).map_err(|error| error.to_string())?;
                alert::to_json(&alert, out);
            }
            Self::Changelog => write_json(&change(record)?, out),
            Self::DeadLetters => write_json(&letter(record), out),
        }
        Ok(())
    }
}

fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect(INFALLIBLE);
}

fn write_trade(record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let trade =
        trade::decode(record.key, record.value).map_err(|reject| format!("{}: {reject}", reject.code()))?;
    trade::encode_json(&trade, vendor_message(record).as_deref(), out);
    Ok(())
}

/// The vendor's message that a trade was made from, if the value carries it.
fn vendor_message(record: &Record<'_>) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Raw {
        raw: Option<String>,
    }
    match record.value? {
        value @ [b'{', ..] => serde_json::from_slice::<Raw>(value).ok()?.raw,
        value => <messages::Trade as prost::Message>::decode(value).ok()?.raw,
    }
}

/// Text, or hexadecimal digits of what is none.
#[derive(Serialize)]
#[serde(untagged)]
enum Bytes<'a> {
    Text(Cow<'a, str>),
    Hex { hex: String },
}

impl<'a> Bytes<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(Cow::Borrowed(text)),
            Err(_) => {
                let mut hex = String::with_capacity(2 * bytes.len());
                for byte in bytes {
                    write!(hex, "{byte:02x}").expect(INFALLIBLE);
                }
                Self::Hex { hex }
            }
        }
    }
}

fn headers<'a>(record: &Record<'a>) -> BTreeMap<Cow<'a, str>, Option<Bytes<'a>>> {
    record.headers().map(|(name, value)| (name, value.map(Bytes::new))).collect()
}

#[derive(Serialize)]
struct Letter<'a> {
    key: Option<Bytes<'a>>,
    value: Option<Bytes<'a>>,
    headers: BTreeMap<Cow<'a, str>, Option<Bytes<'a>>>,
}

fn letter<'a>(record: &Record<'a>) -> Letter<'a> {
    Letter { key: record.key.map(Bytes::new), value: record.value.map(Bytes::new), headers: headers(record) }
}

/// A change of the processor's state.
#[derive(Serialize)]
struct Change<'a> {
    key: StateKey<'a>,
    value: Option<State>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum StateKey<'a> {
    Meta(&'static str),
    Symbol { symbol: &'a str },
    Pane { symbol: &'a str, pane: i64 },
}

#[derive(Serialize)]
#[serde(untagged)]
enum State {
    Meta { stream_time: Option<i64>, watermark: Option<i64>, window_ms: i64, slide_ms: i64, generation: u32 },
    Symbol { closed: Vec<ClosedWindow>, breakout: Option<LastBreakout>, disarmed: bool, above: bool },
    Pane(Box<Pane>),
}

#[derive(Serialize)]
struct ClosedWindow {
    start: i64,
    avg: Option<Box<RawValue>>,
    side: i8,
}

#[derive(Serialize)]
struct LastBreakout {
    side: i8,
    time: i64,
}

#[derive(Serialize)]
struct Pane {
    records: u64,
    prices: u64,
    sum_price: Box<RawValue>,
    sum_size: Box<RawValue>,
    notional: Box<RawValue>,
    notional_size: Box<RawValue>,
    high: Option<Box<RawValue>>,
    low: Option<Box<RawValue>>,
    open: Option<PanePrint>,
    close: Option<PanePrint>,
}

#[derive(Serialize)]
struct PanePrint {
    time: i64,
    offset: i64,
    price: Box<RawValue>,
}

fn change<'a>(record: &Record<'a>) -> Result<Change<'a>, String> {
    let key = record.key.ok_or("the record has no key")?;
    let shown = match Key::decode(key).map_err(|error| error.to_string())? {
        Key::Meta => StateKey::Meta("meta"),
        Key::Symbol(symbol) => StateKey::Symbol { symbol },
        Key::Pane(symbol, pane) => StateKey::Pane { symbol, pane },
    };
    let value = match record.value {
        None => None,
        Some(value) => Some(state(&Entry::decode(key, value).map_err(|error| error.to_string())?)),
    };
    Ok(Change { key: shown, value })
}

fn state(entry: &Entry<'_>) -> State {
    match entry {
        Entry::Meta(meta) => State::Meta {
            stream_time: meta.stream_time,
            watermark: meta.watermark,
            window_ms: meta.window_ms,
            slide_ms: meta.slide_ms,
            generation: meta.generation,
        },
        Entry::Symbol(_, facts) => symbol(facts),
        Entry::Pane(_, _, value) => State::Pane(Box::new(pane(value))),
    }
}

fn symbol(facts: &SymbolValue) -> State {
    let closed = |window: &tape_state::ClosedWindow| ClosedWindow {
        start: window.start,
        avg: window.avg.map(price),
        side: window.side,
    };
    State::Symbol {
        closed: facts.closed.iter().map(closed).collect(),
        breakout: facts.breakout.map(|last| LastBreakout { side: last.side, time: last.time }),
        disarmed: facts.disarmed,
        above: facts.above,
    }
}

fn pane(value: &PaneValue) -> Pane {
    let print =
        |print: Print| PanePrint { time: print.time, offset: print.offset, price: price(print.price) };
    Pane {
        records: value.records,
        prices: value.prices,
        sum_price: number(Nanos(value.sum_price)),
        sum_size: number(Nanos(value.sum_size)),
        notional: number(Atto(value.notional)),
        notional_size: number(Nanos(value.notional_size)),
        high: value.high.map(price),
        low: value.low.map(price),
        open: value.open.map(print),
        close: value.close.map(print),
    }
}

fn price(nanos: i64) -> Box<RawValue> {
    number(Nanos(nanos.into()))
}

/// A decimal as a JSON number, exact.
fn number(decimal: impl std::fmt::Display) -> Box<RawValue> {
    RawValue::from_string(decimal.to_string()).expect("a plain decimal is JSON")
}
