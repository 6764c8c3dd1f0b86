//! `tape dump state|changelog|TOPIC`: what is stored, as it stands, as JSON lines on stdout.
//!
//! - `state`: the entries of the stores on this machine, as far as they are flushed; a processor may run on them.
//! - `changelog` and topics: every record up to the end that the log had when the program started, with offset, timestamp,
//!   key, value and headers. A null value (tombstone) is `null`.
//! - State and changelog have the same `key` and `value`: the last value of each key of the changelog is the state.
//!
//! Nothing is locked, joined or committed.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use tape_kafka::{Clients, Isolation, Record};
use tape_service::{Config, Failure};
use tape_state::{StoreError, View};

use crate::lines::state::{Change, entry, state_key, symbol_of};
use crate::lines::{Bytes, Kind, write_json};
use crate::output;
use crate::span::{self, From, Printer};

const HELP: &str = "\
WHAT
  state      entries of the local stores: {\"partition\",\"key\",\"value\"}. They show what was flushed, up to 30 s behind a processor \
that runs; a processor that stopped in order has flushed everything
  changelog  the topic that the state is restored from, with offsets and tombstones (value null)
  TOPIC      any other topic: {\"partition\",\"offset\",\"timestamp\",\"key\",\"value\",\"headers\"}
A key of the state is \"meta\", {\"symbol\"}, or {\"symbol\",\"pane\"} with the start of the pane. Values of our topics are shown by field, \
decimals exact, times in epoch ms; others as text, or {\"hex\"} when they are none. It ends at the end of the log; for a live, \
decoded view see `tape tail`.

EXAMPLES
  tape dump state --symbol AAPL
  tape dump changelog --partition 0 --from 120000
  tape dump stock-aggregates --isolation read_uncommitted --limit 20";

/// Options of `tape dump`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct DumpArgs {
    /// `state`, `changelog`, or the name of a topic
    what: String,
    /// Only this partition
    #[arg(long, value_name = "P")]
    partition: Option<i32>,
    /// Only this symbol: of state and changelog by its entries, of other topics by the key
    #[arg(long, value_name = "NAME")]
    symbol: Option<String>,
    /// Stop after so many lines
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Folder of the stores, for `state` [default: STATE_DIR]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Where to begin in a topic: `earliest` or an offset (outside of the log: the nearest in it) [default: earliest]
    #[arg(long, value_name = "WHERE")]
    from: Option<From>,
    /// Which records of a topic: those of committed transactions, or all [default: read_committed]
    #[arg(long, value_name = "LEVEL")]
    isolation: Option<Level>,
}

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    #[value(name = "read_committed")]
    Committed,
    #[value(name = "read_uncommitted")]
    Uncommitted,
}

/// Prints what was asked for.
pub(crate) fn run(args: &DumpArgs, config: &Config) -> Result<(), Failure> {
    let misplaced = |option: &str, what: &str| Err(Failure::Config(format!("{option} goes with {what}")));
    match args.what.as_str() {
        "state" if args.from.is_some() => misplaced("--from", "a topic or changelog"),
        "state" if args.isolation.is_some() => misplaced("--isolation", "a topic or changelog"),
        "state" => dump_state(args, args.dir.as_deref().unwrap_or(&config.processing.state_dir)),
        _ if args.dir.is_some() => misplaced("--dir", "state"),
        "changelog" => dump_topic(args, &config.topics.changelog, config),
        topic => dump_topic(args, topic, config),
    }
}

/// An entry of a store.
#[derive(Serialize)]
struct StateLine<'a> {
    partition: i32,
    #[serde(flatten)]
    entry: Change<'a>,
}

fn dump_state(args: &DumpArgs, directory: &Path) -> Result<(), Failure> {
    let partitions = stores(directory, args.partition)?;
    let mut printer = Printer::new(output::stdout(), args.limit, None);
    for partition in partitions {
        let view = View::open(directory, partition).map_err(unreadable)?;
        view.scan(|key, value| {
            if args.symbol.is_some() && symbol_of(key) != args.symbol.as_deref() {
                return Ok(());
            }
            match entry(key, Some(value)) {
                Ok(entry) => printer.line(|line| write_json(&StateLine { partition, entry }, line)),
                Err(error) => tracing::warn!(partition, %error, "an entry that is not of tape"),
            }
            Ok::<(), StoreError>(())
        })
        .map_err(unreadable)?;
        printer.flush()?;
    }
    printer.flush()
}

/// Partitions with a store in a folder, or the one that is wanted.
pub(crate) fn stores(directory: &Path, wanted: Option<i32>) -> Result<Vec<i32>, Failure> {
    let mut found = View::partitions(directory).map_err(|error| Failure::Config(error.to_string()))?;
    if let Some(wanted) = wanted {
        found.retain(|partition| *partition == wanted);
    }
    if found.is_empty() {
        let which = wanted.map_or_else(|| "any partition".to_owned(), |wanted| format!("partition {wanted}"));
        return Err(Failure::Config(format!(
            "{}: no store of {which} here; name the folder of a processor with --dir or STATE_DIR",
            directory.display()
        )));
    }
    Ok(found)
}

