//! `tape reset`: shows what will be done, and does it. What that is, and in which order, stands in `tape_processor::reset`.

use std::str::FromStr;

use clap::Args;
use serde::Serialize;
use tape_processor::reset::{Move, Plan, Reset, Target};
use tape_service::{Config, Failure};

use crate::output;
use crate::source::time;

const HELP: &str = "\
The processor starts over: its state (changelog topic and local folder) is emptied, its group is moved in raw-trades, and \
every row of the new run carries a higher generation in `revision`, so that it replaces the row of the same window in the \
database. Topics of rows and alerts and the tables are not touched; the topics keep their settings and access rights.

Stop every processor first. One that has stopped stays a member of the group until its session ends \
(KAFKA_SESSION_TIMEOUT). Run it with the settings of the processor, on its machine when its local state is what is wrong; \
processors on other machines empty theirs by themselves when they start. A reset that was interrupted is ended by the same \
command.

Needed access rights: Read, Write, Delete, Create, Describe, DescribeConfigs and AlterConfigs on the changelog, Read and \
Describe on raw-trades and stock-aggregates, Read and Describe on the group.

EXAMPLES
  What would happen:
      tape reset --to earliest --dry-run
  Another window, computed from everything that raw-trades still has:
      export WINDOW_DURATION=15m; tape reset --to earliest && tape process
  Accept a gap that retention has torn, and go on with what is there:
      tape reset --to earliest
  Skip what has piled up:
      tape reset --to latest
  From the first trade that arrived at this time or later:
      tape reset --to 2026-11-25T09:30:00Z";

/// Options of `tape reset`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct ResetArgs {
    /// Where to go on: `earliest`, `latest`, or when the record was appended: 2026-11-25T09:30:00Z, 2026-11-25, or milliseconds since 1970
    #[arg(long, value_name = "WHERE")]
    to: Where,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug)]
struct Where(Target);

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let target = match text {
            "earliest" => Target::Earliest,
            "latest" => Target::Latest,
            _ => Target::Time(time(text).map_err(|_| {
                "write earliest, latest, a time such as 2026-11-25T09:30:00Z or 2026-11-25, or milliseconds since 1970".to_owned()
            })?),
        };
        Ok(Self(target))
    }
}

/// What is done, for scripts.
#[derive(Serialize)]
struct Report<'a> {
    dry_run: bool,
    group: &'a str,
    input: &'a str,
    partitions: Vec<Line>,
    changelog: &'a str,
    generation: u32,
    generation_before: Option<u32>,
    state_dir: Option<String>,
    stores: &'a [i32],
}

#[derive(Serialize)]
struct Line {
    partition: i32,
    committed: Option<i64>,
    target: i64,
    skipped: i64,
    again: i64,
    changelog_dropped: i64,
}

/// Shows the plan, then does it unless only the plan was asked for.
pub(crate) fn run(args: &ResetArgs, config: &Config) -> Result<(), Failure> {
    let reset = Reset::prepare(config, args.to.0)?;
    let text = if args.json { json(reset.plan(), args.dry_run)? } else { table(reset.plan()) };
    print(&text)?;
    if args.dry_run {
        return Ok(());
    }
    reset.run()?;
    if args.json { Ok(()) } else { print("Done: the processors may start.\n") }
}

fn print(text: &str) -> Result<(), Failure> {
    output::print("what the reset does", text)
}

fn json(plan: &Plan, dry_run: bool) -> Result<String, Failure> {
    let line = |moved: &Move| Line {
        partition: moved.partition,
        committed: moved.committed,
        target: moved.target,
        skipped: moved.skipped(),
        again: moved.again(),
        changelog_dropped: moved.dropped,
    };
    let report = Report {
        dry_run,
        group: &plan.group,
        input: &plan.input,
        partitions: plan.moves.iter().map(line).collect(),
        changelog: &plan.changelog,
        generation: plan.generation,
        generation_before: plan.generation_before,
        state_dir: plan.state_dir.as_ref().map(|path| path.to_string_lossy().into_owned()),
        stores: &plan.stores,
    };
    let text = serde_json::to_string(&report).map_err(|error| Failure::Other(error.into()))?;
    Ok(text + "\n")
}

fn table(plan: &Plan) -> String {
    let mut text = format!(
        "{:>9}  {:>14}  {:>14}  {:>14}  {:>14}  {:>17}\n",
        "PARTITION", "OFFSET", "NEW OFFSET", "SKIPPED", "READ AGAIN", "CHANGELOG DROPPED"
    );
    for moved in &plan.moves {
        let committed = moved.committed.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
        text.push_str(&format!(
            "{:>9}  {committed:>14}  {:>14}  {:>14}  {:>14}  {:>17}\n",
            moved.partition,
            moved.target,
            moved.skipped(),
            moved.again(),
            moved.dropped
        ));
    }
    text.push_str(&format!("group       {} on {}\nchangelog   {}\n", plan.group, plan.input, plan.changelog));
    let before = plan.generation_before.map_or_else(String::new, |before| format!(" (before: {before})"));
    text.push_str(&format!("generation  {}{before}\n", plan.generation));
    let tasks: Vec<_> = plan.stores.iter().map(ToString::to_string).collect();
    let stores = match (&plan.state_dir, tasks.is_empty()) {
        (None, _) => "none on this machine".to_owned(),
        (Some(path), true) => format!("{}: no stores", path.display()),
        (Some(path), false) => format!("{}: stores of tasks {} deleted", path.display(), tasks.join(", ")),
    };
    text.push_str(&format!("state       {stores}\n"));
    text
}
