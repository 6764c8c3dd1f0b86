//! The command line. Its help is the manual.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};

use crate::mutant::{Exposure, Mutation};
use crate::run::Spec;
use crate::schedule::{Kind, Plan};

/// Each packet of a mutant's connections takes so long: its commits are under way most of the time, so that faults hit them.
const MUTANT_DELAY: Duration = Duration::from_millis(25);
const MANUAL: &str = "\
EXAMPLES
  Two minutes, as `make test` runs it:
      make chaos MINUTES=2
  Half an hour; then the same schedule again:
      make chaos MINUTES=30 SEED=7
  Only faults of the broker, on one processor and one sink:
      tape-chaos --faults broker-kill,broker-away --processors 1 --sinks 1
  Does it catch a processor that commits in the wrong order?
      tape-chaos --mutation state-first

NEEDS
  Java and PostgreSQL (deploy/local/install.sh), the program `tape` beside this one (or --tape), and for the fault full-disk
  the right to mount a tmpfs: root, or sudo without a password.

REPORT
  The folder of --report holds report.md (table, every fault as it went, differences), memory.csv and memory.svg, and the log
  of each process. After a failure the servers' data and the state folders are kept there, too.

EXIT CODES
  0   every row, alert, dead letter and late record is there exactly once, and nothing else; or the mutation was caught
  1   a difference, a process that wants something corrected, a run that could not be made";

/// Faults for a running tape, and the proof that they changed nothing.
#[derive(Debug, Parser)]
#[command(name = "tape-chaos", version, after_long_help = MANUAL, max_term_width = 110)]
#[command(args_conflicts_with_subcommands = true, args_override_self = true)]
pub(crate) struct Args {
    /// How long faults happen
    #[arg(long, default_value_t = 2.0, value_name = "MINUTES")]
    minutes: f64,
    /// What the market and the schedule follow from [default: the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Processors, each with one worker
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    processors: usize,
    /// Sinks
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    sinks: usize,
    /// Partitions of each topic
    #[arg(long, default_value_t = 6, value_name = "COUNT")]
    partitions: i32,
    /// Records a second that the producer writes
    #[arg(long, default_value_t = 2_000, value_name = "COUNT")]
    rate: u32,
    /// Symbols of the market
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    symbols: usize,
    /// Only these kinds of fault, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_name = "KINDS", hide_possible_values = false)]
    faults: Vec<Kind>,
    /// All kinds but these
    #[arg(long, value_delimiter = ',', value_name = "KINDS", hide_possible_values = true)]
    without: Vec<Kind>,
    /// Pauses between faults in percent of the usual ones
    #[arg(long, default_value_t = 100, value_name = "PERCENT")]
    pace: u64,
    /// Folder of the report [default: .local/chaos-PID]
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,
    /// The program under test [default: tape, beside this program]
    #[arg(long, value_name = "PROGRAM")]
    tape: Option<PathBuf>,
    /// Run processors that commit in a wrong order, which must be caught; can be given more than once
    #[arg(long, value_delimiter = ',', value_name = "MUTATIONS")]
    mutation: Vec<Mutation>,
    /// Keep the servers' data and the state folders after a success, too
    #[arg(long)]
    keep: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What a run starts by itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A processor that commits in a wrong order
    #[command(hide = true)]
    Process {
        #[arg(long)]
        commit_order: Mutation,
    },
}

impl Args {
    /// The runs that are asked for.
    pub(crate) fn specs(&self) -> Result<Vec<Spec>> {
        if self.processors == 0
            || self.sinks == 0
            || self.partitions < 1
            || self.rate == 0
            || self.symbols == 0
        {
            bail!("--processors, --sinks, --partitions, --rate and --symbols must be at least 1");
        }
        let program = std::env::current_exe().context("this program's own path")?;
        let tape = self.tape.clone().unwrap_or_else(|| program.with_file_name("tape"));
        if !tape.is_file() {
            bail!("{} does not exist; build it (make build) or name it with --tape", tape.display());
        }
        let folder = self
            .report
            .clone()
            .unwrap_or_else(|| PathBuf::from(format!(".local/chaos-{}", std::process::id())));
        let folder = std::path::absolute(folder)?;
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let kinds: Vec<Kind> =
            if self.faults.is_empty() { Kind::value_variants().to_vec() } else { self.faults.clone() };
        let spec = Spec {
            plan: Plan {
                seed: self.seed.unwrap_or(clock % 1_000_000),
                length: Duration::from_secs_f64(self.minutes * 60.0),
                processors: self.processors,
                sinks: self.sinks,
                kinds: kinds.into_iter().filter(|kind| !self.without.contains(kind)).collect(),
                pace: self.pace.max(1),
            },
            partitions: self.partitions,
            rate: self.rate,
            symbols: self.symbols,
            tape,
            broken: None,
            slow: Duration::ZERO,
            folder,
            keep: self.keep,
        };
        if self.mutation.is_empty() {
            return Ok(vec![spec]);
        }
        let mutant = |mutation: &Mutation| {
            let Exposure { kinds, length, pace } = mutation.exposure();
            let arguments = ["process", "--commit-order", mutation.name()];
            Spec {
                plan: Plan { length, kinds, pace, sinks: 1, ..spec.plan.clone() },
                broken: Some((program.clone(), arguments.map(str::to_owned).to_vec())),
                slow: MUTANT_DELAY,
                folder: spec.folder.join(mutation.name()),
                ..spec.clone()
            }
        };
        Ok(self.mutation.iter().map(mutant).collect())
    }

    /// The mutation that a run is about.
    pub(crate) fn mutation_of<'a>(&self, spec: &'a Spec) -> Option<&'a str> {
        let (_, arguments) = spec.broken.as_ref()?;
        arguments.last().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Args;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
