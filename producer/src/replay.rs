//! Files as a source.
//!
//! - The number of a record is its number in the [`Merge`], lines that were rejected included, so it depends on the files
//!   alone.
//! - A JSON line goes out byte for byte when the topic is written as JSON, unknown fields and all. Everything else is read
//!   and encoded anew.
//! - A line that is no trade is counted, noted in the file of rejects, and not sent.
//! - Files that are sorted first are sorted step by step: a poll never takes long.
//! - After a restart the files are read from their beginning; what the cursor covers costs reading and is not sent. The
//!   pace counts from the first record that is sent.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use tape_service::config::Format;
use tracing::warn;

use crate::cursor::Cursor;
use crate::feed::{FeedRecord, Poll, Progress, encode};
use crate::files::{FileError, Input, Layout, Line, Merge, Reject, Rejected, Rejects};
use crate::hash;
use crate::pace::Pacer;
use crate::source::Replay;

/// After so many records that were not sent the caller is asked back, so that it can stop.
const SILENT_MAX: u32 = 10_000;

/// So many rejected lines are logged one by one; from then on they are only counted.
const REJECTS_LOGGED_MAX: u64 = 10;

/// Files being replayed.
pub struct ReplayFeed {
    merge: Merge,
    cursor: Cursor,
    format: Format,
    pacer: Pacer,
    rejects: Option<Rejects>,
    /// Lines rejected so far, by reason.
    rejected: BTreeMap<&'static str, u64>,
    skipped: u64,
    /// The record in `key` and `value` waits to be given.
    waiting: Option<Waiting>,
    key: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Waiting {
    number: u64,
    event_time: i64,
    due: i64,
}

impl ReplayFeed {
    /// Opens the files, and makes the file of rejects.
    ///
    /// # Errors
    /// A file cannot be opened or made, or a header does not say where the fields are.
    pub fn open(replay: &Replay, format: Format, cursor: Cursor) -> Result<Self, FileError> {
        let merge = Merge::open(&replay.files, &replay.layout)?;
        let rejects = match &replay.rejects {
            None => None,
            Some(path) => Some(
                Rejects::create(path)
                    .map_err(|error| FileError::Open { file: path.display().to_string(), error })?,
            ),
        };
        Ok(Self {
            merge,
            cursor,
            format,
            pacer: Pacer::new(replay.pace),
            rejects,
            rejected: BTreeMap::new(),
            skipped: 0,
            waiting: None,
            key: Vec::new(),
            value: Vec::new(),
        })
    }

    /// Opens the files and closes them again: shows mistakes before anything else happens.
    pub(crate) fn probe(replay: &Replay) -> Result<(), FileError> {
        if replay.files.iter().any(|file| file == Path::new("-")) {
            // The standard input can be opened only once.
            return Ok(());
        }
        Merge::open(&replay.files, &replay.layout).map(drop)
    }

    /// See [`Feed::poll`](crate::Feed::poll).
    ///
    /// # Errors
    /// A file cannot be read on, or the file of rejects cannot be written.
    pub fn poll(&mut self, now: i64) -> Result<Poll<'_>, FileError> {
        if !self.merge.prepare()? {
            return Ok(Poll::Wait(now));
        }
        let mut silent = 0;
        let Waiting { number, event_time, due } = loop {
            if let Some(waiting) = self.waiting {
                break waiting;
            }
            if silent == SILENT_MAX {
                return Ok(Poll::Wait(now));
            }
            silent += 1;
            if !self.merge.advance()? {
                self.flush_rejects()?;
                return Ok(Poll::End);
            }
            self.take(now)?;
        };
        if due > now {
            self.flush_rejects()?;
            return Ok(Poll::Wait(due));
        }
        self.waiting = None;
        Ok(Poll::Record(FeedRecord { number, key: &self.key, value: Some(&self.value), event_time }))
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            skipped: self.skipped,
            rejected: self.rejected.values().sum(),
            bytes_read: self.merge.bytes_read(),
            bytes_total: self.merge.bytes_total(),
        }
    }

    /// Lines rejected so far, by the stable code of the reason.
    pub fn rejected(&self) -> &BTreeMap<&'static str, u64> {
        &self.rejected
    }

    /// Reads the current line of the merge: makes it wait, skips it, or rejects it.
    fn take(&mut self, now: i64) -> Result<(), FileError> {
        let Some(line) = self.merge.line() else { return Ok(()) };
        let trade = match line.trade() {
            Ok(trade) => trade,
            Err(reject) => {
                let count = self.rejected.entry(reject.code()).or_default();
                *count += 1;
                return note(&line, &reject, *count, self.rejects.as_mut());
            }
        };
        if self.cursor.covers(trade.symbol.as_bytes(), line.number) {
            self.skipped += 1;
            return Ok(());
        }
        self.key.clear();
        self.key.extend_from_slice(trade.symbol.as_bytes());
        match (line.json(), self.format) {
            (Some(json), Format::Json) => {
                self.value.clear();
                self.value.extend_from_slice(json);
            }
            (json, format) => encode(&trade, json.and_then(raw).as_deref(), format, &mut self.value),
        }
        let due = self.pacer.due(now, trade.event_time);
        self.waiting = Some(Waiting { number: line.number, event_time: trade.event_time, due });
        Ok(())
    }

    fn flush_rejects(&mut self) -> Result<(), FileError> {
        match &mut self.rejects {
            None => Ok(()),
            Some(rejects) => {
                let result = rejects.flush();
                result.map_err(|error| write_failed(rejects.path(), error))
            }
        }
    }
}

