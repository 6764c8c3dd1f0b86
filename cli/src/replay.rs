//! `tape replay-dlq`: records of a dead-letter topic go back to where they came from, once the reason is mended.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use tape_kafka::{Clients, Isolation, Kind, Outgoing, Part, Producer, Record};
use tape_proto::dead_letter::{KEY_LENGTH, OFFSET, PARTITION, REASON, TOPIC, VALUE_LENGTH};
use tape_service::{Config, Failure};

use crate::span::{self, From};
use crate::topics::ANSWER_TIMEOUT;
use crate::{output, span::Start};

const HELP: &str = "\
Mend the reason first (the constraint, the schema, the version): what is still refused comes back as a new dead letter.

Each letter is written to the partition of the topic that its headers name, key, value and own headers as they were. Letters \
that were cut, because the value was longer than 64 KiB, cannot be sent again: they are counted and stay. The group \
<APP_ID>-replay-dlq keeps how far replaying came, so that a second run sends nothing twice; a run that was killed may repeat \
its last letters. For windows and alerts that changes nothing (the sink keeps the larger revision). A repeated trade counts \
twice: look at --dry-run first.

EXAMPLES
  What the sink could not write, and why:
      tape replay-dlq --dry-run
  Send it again:
      tape replay-dlq
  What the processor could not read:
      tape replay-dlq --topic raw-trades-dlq";

/// Header that the sink adds.
const SQLSTATE: &str = "tape-dlq-sqlstate";
/// What our headers begin with.
const OURS: &str = "tape-dlq-";
/// Longest wait for the brokers' acknowledgement.
const DELIVERY: Duration = Duration::from_secs(60);

/// Options of `tape replay-dlq`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct ReplayArgs {
    /// The dead-letter topic [default: the sink's]
    #[arg(long)]
    topic: Option<String>,
    /// Only show what would be sent, by reason
    #[arg(long)]
    dry_run: bool,
    /// Begin with the oldest letter that is kept, whatever an earlier run has sent
    #[arg(long)]
    from_earliest: bool,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Default, Serialize)]
struct Report {
    topic: String,
    dry_run: bool,
    /// Letters sent, or to be sent.
    sent: u64,
    /// Letters that were cut and cannot be sent.
    cut: u64,
    /// Letters without a place to go: not ours, or of a topic that is none of ours.
    foreign: u64,
    /// Letters by topic of origin, reason and SQLSTATE.
    reasons: BTreeMap<String, u64>,
}

/// Sends, then tells.
pub(crate) fn run(args: &ReplayArgs, config: &Config) -> Result<(), Failure> {
    let topics = &config.topics;
    let topic = args.topic.clone().unwrap_or_else(|| topics.sink_dead_letters.clone());
    let origins: &[&String] = match &topic {
        topic if *topic == topics.sink_dead_letters => &[&topics.aggregates, &topics.alerts],
        topic if *topic == topics.dead_letters => &[&topics.raw_trades],
        _ => {
            return Err(Failure::Config(format!(
                "--topic {topic}: no dead-letter topic of ours; write {} or {}",
                topics.sink_dead_letters, topics.dead_letters
            )));
        }
    };
    let group = format!("{}-replay-dlq", config.app_id);
    let clients = Clients::new(&config.kafka, &group);
    let admin = clients.admin()?;
    let mut reader = clients.reader(Isolation::ReadCommitted)?;
    let mut starts = span::starts(&reader, &topic, None, From::Earliest, Isolation::ReadCommitted)?;
    if !args.from_earliest {
        let reached = admin.committed(&group, &parts(&starts), ANSWER_TIMEOUT)?;
        go_on(&mut starts, &reached);
    }
    span::assign(&mut reader, &starts)?;
    let mut replay = Replay {
        origins: origins.iter().map(|topic| topic.as_str()).collect(),
        producer: (!args.dry_run).then(|| clients.producer(&config.producer)).transpose()?,
        report: Report { topic, dry_run: args.dry_run, ..Report::default() },
    };
    let mut failed = None;
    while failed.is_none() && !span::is_done(&reader, &starts) {
        span::poll(&mut reader, &mut |record| {
            let is_wanted = starts
                .iter()
                .any(|start| start.part.partition == record.partition && record.offset < start.end);
            if is_wanted && failed.is_none() {
                failed = replay.take(&record).err();
            }
        })?;
    }
    failed.map_or(Ok(()), Err)?;
    if let Some(producer) = &replay.producer {
        producer.flush(DELIVERY)?;
        let ends: Vec<(Part, i64)> = starts.iter().map(|start| (start.part.clone(), start.end)).collect();
        admin.move_group(&group, &ends, ANSWER_TIMEOUT)?;
    }
    print(&replay.report, args.json)
}

