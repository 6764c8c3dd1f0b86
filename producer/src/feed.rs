//! A source as a state machine without I/O clocks: asked for the next record, it gives one, or says when to ask again.
//!
//! ```text
//!           poll(now)
//!   ┌──────────┴───────────┬───────────────┐
//! Record: send it,      Wait: ask again   End: nothing
//! then ask again        at that time      will come
//! ```
//!
//! Invariant: the clock is an argument. The same source, asked with any clock readings, gives the same records with the
//! same numbers in the same order.
//!
//! Invariant: what the [`Cursor`](crate::Cursor) covers is not given again, and everything else is.

use tape_proto::trade::{self, Trade};
use tape_service::config::Format;

use crate::files::FileError;
use crate::replay::ReplayFeed;
use crate::simulate::Simulation;

/// One record for `raw-trades`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedRecord<'a> {
    /// Number in the source; numbers grow, and need not be dense.
    pub number: u64,
    /// The key: the symbol.
    pub key: &'a [u8],
    /// The value; `None` only where a simulation is asked for poison.
    pub value: Option<&'a [u8]>,
    /// When the trade happened, in milliseconds since the Unix epoch.
    pub event_time: i64,
}

/// What a source answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Poll<'a> {
    /// The next record.
    Record(FeedRecord<'a>),
    /// Nothing before this time of the wall clock (milliseconds since the Unix epoch); a time in the past means: ask again
    /// at once, this took long.
    Wait(i64),
    /// Nothing more will come.
    End,
}

/// How far a source is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that the cursor covered: they were in the log already.
    pub skipped: u64,
    /// Lines that were no trades.
    pub rejected: u64,
    /// Bytes read, of all files.
    pub bytes_read: u64,
    /// Length of all files in bytes; `None` for a pipe or a simulation.
    pub bytes_total: Option<u64>,
}

/// A source that is open.
pub enum Feed {
    /// Trades from files.
    Replay(Box<ReplayFeed>),
    /// The simulated market.
    Simulation(Box<Simulation>),
}

impl Feed {
    /// The next record, or when to ask again. `now` is the wall clock in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// A file cannot be read on, or the file of rejects cannot be written.
    pub fn poll(&mut self, now: i64) -> Result<Poll<'_>, FileError> {
        match self {
            Self::Replay(replay) => replay.poll(now),
            Self::Simulation(simulation) => Ok(simulation.poll(now)),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        match self {
            Self::Replay(replay) => replay.progress(),
            Self::Simulation(simulation) => Progress { skipped: simulation.skipped(), ..Progress::default() },
        }
    }
}

/// Writes a trade over what `out` holds.
pub(crate) fn encode(trade: &Trade<'_>, raw: Option<&str>, format: Format, out: &mut Vec<u8>) {
    out.clear();
    match format {
        Format::Json => trade::encode_json(trade, raw, out),
        Format::Protobuf => trade::encode_protobuf(trade, raw, out),
    }
}
