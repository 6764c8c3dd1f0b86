//! The disk queue: where records wait while Kafka is away.
//!
//! | module | holds |
//! |---|---|
//! | `record` | the bytes of a segment |
//! | `segment` | reading and writing one file |
//! | `queue` | the segments in order, and appending |
//! | `recover` | what an earlier process left |
//! | `folder` | names, lock |
//! | `error` | errors and damages |
//!
//! Entries are appended to segments of 8 MiB; each begins with the id of the source that numbered its entries. Two positions
//! move along them: one reads, one marks what is released. A segment is deleted once all of it is released.
//!
//! Invariants:
//! - Entries come back in the order in which they were pushed, each as it was pushed or not at all.
//! - What was pushed before a [`Spool::sync`] that worked is there after a crash, of the process or of the machine. Of what
//!   was pushed later the first part may be there, never something without what was pushed before it.
//! - What is lost to a damaged disk is reported, and its bytes are kept.
//! - Memory: what is not written yet and a window for each position, 64 to 256 KiB each or one largest record.
//!
//! One process has a queue at a time, and one thread.

mod error;
mod folder;
mod queue;
mod record;
mod recover;
mod segment;

use std::path::Path;

pub(crate) use error::SpoolError;
pub(crate) use queue::Pushed;
pub(crate) use record::Entry;
pub(crate) use recover::Found;

use error::Flaw;
use folder::Folder;
use queue::{Queue, SIZES, Sizes};
use segment::{Located, Window};

/// The longest source id, in bytes.
pub(crate) const SOURCE_MAX_BYTES: usize = 256;

/// A place between two entries, in the order of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// Index of the segment, from the first that is left.
    segment: usize,
    /// Length of the segment's entries before it, in bytes.
    offset: u64,
    /// Number of the segment's entries before it.
    entries: u64,
    /// Number of the last of them.
    last: Option<u64>,
}

impl Position {
    fn start(segment: usize) -> Self {
        Self { segment, ..Self::default() }
    }
}

/// A position that moves on, and the bytes around it.
#[derive(Debug, Default)]
struct Cursor {
    at: Position,
    window: Window,
}

impl Cursor {
    /// The entry behind the position in its segment, checked; none at the segment's end.
    fn look(&mut self, queue: &Queue) -> Result<Option<Result<Located, Flaw>>, SpoolError> {
        let Some((content, offset)) = queue.content(self.at.segment, self.at.offset) else { return Ok(None) };
        let located = self.window.entry(content, offset);
        let located =
            located.map_err(|error| SpoolError::io("read", &content.folder.file(content.number))(error))?;
        Ok(Some(located))
    }

    fn pass(&mut self, located: &Located) {
        self.at.offset += located.frame_bytes();
        self.at.entries += 1;
        self.at.last = Some(located.number);
    }
}

/// The disk queue.
#[derive(Debug)]
pub(crate) struct Spool {
    queue: Queue,
    /// Never before `released`.
    reading: Cursor,
    /// In the first segment, before its last entry.
    released: Cursor,
}

impl Spool {
    /// Opens the queue of a folder, or makes it (accessible to this user only). It is to take at most `limit_bytes` on the
    /// disk, without what was set aside. All entries that are there are read once and checked.
    ///
    /// # Errors
    /// Another process has the folder open, the system refuses something, or a segment has a format of another version.
    pub(crate) fn open(dir: &Path, limit_bytes: u64) -> Result<(Self, Found), SpoolError> {
        Self::open_sized(dir, limit_bytes, SIZES)
    }

    fn open_sized(dir: &Path, limit_bytes: u64, sizes: Sizes) -> Result<(Self, Found), SpoolError> {
        let folder = Folder::open(dir)?;
        let (segments, found) = recover::recover(&folder)?;
        let queue = Queue::new(folder, segments, &found, limit_bytes, sizes);
        Ok((Self { queue, reading: Cursor::default(), released: Cursor::default() }, found))
    }

