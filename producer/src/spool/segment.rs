//! One file of the queue: reading it through a window, and writing its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use super::error::Flaw;
use super::folder::Folder;
use super::record::{Entry, Frame, HEAD_BYTES, frame_bytes, read_frame};

/// Read at once, in bytes; more only when a single record is larger.
const READ_BYTES: u64 = 64 << 10;

/// What is known of a segment of the queue. It has at least one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Number of its first entry, and its name.
    pub(super) number: u64,
    /// Number of its last entry.
    pub(super) last: u64,
    pub(super) entries: u64,
    /// Where its first entry begins, in bytes from the beginning of the file.
    pub(super) begin: u64,
    /// Where its last entry ends, written or still in memory.
    pub(super) end: u64,
    /// Its length in bytes; more than `end` when what follows there cannot be trusted.
    pub(super) size: u64,
}

impl Segment {
    pub(super) fn is_damaged(&self) -> bool {
        self.size > self.end
    }
}

/// The bytes of a segment: those of the file, then those that are not written yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) folder: &'a Folder,
    pub(super) number: u64,
    /// Length of both together.
    pub(super) end: u64,
    /// Begins between two records.
    pub(super) unwritten: &'a [u8],
}

/// A bounded piece of a segment that moves along it.
#[derive(Debug, Default)]
pub(super) struct Window {
    file: Option<(u64, File)>,
    bytes: Vec<u8>,
    /// Where in the segment `bytes` begins.
    start: u64,
}

/// Where an entry was found.
#[derive(Debug, Clone)]
pub(super) struct Located {
    pub(super) number: u64,
    /// Its payload in the window.
    pub(super) payload: Range<usize>,
}

impl Located {
    pub(super) fn frame_bytes(&self) -> u64 {
        frame_bytes(self.payload.len())
    }
}

impl Window {
    /// Bytes in the window.
    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Forgets a segment that is no more.
    pub(super) fn forget(&mut self, number: u64) {
        if self.file.as_ref().is_some_and(|(open, _)| *open == number) {
            *self = Self::default();
        }
    }

    /// Finds the entry at an offset and checks it.
    pub(super) fn entry(&mut self, content: Content<'_>, offset: u64) -> io::Result<Result<Located, Flaw>> {
        Ok(match self.frame(content, offset)? {
            Ok(payload) => match Entry::read(&self.bytes[payload.clone()]) {
                Some(entry) => Ok(Located { number: entry.number, payload }),
                None => Err(Flaw::Entry),
            },
            Err(flaw) => Err(flaw),
        })
    }

    /// Finds the frame at an offset and checks it; gives its payload in the window.
    pub(super) fn frame(
        &mut self,
        content: Content<'_>,
        offset: u64,
    ) -> io::Result<Result<Range<usize>, Flaw>> {
        if self.file.as_ref().is_none_or(|(number, _)| *number != content.number) {
            let file = match File::open(content.folder.file(content.number)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Flaw::Missing)),
                file => file?,
            };
            *self = Self { file: Some((content.number, file)), ..Self::default() };
        }
        let mut known = 0;
        loop {
            let skipped = offset.checked_sub(self.start).and_then(|skipped| usize::try_from(skipped).ok());
            let at = skipped.unwrap_or(usize::MAX).min(self.bytes.len());
            match read_frame(&self.bytes[at..]) {
                Frame::Whole(bytes) => return Ok(Ok(at + HEAD_BYTES..at + bytes)),
                Frame::Bad(flaw) => return Ok(Err(flaw)),
                // Reading again has to bring more, or the file has become shorter than it was.
                Frame::Part(least) if least > known && offset + least as u64 <= content.end => {
                    self.load(content, offset, least as u64)?;
                    known = least;
                }
                Frame::Part(_) => return Ok(Err(Flaw::Short)),
            }
        }
    }
    /// Moves the window to an offset: at least `least` bytes of the content, if the file has them.
    fn load(&mut self, content: Content<'_>, offset: u64, least: u64) -> io::Result<()> {
        self.bytes.clear();
        self.start = offset;
        let written = content.end - content.unwritten.len() as u64;
        let most = least.max(READ_BYTES);
        if let Some(skipped) = offset.checked_sub(written) {
            let rest = content.unwritten.get(skipped as usize..).unwrap_or_default();
            self.bytes.extend_from_slice(&rest[..rest.len().min(most as usize)]);
        } else if let Some((_, file)) = &mut self.file {
            file.seek(SeekFrom::Start(offset))?;
            file.take(most.min(written - offset)).read_to_end(&mut self.bytes)?;
        }
        Ok(())
    }
}

/// The end of the queue's last segment, while entries are appended to it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) file: File,
    /// Length of the file as far as it was written.
    written: u64,
    /// What comes behind; whole records.
    pub(super) unwritten: Vec<u8>,
    is_synced: bool,
}

impl Writer {
    /// Of a new, empty file.
    pub(super) fn new(file: File) -> Self {
        Self { file, written: 0, unwritten: Vec::new(), is_synced: true }
    }

    /// Hands everything to the system: all of it, or nothing.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let begin = self.file.seek(SeekFrom::Start(self.written));
        if let Err(error) = begin.and_then(|_| self.file.write_all(&self.unwritten)) {
            // What arrived of it is cut off. If that fails as well, the next attempt writes over it.
            let _ = self.file.set_len(self.written);
            return Err(error);
        }
        self.written += self.unwritten.len() as u64;
        self.unwritten.clear();
        self.is_synced = false;
        Ok(())
    }

    /// Everything is on the disk afterwards.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.write()?;
        if !self.is_synced {
            self.file.sync_data()?;
            self.is_synced = true;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Who needs to know whether it worked calls `sync` before.
        let _ = self.write();
    }
}
