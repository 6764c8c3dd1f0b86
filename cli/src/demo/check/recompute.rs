//! All of `raw-trades`, computed anew by the engine of `tape backtest`.
//!
//! The clock that closed windows by IDLE is not in the log, but where it closed them is: the row's revision is the next
//! offset to read. So the recomputation closes the same windows before it takes the record of that offset.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tape_analytics::{Alert, Row};
use tape_kafka::{Clients, Isolation, Part, Reaction, Reader, Record};
use tape_processor::codec;
use tape_proto::partition::partition;
use tape_proto::trade;
use tape_service::{Config, Failure};

use super::entry::{Cell, Closing, RowEntry, is_cross};
use crate::backtest::{Counts, Engine, Place, Sink, Unreadable};
use crate::topics::ANSWER_TIMEOUT;

/// Records taken at a time.
const BATCH: usize = 10_000;
/// How long to wait for records before the positions are looked at again.
const WAIT: Duration = Duration::from_millis(500);
/// The brokers deliver nothing for so long: something is wrong.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Where the clock closed windows: by symbol at first, because only the topic knows the number of partitions.
pub(super) struct IdleClosings {
    /// (symbol, next offset to read, end of the window in ms).
    closed: Vec<(String, i64, i64)>,
}

impl IdleClosings {
    /// From rows of the table.
    pub(super) fn of(rows: &[RowEntry]) -> Self {
        let idle = rows.iter().filter(|row| row.closing == Closing::Idle);
        let closing = |row: &RowEntry| {
            let number = |name: &str| match row.cell(name) {
                Cell::Integer(value) => *value,
                _ => 0,
            };
            (row.symbol.clone(), number("revision"), number("window_end"))
        };
        Self { closed: idle.map(closing).collect() }
    }

    /// For each partition the watermark that was reached before a record of an offset.
    pub(super) fn by_partition(&self, partitions: i32) -> BTreeMap<i32, BTreeMap<i64, i64>> {
        let mut watermarks: BTreeMap<i32, BTreeMap<i64, i64>> = BTreeMap::new();
        for (symbol, offset, end) in &self.closed {
            let of_partition = watermarks.entry(partition(symbol.as_bytes(), partitions)).or_default();
            let watermark = of_partition.entry(*offset).or_insert(*end);
            *watermark = (*watermark).max(*end);
        }
        watermarks
    }
}

/// What should be in PostgreSQL.
#[derive(Default)]
pub(super) struct Recomputed {
    /// Final rows.
    pub(super) rows: Vec<Row>,
    /// Windows that are still open.
    pub(super) open: Vec<Row>,
    /// Alerts.
    pub(super) alerts: Vec<Alert>,
    /// Crosses of windows that the clock closed.
    pub(super) idle_crosses: Vec<Alert>,
    pub(super) counts: Counts,
    pub(super) took: Duration,
}

/// Collects effects; what the clock causes is told apart.
#[derive(Default)]
pub(super) struct Collector {
    recomputed: Recomputed,
    is_idle: bool,
}

impl Sink for Collector {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.recomputed.rows.push(row.clone());
        Ok(())
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        let recomputed = &mut self.recomputed;
        let list = if self.is_idle && is_cross(alert) {
            &mut recomputed.idle_crosses
        } else {
            &mut recomputed.alerts
        };
        list.push(alert.clone());
        Ok(())
    }
}

/// Reads the topic as it is now.
pub(super) fn run(config: &Config, closings: IdleClosings) -> Result<Recomputed, Failure> {
    let started = Instant::now();
    let clients = Clients::new(&config.kafka, &format!("{}-check", config.app_id));
    let mut reader = clients.reader(Isolation::ReadCommitted)?;
    let ends = assign(&mut reader, &config.topics.raw_trades)?;
    let count = i32::try_from(ends.len()).unwrap_or(i32::MAX);
    let engine = Engine::new(codec::settings(&config.processing), count);
    let mut replay = Replay::new(engine, closings.by_partition(count));
    let mut heard = Instant::now();
    while !ends.iter().all(|(part, end)| reader.caught_up(part, *end)) {
        match reader.poll(BATCH, WAIT, &mut |record| replay.take(&record)) {
            Ok(0) => {}
            Ok(_) => heard = Instant::now(),
            Err(error) if error.reaction == Reaction::Retry => tracing::warn!(%error, "waiting for Kafka"),
            Err(error) => return Err(error.into()),
        }
        if heard.elapsed() >= SILENCE_MAX {
            let silence = SILENCE_MAX.as_secs();
            return Err(Failure::Other(anyhow!("the check: Kafka delivered nothing for {silence} s")));
        }
    }
    let mut recomputed = replay.finish();
    recomputed.took = started.elapsed();
    Ok(recomputed)
}

/// Begins at the beginning; returns where each partition ends now.
fn assign(reader: &mut Reader, topic: &str) -> Result<Vec<(Part, i64)>, Failure> {
    let (mut begin, mut ends) = (Vec::new(), Vec::new());
    for part in reader.partitions(topic, ANSWER_TIMEOUT)? {
        let (low, end) = reader.watermarks(&part, Isolation::ReadCommitted, ANSWER_TIMEOUT)?;
        if low > 0 {
            return Err(Failure::Other(anyhow!(
                "the check needs all of {topic}, but retention has deleted the first {low} records of partition {}: \
                 start afresh (other topics and database, or delete them)",
                part.partition
            )));
        }
        begin.push((part.clone(), low));
        ends.push((part, end));
    }
    reader.assign(&begin, ANSWER_TIMEOUT)?;
    Ok(ends)
}

/// Engine, and the places at which the clock closed windows.
pub(super) struct Replay {
    engine: Engine,
    watermarks: BTreeMap<i32, BTreeMap<i64, i64>>,
    collector: Collector,
}

impl Replay {
    pub(super) fn new(engine: Engine, watermarks: BTreeMap<i32, BTreeMap<i64, i64>>) -> Self {
        Self { engine, watermarks, collector: Collector::default() }
    }

    /// Takes one record.
    pub(super) fn take(&mut self, record: &Record<'_>) {
        let partition = record.partition;
        self.close_idle(partition, record.offset);
        let place =
            Place { partition: Some(partition), offset: Some(record.offset), append_time: record.timestamp };
        match trade::decode(record.key, record.value) {
            Ok(trade) => {
                self.engine.accept(place, &trade, &mut self.collector).expect(COLLECTS);
            }
            Err(reject) => {
                self.engine.refuse(place, Unreadable { symbol: None, code: reject.code() });
            }
        }
    }

    /// Everything that was computed.
    pub(super) fn finish(mut self) -> Recomputed {
        let partitions: Vec<_> = self.watermarks.keys().copied().collect();
        for partition in partitions {
            self.close_idle(partition, i64::MAX);
        }
        let mut recomputed = self.collector.recomputed;
        recomputed.open = self.engine.open_rows();
        recomputed.counts = self.engine.counts().clone();
        recomputed
    }

    /// Closes what the clock closed before the record of `offset` was read.
    fn close_idle(&mut self, partition: i32, offset: i64) {
        let Some(watermarks) = self.watermarks.get_mut(&partition) else { return };
        while let Some(first) = watermarks.first_entry().filter(|first| *first.key() <= offset) {
            let (_, watermark) = first.remove_entry();
            self.collector.is_idle = true;
            self.engine.close_idle(partition, watermark, &mut self.collector).expect(COLLECTS);
            self.collector.is_idle = false;
        }
    }
}

/// The collector only pushes.
const COLLECTS: &str = "collecting in memory cannot fail";
