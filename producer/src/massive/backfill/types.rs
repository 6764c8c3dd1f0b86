//! What goes into the plan of a backfill and what comes out.

use std::time::Duration;

use crate::massive::cluster::Cluster;
use crate::venue::Identity;

/// What the user sets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Calls per minute, 0 = any number.
    pub(crate) calls_per_minute: u32,
    /// How long a live event may wait.
    pub(crate) hold: Duration,
    /// Bytes of live events that may wait.
    pub(crate) hold_bytes: usize,
}

/// A live trade as a record that is not published yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) cluster: Cluster,
    pub(crate) symbol: &'a str,
    /// Milliseconds since the Unix epoch.
    pub(crate) event_time: i64,
    pub(crate) identity: Identity,
    /// The record's value.
    pub(crate) value: &'a [u8],
}

impl Event<'_> {
    pub(super) fn record(&self) -> Record {
        Record {
            symbol: self.symbol.to_owned(),
            event_time: self.event_time,
            value: self.value.to_vec(),
            is_live: true,
        }
    }
}

/// What to do with a live event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Publish it.
    Now,
    /// The plan has it; it comes out as an effect.
    Kept,
    /// Drop it: the backfill has brought it before.
    Twice,
}

/// A record to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) symbol: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) event_time: i64,
    pub(crate) value: Vec<u8>,
    /// It was held; false: the backfill brought it.
    pub(crate) is_live: bool,
}

/// A call to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) cluster: Cluster,
    pub(crate) symbol: String,
    /// Path and query.
    pub(crate) path: String,
}

/// A trade of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) identity: Identity,
    /// Milliseconds since the Unix epoch.
    pub(crate) event_time: i64,
    /// The same time in nanoseconds.
    pub(crate) nanos: i64,
    pub(crate) sequence: i64,
    /// The record's value.
    pub(crate) value: Vec<u8>,
}

impl Row {
    pub(super) fn record(self, symbol: &str) -> Record {
        Record { symbol: symbol.to_owned(), event_time: self.event_time, value: self.value, is_live: false }
    }
}

/// Trades, and where more are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// Rows that are no trades, or could not be read.
    pub(crate) skipped: u64,
    /// Path and query of the next page.
    pub(crate) next: Option<String>,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200.
    Page(Page),
    /// Any other status.
    Status { code: u16, retry_after: Option<Duration> },
    /// No answer, for this reason.
    Failed(String),
    /// 200, but it is no page, for this reason.
    Unreadable(String),
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Publish(Record),
    /// Log.
    Tell(Note),
}

/// What is worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// A channel of all symbols is not filled. Told once.
    AllSymbols,
    /// The vendor refuses with this status; so many jobs are given up. Final.
    NotInPlan { code: u16, pending: usize },
    /// A gap of the symbol stays.
    GivenUp { symbol: String, why: String },
    /// It is tried again.
    Retry { symbol: String, why: String, pause: Duration },
}

/// Numbers for the eyes of an operator; all but the last three since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Jobs that are done.
    pub(crate) filled: u64,
    /// Trades that only the backfill brought, or that it brought first.
    pub(crate) added: u64,
    /// Trades that came by both ways; one of the two was dropped.
    pub(crate) twice: u64,
    /// Rows of pages that are no trades, could not be read, or lie outside of what was asked for.
    pub(crate) skipped: u64,
    /// Trades that could not be remembered.
    pub(crate) forgotten: u64,
    pub(crate) calls: u64,
    /// Calls that brought no page.
    pub(crate) failures: u64,
    /// Jobs that are given up: their gaps stay.
    pub(crate) given_up: u64,
    /// Jobs that are open, and since when the oldest of them.
    pub(crate) pending: usize,
    pub(crate) oldest: Duration,
    /// Live events that wait.
    pub(crate) held_bytes: usize,
}
