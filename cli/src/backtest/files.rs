//! Where rows, alerts and rejects go: files, or the standard output for rows.
//!
//! Buffers are large and reused. A name that is also an input's is refused before anything is opened for writing: it would
//! be emptied before it was read.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tape_analytics::{Alert, Row};
use tape_processor::codec;
use tape_proto::{aggregate, alert};
use tape_service::Failure;

use super::BacktestArgs;
use super::engine::Sink;
use super::reading::Rejected;
use crate::output;

/// Enough that a row costs no system call.
const BUFFER_BYTES: usize = 256 << 10;

/// The open outputs.
pub(super) struct Files {
    rows: Box<dyn Write>,
    alerts: Option<BufWriter<File>>,
    rejects: Option<BufWriter<File>>,
    /// One line, reused.
    line: Vec<u8>,
    is_on_terminal: bool,
}

/// A reject as its file keeps it.
#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    line: u64,
    record: u64,
    partition: i32,
    offset: i64,
    reason: &'a str,
    message: &'a str,
}

impl Files {
    /// Makes the files, empty.
    pub(super) fn create(args: &BacktestArgs) -> Result<Self, Failure> {
        let outputs = [("--output", &args.output), ("--alerts", &args.alerts), ("--rejects", &args.rejects)];
        let named: Vec<(&str, &Path)> =
            outputs.iter().filter_map(|(option, path)| Some((*option, path.as_deref()?))).collect();
        let mut mistakes = Vec::new();
        for (at, (option, path)) in named.iter().enumerate() {
            if args.inputs.iter().any(|input| is_same(input, path)) {
                mistakes.push(format!("{option} {}: is an input, name another file", path.display()));
            }
            if let Some((other, _)) = named[..at].iter().find(|(_, other)| is_same(other, path)) {
                mistakes
                    .push(format!("{option} {}: is the file of {other}, name another one", path.display()));
            }
        }
        if !mistakes.is_empty() {
            return Err(Failure::Config(mistakes.join("\n")));
        }
        let file = |option: &str, path: &Option<PathBuf>| {
            path.as_deref().map(|path| create(option, path)).transpose()
        };
        let rows: Box<dyn Write> = match file("--output", &args.output)? {
            Some(file) => Box::new(file),
            None => Box::new(output::stdout()),
        };
        Ok(Self {
            rows,
            alerts: file("--alerts", &args.alerts)?,
            rejects: file("--rejects", &args.rejects)?,
            line: Vec::new(),
            is_on_terminal: args.output.is_none() && io::stdout().is_terminal(),
        })
    }

    /// Rows scroll over the terminal.
    pub(super) fn is_on_terminal(&self) -> bool {
        self.is_on_terminal
    }

    /// Notes a record that was not used.
    pub(super) fn reject(
        &mut self,
        rejected: &Rejected<'_>,
        reason: &str,
        message: &dyn Display,
    ) -> Result<(), Failure> {
        let Some(file) = &mut self.rejects else { return Ok(()) };
        let entry = Entry {
            file: &rejected.file.to_string_lossy(),
            line: rejected.line,
            record: rejected.record,
            partition: rejected.partition,
            offset: rejected.offset,
            reason,
            message: &message.to_string(),
        };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &entry).map_err(|error| Failure::Other(error.into()))?;
        self.line.push(b'\n');
        file.write_all(&self.line).map_err(|error| output::unwritten("the file of rejects", error))
    }

    /// Hands everything to the system.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.rows.flush().map_err(|error| self.unwritten(error))?;
        for file in self.alerts.iter_mut().chain(&mut self.rejects) {
            file.flush().map_err(|error| output::unwritten("a file of alerts or rejects", error))?;
        }
        Ok(())
    }

    /// Rows or alerts could not be written.
    pub(super) fn unwritten(&self, error: io::Error) -> Failure {
        output::unwritten("the output", error)
    }

    fn end_line(&mut self) {
        self.line.push(b'\n');
    }
}

impl Sink for Files {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.line.clear();
        aggregate::to_json(&codec::row_message(row), &mut self.line);
        self.end_line();
        self.rows.write_all(&self.line)
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        let Some(file) = &mut self.alerts else { return Ok(()) };
        self.line.clear();
        alert::to_json(&codec::alert_message(alert), &mut self.line);
        self.line.push(b'\n');
        file.write_all(&self.line)
    }
}

fn create(option: &str, path: &Path) -> Result<BufWriter<File>, Failure> {
    let file = File::create(path).map_err(|error| {
        Failure::Config(format!("{option} {}: cannot be written ({error})", path.display()))
    })?;
    Ok(BufWriter::with_capacity(BUFFER_BYTES, file))
}

/// Both names are one regular file: devices such as /dev/null may be named as often as one likes.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other && one.is_file(),
        _ => one == other,
    }
}
