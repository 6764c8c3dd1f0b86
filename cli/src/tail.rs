//! `tape tail TOPIC`: records of one of our topics as JSON lines on stdout.
//!
//! - Only committed records, without a group: nothing is left behind on the brokers, and nobody's lag changes.
//! - Partitions are independent logs: the order inside each is kept, how they interleave is chance.
//! - `raw-trades` is printed so that `tape backtest` reads it back as the same log: the trade's fields with partition, offset
//!   and append time. A record that is no trade is a line without a trade, so that offsets stay exact.
//! - With `--until-end` every partition is read to where it ended when the program started, and not further.

use clap::Args;
use tape_kafka::{Clients, Isolation};
use tape_service::{Config, Failure};

use crate::lines::Kind;
use crate::output;
use crate::span::{self, From, Printer};

const HELP: &str = "\
tail shows what a topic says, decoded and live, in the shape that other tools read back. For a topic as it stands, with keys, \
headers, tombstones and offsets, also uncommitted records, see `tape dump`.

EXAMPLES
  tape tail breakout-alerts
  tape tail stock-aggregates --from earliest --until-end | head
  tape tail raw-trades --from earliest --until-end > trades.jsonl
  tape tail raw-trades-dlq --from earliest --until-end
  tape tail raw-trades --partition 0 --from 1200 --limit 1";

/// Options of `tape tail`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct TailArgs {
    /// One of the topics that `tape topics` lists
    topic: String,
    /// Where to begin: `earliest`, `latest`, or an offset (outside of the log: the nearest in it) [default: latest; with --until-end: earliest]
    #[arg(long, value_name = "WHERE")]
    from: Option<From>,
    /// Stop at the end of the log as it is now
    #[arg(long)]
    until_end: bool,
    /// Stop after so many records
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only this partition
    #[arg(long, value_name = "P")]
    partition: Option<i32>,
}

/// Prints until it is stopped, or the end that was asked for.
pub(crate) fn run(args: &TailArgs, config: &Config) -> Result<(), Failure> {
    let kind = Kind::of(&args.topic, config)?;
    let clients = Clients::new(&config.kafka, &format!("{}-tail", config.app_id));
    let isolation = Isolation::ReadCommitted;
    let mut reader = clients.reader(isolation)?;
    let default = if args.until_end { From::Earliest } else { From::Latest };
    let from = args.from.unwrap_or(default);
    let starts = span::starts(&reader, &args.topic, args.partition, from, isolation)?;
    span::assign(&mut reader, &starts)?;
    let mut printer = Printer::new(output::stdout(), args.limit, args.until_end.then_some(starts.as_slice()));
    while printer.left > 0 && !(args.until_end && span::is_done(&reader, &starts)) {
        span::poll(&mut reader, &mut |record| {
            printer.take(&record, |record, line| kind.write(record, line));
        })?;
        printer.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
