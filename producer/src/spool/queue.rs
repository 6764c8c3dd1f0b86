//! The segments of a queue in order, and its end, to which entries are appended.
//!
//! A segment is on the disk as a whole before the next one begins; so after a crash only the last one can be incomplete. What
//! an earlier process left is never appended to.

use std::collections::VecDeque;

use super::Position;
use super::SOURCE_MAX_BYTES;
use super::error::{Damage, Flaw, SpoolError};
use super::folder::Folder;
use super::record::{Entry, Header, PAYLOAD_MAX_BYTES, frame_bytes};
use super::recover::Found;
use super::segment::{Content, Segment, Writer};

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Yes,
    /// It was not taken, the caller has lost it.
    Full(Full),
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The queue has the size that it may have.
    Limit,
    /// The disk is full, or this user's part of it.
    Disk,
}

/// When something goes to the disk, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// A segment is not made longer than this, except by its only entry.
    pub(super) segment: u64,
    /// Not more than this is kept in memory, except for a single larger entry.
    pub(super) unwritten: u64,
}

pub(super) const SIZES: Sizes = Sizes { segment: 8 << 20, unwritten: 256 << 10 };

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) folder: Folder,
    pub(super) segments: VecDeque<Segment>,
    /// Of the last segment, if this process began it.
    pub(super) writer: Option<Writer>,
    /// Of all segments, when there are some.
    source: String,
    /// Entries that are not released.
    pub(super) entries: u64,
    /// Length of all segments.
    pub(super) bytes: u64,
    limit_bytes: u64,
    sizes: Sizes,
    /// The last attempt to write found the disk full. Not every push is to try it again.
    is_disk_full: bool,
}

impl Queue {
    pub(super) fn new(
        folder: Folder,
        segments: VecDeque<Segment>,
        found: &Found,
        limit_bytes: u64,
        sizes: Sizes,
    ) -> Self {
        let source = found.source.clone().unwrap_or_default();
        let (entries, bytes) = (found.entries, found.bytes);
        Self {
            folder,
            segments,
            writer: None,
            source,
            entries,
            bytes,
            limit_bytes,
            sizes,
            is_disk_full: false,
        }
    }

    /// The bytes of a segment, and where in it its entries at this offset begin; none at its end.
    pub(super) fn content(&self, index: usize, offset: u64) -> Option<(Content<'_>, u64)> {
        let segment = self.segments.get(index)?;
        let is_last = index + 1 == self.segments.len();
        let writer = self.writer.as_ref().filter(|_| is_last);
        let unwritten = writer.map_or(&[][..], |writer| &writer.unwritten);
        let (begin, end) = (segment.begin + offset, segment.end);
        (begin < end)
            .then_some((Content { folder: &self.folder, number: segment.number, end, unwritten }, begin))
    }

    pub(super) fn push(&mut self, source: &str, entry: Entry<'_>) -> Result<Pushed, SpoolError> {
        self.check(source, &entry)?;
        let bytes = frame_bytes(entry.payload_bytes());
        let is_fitting = |segment: &Segment| segment.end + bytes <= self.sizes.segment;
        let is_begun = self.writer.is_some() && self.segments.back().is_some_and(is_fitting);
        let header_bytes = if is_begun { 0 } else { Header::frame_bytes(source) };
        if self.bytes + header_bytes + bytes > self.limit_bytes {
            return Ok(Pushed::Full(Full::Limit));
        }
        if self.is_disk_full {
            return Ok(Pushed::Full(Full::Disk));
        }
        let room = if is_begun { self.make_room(bytes) } else { self.begin(source, entry.number) };
        match room {
            Ok(()) => {}
            Err(error) if error.is_disk_full() => {
                self.is_disk_full = true;
                return Ok(Pushed::Full(Full::Disk));
            }
            Err(error) => return Err(error),
        }
        if let (Some(writer), Some(segment)) = (&mut self.writer, self.segments.back_mut()) {
            entry.write(&mut writer.unwritten);
            segment.last = entry.number;
            segment.entries += 1;
            segment.end += bytes;
            segment.size = segment.end;
            self.bytes += bytes;
            self.entries += 1;
        }
        Ok(Pushed::Yes)
    }

