//! Keys and values of the processor's state as JSON: by name, decimals exact, times in epoch ms.

use serde::Serialize;
use serde_json::value::RawValue;
use tape_kafka::Record;
use tape_proto::decimal::{Atto, Nanos};
use tape_state::{Entry, Key, PaneValue, Print, SymbolValue};

/// A change of the processor's state.
#[derive(Serialize)]
pub(crate) struct Change<'a> {
    pub(crate) key: StateKey<'a>,
    /// `None`: deleted.
    pub(crate) value: Option<State>,
}

/// Names an entry: `"meta"`, a symbol, or a symbol and the start of its pane.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum StateKey<'a> {
    Meta(&'static str),
    Symbol { symbol: &'a str },
    Pane { symbol: &'a str, pane: i64 },
}

/// A value.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum State {
    Meta { stream_time: Option<i64>, watermark: Option<i64>, window_ms: i64, slide_ms: i64, generation: u32 },
    Symbol { closed: Vec<ClosedWindow>, breakout: Option<LastBreakout>, disarmed: bool, above: bool },
    Pane(Box<Pane>),
}

#[derive(Serialize)]
pub(crate) struct ClosedWindow {
    start: i64,
    avg: Option<Box<RawValue>>,
    side: i8,
}

#[derive(Serialize)]
pub(crate) struct LastBreakout {
    side: i8,
    time: i64,
}

#[derive(Serialize)]
pub(crate) struct Pane {
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
pub(crate) struct PanePrint {
    time: i64,
    offset: i64,
    price: Box<RawValue>,
}

/// A record of the changelog.
pub(crate) fn change<'a>(record: &Record<'a>) -> Result<Change<'a>, String> {
    entry(record.key.ok_or("the record has no key")?, record.value)
}

/// A key with its value, as they stand in changelog and store.
pub(crate) fn entry<'a>(key: &'a [u8], value: Option<&[u8]>) -> Result<Change<'a>, String> {
    let value = match value {
        None => None,
        Some(value) => Some(state(&Entry::decode(key, value).map_err(|error| error.to_string())?)),
    };
    Ok(Change { key: state_key(key)?, value })
}

/// What a key names.
pub(crate) fn state_key(key: &[u8]) -> Result<StateKey<'_>, String> {
    Ok(match Key::decode(key).map_err(|error| error.to_string())? {
        Key::Meta => StateKey::Meta("meta"),
        Key::Symbol(symbol) => StateKey::Symbol { symbol },
        Key::Pane(symbol, pane) => StateKey::Pane { symbol, pane },
    })
}

/// The symbol that a key is about; none for the task's own state and what is no key.
pub(crate) fn symbol_of(key: &[u8]) -> Option<&str> {
    match Key::decode(key) {
        Ok(Key::Symbol(symbol) | Key::Pane(symbol, _)) => Some(symbol),
        _ => None,
    }
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
