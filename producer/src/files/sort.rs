//! Rows of a file in the order of time, however many they are: sorted chunks go to disk and are merged from there.
//!
//! - The order is time, then line. A row without a time follows the one before it. So it depends on the file alone, not
//!   on the size of a chunk.
//! - The chunks lie one behind the other in one file of the system's temporary folder (`TMPDIR`). It has no name, so nothing
//!   is left of it however the process ends. It takes the room of the text and [`HEAD_BYTES`] for each row.
//!
//! Invariant: memory is bounded, while sorting by about [`CHUNK_BYTES`], while merging by [`BUFFER_BYTES`] and a row for
//! each chunk.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::lines::LINE_MAX_BYTES;

/// When so much is in memory it is sorted and written: a day of all US stocks makes about a hundred chunks.
pub(super) const CHUNK_BYTES: usize = 128 << 20;

/// What is read at a time of each chunk, or written.
const BUFFER_BYTES: usize = 64 << 10;

/// Before each row: time, line, length of what follows.
const HEAD_BYTES: usize = 20;

/// Rows being collected.
pub(super) struct Sort {
    limit: usize,
    keys: Vec<Key>,
    /// The rows, each behind a byte that says whether it is too long.
    texts: Vec<u8>,
    time: i64,
    file: Option<File>,
    /// Where the chunks end in the file.
    ends: Vec<u64>,
    rows: u64,
}

#[derive(Clone, Copy)]
struct Key {
    time: i64,
    line: u64,
    start: u32,
    length: u32,
}

impl Sort {
    /// `limit`: bytes of a chunk, [`CHUNK_BYTES`] or less.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            keys: Vec::new(),
            texts: Vec::new(),
            time: i64::MIN,
            file: None,
            ends: Vec::new(),
            rows: 0,
        }
    }

    /// Takes a row; true when a chunk was written.
    pub(super) fn push(
        &mut self,
        time: Option<i64>,
        line: u64,
        text: &[u8],
        is_too_long: bool,
    ) -> io::Result<bool> {
        self.time = time.unwrap_or(self.time);
        if self.keys.is_empty() {
            // Once, to the byte. The system gives memory when it is written to, so a small file takes little of it.
            self.texts.reserve_exact(self.limit + LINE_MAX_BYTES + 1);
        }
        let start = self.texts.len();
        self.texts.push(u8::from(is_too_long));
        self.texts.extend_from_slice(text);
        // A chunk and a line are far shorter than 4 GiB.
        let (start, length) = (start as u32, (self.texts.len() - start) as u32);
        self.keys.push(Key { time: self.time, line, start, length });
        self.rows += 1;
        let is_full = self.texts.len() + self.keys.len() * size_of::<Key>() >= self.limit;
        if is_full {
            self.write()?;
        }
        Ok(is_full)
    }

    /// Rows taken so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// All rows in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.write()?;
        let file = Arc::new(match self.file {
            Some(file) => file,
            None => tempfile::tempfile()?,
        });
        let mut sorted =
            Sorted { chunks: Vec::new(), heads: BinaryHeap::new(), current: None, given: 0, rows: self.rows };
        let mut begin = 0;
        for end in self.ends {
            let part = Part { file: Arc::clone(&file), at: begin, end };
            let input = BufReader::with_capacity(BUFFER_BYTES, part);
            sorted.chunks.push(Chunk { input, line: 0, row: Vec::new() });
            sorted.pull(sorted.chunks.len() - 1)?;
            begin = end;
        }
        Ok(sorted)
    }

    fn write(&mut self) -> io::Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        self.keys.sort_unstable_by_key(|key| (key.time, key.line));
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, file);
        for key in &self.keys {
            output.write_all(&key.time.to_le_bytes())?;
            output.write_all(&key.line.to_le_bytes())?;
            output.write_all(&key.length.to_le_bytes())?;
            output.write_all(&self.texts[key.start as usize..][..key.length as usize])?;
        }
        output.flush()?;
        let begin = self.ends.last().copied().unwrap_or(0);
        self.ends.push(begin + (self.keys.len() * HEAD_BYTES + self.texts.len()) as u64);
        self.keys.clear();
        self.texts.clear();
        Ok(())
    }
}

/// Rows in order. [`Sorted::advance`] moves to the next one.
pub(super) struct Sorted {
    chunks: Vec<Chunk>,
    /// Time and line at the head of each chunk, and the chunk; the current one is missing.
    heads: BinaryHeap<Reverse<(i64, u64, usize)>>,
    current: Option<usize>,
    given: u64,
    rows: u64,
}

/// A chunk being read, by its current row.
struct Chunk {
    input: BufReader<Part>,
    line: u64,
    /// As in [`Sort::texts`].
    row: Vec<u8>,
}

impl Sorted {
    /// Moves to the next row; false at the end.
    pub(super) fn advance(&mut self) -> io::Result<bool> {
        if let Some(current) = self.current {
            self.pull(current)?;
        }
        self.current = self.heads.pop().map(|Reverse((.., chunk))| chunk);
        self.given += u64::from(self.current.is_some());
        Ok(self.current.is_some())
    }

    /// The current row.
    pub(super) fn text(&self) -> &[u8] {
        self.current.and_then(|chunk| self.chunks[chunk].row.get(1..)).unwrap_or_default()
    }

    /// Whether the current row is longer than its text.
    pub(super) fn is_too_long(&self) -> bool {
        self.current.is_some_and(|chunk| self.chunks[chunk].row.first() == Some(&1))
    }

    /// The line of the file that the current row stands on.
    pub(super) fn line(&self) -> u64 {
        self.current.map_or(0, |chunk| self.chunks[chunk].line)
    }

    /// Rows given and rows there are.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.given, self.rows)
    }

    /// Reads the next row of a chunk, if it has one.
    fn pull(&mut self, number: usize) -> io::Result<()> {
        let chunk = &mut self.chunks[number];
        if chunk.input.buffer().is_empty() && chunk.input.get_ref().is_at_end() {
            return Ok(());
        }
        let (mut time, mut line, mut length) = ([0; 8], [0; 8], [0; 4]);
        chunk.input.read_exact(&mut time)?;
        chunk.input.read_exact(&mut line)?;
        chunk.input.read_exact(&mut length)?;
        chunk.row.resize(u32::from_le_bytes(length) as usize, 0);
        chunk.input.read_exact(&mut chunk.row)?;
        chunk.line = u64::from_le_bytes(line);
        self.heads.push(Reverse((i64::from_le_bytes(time), chunk.line, number)));
        Ok(())
    }
}

/// A part of a file, with a place of its own in it.
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Part {
    fn is_at_end(&self) -> bool {
        self.at == self.end
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(rest);
        let read = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
