//! `tape demo`: the whole pipeline in one process, with a live view, and a self-check at the end of a bounded run.
//!
//! Order of a run:
//! 1. topics, database, schema;
//! 2. sink, processor and producer start, each the same library entry as its own command;
//! 3. until the source ends, the time is over, or a stop is requested (Ctrl-C, `q`, SIGTERM): the view, or a line every few
//!    seconds where nobody looks at a terminal;
//! 4. the producer stops; the processor reads on until its lag is zero;
//! 5. the processor stops; the sink reads on until its lag is zero, and stops;
//! 6. a bounded run (`--seconds`, or a replay) checks itself: see `check`.
//!
//! A stop that is requested skips nothing but the check; what is not finished then is done by the next run, which resumes. A
//! second signal ends the process at once, and the next run resumes all the same.
//!
//! A replay is kept apart from everything else on the same servers: application id, topics, database and state have the
//! file's name in theirs, and no window is closed by the clock, so that all its rows can be recomputed.
//!
//! | file | holds |
//! |---|---|
//! | `plan` | what to run, from options and settings |
//! | `stage` | topics, database, schema |
//! | `pipeline` | the three roles: start, watch, stop |
//! | `course` | the order of a run |
//! | `board` | the numbers, sampled once a second |
//! | `screen`, `view` | how they are shown |
//! | `check` | every row and alert recomputed and compared |

mod board;
mod check;
mod course;
mod pipeline;
mod plan;
mod screen;
mod stage;
mod view;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use clap::Args;
use tape_service::config::Loaded;
use tape_service::{Failure, logs, metrics};

use crate::roles;
use crate::source::SourceOptions;
use plan::Plan;

/// A log that has grown larger begins anew with the next run.
const LOG_BYTES_MAX: u64 = 64 << 20;

const HELP: &str = "\
It needs the servers that the settings name (KAFKA_BOOTSTRAP_SERVERS, DB_HOST, …); `make demo` brings them along.

EXAMPLES
  tape demo                              until Ctrl-C; started again it resumes
  tape demo --seconds 60                 bounded, then every row and alert is checked
  tape demo --source replay:trades.csv   a file, then the same check
  tape demo --real Bitmex_XBTUSD_1M.csv

The log of all roles is STATE_DIR/demo.log.";

/// Options of `tape demo`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct DemoArgs {
    /// Stop after so many seconds, then recompute everything and compare it with PostgreSQL
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Where trades come from, as for `tape produce`; a replay ends with its files and is checked
    #[arg(long, value_name = "SOURCE", default_value = "simulate")]
    source: String,
    /// The same as --source replay:FILE --symbol XBTUSD --absolute-size
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "symbol", "columns", "absolute_size"])]
    real: Option<PathBuf>,
    #[command(flatten)]
    options: SourceOptions,
}

/// Runs the demo to its end.
pub(crate) fn run(args: &DemoArgs, loaded: Loaded) -> Result<(), Failure> {
    let plan = Plan::new(args, loaded.config)?;
    logs::init_file(&plan.config.log, log_file(&plan.log)?)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
        tracing::warn!("{warning}");
    }
    metrics::install()?;
    let runtime = roles::runtime()?;
    let result = runtime.block_on(course::run(&plan));
    roles::end(runtime);
    if result.is_err() {
        eprintln!("The log of this run: {}", plan.log.display());
    }
    result
}

fn log_file(path: &Path) -> Result<File, Failure> {
    let refused =
        |error| Failure::Config(format!("STATE_DIR: the log {} cannot be written ({error})", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(refused)?;
    }
    let is_long = path.metadata().is_ok_and(|found| found.len() > LOG_BYTES_MAX);
    let mut options = OpenOptions::new();
    if is_long {
        options.write(true).truncate(true);
    } else {
        options.append(true);
    }
    options.create(true).open(path).map_err(refused)
}
