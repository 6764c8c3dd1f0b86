//! The columns of a CSV file: which stand where, and one row cut into cells.
//!
//! - The first line is the header. Names are compared as they are, white space around them aside; unknown columns are
//!   ignored, a known one that stands twice or a required one that is missing makes the file unusable.
//! - Cells are separated by commas. A cell in quotes may hold commas, and quotes written twice; what stands in a cell is
//!   taken as it is, white space included. A row is one line: a quote that is not closed spoils its own row only.
//! - Every row has as many cells as the header.

use memchr::{memchr, memchr_iter};

use super::FileError;
use super::reject::Reject;

/// The columns that mean something, in the order of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Symbol,
    Price,
    Size,
    Volume,
    Timestamp,
    High,
    Low,
    Open,
    Vwap,
    PriceEligibility,
    VolumeEligible,
    Partition,
    Offset,
    AppendTime,
    /// Of a flat file.
    Conditions,
    /// Of a flat file.
    Correction,
}

/// How many [`Column`]s there are.
const CELLS: usize = Column::Correction as usize + 1;

const COLUMNS: [(Column, &str); 14] = [
    (Column::Symbol, "symbol"),
    (Column::Price, "price"),
    (Column::Size, "size"),
    (Column::Volume, "volume"),
    (Column::Timestamp, "timestamp"),
    (Column::High, "high"),
    (Column::Low, "low"),
    (Column::Open, "open"),
    (Column::Vwap, "vwap"),
    (Column::PriceEligibility, "price_eligibility"),
    (Column::VolumeEligible, "volume_eligible"),
    (Column::Partition, "partition"),
    (Column::Offset, "offset"),
    (Column::AppendTime, "append_time"),
];

/// The most columns of a file: far above any real one; a header of junk must not take memory.
const COLUMNS_MAX: usize = 1000;

/// Which column of the file holds what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// For each column of the file the one of ours that it is.
    columns: Vec<Option<Column>>,
}

impl Header {
    /// Reads the header line. `renamed` says which of our names stands under another name in this file; `has_symbol` that
    /// the symbol is known without a column.
    pub(crate) fn read(
        file: &str,
        line: &[u8],
        renamed: &[(String, String)],
        has_symbol: bool,
    ) -> Result<Self, FileError> {
        let refused = |detail: String| FileError::Header { file: file.to_owned(), detail };
        let names = names(line).map_err(refused)?;
        for (ours, theirs) in renamed {
            if !COLUMNS.iter().any(|(_, name)| name == ours) {
                return Err(refused(format!("--columns {ours}={theirs}: no such column: {}", all_names())));
            }
            if !names.contains(theirs) {
                return Err(refused(format!(
                    "--columns {ours}={theirs}: it has no {theirs:?}, only {}",
                    names.join(", ")
                )));
            }
        }
        let columns: Vec<_> = names.iter().map(|name| meaning(name, renamed)).collect();
        for (column, name) in COLUMNS {
            let count = columns.iter().filter(|found| **found == Some(column)).count();
            if count > 1 {
                return Err(refused(format!("the column {name} stands {count} times")));
            }
        }
        let header = Self { columns };
        header.require(&names, has_symbol).map_err(refused)?;
        Ok(header)
    }

    /// A header whose names mean what `meaning` says.
    pub(crate) fn new(line: &[u8], meaning: impl Fn(&str) -> Option<Column>) -> Result<Self, String> {
        Ok(Self { columns: names(line)?.iter().map(|name| meaning(name)).collect() })
    }

    /// Whether the file has this column.
    pub(crate) fn has(&self, column: Column) -> bool {
        self.columns.contains(&Some(column))
    }

    fn require(&self, names: &[String], has_symbol: bool) -> Result<(), String> {
        let missing = |what: &str| {
            let names = names.join(", ");
            format!(
                "it has no column {what}, only {names}; give the first line the names of the columns, or use --columns {what}=NAME"
            )
        };
        if self.has(Column::Size) && self.has(Column::Volume) {
            return Err("it has both size and volume; they are two names of one column".to_owned());
        }
        if !self.has(Column::Symbol) && !has_symbol {
            return Err(format!("{} (or --symbol NAME for all of it)", missing("symbol")));
        }
        for (column, name) in [(Column::Price, "price"), (Column::Timestamp, "timestamp")] {
            if !self.has(column) {
                return Err(missing(name));
            }
        }
        if !self.has(Column::Size) && !self.has(Column::Volume) {
            return Err(missing("size"));
        }
        Ok(())
    }
}

