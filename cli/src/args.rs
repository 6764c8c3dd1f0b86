//! The command line. Its help is the manual: `tape --help`, `tape COMMAND --help`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::backtest::BacktestArgs;
use crate::backup::{BackupArgs, RestoreArgs};
use crate::check::CheckArgs;
use crate::demo::DemoArgs;
use crate::doctor::DoctorArgs;
use crate::dump::DumpArgs;
use crate::fake::FakeArgs;
use crate::health::HealthArgs;
use crate::maintain::MaintainArgs;
use crate::migrate::MigrateArgs;
use crate::replay::ReplayArgs;
use crate::reset::ResetArgs;
use crate::settings::ConfigArgs;
use crate::source::ProduceArgs;
use crate::status::StatusArgs;
use crate::tail::TailArgs;
use crate::topics::TopicsArgs;

const ABOUT: &str = "Trades in, moving windows and alerts out: Kafka to PostgreSQL, exactly once";

const LONG_ABOUT: &str = "\
tape computes sliding windows (average, high, low, VWAP, volume, moving average, trend) and alerts (breakout, golden \
and death cross, unusual volume) over trades, exactly once:

  live feed, files, simulation ─▶ produce ─▶ Kafka ─▶ process ─▶ Kafka ─▶ sink ─▶ PostgreSQL

Each role is a process of its own, or all run in one as `tape demo`. `tape backtest` computes the same from files, without \
any server.";

const MANUAL: &str = "\
EXAMPLES
  The whole pipeline on this machine, on servers that the environment names:
      tape demo
  The same, for a minute, then checked row by row against a recomputation:
      tape demo --seconds 60
  Windows and alerts of a file, without any server:
      tape backtest trades.csv --output rows.jsonl --alerts alerts.jsonl --rejects rejects.jsonl
  The roles, each in a terminal or service of its own:
      tape topics && tape migrate
      tape process
      tape sink
      tape produce --source simulate --resume
  What is in a topic now, and the same windows recomputed from it:
      tape tail raw-trades --from earliest --until-end > trades.jsonl
      tape backtest trades.jsonl
  Compute everything again, after a change of the window:
      tape reset --to earliest --dry-run

  One backup a day, a week of them, and the way back:
      tape backup --dir /var/backups/tape --keep 7
      tape restore /var/backups/tape/stockdb-20261128T020000Z-postgresql-15.dump --yes

  Is it well, what is wrong, what does the state hold, and is it right:
      tape health
      tape doctor
      tape status --watch
      tape dump state --symbol AAPL
      tape check

ENVIRONMENT
  Settings come from the environment, from a TOML file (--config FILE or TAPE_CONFIG; the same names), or are defaults, in \
this order. `tape config` lists them all with their values. Those needed first:
      KAFKA_BOOTSTRAP_SERVERS   localhost:9092
      DB_HOST DB_PORT DB_NAME DB_USER DB_PASSWORD (or DB_PASSWORD_FILE)
      STATE_DIR                 the processor's local state
      LOG_LEVEL LOG_FORMAT      info; text on a terminal, JSON lines otherwise
      WINDOW_DURATION SLIDE_DURATION WATERMARK_DELAY   5m 1m 1m

FILES
  STATE_DIR          local state; a copy of the changelog topic, rebuilt when it is lost
  stdout             data: rows, lines of a topic, tables
  stderr             logs, progress, summaries, errors

EXIT CODES
  0   done, or stopped in order by SIGINT or SIGTERM (a second signal ends at once: 130)
  1   failed
  64  something must be corrected first: command line, setting, input file, topic; every mistake on a line of its own

Each command has more to say: tape COMMAND --help";

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(name = "tape", version, about = ABOUT, long_about = LONG_ABOUT, after_long_help = MANUAL)]
#[command(arg_required_else_help = true, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Cli {
    /// TOML file of settings; the environment goes before it [default: what TAPE_CONFIG names]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole pipeline in this process, with a live view; bounded, it checks itself
    Demo(DemoArgs),
    /// Compute windows and alerts of files, without any server
    Backtest(BacktestArgs),
    /// Create the topics that are missing and check all of them
    Topics(TopicsArgs),
    /// Bring the schema of the database up to date
    Migrate(MigrateArgs),
    /// Keep the database in order: partitions, roll-ups, retention, statistics
    Maintain(MaintainArgs),
    /// Write a dump of the database and a manifest of its rows
    Backup(BackupArgs),
    /// Bring a backup back into an empty database and verify it
    Restore(RestoreArgs),
    /// Role: write trades of a source to raw-trades
    Produce(ProduceArgs),
    /// Role: compute windows and alerts of raw-trades, exactly once
    Process,
    /// Role: write windows and alerts to PostgreSQL
    Sink,
    /// Print records of a topic as JSON lines, live and decoded
    Tail(TailArgs),
    /// Start the processor's computation over: empty its state and move its offsets
    Reset(ResetArgs),
    /// Send dead letters again, once their reason is mended
    ReplayDlq(ReplayArgs),
    /// Say whether the pipeline is well: members, tasks, lag, watermarks
    Status(StatusArgs),
    /// Ask six questions of the installation and answer with yes or no, for scripts and monitors
    Health(HealthArgs),
    /// Look for what usually goes wrong, and say what to do about it
    Doctor(DoctorArgs),
    /// Print a store, the changelog or a topic as it stands, to its end
    Dump(DumpArgs),
    /// Compare stores with the changelog, and the changelog with the input
    Check(CheckArgs),
    /// Serve trades the way Massive.com's WebSocket does, for demos and tests without a key
    FakeMassive(FakeArgs),
    /// List the effective settings and where each comes from
    Config(ConfigArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
