//! The rows of a CSV file as trades.

use std::borrow::Cow;

use tape_proto::trade::{self, Fields, Trade};

use super::columns::{Column, Header, Row};
use super::flat::{Flat, nanoseconds};
use super::reader::Position;
use super::reject::{Reject, excerpt};
use super::{FileError, Layout};

/// What was read into [`Csv::row`] was UTF-8.
const CHECKED: &str = "the row was read from text";

/// The rows of a CSV file. What is asked of a row must get the line that was read last.
pub(super) struct Csv {
    header: Header,
    symbol: Option<String>,
    absolute_size: bool,
    flat: Option<Flat>,
    row: Row,
    state: Result<(), Reject>,
}

impl Csv {
    /// From the header line of the file of this name.
    pub(super) fn open(file: &str, line: &[u8], layout: &Layout) -> Result<Self, FileError> {
        let (flat, header) = match Flat::read(file, line, layout)? {
            Some((flat, header)) => (Some(flat), header),
            None => (None, Header::read(file, line, &layout.columns, layout.symbol.is_some())?),
        };
        Ok(Self {
            header,
            symbol: layout.symbol.clone(),
            absolute_size: layout.absolute_size,
            flat,
            row: Row::default(),
            state: Ok(()),
        })
    }

    pub(super) fn is_flat(&self) -> bool {
        self.flat.is_some()
    }

    /// Cuts a line into cells.
    pub(super) fn read(&mut self, line: &[u8], is_too_long: bool) {
        self.state = match std::str::from_utf8(line) {
            _ if is_too_long => Err(Reject::TooLong),
            Err(_) => Err(Reject::BadUtf8),
            Ok(text) => self.row.read(text, &self.header),
        };
    }

    /// The time by which rows of a flat file are sorted.
    pub(super) fn time(&self, line: &[u8]) -> Option<i64> {
        self.state.as_ref().ok()?;
        nanoseconds(self.row.get(as_checked(line), Column::Timestamp)?)
    }

    pub(super) fn trade<'a>(&'a self, line: &'a [u8]) -> Result<Trade<'a>, Reject> {
        self.state.clone()?;
        let line = as_checked(line);
        let cell = |column| self.row.get(line, column);
        if let Some(flat) = &self.flat {
            return flat.trade(cell);
        }
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

    pub(super) fn symbol<'a>(&'a self, line: &'a [u8]) -> Option<Cow<'a, str>> {
        let cell = match &self.state {
            Ok(()) => self.row.get(as_checked(line), Column::Symbol),
            // The cells that were read before the mistake may be shifted.
            Err(_) => None,
        };
        match (&self.flat, cell) {
            (Some(flat), cell) => cell.map(|ticker| flat.symbol(ticker)),
            (None, cell) => cell.or(self.symbol.as_deref()).map(Cow::Borrowed),
        }
    }

    pub(super) fn position(&self, line: &[u8]) -> Result<Position, Reject> {
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
        None => Err(Reject::Position { column, text: excerpt(text) }),
    }
}
