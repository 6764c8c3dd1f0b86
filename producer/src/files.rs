//! Trades in files, as `replay` and `tape backtest` read them: CSV with a header line, or JSON lines.
//!
//! - [`Reader`] reads one file, [`Merge`] several by the time at the head of each. Both are streams: no file is held in
//!   memory, buffers are reused, a line is looked at in place.
//! - Each may be compressed, with gzip or zstd: see `input.rs`. The ending `.gz` or `.zst` is no part of the name then.
//! - JSON lines are values of `raw-trades`, one a line. A file is JSON lines when its name ends in `.jsonl`, `.ndjson` or
//!   `.json`, CSV when it ends in `.csv`; otherwise the first thing in it decides (`{`: JSON). Lines without anything but white
//!   space are no records.
//! - A CSV file has the columns `symbol`, `price`, `size` or `volume`, `timestamp`, and may have the optional fields of the
//!   contract and `partition`, `offset`, `append_time`: see `columns.rs`. An empty cell of an optional column is absent.
//! - A CSV file with the columns of the vendor's flat files is read as one, sorted by time: see `flat.rs`, `sort.rs`.
//! - A JSON object may have `partition`, `offset` and `append_time` too. As unknown fields of a record they are not looked
//!   into when the trade is read, and taken as absent unless they are whole numbers.
//!
//! A line that cannot be used is a [`Reject`] and costs nothing but itself: it has a number like any other record, and the
//! next line is read as if nothing had happened.

mod columns;
mod csv;
mod flat;
mod input;
mod lines;
mod merge;
mod reader;
mod reject;
mod sort;

use std::io;
use std::path::PathBuf;

pub(crate) use input::Input;
pub use lines::LINE_MAX_BYTES;
pub use merge::Merge;
pub use reader::{Line, Position, Reader};
pub use reject::{Reject, Rejected, Rejects};

/// How files are to be understood. The default fits files that follow the names of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The symbol of every line of a CSV file that has no column `symbol`.
    pub symbol: Option<String>,
    /// (our name, name in the file) for CSV columns that are named otherwise.
    pub columns: Vec<(String, String)>,
    /// Take the absolute value of `size` in CSV files, for those that write a seller's size as negative.
    pub absolute_size: bool,
    /// The table of sale conditions for flat files, in place of the published one.
    pub sale_conditions: Option<PathBuf>,
}

impl Layout {
    /// Whether a file that begins with this line is sorted before its first record is given.
    pub(crate) fn sorts(&self, header: &[u8]) -> bool {
        self.columns.is_empty() && flat::market(header).is_some()
    }
}

/// Why a file cannot be read at all, or no further.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened.
    #[error("{file} cannot be opened: {error}")]
    Open {
        /// Its name.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// Its first line does not say where the fields of a trade are.
    #[error("the header of {file} cannot be used: {detail}")]
    Header {
        /// Its name.
        file: String,
        /// What is wrong and what to do.
        detail: String,
    },
    /// The table of sale conditions cannot be used.
    #[error("the sale conditions of {file} cannot be used: {detail}")]
    Conditions {
        /// Its name.
        file: String,
        /// What is wrong and what to do.
        detail: String,
    },
    /// It cannot be read on.
    #[error("{file} cannot be read further than byte {position}: {error}")]
    Read {
        /// Its name.
        file: String,
        /// Bytes read so far, of a compressed file as they lie on disk.
        position: u64,
        /// What the system says.
        error: io::Error,
    },
    /// The file of rejects, or one that is sorted through, cannot be written.
    #[error("{file} cannot be written: {error}")]
    Write {
        /// Its name.
        file: String,
        /// What the system says.
        error: io::Error,
    },
}
