//! One file as a stream of records.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use serde::Deserialize;
use tape_proto::trade::{self, Trade};
use tracing::info;

use super::csv::Csv;
use super::lines::Lines;
use super::reject::Reject;
use super::sort::{CHUNK_BYTES, Sort, Sorted};
use super::{FileError, Layout};

/// So many rows are one step of sorting: some milliseconds, unless a chunk is full.
const STEP_ROWS: u32 = 10_000;

/// Where a record stood in a log, as far as the file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Partition, from 0.
    pub partition: Option<i32>,
    /// Offset in the partition, from 0.
    pub offset: Option<i64>,
    /// The log's own timestamp of the record, in milliseconds since the Unix epoch.
    pub append_time: Option<i64>,
}

/// One file being read. [`Reader::advance`] moves to the next record, [`Reader::line`] shows it.
pub struct Reader {
    path: PathBuf,
    size: Option<u64>,
    lines: Lines,
    order: Order,
    shape: Shape,
    /// A line was looked at to learn the shape, and is a record: the next `advance` stays on it.
    is_ahead: bool,
    /// Lines so far, the current one included.
    line: u64,
    /// Records before the current one.
    number: u64,
    has_record: bool,
}

/// In which order records are given.
enum Order {
    AsTheyStand,
    /// By time, and not all have been read yet.
    Sorting(Sort),
    Sorted(Sorted),
}

enum Shape {
    Csv(Box<Csv>),
    Json(Box<Keys>),
}

impl Reader {
    /// Opens a file; `-` is the standard input.
    ///
    /// # Errors
    /// The file cannot be opened, or its header does not say where the fields are.
    pub fn open(path: &Path, layout: &Layout) -> Result<Self, FileError> {
        if path == Path::new("-") {
            return Self::new(path, Box::new(io::stdin()), None, layout);
        }
        let refused = |error| FileError::Open { file: path.display().to_string(), error };
        let file = File::open(path).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if metadata.is_dir() {
            return Err(refused(io::ErrorKind::IsADirectory.into()));
        }
        let size = metadata.is_file().then_some(metadata.len());
        Self::new(path, Box::new(file), size, layout)
    }

    /// Reads from anything. `path` names it in messages and says by its ending whether it is CSV or JSON lines; `size` is
    /// its length in bytes, if known.
    ///
    /// # Errors
    /// The input cannot be read, or its header does not say where the fields are.
    pub fn new(
        path: &Path,
        input: Box<dyn Read + Send>,
        size: Option<u64>,
        layout: &Layout,
    ) -> Result<Self, FileError> {
        let mut reader = Self {
            path: path.to_owned(),
            size,
            lines: Lines::new(input),
            order: Order::AsTheyStand,
            shape: Shape::Json(Box::new(Keys::new())),
            is_ahead: false,
            line: 0,
            number: 0,
            has_record: false,
        };
        let is_json = match ending(path) {
            Some("jsonl" | "ndjson" | "json") => true,
            Some("csv") => false,
            _ => {
                reader.is_ahead = reader.next_filled()?;
                reader.is_ahead && reader.lines.text().trim_ascii_start().starts_with(b"{")
            }
        };
        if !is_json {
            reader.read_header(layout)?;
        }
        Ok(reader)
    }

    /// Moves to the next record; false at the end.
    ///
    /// # Errors
    /// The file cannot be read on.
    pub fn advance(&mut self) -> Result<bool, FileError> {
        while !self.prepare()? {}
        self.number += u64::from(self.has_record);
        self.has_record = match &mut self.order {
            Order::Sorted(sorted) => sorted.advance().map_err(|error| self.sort_failed(error))?,
            _ if self.is_ahead => true,
            _ => self.next_filled()?,
        };
        self.is_ahead = false;
        if self.has_record {
            self.read_row();
        }
        Ok(self.has_record)
    }

