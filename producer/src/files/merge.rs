//! Several files as one stream.
//!
//! The next record is the one whose file shows the earliest time at its head; of equal times the file that was named
//! first. Only heads are compared, so what a [`Reader`] gives never changes its order, whatever the times. A record
//! that is no trade has no time: it follows the one before it in its file.
//!
//! The order is a function of the files and their names' order alone, so the number of a record in the merge is always the
//! same. Replay resumes by it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use super::{FileError, Layout, Line, Reader};

/// Files being merged. [`Merge::advance`] moves to the next record, [`Merge::line`] shows it.
pub struct Merge {
    readers: Vec<Reader>,
    /// Time at the head of each file, and the file; the current one is missing.
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    /// Time at the head of each file.
    times: Vec<i64>,
    current: Option<usize>,
    /// So many files, from the first, can be read without a wait.
    prepared: usize,
    is_begun: bool,
    /// Records before the current one.
    number: u64,
}

impl Merge {
    /// Opens all files at once.
    ///
    /// # Errors
    /// One of them cannot be opened, or its header does not say where the fields are.
    pub fn open<P: AsRef<Path>>(paths: &[P], layout: &Layout) -> Result<Self, FileError> {
        let readers =
            paths.iter().map(|path| Reader::open(path.as_ref(), layout)).collect::<Result<_, _>>()?;
        Ok(Self::new(readers))
    }

    /// Merges what was opened already.
    pub fn new(readers: Vec<Reader>) -> Self {
        let times = vec![i64::MIN; readers.len()];
        Self {
            readers,
            heads: BinaryHeap::new(),
            times,
            current: None,
            prepared: 0,
            is_begun: false,
            number: 0,
        }
    }

    /// Takes a step towards the first record where files are sorted first; false = there is more to do. [`Merge::advance`] does
    /// all of it.
    ///
    /// # Errors
    /// A file cannot be read on, or its rows not be written.
    pub fn prepare(&mut self) -> Result<bool, FileError> {
        while let Some(reader) = self.readers.get_mut(self.prepared) {
            if !reader.prepare()? {
                return Ok(false);
            }
            self.prepared += 1;
        }
        Ok(true)
    }

    /// Moves to the next record; false at the end of all files.
    ///
    /// # Errors
    /// A file cannot be read on.
    pub fn advance(&mut self) -> Result<bool, FileError> {
        if self.is_begun {
            if let Some(current) = self.current {
                self.number += 1;
                self.advance_file(current)?;
            }
        } else {
            self.is_begun = true;
            for file in 0..self.readers.len() {
                self.advance_file(file)?;
            }
        }
        self.current = self.heads.pop().map(|Reverse((_, file))| file);
        Ok(self.current.is_some())
    }

    /// The current record; its number is that in the merge. `None` before the first and after the last.
    pub fn line(&self) -> Option<Line<'_>> {
        let current = self.current?;
        Some(Line { number: self.number, ..self.readers[current].line() })
    }

    /// Bytes read from all files.
    pub fn bytes_read(&self) -> u64 {
        self.readers.iter().map(Reader::bytes_read).sum()
    }

    /// Length of all files when they were opened; `None` when one of them is a pipe.
    pub fn bytes_total(&self) -> Option<u64> {
        self.readers.iter().map(Reader::bytes_total).sum()
    }

    fn advance_file(&mut self, file: usize) -> Result<(), FileError> {
        let reader = &mut self.readers[file];
        if reader.advance()? {
            // A single file needs no comparison, so its records need not be read twice.
            if self.times.len() > 1
                && let Ok(trade) = reader.line().trade()
            {
                self.times[file] = trade.event_time;
            }
            self.heads.push(Reverse((self.times[file], file)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
