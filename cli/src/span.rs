//! Which part of a topic a command reads, and how it prints: shared by `tail`, `dump` and `check`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use tape_kafka::{Isolation, Part, Reaction, Reader, Record};
use tape_service::Failure;

use crate::output;
use crate::topics::ANSWER_TIMEOUT;

/// Records taken at a time: enough to keep the network busy, few enough that the first line comes at once.
const BATCH: usize = 10_000;

/// How long to wait for records before the ends are looked at again.
const WAIT: Duration = Duration::from_millis(500);

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
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
    pub(crate) fn offset(self, low: i64, end: i64) -> i64 {
        match self {
            Self::Earliest => low,
            Self::Latest => end,
            Self::Offset(offset) => offset.clamp(low, end),
        }
    }
}

/// A partition, where to begin in it, and its end now.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) part: Part,
    pub(crate) from: i64,
    pub(crate) end: i64,
}

/// Where to begin in each partition of a topic, or in the one that is wanted. The end is the one that `isolation` sees.
pub(crate) fn starts(
    reader: &Reader,
    topic: &str,
    partition: Option<i32>,
    from: From,
    isolation: Isolation,
) -> Result<Vec<Start>, Failure> {
    let mut parts = reader.partitions(topic, ANSWER_TIMEOUT)?;
    let count = parts.len();
    if let Some(wanted) = partition {
        parts.retain(|part| part.partition == wanted);
        if parts.is_empty() {
            return Err(Failure::Config(format!(
                "--partition {wanted}: {topic} has {count} partitions, from 0"
            )));
        }
    }
    let start = |part: Part| {
        let (low, end) = reader.watermarks(&part, isolation, ANSWER_TIMEOUT)?;
        Ok(Start { part, from: from.offset(low, end), end })
    };
    parts.into_iter().map(start).collect()
}

/// Begins to read.
pub(crate) fn assign(reader: &mut Reader, starts: &[Start]) -> Result<(), Failure> {
    let begin: Vec<_> = starts.iter().map(|start| (start.part.clone(), start.from)).collect();
    Ok(reader.assign(&begin, ANSWER_TIMEOUT)?)
}

/// Everything was read, up to the ends.
pub(crate) fn is_done(reader: &Reader, starts: &[Start]) -> bool {
    starts.iter().all(|start| reader.caught_up(&start.part, start.end))
}

/// Takes some records, waiting for the brokers as long as it takes; how many came.
pub(crate) fn poll(reader: &mut Reader, take: &mut dyn FnMut(Record<'_>)) -> Result<usize, Failure> {
    match reader.poll(BATCH, WAIT, take) {
        Ok(count) => Ok(count),
        Err(error) if error.reaction == Reaction::Retry => {
            tracing::warn!(%error, "waiting for Kafka");
            Ok(0)
        }
        Err(error) => Err(error.into()),
    }
}

/// Prints records, as long as more are wanted.
pub(crate) struct Printer<W> {
    /// Offset at which each partition ends; `None`: never.
    ends: Option<BTreeMap<i32, i64>>,
    /// Records still wanted.
    pub(crate) left: u64,
    output: W,
    /// One line, reused.
    line: Vec<u8>,
    failed: Option<io::Error>,
}

impl<W: Write> Printer<W> {
    /// Up to `limit` records, none behind `ends`.
    pub(crate) fn new(output: W, limit: Option<u64>, ends: Option<&[Start]>) -> Self {
        let by_partition = |starts: &[Start]| {
            starts.iter().map(|start| (start.part.partition, start.end)).collect::<BTreeMap<_, _>>()
        };
        Printer {
            ends: ends.map(by_partition),
            left: limit.unwrap_or(u64::MAX),
            output,
            line: Vec::new(),
            failed: None,
        }
    }

    /// Prints a record as one line, if it is wanted.
    pub(crate) fn take(&mut self, record: &Record<'_>, write: impl FnOnce(&Record<'_>, &mut Vec<u8>)) {
        let is_behind_end = |ends: &BTreeMap<i32, i64>| ends.get(&record.partition) <= Some(&record.offset);
        if !self.ends.as_ref().is_some_and(is_behind_end) {
            self.line(|line| write(record, line));
        }
    }

    /// Prints a line, if one is wanted.
    pub(crate) fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.left == 0 || self.failed.is_some() {
            return;
        }
        self.left -= 1;
        self.line.clear();
        write(&mut self.line);
        self.line.push(b'\n');
        self.failed = self.output.write_all(&self.line).err();
    }

    /// Brings out what was printed.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let failed = self.failed.take().map_or_else(|| self.output.flush(), Err);
        failed.map_err(|error| output::unwritten("the standard output", error))
    }
}
