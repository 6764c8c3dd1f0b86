//! Everything that a worker touches outside of itself, as traits: the group, the changelog, transactions, stores, the clock.
//!
//! The worker is generic over a [`World`], so that the life of its tasks, its commits and its restores run against a simulated
//! cluster just as they run against a real one. `real` is what the program uses (calls are resolved at compile time);
//! `simulation` is what the tests use: thousands of histories with crashes at any of these calls, in seconds.
//!
//! What each call means is written where it is implemented for real: `tape_kafka` and `tape_state`.

mod real;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tape_kafka::{Error, GroupEvent, GroupSpec, Isolation, Outgoing, Part, Record, TxnSpec};
use tape_service::config;
use tape_state::{Disk, Entry, StoreError, StoreMetrics, Usage};

pub(crate) use real::Real;

/// Keys and values of changes, in order; a value of `None` deletes.
pub(crate) type Changes<'i, 'a> = &'i mut (dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + 'i);

/// A question for the committed offset that is under way: called now and then, it has the answer at some time.
pub(crate) type Question = Box<dyn FnMut() -> Option<Result<Option<i64>, Error>>>;

/// Where a worker lives.
pub(crate) trait World {
    /// Membership in the group of the input.
    type Group: Group;
    /// Reads the changelog.
    type Changelog: Changelog;
    /// Writes exactly once.
    type Transactions: Transactions<Self::Group>;
    /// Writes at least once.
    type Plain: Plain;
    /// State of a task on disk.
    type Store: TaskStore;

    fn now(&self) -> Instant;
    fn sleep(&self, pause: Duration);
    fn join(&self, spec: GroupSpec) -> Result<Self::Group, Error>;
    fn changelog(&self) -> Result<Self::Changelog, Error>;
    fn transactions(&self, id: &str, spec: TxnSpec) -> Result<Self::Transactions, Error>;
    fn plain(&self, settings: &config::Producer) -> Result<Self::Plain, Error>;
    /// The first offset of each log, on a connection where no fetch is in the way.
    fn log_starts(&self, parts: &[Part], timeout: Duration) -> Result<Vec<i64>, Error>;
    /// The offset behind the last record of each log, likewise.
    fn log_ends(&self, parts: &[Part], isolation: Isolation, timeout: Duration) -> Result<Vec<i64>, Error>;
    fn open_store(&self, partition: i32) -> Result<Self::Store, StoreError>;
    fn set_aside(&self, partition: i32) -> Result<PathBuf, StoreError>;
    /// What all stores of the process have in memory, and how full their disk is, if it says.
    fn room(&self) -> (Usage, Option<Disk>);
}

/// [`tape_kafka::GroupConsumer`].
pub(crate) trait Group {
    fn poll_events(&mut self) -> Result<Vec<GroupEvent>, Error>;
    fn assign(&mut self, parts: &[(Part, i64)]) -> Result<(), Error>;
    fn unassign(&mut self, parts: &[Part]) -> Result<(), Error>;
    fn start(&mut self, part: &Part) -> Result<(), Error>;
    fn stop(&mut self, part: &Part, timeout: Duration) -> Result<(), Error>;
    fn seek(&mut self, part: &Part, offset: i64, timeout: Duration) -> Result<(), Error>;
    fn consume(
        &mut self,
        max: usize,
        timeout: Duration,
        f: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, Error>;
    fn position(&self, part: &Part) -> Option<i64>;
    /// The end of the log as the last fetch told it.
    fn known_end(&self, part: &Part) -> Option<i64>;
    fn committed(&self, part: &Part, timeout: Duration) -> Result<Option<i64>, Error>;
    fn ask_committed(&self, part: &Part, timeout: Duration) -> Question;
    fn commit_offsets(&self, offsets: &[(Part, i64)], timeout: Duration) -> Result<(), Error>;
    fn close(self, timeout: Duration) -> bool;
}

/// [`tape_kafka::Reader`].
pub(crate) trait Changelog {
    fn assign(&mut self, part: &Part, offset: i64, timeout: Duration) -> Result<(), Error>;
    fn unassign(&mut self, part: &Part);
    fn poll(&mut self, max: usize, timeout: Duration, f: &mut dyn FnMut(Record<'_>)) -> Result<usize, Error>;
    fn position(&self, part: &Part) -> Option<i64>;
}

/// [`tape_kafka::TransactionalProducer`].
pub(crate) trait Transactions<G> {
    fn init(&self, timeout: Duration) -> Result<(), Error>;
    fn begin(&self) -> Result<(), Error>;
    fn send(&self, record: &Outgoing<'_>) -> Result<(), Error>;
    fn send_offsets(&self, offsets: &[(Part, i64)], group: &G, timeout: Duration) -> Result<(), Error>;
    fn commit(&self, timeout: Duration) -> Result<(), Error>;
    fn abort(&self, timeout: Duration) -> Result<(), Error>;
    fn acked_offset(&self, partition: i32) -> Option<i64>;
}

/// [`tape_kafka::Producer`].
pub(crate) trait Plain {
    fn send(&self, record: &Outgoing<'_>) -> Result<(), Error>;
    fn flush(&self, timeout: Duration) -> Result<(), Error>;
}

/// [`tape_state::Store`].
pub(crate) trait TaskStore: Sized {
    fn changelog_offset(&self) -> Option<i64>;
    fn apply(&mut self, changes: Changes<'_, '_>, next_changelog_offset: i64) -> Result<(), StoreError>;
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    fn entries(&self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), StoreError>;
    fn flush_if_due(&mut self, now: Instant) -> Result<bool, StoreError>;
    fn clear(&mut self) -> Result<(), StoreError>;
    fn close(self) -> Result<(), StoreError>;
    fn metrics(&self) -> Result<StoreMetrics, StoreError>;
}
