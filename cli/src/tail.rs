//! `tape tail TOPIC`: records of one of our topics as JSON lines on stdout.
//!
//! - Only committed records, without a group: nothing is left behind on the brokers, and nobody's lag changes.
//! - Partitions are independent logs: the order inside each is kept, how they interleave is chance.
//! - `raw-trades` is printed so that `tape backtest` reads it back as the same log: the trade's fields with partition, offset
//!   and append time. A record that is no trade is a line without a trade, so that offsets stay exact.
//! - With `--until-end` every partition is read to where it ended when the program started, and not further.

mod lines;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use tape_kafka::{Clients, Isolation, Part, Reaction, Reader, Record};
use tape_service::{Config, Failure};

use crate::output;
use crate::topics::ANSWER_TIMEOUT;
use lines::Kind;

/// Records taken at a time: enough to keep the network busy, few enough that the first line comes at once.
const BATCH: usize = 10_000;

/// How long to wait for records before the ends are looked at again.
const WAIT: Duration = Duration::from_millis(500);

const HELP: &str = "\
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

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Earliest,
    Latest,
    Offset(i64),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => match text.parse() {
                Ok(offset @ 0..) => Ok(Self::Offset(offset)),
                _ => Err("write earliest, latest or an offset from 0 on".to_owned()),
            },
        }
    }
}

impl From {
    /// The offset to begin at in a log that holds `low` to `end`.
    fn offset(self, low: i64, end: i64) -> i64 {
        match self {
            Self::Earliest => low,
            Self::Latest => end,
            Self::Offset(offset) => offset.clamp(low, end),
        }
    }
}

/// Prints until it is stopped, or the end that was asked for.
pub(crate) fn run(args: &TailArgs, config: &Config) -> Result<(), Failure> {
    let kind = Kind::of(&args.topic, config)?;
    let clients = Clients::new(&config.kafka, &format!("{}-tail", config.app_id));
    let mut reader = clients.reader(Isolation::ReadCommitted)?;
    let starts = starts(args, &reader)?;
    let begin: Vec<_> = starts.iter().map(|start| (start.part.clone(), start.from)).collect();
    reader.assign(&begin, ANSWER_TIMEOUT)?;
    let ends = starts.iter().map(|start| (start.part.partition, start.end)).collect();
    let mut printer = Printer {
        kind,
        ends: args.until_end.then_some(ends),
        left: args.limit.unwrap_or(u64::MAX),
        output: output::stdout(),
        line: Vec::new(),
        failed: None,
    };
    while printer.left > 0 && !is_done(args, &reader, &starts) {
        match reader.poll(BATCH, WAIT, &mut |record| printer.take(&record)) {
            Ok(_) => {}
            Err(error) if error.reaction == Reaction::Retry => tracing::warn!(%error, "waiting for Kafka"),
            Err(error) => return Err(error.into()),
        }
        printer.flush()?;
    }
    Ok(())
}

fn is_done(args: &TailArgs, reader: &Reader, starts: &[Start]) -> bool {
    args.until_end && starts.iter().all(|start| reader.caught_up(&start.part, start.end))
}

/// A partition, where to begin in it, and its end now.
struct Start {
    part: Part,
    from: i64,
    end: i64,
}

fn starts(args: &TailArgs, reader: &Reader) -> Result<Vec<Start>, Failure> {
    let default = if args.until_end { From::Earliest } else { From::Latest };
    let from = args.from.unwrap_or(default);
    let mut parts = reader.partitions(&args.topic, ANSWER_TIMEOUT)?;
    let count = parts.len();
    if let Some(wanted) = args.partition {
        parts.retain(|part| part.partition == wanted);
        if parts.is_empty() {
            return Err(Failure::Config(format!(
                "--partition {wanted}: {} has {count} partitions, from 0",
                args.topic
            )));
        }
    }
    let start = |part: Part| {
        let (low, end) = reader.watermarks(&part, Isolation::ReadCommitted, ANSWER_TIMEOUT)?;
        Ok(Start { part, from: from.offset(low, end), end })
    };
    parts.into_iter().map(start).collect()
}

/// Prints records, as long as more are wanted.
struct Printer<W> {
    kind: Kind,
    /// Offset at which each partition ends; `None`: never.
    ends: Option<BTreeMap<i32, i64>>,
    /// Records still wanted.
    left: u64,
    output: W,
    /// One line, reused.
    line: Vec<u8>,
    failed: Option<io::Error>,
}

impl<W: Write> Printer<W> {
    fn take(&mut self, record: &Record<'_>) {
        let is_behind_end = |ends: &BTreeMap<i32, i64>| ends.get(&record.partition) <= Some(&record.offset);
        if self.left == 0 || self.failed.is_some() || self.ends.as_ref().is_some_and(is_behind_end) {
            return;
        }
        self.left -= 1;
        self.line.clear();
        self.kind.write(record, &mut self.line);
        self.line.push(b'\n');
        self.failed = self.output.write_all(&self.line).err();
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let failed = self.failed.take().map_or_else(|| self.output.flush(), Err);
        failed.map_err(|error| output::unwritten("the standard output", error))
    }
}

#[cfg(test)]
mod tests;
