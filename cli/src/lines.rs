//! One record as one line of JSON, for `tail` and `dump`.
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

pub(crate) mod state;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use serde::Serialize;
use tape_kafka::Record;
use tape_proto::messages;
use tape_proto::trade;
use tape_proto::{aggregate, alert};
use tape_service::{Config, Failure};

use state::change;

/// A `Vec` grows or aborts, and nothing here has a shape that JSON lacks.
const INFALLIBLE: &str = "writing to memory cannot fail";

/// What a topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    RawTrades,
    Late,
    Aggregates,
    Alerts,
    Changelog,
    DeadLetters,
}

impl Kind {
    /// What the topic of this name holds; refuses topics that are not ours.
    pub(crate) fn of(topic: &str, config: &Config) -> Result<Self, Failure> {
        Self::find(topic, config).ok_or_else(|| {
            let names: Vec<_> = known(config).into_iter().map(|(name, _)| name).collect();
            Failure::Config(format!("{topic}: not a topic of tape, use one of {}", names.join(", ")))
        })
    }

    /// What the topic of this name holds, if it is one of ours.
    pub(crate) fn find(topic: &str, config: &Config) -> Option<Self> {
        known(config).into_iter().find(|(name, _)| *name == topic).map(|(_, kind)| kind)
    }

    /// Appends the record as one object, without a line feed.
    pub(crate) fn write(self, record: &Record<'_>, out: &mut Vec<u8>) {
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

    /// Appends the value as our own types show it; false: it is text or bytes, or not what the topic should hold, and
    /// nothing was appended.
    pub(crate) fn write_value(self, record: &Record<'_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let written = match self {
            Self::DeadLetters => false,
            Self::RawTrades | Self::Late => write_trade(record, out).is_ok(),
            Self::Aggregates | Self::Alerts => self.write_content(record, out).is_ok(),
            Self::Changelog => match change(record) {
                Ok(change) => {
                    write_json(&change.value, out);
                    true
                }
                Err(_) => false,
            },
        };
        if !written {
            out.truncate(start);
        }
        written
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

/// Appends a value as JSON.
pub(crate) fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
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
pub(crate) enum Bytes<'a> {
    Text(Cow<'a, str>),
    Hex { hex: String },
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
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

/// The topics of an installation.
fn known(config: &Config) -> Vec<(&str, Kind)> {
    let topics = &config.topics;
    let mut known = vec![
        (topics.raw_trades.as_str(), Kind::RawTrades),
        (topics.aggregates.as_str(), Kind::Aggregates),
        (topics.alerts.as_str(), Kind::Alerts),
        (topics.dead_letters.as_str(), Kind::DeadLetters),
        (topics.sink_dead_letters.as_str(), Kind::DeadLetters),
        (topics.changelog.as_str(), Kind::Changelog),
    ];
    known.extend(topics.late.as_deref().map(|late| (late, Kind::Late)));
    known
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
