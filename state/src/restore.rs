//! What a task does with its changelog before it runs, as pure logic.
//!
//! Facts: the offset that the store has reached, and the first and the next offset of the changelog
//! partition.
//!
//! | store | changelog `low..high` | plan |
//! |---|---|---|
//! | empty | any | [`Plan::Fresh`] from `low` |
//! | `low ≤ stored ≤ high` | | [`Plan::Resume`] from `stored` |
//! | `stored < low` | records that the store has not seen are gone | [`Plan::Wipe`], then from `low` |
//! | `stored > high` | records that the store has seen are gone | [`Plan::Refuse`] |
//!
//! `low > 0` on a compacted topic means that somebody deleted records: compaction removes records but never moves the start
//! of the log. `tape reset` is that somebody, so the changelog alone says what the state is. A store that is
//! older than `low` may lack tombstones among the deleted records and must not outlive them: wipe. A store
//! that is *ahead* of the changelog is different: nothing of ours shortens a changelog below a store, so
//! either the topic was made anew under a running application or a broker lost acknowledged records; the
//! input offsets may not match either, so a person decides.
//!
//! Not seen from here: a changelog that was deleted, made anew and has grown beyond the store's offset. The id of the topic in
//! [`MetaValue`](crate::MetaValue) tells; the caller compares it.

use std::fmt;
use std::time::{Duration, Instant};

/// How a task gets from its store to the end of its changelog. Offsets are of the changelog partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The store is empty: read everything.
    Fresh {
        /// First offset to read.
        from: i64,
    },
    /// The store is a prefix of the changelog: read the rest.
    Resume {
        /// First offset to read.
        from: i64,
    },
    /// The store misses deleted records: [`Store::clear`](crate::Store::clear), then read everything.
    Wipe {
        /// First offset to read.
        from: i64,
        /// The offset that the store had reached, for the log.
        stored: i64,
    },
    /// Stop; the message says why and what to do.
    Refuse(Refusal),
}

/// Why a task may not run on this changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The store has seen records that the changelog does not have.
    #[error(
        "the local state has read the changelog up to offset {stored}, but the changelog ends at {high}: it was made anew or lost \
         records; bring the topic back, or start over with `tape reset` on this machine"
    )]
    StoreAhead {
        /// Next offset to read, by the store.
        stored: i64,
        /// Next offset to be written, by the broker.
        high: i64,
    },
    /// Offsets that cannot be.
    #[error("the broker reports a changelog from offset {low} to {high}, which cannot be; check the broker")]
    ImpossibleRange {
        /// First offset, by the broker.
        low: i64,
        /// Next offset to be written, by the broker.
        high: i64,
    },
}

impl Plan {
    /// The plan for a store that has read up to `stored` (exclusive; none: an empty store) and a changelog
    /// that holds `low..high`. `high` is the high watermark or, read_committed, the last stable offset: both
    /// are ≥ what a commit returned to us.
    #[must_use]
    pub fn of(stored: Option<i64>, low: i64, high: i64) -> Self {
        if low < 0 || high < low {
            return Plan::Refuse(Refusal::ImpossibleRange { low, high });
        }
        match stored {
            None => Plan::Fresh { from: low },
            Some(stored) if stored < low => Plan::Wipe { from: low, stored },
            Some(stored) if stored > high => Plan::Refuse(Refusal::StoreAhead { stored, high }),
            Some(stored) => Plan::Resume { from: stored },
        }
    }

    /// First offset to read; none when the plan is to stop.
    #[must_use]
    pub fn from(&self) -> Option<i64> {
        match *self {
            Plan::Fresh { from } | Plan::Resume { from } | Plan::Wipe { from, .. } => Some(from),
            Plan::Refuse(_) => None,
        }
    }
}

/// How far a restore is. Counts offsets, which is an upper bound of records: compaction and transaction
/// markers leave gaps.
///
/// `Display` writes one line for a log: `120 of 1,000 records left, 440/s, 1 s to go`.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    from: i64,
    position: i64,
    end: i64,
    started: Instant,
    now: Instant,
}

impl Progress {
    /// A restore that reads `from..end` and starts now. An `end` below `from` counts as `from`.
    #[must_use]
    pub fn new(from: i64, end: i64, now: Instant) -> Self {
        Progress { from, position: from, end: end.max(from), started: now, now }
    }

    /// Says that everything below `position` is read. A position never goes back.
    pub fn advance(&mut self, position: i64, now: Instant) {
        self.position = self.position.max(position);
        self.now = self.now.max(now);
    }

    /// Says that the changelog has grown (a standby) and now ends at `end`. An end never goes back.
    pub fn extend(&mut self, end: i64) {
        self.end = self.end.max(end);
    }

    /// Everything is read. **By position, not by records seen**: the last offsets may be transaction markers.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.position >= self.end
    }

    /// Offsets left to read.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        span(self.position, self.end)
    }

    /// Offsets to read in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        span(self.from, self.end)
    }

    /// Offsets per second since the start; none before any time or offset has passed.
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        let read = u128::from(span(self.from, self.position));
        let micros = self.now.duration_since(self.started).as_micros();
        let rate = (read * 1_000_000).checked_div(micros)?;
        u64::try_from(rate).ok().filter(|rate| *rate > 0)
    }

    /// Time left at the present rate, whole seconds rounded up; zero when done, none while there is no rate.
    #[must_use]
    pub fn eta(&self) -> Option<Duration> {
        match self.remaining() {
            0 => Some(Duration::ZERO),
            left => self.rate().map(|rate| Duration::from_secs(left.div_ceil(rate))),
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} records left", Grouped(self.remaining()), Grouped(self.total()))?;
        match (self.rate(), self.eta()) {
            (Some(rate), Some(eta)) => write!(f, ", {}/s, {} s to go", Grouped(rate), Grouped(eta.as_secs())),
            _ => Ok(()),
        }
    }
}

/// A number with its thousands apart.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            below @ ..1000 => write!(f, "{below}"),
            number => write!(f, "{},{:03}", Grouped(number / 1000), number % 1000),
        }
    }
}

/// `end − start`, zero when negative.
fn span(start: i64, end: i64) -> u64 {
    if end > start { end.abs_diff(start) } else { 0 }
}

#[cfg(test)]
mod tests;
