//! Records that are no trades, to show that the rest goes on: one of each kind that the contract rejects.

use std::io::Write;

use tape_proto::decimal::Nanos;
use tape_proto::trade::{EVENT_TIME_MAX, Trade};

/// A way to spoil a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Poison {
    /// No value at all.
    Null,
    /// A value of no bytes.
    Empty,
    /// Neither JSON nor protobuf.
    Junk,
    /// Half of a JSON object.
    Cut,
    /// A byte that no UTF-8 text has.
    NoText,
    /// A price of 0.
    NoPrice,
    /// A size below 0.
    Negative,
    /// A number that does not fit.
    Huge,
    /// A word where a number should be.
    Word,
    /// No time.
    NoTime,
    /// A name that stands twice.
    Twice,
    /// Another symbol than the key.
    Stranger,
    /// A time far ahead of every clock (not of the trade alone: a simulation may begin in the past).
    Future,
}

const ALL: [Poison; 13] = [
    Poison::Null,
    Poison::Empty,
    Poison::Junk,
    Poison::Cut,
    Poison::NoText,
    Poison::NoPrice,
    Poison::Negative,
    Poison::Huge,
    Poison::Word,
    Poison::NoTime,
    Poison::Twice,
    Poison::Stranger,
    Poison::Future,
];

impl Poison {
    /// Chooses one by a hash.
    pub(super) fn draw(hash: u64) -> Self {
        ALL[(hash % ALL.len() as u64) as usize]
    }

    /// Writes the spoilt trade over what `out` holds; false = the record has no value.
    pub(super) fn write(self, trade: &Trade<'_>, out: &mut Vec<u8>) -> bool {
        let (symbol, price, size, time) =
            (&trade.symbol, Nanos(trade.price.into()), Nanos(trade.size), trade.event_time);
        out.clear();
        let written = match self {
            Self::Null => return false,
            Self::Empty => Ok(()),
            Self::Junk => out.write_all(b"\x7fjunk"),
            Self::Cut => write!(out, r#"{{"symbol":"{symbol}","price":{price}"#),
            Self::NoText => out.write_all(b"{\"symbol\":\"\xff\"}"),
            Self::NoPrice => {
                write!(out, r#"{{"symbol":"{symbol}","price":0,"volume":{size},"timestamp":{time}}}"#)
            }
            Self::Negative => {
                write!(out, r#"{{"symbol":"{symbol}","price":{price},"volume":-1,"timestamp":{time}}}"#)
            }
            Self::Huge => {
                write!(out, r#"{{"symbol":"{symbol}","price":1e400,"volume":{size},"timestamp":{time}}}"#)
            }
            Self::Word => {
                write!(out, r#"{{"symbol":"{symbol}","price":"NaN","volume":{size},"timestamp":{time}}}"#)
            }
            Self::NoTime => write!(out, r#"{{"symbol":"{symbol}","price":{price},"volume":{size}}}"#),
            Self::Twice => write!(
                out,
                r#"{{"symbol":"{symbol}","price":{price},"price":{price},"volume":{size},"timestamp":{time}}}"#
            ),
            Self::Stranger => {
                write!(out, r#"{{"symbol":"X{symbol}","price":{price},"volume":{size},"timestamp":{time}}}"#)
            }
            Self::Future => write!(
                out,
                r#"{{"symbol":"{symbol}","price":{price},"volume":{size},"timestamp":{}}}"#,
                EVENT_TIME_MAX
            ),
        };
        written.expect("writing to memory cannot fail");
        true
    }
}