    fn check(&self, source: &str, entry: &Entry<'_>) -> Result<(), SpoolError> {
        let bytes = entry.payload_bytes();
        if bytes > PAYLOAD_MAX_BYTES {
            return Err(SpoolError::TooLarge { bytes });
        }
        let Some(segment) = self.segments.back() else {
            let bytes = source.len();
            return if bytes > SOURCE_MAX_BYTES { Err(SpoolError::LongSource { bytes }) } else { Ok(()) };
        };
        if source != self.source {
            return Err(SpoolError::OtherSource { held: self.source.clone(), pushed: source.to_owned() });
        }
        if entry.number <= segment.last {
            return Err(SpoolError::Order { last: segment.last, number: entry.number });
        }
        Ok(())
    }

    /// Writes what is in memory if there is no place for so many bytes more.
    fn make_room(&mut self, bytes: u64) -> Result<(), SpoolError> {
        let most = self.sizes.unwritten;
        match &self.writer {
            Some(writer) if writer.unwritten.len() as u64 + bytes > most => {
                self.finish("write", Writer::write)
            }
            _ => Ok(()),
        }
    }

    /// Ends the last segment and begins the next one.
    fn begin(&mut self, source: &str, number: u64) -> Result<(), SpoolError> {
        self.finish("sync", Writer::sync)?;
        let mut writer = Writer::new(self.folder.create(number)?);
        Header::write(source, &mut writer.unwritten);
        let begin = writer.unwritten.len() as u64;
        if self.segments.is_empty() {
            source.clone_into(&mut self.source);
        }
        self.writer = Some(writer);
        self.segments.push_back(Segment { number, last: number, entries: 0, begin, end: begin, size: begin });
        self.bytes += begin;
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<(), SpoolError> {
        self.finish("sync", Writer::sync)?;
        self.is_disk_full = false;
        Ok(())
    }

    fn finish(
        &mut self,
        doing: &'static str,
        action: fn(&mut Writer) -> std::io::Result<()>,
    ) -> Result<(), SpoolError> {
        let (Some(writer), Some(segment)) = (&mut self.writer, self.segments.back()) else { return Ok(()) };
        action(writer).map_err(|error| SpoolError::io(doing, &self.folder.file(segment.number))(error))
    }

    /// Gives up what follows in a segment behind a position.
    pub(super) fn distrust(&mut self, at: Position, flaw: Flaw) -> Damage {
        let previous = at.segment.checked_sub(1).and_then(|index| self.segments.get(index));
        let after = at.last.or(previous.map(|segment| segment.last));
        let before = self.segments.get(at.segment + 1).map(|segment| segment.number);
        if before.is_none() {
            // Nothing is appended behind a damage. What is in memory is kept with the rest.
            self.writer = None;
        }
        let segment = &mut self.segments[at.segment];
        self.entries -= segment.entries - at.entries;
        segment.entries = at.entries;
        segment.end = segment.begin + at.offset;
        segment.last = at.last.unwrap_or(segment.number);
        let bytes = segment.size - segment.end;
        Damage { file: self.folder.file(segment.number), bytes, after, before, flaw }
    }

    /// Deletes a segment, or sets it aside if it is damaged. So many of its entries were released. Gives its number.
    pub(super) fn remove(&mut self, index: usize, released: u64) -> Result<u64, SpoolError> {
        let segment = &self.segments[index];
        let number = segment.number;
        if segment.is_damaged() { self.folder.set_aside(number) } else { self.folder.remove(number) }?;
        self.entries -= segment.entries - released;
        self.bytes -= segment.size;
        self.segments.remove(index);
        if index == self.segments.len() {
            self.writer = None;
        }
        self.is_disk_full = false;
        Ok(number)
    }
}