fn parts(starts: &[Start]) -> Vec<Part> {
    starts.iter().map(|start| start.part.clone()).collect()
}

/// Begins behind what an earlier run has sent, as far as the log still holds it.
fn go_on(starts: &mut [Start], committed: &[(Part, Option<i64>)]) {
    for start in starts {
        let reached = committed.iter().find(|(part, _)| *part == start.part).and_then(|(_, offset)| *offset);
        start.from = reached.map_or(start.from, |offset| offset.clamp(start.from, start.end));
    }
}

struct Replay<'a> {
    origins: Vec<&'a str>,
    producer: Option<Producer>,
    report: Report,
}

impl Replay<'_> {
    fn take(&mut self, record: &Record<'_>) -> Result<(), Failure> {
        let all: Vec<_> = record.headers().collect();
        let headers: Vec<(&str, Option<&[u8]>)> =
            all.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
        // The last of a name counts: a letter may have been one before.
        let text = |name: &str| {
            let header = headers.iter().rev().find(|(found, _)| *found == name)?;
            std::str::from_utf8(header.1?).ok()
        };
        let whole = |name: &str, bytes: Option<&[u8]>| {
            text(name).is_some_and(|length| {
                length == bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.len().to_string())
            })
        };
        let place = text(TOPIC).zip(text(PARTITION).and_then(|partition| partition.parse::<i32>().ok()));
        let Some((topic, partition)) = place.filter(|(topic, _)| self.origins.contains(topic)) else {
            self.report.foreign += 1;
            return Ok(());
        };
        let reason =
            [Some(topic), text(REASON), text(SQLSTATE)].into_iter().flatten().collect::<Vec<_>>().join(" ");
        *self.report.reasons.entry(reason).or_default() += 1;
        if !whole(KEY_LENGTH, record.key) || !whole(VALUE_LENGTH, record.value) {
            self.report.cut += 1;
            return Ok(());
        }
        self.report.sent += 1;
        let Some(producer) = &self.producer else { return Ok(()) };
        let own: Vec<(&str, Option<&[u8]>)> =
            headers.iter().copied().filter(|(name, _)| !name.starts_with(OURS)).collect();
        let outgoing = Outgoing {
            topic,
            partition: Some(partition),
            key: record.key,
            value: record.value,
            headers: &own,
            timestamp: None,
        };
        send(producer, &outgoing).map_err(|error| {
            tracing::error!(offset = text(OFFSET), "a letter was not sent");
            error.into()
        })
    }
}

/// Puts a record into the producer's buffer, as soon as there is room.
fn send(producer: &Producer, outgoing: &Outgoing<'_>) -> Result<(), tape_kafka::Error> {
    let deadline = Instant::now() + DELIVERY;
    loop {
        match producer.send(outgoing) {
            Err(error) if matches!(error.kind, Kind::QueueFull) && Instant::now() < deadline => {}
            result => return result,
        }
    }
}

fn print(report: &Report, json: bool) -> Result<(), Failure> {
    let text = if json {
        serde_json::to_string(report).map_err(|error| Failure::Other(error.into()))? + "\n"
    } else {
        let mut text = String::new();
        for (reason, count) in &report.reasons {
            text.push_str(&format!("{count:>10}  {reason}\n"));
        }
        let done = if report.dry_run { "would be sent again" } else { "sent again" };
        text.push_str(&format!(
            "{} letters of {} {done}; {} were cut and {} are not ours: they stay\n",
            report.sent, report.topic, report.cut, report.foreign
        ));
        text
    };
    output::print("the report", &text)
}
