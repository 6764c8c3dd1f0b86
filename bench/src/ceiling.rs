//! What nobody who reads the same input, or writes the same records, can beat: processes that only read, only read and parse, or
//! only write. They speak the protocol of the peers.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use tape_kafka::{Clients, Isolation, Outgoing, Part, Record};
use tape_proto::decimal::parse_nanos;
use tape_proto::partition::partition;
use tape_proto::trade;
use tape_service::Config;

/// Wait for one answer.
const ASK: Duration = Duration::from_secs(20);
/// Time between two lines of progress.
const TELL: Duration = Duration::from_millis(20);
/// How long it stays to be measured when it is done.
const STAY: Duration = Duration::from_secs(20);
/// Records of one call, and bytes of one read.
const BATCH: usize = 10_000;
const BUFFER: usize = 1 << 20;

/// Options of a ceiling.
#[derive(Args, Clone, Debug)]
pub(crate) struct CeilingArgs {
    /// What to do
    #[arg(long, value_enum)]
    pub(crate) mode: Mode,
    /// Where the broker is
    #[arg(long, default_value = "")]
    pub(crate) bootstrap: String,
    /// What to read
    #[arg(long, default_value = "")]
    pub(crate) topic: String,
    /// Threads; each owns whole partitions
    #[arg(long, default_value_t = 3)]
    pub(crate) threads: usize,
    /// What to read
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
}

/// What a ceiling does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Fetch records of a topic
    Consume,
    /// Fetch and parse them
    Parse,
    /// Read and parse a file of JSON lines
    Jsonl,
    /// Read and parse a file of CSV
    Csv,
    /// Write the records of a file (`key TAB value` lines), which is in memory before it begins; settings of a producer come from the
    /// environment
    Produce,
}

/// Reads everything, and says so.
pub(crate) fn run(args: &CeilingArgs) -> Result<()> {
    tell("start", None);
    match args.mode {
        Mode::Consume | Mode::Parse => topic(args)?,
        Mode::Jsonl => file(args, true)?,
        Mode::Csv => file(args, false)?,
        Mode::Produce => produce(args)?,
    }
    tell("done", None);
    if !matches!(args.mode, Mode::Jsonl | Mode::Csv) {
        std::thread::sleep(STAY);
    }
    Ok(())
}

fn topic(args: &CeilingArgs) -> Result<()> {
    let settings = [("KAFKA_BOOTSTRAP_SERVERS".to_owned(), args.bootstrap.clone())];
    let clients = Clients::new(&Config::load(settings, None)?.config.kafka, "ceiling");
    let reader = clients.reader(Isolation::ReadCommitted)?;
    let parts = reader.partitions(&args.topic, ASK)?;
    drop(reader);
    let read = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let mine = |number: usize| parts.iter().skip(number).step_by(args.threads).cloned().collect();
        let workers: Vec<_> = (0..args.threads)
            .map(|number| {
                let (parts, read, clients) = (mine(number), &read, &clients);
                scope.spawn(move || partitions(clients, parts, args.mode, read))
            })
            .collect();
        tell("running", None);
        while !workers.iter().all(|worker| worker.is_finished()) {
            tell("progress", Some(read.load(Ordering::Relaxed)));
            std::thread::sleep(TELL);
        }
        tell("progress", Some(read.load(Ordering::Relaxed)));
        let joined =
            workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a reader panicked"))?);
        joined.collect::<Result<Vec<()>>>().map(drop)
    })
}

fn partitions(clients: &Clients, parts: Vec<Part>, mode: Mode, read: &AtomicU64) -> Result<()> {
    let mut reader = clients.reader(Isolation::ReadCommitted)?;
    let mut ends = Vec::new();
    for part in parts {
        let (low, high) = reader.watermarks(&part, Isolation::ReadCommitted, ASK)?;
        reader.assign(&[(part.clone(), low)], ASK)?;
        ends.push((part, high));
    }
    while !ends.iter().all(|(part, end)| reader.caught_up(part, *end)) {
        let count = reader.poll(BATCH, TELL, &mut |record| take(&record, mode))?;
        read.fetch_add(count as u64, Ordering::Relaxed);
    }
    Ok(())
}

fn take(record: &Record<'_>, mode: Mode) {
    if mode == Mode::Parse {
        black_box(trade::decode(record.key, record.value)).ok();
    } else {
        black_box(record.offset);
    }
}

fn file(args: &CeilingArgs, json: bool) -> Result<()> {
    let path = args.file.as_ref().context("--file is missing")?;
    let open = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut lines = BufReader::with_capacity(BUFFER, open);
    let (mut line, mut records) = (Vec::new(), 0);
    while lines.read_until(b'\n', &mut line)? > 0 {
        if json {
            black_box(trade::decode_value(line.trim_ascii_end())?);
        } else {
            black_box(csv(&line));
        }
        records += 1;
        line.clear();
    }
    tell("progress", Some(records));
    Ok(())
}

fn produce(args: &CeilingArgs) -> Result<()> {
    let path = args.file.as_ref().context("--file is missing")?;
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let config = Config::load(std::env::vars(), None)?.config;
    let clients = Clients::new(&config.kafka, "ceiling");
    let producer = clients.producer(&config.producer)?;
    let count = i32::try_from(clients.reader(Isolation::ReadCommitted)?.partitions(&args.topic, ASK)?.len())?;
    tell("running", None);
    let mut header = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let tab = line.iter().position(|byte| *byte == b'\t').context("a line without a tab")?;
        let (key, value) = (&line[..tab], &line[tab + 1..]);
        header.clear();
        write!(header, "live-1:{number}")?;
        crate::fill::send(
            &producer,
            &Outgoing {
                topic: &args.topic,
                partition: Some(partition(key, count)),
                key: Some(key),
                value: Some(value),
                headers: &[(trade::SOURCE_HEADER, Some(&header))],
                timestamp: None,
            },
        )?;
    }
    Ok(producer.flush(STAY)?)
}

/// Symbol, price, size and time of a line; nothing of a header.
fn csv(line: &[u8]) -> Option<(&str, i128, i128, i64)> {
    let mut fields = std::str::from_utf8(line.trim_ascii_end()).ok()?.split(',');
    let symbol = fields.next()?;
    let price = parse_nanos(fields.next()?).ok()?;
    let size = parse_nanos(fields.next()?).ok()?;
    Some((symbol, price, size, fields.next()?.parse().ok()?))
}

fn tell(word: &str, count: Option<u64>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    match count {
        Some(count) => println!("{word} {now} {count}"),
        None => println!("{word} {now}"),
    }
}
