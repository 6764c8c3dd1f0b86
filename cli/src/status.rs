//! `tape status`: is the pipeline well, and where does each partition stand?
//!
//! What Kafka knows comes from Kafka, so it works from any machine: groups, members, committed offsets, ends, and the clocks
//! of the tasks from the newest meta record of the changelog (every commit that moved a clock wrote one). What only the
//! processes know (phase, restore) is asked of their HTTP servers: the one of this configuration and those of `--url`. What
//! nobody answers is shown as unknown; it is no error.

mod clocks;
mod gather;
mod table;
mod verdict;

use std::io::{IsTerminal, Write};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tape_processor::status::{ProcessStatus, TaskStatus};
use tape_service::{Config, Failure};

use crate::output;
use gather::Gatherer;

/// Lag that a pipeline has while it is well: what arrives between two commits, and a little more.
pub(crate) const LAG_MAX: i64 = 10_000;
/// Pause between two looks of `--watch`.
const WATCH: Duration = Duration::from_secs(2);

const HELP: &str = "\
The first line says whether all is well, or what is not: no members, partitions that nobody owns, a task that does not run, a lag \
above --max-lag, a process that is not ready. Committed offset, end, lag, stream time and watermark come from Kafka and are those of \
the last commit; phase and restore come from the processors that answer at GET /status, `?` = nobody answered. The lag of the \
sink is what it told Kafka; its offsets of record are in PostgreSQL.
Exit code 0 when the question was answered, whatever the answer is: a script reads `well` of --json.

EXAMPLES
  tape status
  tape status --watch --url http://10.0.0.5:9461 --url http://10.0.0.6:9461
  tape status --json | jq -e .well";

/// Options of `tape status`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct StatusArgs {
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Again every 2 s, until it is stopped
    #[arg(long)]
    watch: bool,
    /// HTTP address of a processor to ask, as often as there are others than HTTP_BIND_PROCESSOR of this configuration
    #[arg(long = "url", value_name = "http://HOST:PORT")]
    urls: Vec<String>,
    /// Records of lag in a partition that are still well
    #[arg(long, value_name = "N", default_value_t = LAG_MAX)]
    max_lag: i64,
}

/// Everything that is known about an installation.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Nothing is wrong.
    pub(crate) well: bool,
    /// What is wrong, a sentence each.
    pub(crate) problems: Vec<String>,
    pub(crate) processor: GroupReport,
    pub(crate) tasks: Vec<TaskReport>,
    pub(crate) sink: GroupReport,
    pub(crate) sink_partitions: Vec<PartitionReport>,
    pub(crate) processes: Vec<ProcessReport>,
}

/// A consumer group.
#[derive(Debug, Serialize)]
pub(crate) struct GroupReport {
    pub(crate) group: String,
    /// As its coordinator says it: `Stable`, `Empty`, `Dead` (there is none), …
    pub(crate) state: String,
    pub(crate) members: Vec<MemberReport>,
    /// Over all partitions.
    pub(crate) lag: i64,
}

/// A member of a group.
#[derive(Debug, Serialize)]
pub(crate) struct MemberReport {
    pub(crate) client_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) member_id: String,
    pub(crate) host: String,
    pub(crate) partitions: Vec<String>,
}

/// How far a group is in a partition.
#[derive(Debug, Serialize)]
pub(crate) struct PartitionReport {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Instance id of the member, or its client id.
    pub(crate) owner: Option<String>,
    pub(crate) committed: Option<i64>,
    pub(crate) low: i64,
    pub(crate) end: i64,
    pub(crate) lag: i64,
}

/// A task of the processor.
#[derive(Debug, Serialize)]
pub(crate) struct TaskReport {
    #[serde(flatten)]
    pub(crate) input: PartitionReport,
    /// Of the last commit, epoch ms.
    pub(crate) stream_time: Option<i64>,
    /// Of the last commit, epoch ms.
    pub(crate) watermark: Option<i64>,
    pub(crate) changelog_low: Option<i64>,
    pub(crate) changelog_end: Option<i64>,
    /// What its process says; none: nobody answered.
    pub(crate) process: Option<TaskStatus>,
}

/// A process that was asked.
#[derive(Debug, Serialize)]
pub(crate) struct ProcessReport {
    pub(crate) url: String,
    pub(crate) status: Option<ProcessStatus>,
    /// Why there is no status.
    pub(crate) error: Option<String>,
}

/// Prints the report, once or again and again.
pub(crate) fn run(args: &StatusArgs, config: &Config) -> Result<(), Failure> {
    let mut gatherer = Gatherer::new(config, &args.urls)?;
    loop {
        let report = judged(gatherer.gather()?, args.max_lag);
        let text = if args.json {
            serde_json::to_string(&report).map_err(|error| Failure::Other(error.into()))? + "\n"
        } else {
            table::text(&report)
        };
        let mut stdout = output::stdout();
        if args.watch && !args.json && std::io::stdout().is_terminal() {
            // Clears the screen and goes to its corner.
            write!(stdout, "\x1b[2J\x1b[H").map_err(|error| output::unwritten("the status", error))?;
        }
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| output::unwritten("the status", error))?;
        drop(stdout);
        if !args.watch {
            return Ok(());
        }
        thread::sleep(WATCH);
    }
}

/// One look, for others.
pub(crate) fn gather(config: &Config, urls: &[String], max_lag: i64) -> Result<Report, Failure> {
    Ok(judged(Gatherer::new(config, urls)?.gather()?, max_lag))
}

fn judged(mut report: Report, max_lag: i64) -> Report {
    report.problems = verdict::problems(&report, max_lag);
    report.well = report.problems.is_empty();
    report
}