    /// Appends an entry; in memory first, and to the file now and then. `source` is the id of the source that numbered it,
    /// the same until the queue is empty.
    ///
    /// # Errors
    /// Nothing was taken: the entry or the source's id is too large, the source is another one, the number does not grow, or
    /// the system refuses something other than space.
    pub(crate) fn push(&mut self, source: &str, entry: Entry<'_>) -> Result<Pushed, SpoolError> {
        self.queue.push(source, entry)
    }

    /// Brings what was pushed to the disk; cheap when there is nothing new. To be called a few times a second: after a push
    /// that found the disk full, this (or a release) is what tries the disk again.
    ///
    /// # Errors
    /// The system refuses. What is not written is kept in memory (with no space left, too), stays readable, and is tried
    /// again by the next call. What was handed over to the system before may be lost if the machine fails now.
    pub(crate) fn sync(&mut self) -> Result<(), SpoolError> {
        self.queue.sync()
    }

    /// The next entry in order, the newest ones included; the reading position moves behind it.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`]: the reading position moved on, the next call gives what comes after the damage. Otherwise the
    /// file cannot be read, and the next call tries the same again.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, SpoolError> {
        let at = self.reading.at;
        if self.queue.content(at.segment, at.offset).is_none() && at.segment + 1 < self.queue.segments.len() {
            self.reading.at = Position::start(at.segment + 1);
        }
        match self.reading.look(&self.queue)? {
            None => Ok(None),
            Some(Err(flaw)) => Err(self.distrust(self.reading.at, flaw)),
            Some(Ok(located)) => {
                self.reading.pass(&located);
                Ok(Entry::read(self.reading.window.get(located.payload)))
            }
        }
    }

    /// Moves the reading position back to the first entry that is not released.
    pub(crate) fn rewind(&mut self) {
        self.reading.at = self.released.at;
    }

    /// Gives up the entries up to this number, read or not: they are in Kafka. Segments without others are deleted. Of the
    /// entries that were released in the first segment that stays, all come again after a restart.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`]: as for [`Spool::next`]. Otherwise the system refuses something; what was not released then,
    /// the next call releases.
    pub(crate) fn release(&mut self, up_to: u64) -> Result<(), SpoolError> {
        let before = self.queue.segments.len();
        while self.queue.segments.front().is_some_and(|segment| segment.last <= up_to) {
            self.remove(0)?;
        }
        if self.queue.segments.len() < before {
            self.queue.folder.sync()?;
        }
        loop {
            match self.released.look(&self.queue)? {
                Some(Ok(located)) if located.number <= up_to => {
                    self.released.pass(&located);
                    self.queue.entries -= 1;
                    self.reading.at = self.reading.at.max(self.released.at);
                }
                Some(Err(flaw)) => return Err(self.distrust(self.released.at, flaw)),
                _ => return Ok(()),
            }
        }
    }

    /// True when everything is released.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.entries == 0
    }

    /// Entries that are not released.
    pub(crate) fn len(&self) -> u64 {
        self.queue.entries
    }

    /// Length of the queue's files, with what is not written yet, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.queue.bytes
    }

    /// Gives up the rest of a segment from a position on, which is not before the released one.
    fn distrust(&mut self, at: Position, flaw: Flaw) -> SpoolError {
        let damage = self.queue.distrust(at, flaw);
        if self.reading.at.segment == at.segment {
            self.reading.at = self.reading.at.min(at);
        }
        let released = if at.segment == 0 { self.released.at.entries } else { 0 };
        if at.entries == released
            && let Err(error) = self.remove(at.segment).and_then(|()| self.queue.folder.sync())
        {
            return error;
        }
        SpoolError::Damaged(damage)
    }

    /// Takes a segment of which nothing is left to release out of the queue.
    fn remove(&mut self, index: usize) -> Result<(), SpoolError> {
        let released = if index == 0 { self.released.at.entries } else { 0 };
        let number = self.queue.remove(index, released)?;
        self.reading.window.forget(number);
        self.released.window.forget(number);
        if index == 0 {
            self.released.at = Position::default();
        }
        let reading = &mut self.reading.at;
        if reading.segment == index {
            *reading = Position::start(index);
        } else if reading.segment > index {
            reading.segment -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
