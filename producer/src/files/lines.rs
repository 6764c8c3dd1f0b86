//! Lines of a file, one at a time, from a buffer that is reused.
//!
//! A line ends at a line feed or at the end of the file; a carriage return before it is not part of it. A line of more
//! than [`LINE_MAX_BYTES`] is shown by its beginning and marked; the rest of it is skipped.
//!
//! Invariant: memory is bounded by [`LINE_MAX_BYTES`] and one chunk, whatever the file holds.

use std::io::{self, Read};

use memchr::memchr;

use super::input::Input;

/// The longest line. A broker takes records of about 1 MiB by default, so a longer line is no record of `raw-trades`.
pub const LINE_MAX_BYTES: usize = 1 << 20;

/// How much is read at a time: enough to make system calls cheap, small enough to stay in a second-level cache.
const CHUNK_BYTES: usize = 256 << 10;

/// A file being read. [`Lines::advance`] moves to the next line, [`Lines::text`] shows it.
pub(crate) struct Lines {
    input: Input,
    buffer: Vec<u8>,
    /// The current line, without its end.
    line: (usize, usize),
    /// Where the next line begins in the buffer.
    next: usize,
    /// Bytes of the buffer that are filled.
    filled: usize,
    /// Bytes of the text before the start of the buffer.
    passed: u64,
    is_too_long: bool,
    /// The end of the current line has not been read yet.
    has_rest: bool,
    at_end: bool,
}

impl Lines {
    pub(crate) fn new(input: Box<dyn Read + Send>) -> Self {
        Self {
            input: Input::new(input),
            buffer: vec![0; CHUNK_BYTES],
            line: (0, 0),
            next: 0,
            filled: 0,
            passed: 0,
            is_too_long: false,
            has_rest: false,
            at_end: false,
        }
    }

    /// Moves to the next line; false at the end of the file.
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        if self.has_rest {
            self.skip_rest()?;
        }
        self.is_too_long = false;
        let mut searched = self.next;
        loop {
            if let Some(distance) = memchr(b'\n', &self.buffer[searched..self.filled]) {
                let end = searched + distance;
                self.show(end);
                self.next = end + 1;
                return Ok(true);
            }
            let length = self.filled - self.next;
            if length > LINE_MAX_BYTES {
                self.show(self.filled);
                self.next = self.filled;
                self.has_rest = true;
                return Ok(true);
            }
            if self.at_end {
                self.show(self.filled);
                self.next = self.filled;
                return Ok(length > 0);
            }
            self.fill()?;
            searched = self.next + length;
        }
    }

    /// The current line without its end; of one that is too long the first [`LINE_MAX_BYTES`].
    pub(crate) fn text(&self) -> &[u8] {
        let text = &self.buffer[self.line.0..self.line.1];
        text.strip_suffix(b"\r").unwrap_or(text)
    }

    /// Whether the current line is longer than what [`Lines::text`] shows.
    pub(crate) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Bytes of the file up to the end of the current line; of a compressed file those that were read.
    pub(crate) fn position(&self) -> u64 {
        self.input.compressed_bytes().unwrap_or(self.passed + self.next as u64)
    }

    /// Makes the bytes from `next` to `end` the current line, as far as a line may be long.
    fn show(&mut self, end: usize) {
        self.is_too_long = end - self.next > LINE_MAX_BYTES;
        self.line = (self.next, end.min(self.next + LINE_MAX_BYTES));
    }

    /// Reads on, keeping what lies behind `next`.
    fn fill(&mut self) -> io::Result<()> {
        if self.next > 0 {
            self.buffer.copy_within(self.next..self.filled, 0);
            self.passed += self.next as u64;
            self.filled -= self.next;
            self.next = 0;
        }
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled + CHUNK_BYTES, 0);
        }
        let read = loop {
            match self.input.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.filled += read;
        self.at_end = read == 0;
        Ok(())
    }

    /// Moves to the end of a line that was too long.
    fn skip_rest(&mut self) -> io::Result<()> {
        self.has_rest = false;
        while !self.at_end {
            if let Some(distance) = memchr(b'\n', &self.buffer[self.next..self.filled]) {
                self.next += distance + 1;
                return Ok(());
            }
            self.next = self.filled;
            self.fill()?;
        }
        self.next = self.filled;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