/// What the column of this name is. A name of ours that was renamed is no longer known by its own name.
fn meaning(name: &str, renamed: &[(String, String)]) -> Option<Column> {
    let ours = match renamed.iter().find(|(_, theirs)| theirs == name) {
        Some((ours, _)) => ours,
        None if renamed.iter().any(|(ours, _)| ours == name) => return None,
        None => name,
    };
    COLUMNS.iter().find(|(_, known)| *known == ours).map(|(column, _)| *column)
}

fn all_names() -> String {
    COLUMNS.map(|(_, name)| name).join(", ")
}

/// The names of a header line; an error says what is wrong with it.
pub(crate) fn names(line: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut row = Row::default();
    let mut names = Vec::new();
    row.cut(text, &mut |row, text, _, cell| names.push(row.cell(text, cell).trim().to_owned()))
        .map_err(|reject| reject.to_string())?;
    if names.len() > COLUMNS_MAX {
        return Err(format!("it has {} columns, more than {COLUMNS_MAX}", names.len()));
    }
    Ok(names)
}

/// The place of a cell: in the line, or in the unquoted text of the row.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    start: usize,
    end: usize,
    is_unquoted: bool,
}

/// The cells of the current row that mean something. Reused from row to row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    cells: [Option<Cell>; CELLS],
    /// The contents of the cells in quotes, one behind the other.
    unquoted: String,
}

/// Gets each cell of a row with its number.
type Visit<'a> = &'a mut dyn FnMut(&mut Row, &str, usize, Cell);

impl Row {
    /// Cuts the line into the cells of `header`.
    pub(crate) fn read(&mut self, line: &str, header: &Header) -> Result<(), Reject> {
        self.cells = [None; CELLS];
        self.unquoted.clear();
        let found = if memchr(b'"', line.as_bytes()).is_none() {
            self.cut_plain(line, header)
        } else {
            self.cut(line, &mut |row, _, number, cell| row.keep(header, number, cell))?
        };
        let expected = header.columns.len();
        if found == expected { Ok(()) } else { Err(Reject::Columns { found, expected }) }
    }

    /// The cell of this column in the line that was read; `None` when the file has no such column.
    pub(crate) fn get<'a>(&'a self, line: &'a str, column: Column) -> Option<&'a str> {
        self.cells[column as usize].map(|cell| self.cell(line, cell))
    }

    fn cell<'a>(&'a self, line: &'a str, cell: Cell) -> &'a str {
        let text = if cell.is_unquoted { &self.unquoted } else { line };
        &text[cell.start..cell.end]
    }

    fn keep(&mut self, header: &Header, number: usize, cell: Cell) {
        if let Some(Some(column)) = header.columns.get(number) {
            self.cells[*column as usize] = Some(cell);
        }
    }

    /// The way of nearly every row: no quote in it. Returns the number of cells.
    fn cut_plain(&mut self, line: &str, header: &Header) -> usize {
        let (mut start, mut number) = (0, 0);
        for end in memchr_iter(b',', line.as_bytes()) {
            self.keep(header, number, Cell { start, end, is_unquoted: false });
            number += 1;
            start = end + 1;
        }
        self.keep(header, number, Cell { start, end: line.len(), is_unquoted: false });
        number + 1
    }

    /// Cuts a row that may have quotes. Returns the number of cells.
    fn cut(&mut self, line: &str, visit: Visit<'_>) -> Result<usize, Reject> {
        let (mut start, mut number) = (0, 0);
        loop {
            let (cell, end) = if line[start..].starts_with('"') {
                self.unquote(line, start + 1)?
            } else {
                let end =
                    memchr(b',', &line.as_bytes()[start..]).map_or(line.len(), |distance| start + distance);
                (Cell { start, end, is_unquoted: false }, end)
            };
            visit(self, line, number, cell);
            number += 1;
            match line.as_bytes().get(end) {
                None => return Ok(number),
                Some(b',') => start = end + 1,
                Some(_) => return Err(Reject::Quote),
            }
        }
    }

    /// Reads a cell in quotes whose content begins at `at`; returns it and where it ends in the line.
    fn unquote(&mut self, line: &str, mut at: usize) -> Result<(Cell, usize), Reject> {
        let start = self.unquoted.len();
        loop {
            let quote = at + memchr(b'"', &line.as_bytes()[at..]).ok_or(Reject::Quote)?;
            self.unquoted.push_str(&line[at..quote]);
            if line.as_bytes().get(quote + 1) != Some(&b'"') {
                return Ok((Cell { start, end: self.unquoted.len(), is_unquoted: true }, quote + 1));
            }
            self.unquoted.push('"');
            at = quote + 2;
        }
    }
}

#[cfg(test)]
mod tests;