fn note(
    line: &Line<'_>,
    reject: &Reject,
    count: u64,
    rejects: Option<&mut Rejects>,
) -> Result<(), FileError> {
    if count <= REJECTS_LOGGED_MAX {
        warn!(file = %line.file().display(), line = line.line, reason = reject.code(), "not sent: {reject}");
    }
    let Some(rejects) = rejects else { return Ok(()) };
    let message = reject.to_string();
    let written = rejects.write(&Rejected {
        file: line.file(),
        line: line.line,
        number: line.number,
        reason: reject.code(),
        message: &message,
        text: line.text(),
    });
    written.map_err(|error| write_failed(rejects.path(), error))
}

fn write_failed(path: &Path, error: std::io::Error) -> FileError {
    FileError::Write { file: path.display().to_string(), error }
}

/// The vendor's message in a value of `raw-trades`; it must survive a change of the encoding.
fn raw(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Raw {
        raw: Option<String>,
    }
    serde_json::from_slice::<Raw>(json).ok()?.raw
}

/// What the ids of replays of these files begin with: a hash of the files' names, their first bytes and how they are read.
/// A file that has grown is the same source, unless it is sorted first; another file under the same name is not.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn source_id(replay: &Replay) -> Result<String, FileError> {
    // The table of sale conditions changes no number of a record.
    let Layout { symbol, columns, absolute_size, sale_conditions: _ } = &replay.layout;
    let columns: Vec<_> = columns.iter().map(|(ours, theirs)| format!("{ours}={theirs}")).collect();
    let text = format!("{} {} {absolute_size}", symbol.as_deref().unwrap_or_default(), columns.join(","));
    let mut id = hash::bytes(text.as_bytes());
    for path in &replay.files {
        let name = path.file_name().unwrap_or(path.as_os_str());
        id = hash::pair(id, hash::bytes(name.as_encoded_bytes()));
        let beginning = beginning(path)?;
        id = hash::pair(id, hash::bytes(&beginning));
        if replay.layout.sorts(beginning.split(|byte| *byte == b'\n').next().unwrap_or_default()) {
            // What a grown file has more would be sorted in between, and change the numbers.
            id = hash::pair(id, length(path)?);
        }
    }
    Ok(format!("replay-{id:016x}"))
}

/// In bytes; 0 for the standard input.
fn length(path: &Path) -> Result<u64, FileError> {
    if path == Path::new("-") {
        return Ok(0);
    }
    let metadata = std::fs::metadata(path);
    metadata
        .map(|metadata| metadata.len())
        .map_err(|error| FileError::Open { file: path.display().to_string(), error })
}

/// The first two lines: header and first record, or the first two records. They tell two files apart, and are not changed
/// by what is appended later.
fn beginning(path: &Path) -> Result<Vec<u8>, FileError> {
    use std::io::Read;
    /// Longer lines are cut here.
    const BEGINNING_BYTES: u64 = 4096;
    let mut bytes = Vec::new();
    if path != Path::new("-") {
        std::fs::File::open(path)
            .and_then(|file| Input::new(Box::new(file)).take(BEGINNING_BYTES).read_to_end(&mut bytes))
            .map_err(|error| FileError::Open { file: path.display().to_string(), error })?;
    }
    if let Some(end) = memchr::memchr_iter(b'\n', &bytes).nth(1) {
        bytes.truncate(end);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
