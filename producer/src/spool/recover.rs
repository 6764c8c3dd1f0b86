//! What an earlier process left in the folder.
//!
//! Every segment is read and checked. Only the last one can have been written when the process or the machine ended: when it
//! ends inside of a record or in nothing but zero bytes, that end is cut off, and what it held was never synced. Everything
//! else that does not fit is damage. It is kept, and the queue goes on with the next segment.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::error::{Damage, Flaw, SpoolError};
use super::folder::Folder;
use super::record::{Header, frame_bytes};
use super::segment::{Content, Segment, Window};

/// What [`Spool::open`](super::Spool::open) found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) entries: u64,
    /// Length of their files.
    pub(crate) bytes: u64,
    /// Numbers of the first and the last entry.
    pub(crate) numbers: Option<(u64, u64)>,
    /// The source that numbered them.
    pub(crate) source: Option<String>,
    /// So many bytes of an unfinished end were cut off.
    pub(crate) cut_bytes: u64,
    /// What is lost. A damage behind good entries is found again by each process until these are released.
    pub(crate) damages: Vec<Damage>,
}

pub(super) fn recover(folder: &Folder) -> Result<(VecDeque<Segment>, Found), SpoolError> {
    let numbers = folder.numbers()?;
    let (mut segments, mut found) = (VecDeque::<Segment>::new(), Found::default());
    let mut is_changed = false;
    for (index, &number) in numbers.iter().enumerate() {
        let before = numbers.get(index + 1).copied();
        let last = segments.back().map(|segment| segment.last);
        let (mut segment, flaw) = scan(folder, number, last, &mut found.source)?;
        let after = if segment.entries > 0 { Some(segment.last) } else { last };
        let bytes = segment.size - segment.end;
        match flaw {
            Some(flaw) if before.is_none() && (flaw == Flaw::Short || is_zero(folder, &segment)?) => {
                found.cut_bytes = bytes;
                segment.size = segment.end;
            }
            Some(flaw) => {
                found.damages.push(Damage { file: folder.file(number), bytes, after, before, flaw })
            }
            None => {}
        }
        if before.is_none() {
            settle(folder, &segment)?;
        }
        if segment.entries > 0 {
            found.entries += segment.entries;
            found.bytes += segment.size;
            segments.push_back(segment);
        } else {
            is_changed = true;
            if segment.is_damaged() { folder.set_aside(number) } else { folder.remove(number) }?;
        }
    }
    if is_changed {
        folder.sync()?;
    }
    found.numbers = segments.front().zip(segments.back()).map(|(first, last)| (first.number, last.last));
    found.source = found.source.filter(|_| !segments.is_empty());
    Ok((segments, found))
}

/// Reads a segment as far as it is good; then comes the flaw, or the end. `last` is the number of the last entry before it,
/// `source` the source of the entries before it, when there are some.
fn scan(
    folder: &Folder,
    number: u64,
    last: Option<u64>,
    source: &mut Option<String>,
) -> Result<(Segment, Option<Flaw>), SpoolError> {
    let path = folder.file(number);
    let failed = || SpoolError::io("read", &path);
    let size = path.metadata().map_err(failed())?.len();
    let content = Content { folder, number, end: size, unwritten: &[] };
    let mut window = Window::default();
    let mut segment = Segment { number, last: last.unwrap_or(0), entries: 0, begin: 0, end: 0, size };
    let payload = match window.frame(content, 0).map_err(failed())? {
        Ok(payload) => payload,
        Err(flaw) => return Ok((segment, Some(flaw))),
    };
    let begin = frame_bytes(payload.len());
    match Header::read(window.get(payload)) {
        Some(Header::Version(version)) => return Err(SpoolError::Version { path, version }),
        None => return Ok((segment, Some(Flaw::Header))),
        Some(Header::Source(name)) if last.is_some() && source.as_deref() != Some(name) => {
            return Ok((segment, Some(Flaw::Source)));
        }
        Some(Header::Source(name)) => *source = Some(name.to_owned()),
    }
    (segment.begin, segment.end) = (begin, begin);
    while segment.end < size {
        let located = match window.entry(content, segment.end).map_err(failed())? {
            Ok(located) => located,
            Err(flaw) => return Ok((segment, Some(flaw))),
        };
        let is_first = segment.entries == 0;
        let grows = last.is_none() && is_first || located.number > segment.last;
        if !grows || is_first && located.number != number {
            return Ok((segment, Some(Flaw::Order)));
        }
        segment.last = located.number;
        segment.end += located.frame_bytes();
        segment.entries += 1;
    }
    Ok((segment, None))
}

/// Whether nothing but zero bytes follows behind the good entries: a length that reached the disk before its bytes did.
fn is_zero(folder: &Folder, segment: &Segment) -> Result<bool, SpoolError> {
    let path = folder.file(segment.number);
    let look = || -> io::Result<bool> {
        let mut file = File::open(&path)?;
        file.seek(SeekFrom::Start(segment.end))?;
        let mut piece = [0; 8 << 10];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(true),
                count if piece[..count].iter().any(|&byte| byte != 0) => return Ok(false),
                _ => {}
            }
        }
    };
    look().map_err(SpoolError::io("read", &path))
}

/// Cuts the last file to its size, and makes sure that it is on the disk before another one is begun: an earlier process may
/// have been killed before it synced.
fn settle(folder: &Folder, segment: &Segment) -> Result<(), SpoolError> {
    let path = folder.file(segment.number);
    let settle = || -> io::Result<()> {
        let file = File::options().write(true).open(&path)?;
        file.set_len(segment.size)?;
        file.sync_all()
    };
    settle().map_err(SpoolError::io("shorten and sync", &path))
}
