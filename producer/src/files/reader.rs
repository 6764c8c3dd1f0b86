//! One file as a stream of records.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use serde::Deserialize;
use tape_proto::trade::{self, Fields, Trade};

use super::columns::{Column, Header, Row};
use super::lines::Lines;
use super::reject::Reject;
use super::{FileError, Layout};

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
    shape: Shape,
    /// A line was looked at to learn the shape, and is a record: the next `advance` stays on it.
    is_ahead: bool,
    /// Lines so far, the current one included.
    line: u64,
    /// Records before the current one.
    number: u64,
    has_record: bool,
}

enum Shape {
    Csv(Box<Csv>),
    Json(Box<Keys>),
}

struct Csv {
    header: Header,
    symbol: Option<String>,
    absolute_size: bool,
    row: Row,
    state: Result<(), Reject>,
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
            shape: Shape::Json(Box::new(Keys::new())),
            is_ahead: false,
            line: 0,
            number: 0,
            has_record: false,
        };
        let is_json = match path.extension().and_then(|ending| ending.to_str()) {
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
        self.number += u64::from(self.has_record);
        self.has_record = if self.is_ahead { true } else { self.next_filled()? };
        self.is_ahead = false;
        if let (true, Shape::Csv(csv)) = (self.has_record, &mut self.shape) {
            csv.state = csv.read(&self.lines);
        }
        Ok(self.has_record)
    }

    /// The current record. Call it after [`Reader::advance`] said true.
    pub fn line(&self) -> Line<'_> {
        Line { number: self.number, line: self.line, reader: self }
    }

    /// The file's name as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes read, up to the end of the current line.
    pub fn bytes_read(&self) -> u64 {
        self.lines.position()
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
        let header = Header::read(&file, self.lines.text(), &layout.columns, layout.symbol.is_some())?;
        self.shape = Shape::Csv(Box::new(Csv {
            header,
            symbol: layout.symbol.clone(),
            absolute_size: layout.absolute_size,
            row: Row::default(),
            state: Ok(()),
        }));
        Ok(())
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
        self.reader.lines.text()
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
            Shape::Csv(csv) => csv.symbol(self.text()).map(Cow::Borrowed),
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

/// What was read into [`Csv::row`] was UTF-8.
const CHECKED: &str = "the row was read from text";

impl Csv {
    fn read(&mut self, lines: &Lines) -> Result<(), Reject> {
        if lines.is_too_long() {
            return Err(Reject::TooLong);
        }
        let text = std::str::from_utf8(lines.text()).map_err(|_| Reject::BadUtf8)?;
        self.row.read(text, &self.header)
    }

    fn trade<'a>(&'a self, line: &'a [u8]) -> Result<Trade<'a>, Reject> {
        self.state.clone()?;
        let line = as_checked(line);
        let cell = |column| self.row.get(line, column);
        let size = |column| match cell(column) {
            Some(text) if self.absolute_size => Some(text.strip_prefix('-').unwrap_or(text)),
            text => text,
        };
        Ok(trade::check(&Fields {
            symbol: cell(Column::Symbol).or(self.symbol.as_deref()),
            price: cell(Column::Price),
            size: size(Column::Size),
            volume: size(Column::Volume),
            timestamp: cell(Column::Timestamp),
            high: cell(Column::High),
            low: cell(Column::Low),
            open: cell(Column::Open),
            vwap: cell(Column::Vwap),
            price_eligibility: cell(Column::PriceEligibility),
            volume_eligible: cell(Column::VolumeEligible),
        })?)
    }

    fn symbol<'a>(&'a self, line: &'a [u8]) -> Option<&'a str> {
        let cell = match &self.state {
            Ok(()) => self.row.get(as_checked(line), Column::Symbol),
            // The cells that were read before the mistake may be shifted.
            Err(_) => None,
        };
        cell.or(self.symbol.as_deref())
    }

    fn position(&self, line: &[u8]) -> Result<Position, Reject> {
        self.state.clone()?;
        let line = as_checked(line);
        Ok(Position {
            partition: whole("partition", self.row.get(line, Column::Partition))?,
            offset: whole("offset", self.row.get(line, Column::Offset))?,
            append_time: whole("append_time", self.row.get(line, Column::AppendTime))?,
        })
    }
}

fn as_checked(line: &[u8]) -> &str {
    std::str::from_utf8(line).expect(CHECKED)
}

/// A whole number from 0 on; an empty cell is absent.
fn whole<T: TryFrom<u64>>(column: &'static str, text: Option<&str>) -> Result<Option<T>, Reject> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|_| is_plain).and_then(|number| T::try_from(number).ok());
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(Reject::Position { column, text: text.chars().take(64).collect() }),
    }
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