    /// Takes a step towards the first record of a file that is sorted first; false = there is more to do. [`Reader::advance`]
    /// does all of it: this is for callers that must not be away for minutes.
    ///
    /// # Errors
    /// The file cannot be read on, or the rows not be written.
    pub fn prepare(&mut self) -> Result<bool, FileError> {
        let mut sort = match std::mem::replace(&mut self.order, Order::AsTheyStand) {
            Order::Sorting(sort) => sort,
            done => {
                self.order = done;
                return Ok(true);
            }
        };
        for _ in 0..STEP_ROWS {
            if !self.next_filled()? {
                info!(file = %self.path.display(), rows = sort.rows(), "sorted by time");
                self.order = Order::Sorted(sort.finish().map_err(|error| self.sort_failed(error))?);
                return Ok(true);
            }
            self.read_row();
            let Shape::Csv(csv) = &self.shape else { continue };
            let (text, is_too_long) = (self.lines.text(), self.lines.is_too_long());
            let is_written = sort.push(csv.time(text), self.line, text, is_too_long);
            if is_written.map_err(|error| self.sort_failed(error))? {
                let (read, total) = (self.lines.position(), self.size);
                info!(file = %self.path.display(), rows = sort.rows(), read, total, "sorting by time");
            }
        }
        self.order = Order::Sorting(sort);
        Ok(false)
    }

    /// The current record. Call it after [`Reader::advance`] said true.
    pub fn line(&self) -> Line<'_> {
        let line = match &self.order {
            Order::Sorted(sorted) => sorted.line(),
            _ => self.line,
        };
        Line { number: self.number, line, reader: self }
    }

    /// The file's name as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes read, up to the end of the current line; of a compressed file as they lie on disk. In a file that is sorted first
    /// a byte is half read when it is sorted.
    pub fn bytes_read(&self) -> u64 {
        let position = self.lines.position();
        match &self.order {
            Order::AsTheyStand => position,
            Order::Sorting(_) => position / 2,
            Order::Sorted(sorted) => {
                let (given, rows) = sorted.progress();
                let half = u128::from(position) * u128::from(given) / u128::from(rows.max(1));
                (position + half as u64) / 2
            }
        }
    }

    /// Length of the file when it was opened; `None` for a pipe.
    pub fn bytes_total(&self) -> Option<u64> {
        self.size
    }

    /// Moves to the next line that has something on it.
    fn next_filled(&mut self) -> Result<bool, FileError> {
        loop {
            let has_line = self.lines.advance().map_err(|error| FileError::Read {
                file: self.path.display().to_string(),
                position: self.lines.position(),
                error,
            })?;
            if !has_line {
                return Ok(false);
            }
            self.line += 1;
            if !self.lines.text().trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn read_header(&mut self, layout: &Layout) -> Result<(), FileError> {
        let file = self.path.display().to_string();
        if !self.is_ahead && !self.next_filled()? {
            return Err(FileError::Header { file, detail: "the file is empty".to_owned() });
        }
        self.is_ahead = false;
        let csv = Csv::open(&file, self.lines.text(), layout)?;
        if csv.is_flat() {
            self.order = Order::Sorting(Sort::new(CHUNK_BYTES));
        }
        self.shape = Shape::Csv(Box::new(csv));
        Ok(())
    }

    /// Cuts the current line into cells, if it has some.
    fn read_row(&mut self) {
        let (text, is_too_long) = match &self.order {
            Order::Sorted(sorted) => (sorted.text(), sorted.is_too_long()),
            _ => (self.lines.text(), self.lines.is_too_long()),
        };
        if let Shape::Csv(csv) = &mut self.shape {
            csv.read(text, is_too_long);
        }
    }

    fn text(&self) -> &[u8] {
        match &self.order {
            Order::Sorted(sorted) => sorted.text(),
            _ => self.lines.text(),
        }
    }

    fn sort_failed(&self, error: io::Error) -> FileError {
        let folder = std::env::temp_dir();
        let file =
            format!("a file in {} (TMPDIR), to sort {} by time,", folder.display(), self.path.display());
        FileError::Write { file, error }
    }
}

/// What a file's name ends in, compression aside.
fn ending(path: &Path) -> Option<&str> {
    let ending = path.extension()?.to_str()?;
    if matches!(ending, "gz" | "zst") {
        Path::new(path.file_stem()?).extension()?.to_str()
    } else {
        Some(ending)
    }
}

/// A record of a file, as it stands there.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// Number of the record in its file (from a [`Merge`](super::Merge): in the whole source), from 0. A rejected record
    /// counts, a header and an empty line do not.
    pub number: u64,
    /// Line of its file, from 1.
    pub line: u64,
    pub(super) reader: &'a Reader,
}

