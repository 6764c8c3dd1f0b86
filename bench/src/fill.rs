//! Writes the trades down: once to a topic that everybody reads, and to files for `tape backtest`.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tape_kafka::{Kind, Outgoing, Producer};
use tape_proto::partition::partition;
use tape_service::Config;

use crate::dataset::{CSV_HEADER, Encoder, Shape, Tick};
use crate::rig::Rig;
use crate::screen;
use crate::tape::Tape;

/// Longest wait for the last acknowledgement.
const FLUSH: Duration = Duration::from_secs(120);
/// Records between two looks at the clock.
const STRIDE: u64 = 50_000;

/// A producer that fills batches: 1 MB, lz4.
pub(crate) fn producer(rig: &Rig, linger_ms: u64) -> Result<Producer> {
    let mut settings = rig.settings.clone();
    for (name, value) in [
        ("COMPRESSION_TYPE", "lz4".to_owned()),
        ("BATCH_SIZE", "1000000".to_owned()),
        ("LINGER_MS", linger_ms.to_string()),
        ("BUFFER_MEMORY", (128 << 20).to_string()),
    ] {
        settings.insert(name.to_owned(), value);
    }
    Ok(rig.clients.producer(&Config::load(settings, None)?.config.producer)?)
}

/// Puts a record into the producer's buffer, however long that takes.
pub(crate) fn send(producer: &Producer, record: &Outgoing<'_>) -> Result<()> {
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err(error) if matches!(error.kind, Kind::QueueFull) => {}
            Err(error) => return Err(error).context("a record was not written"),
        }
    }
}

/// Creates the input topic by `tape topics` and writes the trades to it, each where the partitioner puts it.
pub(crate) fn topic(rig: &Rig, topic: &str, partitions: i32, shape: &Shape) -> Result<()> {
    write(rig, topic, partitions, (shape.symbols, shape.records), shape.ticks())
}

/// [`topic`] for trades of any kind: so many symbols, and so many of them.
pub(crate) fn write(
    rig: &Rig,
    topic: &str,
    partitions: i32,
    (symbols, records): (usize, u64),
    ticks: impl Iterator<Item = Tick>,
) -> Result<()> {
    let count = partitions.to_string();
    let maker = Tape::new(rig, &format!("fill-{topic}"), topic, &[("KAFKA_PARTITIONS", &count)])?;
    maker.create_topics()?;
    rig.delete(&maker.app)?;
    let producer = producer(rig, 20)?;
    let mut encoder = Encoder::new(symbols);
    let (mut value, mut bytes, started) = (Vec::new(), 0, Instant::now());
    for tick in ticks {
        value.clear();
        encoder.json(&tick, &mut value);
        let key = encoder.name(&tick).as_bytes();
        bytes += value.len();
        let partition = Some(partition(key, partitions));
        let record =
            Outgoing { topic, partition, key: Some(key), value: Some(&value), ..Outgoing::default() };
        send(&producer, &record)?;
        if tick.number % STRIDE == 0 {
            screen::now(&format!("writing {topic}: {} of {records}", tick.number));
        }
    }
    producer.flush(FLUSH).context("the last records were not written")?;
    if producer.delivered() != records {
        bail!("{} of {records} records were written", producer.delivered());
    }
    screen::line(&format!(
        "{topic}: {records} trades of {symbols} symbols, {} bytes each, {partitions} partitions, {:.1} s",
        bytes as u64 / records.max(1),
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// The same trades as JSON lines and as CSV.
pub(crate) fn files(shape: &Shape, jsonl: &Path, csv: &Path) -> Result<()> {
    let mut lines = BufWriter::new(File::create(jsonl)?);
    let mut table = BufWriter::new(File::create(csv)?);
    table.write_all(CSV_HEADER)?;
    let mut encoder = Encoder::new(shape.symbols);
    let mut out = Vec::new();
    for tick in shape.ticks() {
        out.clear();
        encoder.json(&tick, &mut out);
        out.push(b'\n');
        lines.write_all(&out)?;
        out.clear();
        encoder.csv(&tick, &mut out);
        table.write_all(&out)?;
        if tick.number % STRIDE == 0 {
            screen::now(&format!("writing files: {} of {}", tick.number, shape.records));
        }
    }
    lines.flush()?;
    table.flush()?;
    Ok(())
}
