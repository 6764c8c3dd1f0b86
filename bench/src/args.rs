//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::ceiling::CeilingArgs;

const ABOUT: &str = "Measures tape beside Kafka Streams and Flink on a real Kafka of its own";

const LONG_ABOUT: &str = "\
tape-bench starts a real Kafka (and for the sections latency and sink a real PostgreSQL), writes a reproducible data set, and runs tape, \
what bounds it, and its peers one after the other, each as a process of its own. Figures come from the operating system and \
from Kafka. Rows of tape and of its peers are compared before any figure counts: a difference ends the run.

  throughput   a backlog: bare consume, consume + parse, tape, Kafka Streams, Flink, tape backtest, in interleaved rounds
  latency      a steady feed: produced → visible to a read_committed reader → row in PostgreSQL
  recovery     seconds from start to the first commit after kill -9, state kept and lost, small and large
  growth       tape alone: symbols, partitions, windows
  sink         rows from Kafka into PostgreSQL, beside a bare loop of upserts
  live         events of a WebSocket into Kafka, beside a bare loop of sends; a burst of 100,000 events a second";

const MANUAL: &str = "\
EXAMPLES
  Everything, as `make bench` does (tens of minutes):
      bench/run.sh
  A quick look, as `make bench-quick` does (about 3 minutes):
      bench/run.sh --quick
  One section again; the others keep their figures:
      bench/run.sh --sections latency
  The report again from the figures that are there:
      tape-bench --render

FILES
  OUT                   the report, Markdown
  results.json          beside it: every figure of every run, from which the report is made
  images/               beside it: plots
  FOLDER                servers, logs and data of the run; deleted at its end unless --keep

The peers are Java programs: bench/peers/build.sh builds them into .local/peers (bench/run.sh calls it). Without them their lines \
are left out, and that is said. Use a machine with nothing else to do; on a busy one the figures are of no use.";

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(name = "tape-bench", version, about = ABOUT, long_about = LONG_ABOUT, after_long_help = MANUAL)]
#[command(max_term_width = 110, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Which sections, separated by commas
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Name::ALL)]
    pub(crate) sections: Vec<Name>,
    /// Trades of the throughput section and of each case of growth [default: 5000000, quick: 500000]
    #[arg(long)]
    records: Option<u64>,
    /// Rounds of each section; growth has one, the large restore two at most [default: 3, quick: 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Fewer records, one round, no growth: to see that everything works, not to publish
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only contenders of the throughput section and cases of the sections latency and growth whose names contain one of these,
    /// separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The report; figures and plots go beside it
    #[arg(long, value_name = "FILE", default_value = "bench/RESULTS.md")]
    pub(crate) out: PathBuf,
    /// Where servers, logs and data of the run go
    #[arg(long, default_value = ".local/bench")]
    pub(crate) folder: PathBuf,
    /// Keep the folder
    #[arg(long)]
    pub(crate) keep: bool,
    /// Measure nothing: make the report from the figures that are there
    #[arg(long)]
    pub(crate) render: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What it runs as a process of its own.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// A process that only reads, or only reads and parses
    #[command(hide = true)]
    Ceiling(CeilingArgs),
}

/// A section of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// A backlog
    Throughput,
    /// A steady feed
    Latency,
    /// After a crash
    Recovery,
    /// Symbols, partitions, windows
    Growth,
    /// Kafka into PostgreSQL
    Sink,
    /// A WebSocket into Kafka
    Live,
}

impl Name {
    const ALL: [Name; 6] =
        [Name::Throughput, Name::Latency, Name::Recovery, Name::Growth, Name::Sink, Name::Live];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Name::Throughput => "throughput",
            Name::Latency => "latency",
            Name::Recovery => "recovery",
            Name::Growth => "growth",
            Name::Sink => "sink",
            Name::Live => "live",
        }
    }
}

impl Args {
    pub(crate) fn records(&self) -> u64 {
        self.records.unwrap_or(if self.quick { 500_000 } else { 5_000_000 })
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// Whether a contender or case of this name runs.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Args, Name};

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn quick_means_less() {
        let args =
            Args::parse_from(["tape-bench", "--quick", "--sections", "latency,growth", "--only", "tape"]);
        assert_eq!((args.records(), args.rounds()), (500_000, 1));
        assert_eq!(args.sections, [Name::Latency, Name::Growth]);
        assert!(args.takes("tape, exactly-once") && !args.takes("Flink"));
        assert_eq!(Args::parse_from(["tape-bench", "--records", "9"]).records(), 9);
    }
}