impl<'a> Line<'a> {
    /// The line without its end; of one that is too long the first [`LINE_MAX_BYTES`](super::LINE_MAX_BYTES).
    pub fn text(&self) -> &'a [u8] {
        self.reader.text()
    }

    /// The file it comes from.
    pub fn file(&self) -> &'a Path {
        &self.reader.path
    }

    /// The line as a value of `raw-trades`, if it is one: JSON.
    pub fn json(&self) -> Option<&'a [u8]> {
        matches!(self.reader.shape, Shape::Json(_)).then(|| self.text())
    }

    /// Reads the trade. Nothing is remembered: ask once.
    ///
    /// # Errors
    /// Why the line is no trade.
    pub fn trade(&self) -> Result<Trade<'a>, Reject> {
        match &self.reader.shape {
            Shape::Csv(csv) => csv.trade(self.text()),
            Shape::Json(_) if self.reader.lines.is_too_long() => Err(Reject::TooLong),
            Shape::Json(_) => Ok(trade::decode_value(self.text())?),
        }
    }

    /// The symbol of the line if it can be read at all, valid or not: where a rejected line belongs. Slow.
    pub fn symbol(&self) -> Option<Cow<'a, str>> {
        match &self.reader.shape {
            Shape::Csv(csv) => csv.symbol(self.text()),
            Shape::Json(_) => json_symbol(self.text()),
        }
    }

    /// Where the record stood in a log.
    ///
    /// # Errors
    /// A cell of a CSV file is no whole number.
    pub fn position(&self) -> Result<Position, Reject> {
        match &self.reader.shape {
            Shape::Csv(csv) => csv.position(self.text()),
            Shape::Json(keys) => Ok(keys.position(self.text())),
        }
    }
}

/// The symbol of a JSON object, whatever else is wrong with it.
fn json_symbol(value: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Symbol<'a> {
        #[serde(borrow)]
        symbol: Option<Cow<'a, str>>,
    }
    serde_json::from_slice::<Symbol<'_>>(value).ok()?.symbol
}

/// Looks for the names of a position in a line of JSON before it is parsed for them: most lines have none.
struct Keys {
    finders: [Finder<'static>; 3],
}

#[derive(Deserialize)]
struct JsonPosition {
    partition: Option<i32>,
    offset: Option<i64>,
    append_time: Option<i64>,
}

impl Keys {
    fn new() -> Self {
        Self { finders: ["\"partition\"", "\"offset\"", "\"append_time\""].map(Finder::new) }
    }

    fn position(&self, line: &[u8]) -> Position {
        if self.finders.iter().all(|finder| finder.find(line).is_none()) {
            return Position::default();
        }
        let from_zero = |number: &i64| *number >= 0;
        match serde_json::from_slice::<JsonPosition>(line) {
            Ok(found) => Position {
                partition: found.partition.filter(|partition| *partition >= 0),
                offset: found.offset.filter(from_zero),
                append_time: found.append_time.filter(from_zero),
            },
            Err(_) => Position::default(),
        }
    }
}

#[cfg(test)]
mod tests;
