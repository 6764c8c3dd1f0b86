//! `tape backtest`: the analytics of the processor over files, without any server.
//!
//! - The input is one log: several files are merged by the time at the head of each, never reordering inside a file.
//! - Which partition a record belongs to: its field `partition`; else, with `--partitions P`, murmur2 of its symbol (one
//!   whose symbol cannot be read counts in partition 0); else 0.
//! - Its offset: its field `offset`; else the number of the record in its partition, from 0. A header line does not count,
//!   a rejected record does. Within a partition offsets grow: a record below the next offset is rejected, because a log has
//!   each offset once.
//! - Its append time: the field `append_time`, against which the future guard judges; without it there is no guard.
//! - Output in the order of the reading, each record's effects as they happen: rows, alerts and rejects, a JSON object a
//!   line each, with nothing in them that depends on the run. Partitions do not wait for each other.
//! - At the end, with `--flush`, open windows are closed partition by partition (`closed_by` `END`, `revision` the next
//!   offset); without, they are not printed.
//!
//! A record that cannot be used costs nothing but itself. A file that cannot be read ends the run.
//!
//! Invariant: the same input and settings give the same bytes.
//!
//! | file | holds |
//! |---|---|
//! | `engine` | partitions and their tasks; `demo` recomputes a topic with it too |
//! | `reading` | from lines of files to records of the engine |
//! | `files` | where rows, alerts and rejects go |
//! | `progress`, `summary` | what a person sees meanwhile and in the end |

mod engine;
mod files;
mod progress;
mod reading;
mod summary;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use tape_processor::codec;
use tape_producer::files::{FileError, Layout, Merge};
use tape_service::{Config, Failure};

pub(crate) use engine::{Engine, Place, Sink, Unreadable};
pub(crate) use summary::{Counts, grouped};

use crate::layout::LayoutArgs;
use files::Files;
use progress::Progress;
use summary::Summary;

const HELP: &str = "\
INPUT
  CSV with a header line (symbol, price, size or volume, timestamp in ms; optional: high, low, open, vwap, price_eligibility, \
volume_eligible, partition, offset, append_time), or JSON lines with the same names, as `tape tail raw-trades` prints them.

OUTPUT
  One JSON object a line: final rows with the columns of stock_aggregates, alerts with those of breakout_alerts; decimals \
exact, times in milliseconds since 1970. The summary goes to stderr.

EXAMPLES
  tape backtest trades.csv > rows.jsonl
  tape backtest trades.csv --output rows.jsonl --alerts alerts.jsonl --rejects rejects.jsonl --flush
  WINDOW_DURATION=1h SLIDE_DURATION=5m tape backtest trades.csv
  zcat trades.csv.gz | tape backtest - --output rows.jsonl

Settings are those of the processor (`tape config`): WINDOW_DURATION, SLIDE_DURATION, WATERMARK_DELAY, MAX_FUTURE and \
those of the alerts.";

/// Options of `tape backtest`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct BacktestArgs {
    /// CSV or JSON lines; `-` is the standard input; several are merged by time
    #[arg(value_name = "FILE", required = true)]
    inputs: Vec<PathBuf>,
    /// Write rows to this file [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write alerts to this file; they are counted in any case
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    /// Write a line for each record that cannot be used; they are counted in any case
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Close the windows that are open at the end
    #[arg(long)]
    flush: bool,
    /// Partitions among which records without a field `partition` are divided, by their symbol
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=i64::from(engine::PARTITIONS_MAX)))]
    partitions: i32,
    /// The summary as one JSON object, the last line of stderr
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    layout: LayoutArgs,
}

/// Reads everything, and says what it was.
pub(crate) fn run(args: &BacktestArgs, config: &Config) -> Result<(), Failure> {
    let settings = codec::settings(&config.processing);
    settings.check().map_err(|error| Failure::Config(error.to_string()))?;
    let sale_conditions = config.source.sale_conditions_file.clone();
    let layout = Layout { sale_conditions, ..args.layout.layout() };
    let mut merge = Merge::open(&args.inputs, &layout).map_err(unreadable)?;
    let mut files = Files::create(args)?;
    let mut progress = Progress::new(merge.bytes_total(), files.is_on_terminal());
    let mut engine = Engine::new(settings, args.partitions);
    let started = Instant::now();
    reading::run(&mut merge, &mut engine, &mut files, &mut progress)?;
    if args.flush {
        engine.finish(&mut files).map_err(|error| files.unwritten(error))?;
    }
    files.flush()?;
    progress.end();
    let summary = Summary::new(engine.counts(), started.elapsed());
    eprint!("{}", if args.json { summary.json() } else { summary.text() });
    Ok(())
}

/// Nobody can go on without a file; one that cannot be opened or has no usable header is the user's to correct.
fn unreadable(error: FileError) -> Failure {
    match error {
        FileError::Open { .. } | FileError::Header { .. } | FileError::Conditions { .. } => {
            Failure::Config(error.to_string())
        }
        other => Failure::Other(other.into()),
    }
}
