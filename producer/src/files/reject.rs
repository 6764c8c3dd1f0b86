//! Why a line of a file is no record, and the file that keeps such lines.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tape_proto::trade;

use super::lines::LINE_MAX_BYTES;

/// As much of a line as the file of rejects keeps, in bytes; the same as a dead letter keeps of a value.
const TEXT_MAX_BYTES: usize = 64 << 10;

/// As much of a text as a message shows.
const EXCERPT_MAX_CHARS: usize = 64;

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The line is no trade, for a reason of the contract.
    #[error(transparent)]
    Trade(trade::Reject),
    /// The row has another number of cells than the header.
    #[error("the row has {found} columns, the header has {expected}")]
    Columns {
        /// Cells of the row.
        found: usize,
        /// Columns of the header.
        expected: usize,
    },
    /// A quote is not closed, or something stands behind a closed one.
    #[error("a quote is not closed on this line, or something other than a comma follows it")]
    Quote,
    /// The line is not UTF-8.
    #[error("the line is not UTF-8")]
    BadUtf8,
    /// The line is longer than [`LINE_MAX_BYTES`].
    #[error("the line has more than {LINE_MAX_BYTES} bytes")]
    TooLong,
    /// `partition`, `offset` or `append_time` is no whole number.
    #[error("{column} {text:?} is not a whole number from 0 on")]
    Position {
        /// Name of the column.
        column: &'static str,
        /// The beginning of its text.
        text: String,
    },
    /// A flat file's trade that was corrected later.
    #[error("correction 1: the trade was corrected later, its correction counts in its place")]
    Corrected,
    /// A flat file's trade that was an error.
    #[error("correction 7: the trade was an error")]
    Erroneous,
    /// A flat file's trade that was cancelled.
    #[error("correction 8: the trade was cancelled")]
    Cancelled,
    /// A flat file's message about another row.
    #[error("correction 10 or 11: the row says that another one is no trade")]
    Cancel,
    /// A flat file's `correction` of unknown meaning.
    #[error("correction {text:?} is none that is known: 0, 1, 7, 8, 10, 11, 12")]
    Correction {
        /// The beginning of its text.
        text: String,
    },
    /// A flat file's `conditions` are no list of ids.
    #[error("conditions {text:?} are no list of up to 64 whole numbers with commas between")]
    Conditions {
        /// The beginning of its text.
        text: String,
    },
    /// A flat file's `ticker` is no pair.
    #[error("ticker {text:?} is no pair as X:BTC-USD, or X:BTCUSD with a quote currency that is known")]
    Ticker {
        /// The beginning of its text.
        text: String,
    },
}

impl Reject {
    /// The stable code of the reason: lower case with underscores, one of a closed list.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Trade(reject) => reject.code(),
            Self::Columns { .. } => "bad_columns",
            Self::Quote => "bad_quote",
            Self::BadUtf8 => "bad_utf8",
            Self::TooLong => "too_long",
            Self::Position { .. } => "bad_position",
            Self::Corrected => "corrected",
            Self::Erroneous => "erroneous",
            Self::Cancelled => "cancelled",
            Self::Cancel => "cancel_record",
            Self::Correction { .. } => "bad_correction",
            Self::Conditions { .. } => "bad_conditions",
            Self::Ticker { .. } => "bad_ticker",
        }
    }
}

/// The beginning of a text, for a message.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT_MAX_CHARS).collect()
}

impl From<trade::Reject> for Reject {
    fn from(reject: trade::Reject) -> Self {
        Self::Trade(reject)
    }
}

/// A line that could not be used, as the file of rejects keeps it: one JSON object a line.
#[derive(Debug, Clone, Copy)]
pub struct Rejected<'a> {
    /// The file it comes from.
    pub file: &'a Path,
    /// Line of that file, from 1.
    pub line: u64,
    /// Number of the record in the source, from 0.
    pub number: u64,
    /// The stable code of the reason.
    pub reason: &'a str,
    /// The reason in words.
    pub message: &'a str,
    /// The line.
    pub text: &'a [u8],
}

#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    line: u64,
    record: u64,
    reason: &'a str,
    message: &'a str,
    /// At most the first [`TEXT_MAX_BYTES`]; bytes that are not UTF-8 are replaced.
    text: &'a str,
    /// Length of the whole line in bytes.
    length: usize,
}

/// The file of rejects. What was written is on disk after [`Rejects::flush`] or drop.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    output: BufWriter<File>,
}

impl Rejects {
    /// Makes the file, empty.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), output: BufWriter::new(File::create(path)?) })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, rejected: &Rejected<'_>) -> io::Result<()> {
        let length = rejected.text.len();
        let text = String::from_utf8_lossy(&rejected.text[..length.min(TEXT_MAX_BYTES)]);
        let entry = Entry {
            file: &rejected.file.to_string_lossy(),
            line: rejected.line,
            record: rejected.number,
            reason: rejected.reason,
            message: rejected.message,
            text: &text,
            length,
        };
        serde_json::to_writer(&mut self.output, &entry)?;
        self.output.write_all(b"\n")
    }

    /// Hands everything to the system.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