/// A store that cannot be read.
pub(crate) fn unreadable(error: StoreError) -> Failure {
    match error {
        StoreError::Newer { .. } => Failure::Config(error.to_string()),
        error => Failure::Other(error.into()),
    }
}

fn dump_topic(args: &DumpArgs, topic: &str, config: &Config) -> Result<(), Failure> {
    if args.from == Some(From::Latest) {
        return Err(Failure::Config(
            "--from latest: a dump ends at the end of the log; use `tape tail`, or an offset".to_owned(),
        ));
    }
    let isolation = match args.isolation {
        Some(Level::Uncommitted) => Isolation::ReadUncommitted,
        Some(Level::Committed) | None => Isolation::ReadCommitted,
    };
    let kind = Kind::find(topic, config);
    let clients = Clients::new(&config.kafka, &format!("{}-dump", config.app_id));
    let mut reader = clients.reader(isolation)?;
    let from = args.from.unwrap_or(From::Earliest);
    let starts = span::starts(&reader, topic, args.partition, from, isolation)?;
    let mut printer = Printer::new(output::stdout(), args.limit, Some(&starts));
    let wanted = |record: &Record<'_>| match (&args.symbol, kind) {
        (None, _) => true,
        (Some(symbol), Some(Kind::Changelog)) => record.key.and_then(symbol_of) == Some(symbol.as_str()),
        (Some(symbol), _) => record.key == Some(symbol.as_bytes()),
    };
    // One after the other: the lines of a dump have one order.
    for start in starts {
        let one = std::slice::from_ref(&start);
        span::assign(&mut reader, one)?;
        while printer.left > 0 && !span::is_done(&reader, one) {
            span::poll(&mut reader, &mut |record| {
                if wanted(&record) {
                    printer.take(&record, |record, line| write(kind, record, line));
                }
            })?;
            printer.flush()?;
        }
        reader.unassign(&start.part);
    }
    Ok(())
}

/// A record as it stands, without its value.
#[derive(Serialize)]
struct RawLine<'a> {
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: RawKey<'a>,
}

/// A key of the state, or bytes.
#[derive(Serialize)]
#[serde(untagged)]
enum RawKey<'a> {
    State(crate::lines::state::StateKey<'a>),
    Bytes(Option<Bytes<'a>>),
}

/// Appends a record as one object: key and value decoded where they are ours.
fn write(kind: Option<Kind>, record: &Record<'_>, out: &mut Vec<u8>) {
    let state = (kind == Some(Kind::Changelog)).then(|| state_key(record.key.unwrap_or_default()).ok());
    let key = match state.flatten() {
        Some(key) => RawKey::State(key),
        None => RawKey::Bytes(record.key.map(Bytes::new)),
    };
    let Record { partition, offset, timestamp, .. } = *record;
    write_json(&RawLine { partition, offset, timestamp, key }, out);
    out.pop();
    out.extend_from_slice(b",\"value\":");
    let is_ours = record.value.is_some() && kind.is_some_and(|kind| kind.write_value(record, out));
    if !is_ours {
        write_json(&record.value.map(Bytes::new), out);
    }
    out.extend_from_slice(b",\"headers\":");
    // In their order, and all of them: a name may stand twice.
    let headers: Vec<_> = record.headers().map(|(name, value)| (name, value.map(Bytes::new))).collect();
    write_json(&headers, out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use tape_kafka::Record;
    use tape_state::{Key, MetaValue};

    use super::write;
    use crate::lines::Kind;

    fn line(kind: Option<Kind>, record: &Record<'_>) -> String {
        let mut out = Vec::new();
        write(kind, record, &mut out);
        String::from_utf8(out).expect("a line is text")
    }

    #[test]
    fn records_are_shown_as_they_stand() {
        let record = Record::detached("t", 1, 7, Some(b"k"), Some(&[0xff, 0x00])).with_timestamp(5, false);
        let headers = [("a", Some(&b"1"[..])), ("a", None)];
        assert_eq!(
            line(None, &record.with_headers(&headers)),
            r#"{"partition":1,"offset":7,"timestamp":5,"key":"k","value":{"hex":"ff00"},"headers":[["a","1"],["a",null]]}"#
        );
        let bad = Record::detached("t", 1, 8, None, Some(b"no trade"));
        assert_eq!(
            line(Some(Kind::RawTrades), &bad),
            r#"{"partition":1,"offset":8,"timestamp":null,"key":null,"value":"no trade","headers":[]}"#
        );
    }

    #[test]
    fn the_changelog_is_shown_by_field() {
        let mut key = Vec::new();
        Key::Pane("A", 60_000).encode(&mut key).expect("a key");
        assert_eq!(
            line(Some(Kind::Changelog), &Record::detached("t", 0, 1, Some(&key), None)),
            r#"{"partition":0,"offset":1,"timestamp":null,"key":{"symbol":"A","pane":60000},"value":null,"headers":[]}"#
        );
        let mut value = Vec::new();
        MetaValue { watermark: Some(9), window_ms: 2, slide_ms: 1, ..MetaValue::default() }
            .encode(&mut value)
            .expect("a value");
        let shown = line(Some(Kind::Changelog), &Record::detached("t", 0, 1, Some(&[0]), Some(&value)));
        assert!(shown.contains(r#""key":"meta","value":{"stream_time":null,"watermark":9,"#), "{shown}");
    }
}
