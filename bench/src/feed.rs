//! A producer at a steady rate, in a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use tape_harness::Dice;
use tape_kafka::{Outgoing, Producer};
use tape_proto::partition::partition;

use crate::dataset::{Encoder, Shape, Ticks};
use crate::fill;
use crate::ledger::Sent;
use crate::rig::Rig;

/// Time between two bursts.
const BURST: Duration = Duration::from_millis(1);
/// How long a batch waits for more.
const LINGER_MS: u64 = 1;
/// Longest wait for the last acknowledgement.
const FLUSH: Duration = Duration::from_secs(60);
/// Breakouts a second: enough to measure, few enough to cost little.
const BREAKOUTS: u64 = 200;

/// What to write.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) topic: String,
    pub(crate) partitions: i32,
    /// Trades a second.
    pub(crate) rate: u64,
    pub(crate) symbols: usize,
    /// All event times; `None`: the wall clock.
    pub(crate) event_time: Option<i64>,
}

/// A producer at work; it stops when dropped.
pub(crate) struct Feed {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Feed {
    /// Starts; each trade is told before it is sent.
    pub(crate) fn start(rig: &Rig, source: Source, told: Sender<Sent>) -> Result<Self> {
        let producer = fill::producer(rig, LINGER_MS)?;
        let stop = Arc::new(AtomicBool::new(false));
        let shape = Shape { symbols: source.symbols, ..Shape::market(u64::MAX) };
        let writer = Writer {
            ticks: shape.ticks(),
            encoder: Encoder::new(source.symbols),
            highs: vec![false; source.symbols],
            dice: Dice::new(11),
            producer,
            source,
            told,
        };
        let asked = Arc::clone(&stop);
        Ok(Feed { stop, thread: Some(std::thread::spawn(move || writer.run(&asked))) })
    }

    /// Stops, and waits until all is written.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow!("the producer panicked"))?
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Writer {
    ticks: Ticks,
    encoder: Encoder,
    /// Which symbols are one percent above their middle; the others are as much below.
    highs: Vec<bool>,
    dice: Dice,
    producer: Producer,
    source: Source,
    told: Sender<Sent>,
}

impl Writer {
    fn run(mut self, stop: &AtomicBool) -> Result<()> {
        let (started, mut sent, mut bursts) = (Instant::now(), 0, 0_u32);
        while !stop.load(Ordering::Relaxed) {
            let due = started.elapsed().as_millis() as u64 * self.source.rate / 1_000;
            while sent < due {
                self.send()?;
                sent += 1;
            }
            bursts += 1;
            std::thread::sleep((started + BURST * bursts).saturating_duration_since(Instant::now()));
        }
        self.producer.flush(FLUSH).context("the last records were not written")
    }

    /// One trade; now and then the price of a symbol jumps to its other side, which breaks out.
    fn send(&mut self) -> Result<()> {
        let Some(mut tick) = self.ticks.next() else { return Ok(()) };
        let high = &mut self.highs[tick.symbol];
        *high ^= self.dice.below(self.source.rate) < BREAKOUTS;
        let middle = 1_000_000 + 100 * i64::try_from(tick.symbol)?;
        tick.price = if *high { middle / 100 * 101 } else { middle / 100 * 99 };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        tick.event_time = self.source.event_time.unwrap_or(i64::try_from(now)?);
        let mut value = Vec::with_capacity(256);
        self.encoder.json(&tick, &mut value);
        let key = self.encoder.name(&tick).as_bytes();
        let partition = Some(partition(key, self.source.partitions));
        let topic = &self.source.topic;
        let record =
            Outgoing { topic, partition, key: Some(key), value: Some(&value), ..Outgoing::default() };
        // Whoever listens may have heard enough.
        let _ = self.told.send(Sent { symbol: tick.symbol, event_time: tick.event_time, at: Instant::now() });
        fill::send(&self.producer, &record)
    }
}
