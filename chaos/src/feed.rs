//! The producer: a seeded market at a steady rate, written to the broker directly. Nothing is given up while the broker is
//! away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tape_harness::{closing_of, place_of};
use tape_kafka::{Outgoing, Producer};
use tape_oracle::{Input, Market};
use tape_service::Shutdown;

/// Time between two bursts.
const BURST: Duration = Duration::from_millis(10);
/// Longest wait for the last acknowledgement.
const FLUSH: Duration = Duration::from_secs(120);
/// Event time between two records, ms: with fifty symbols three hundred trades of each are in a window.
const STEP_MS: i64 = 20;
const START_MS: i64 = 1_700_000_000_000;

/// What to write, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) seed: u64,
    pub(crate) symbols: usize,
    /// Records a second.
    pub(crate) rate: u32,
    pub(crate) topic: String,
    pub(crate) partitions: i32,
}

impl Source {
    /// The market's first `records` records.
    pub(crate) fn market(&self, records: usize) -> Market {
        Market { seed: self.seed, records, symbols: self.symbols, start_ms: START_MS, step_ms: STEP_MS }
    }

    /// Everything that a feed has written that was stopped after so many records of the market.
    pub(crate) fn written(&self, records: usize) -> impl Iterator<Item = Input> + use<> {
        let market = self.market(records);
        market.stream().chain(closing_of(&market, self.partitions))
    }
}

/// A producer at work.
pub(crate) struct Feed {
    stop: Shutdown,
    sent: Arc<AtomicUsize>,
    thread: JoinHandle<Result<usize>>,
}

impl Feed {
    pub(crate) fn start(source: Source, producer: Producer) -> Self {
        let (stop, sent) = (Shutdown::new(), Arc::new(AtomicUsize::new(0)));
        let writer = Writer { source, producer, stop: stop.clone(), sent: Arc::clone(&sent) };
        Feed { stop, sent, thread: std::thread::spawn(move || writer.run()) }
    }

    /// Records of the market so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether it has ended, which it must not by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the market and closes all windows: how many records of the market there are, the closing ones not among them.
    pub(crate) fn finish(self) -> Result<usize> {
        self.stop.request();
        self.thread.join().map_err(|_| anyhow!("the producer panicked"))?
    }
}

struct Writer {
    source: Source,
    producer: Producer,
    stop: Shutdown,
    sent: Arc<AtomicUsize>,
}

impl Writer {
    fn run(self) -> Result<usize> {
        let mut stream = self.source.market(usize::MAX / 2).stream();
        let started = Instant::now();
        let (mut sent, mut bursts) = (0_usize, 0_u32);
        while !self.stop.is_requested() {
            bursts += 1;
            let due = u64::from(bursts) * u64::from(self.source.rate) / 100;
            while u64::try_from(sent)? < due && !self.stop.is_requested() {
                let Some(input) = stream.next() else { bail!("the market has ended") };
                self.send(&input)?;
                sent += 1;
            }
            self.sent.store(sent, Ordering::Relaxed);
            std::thread::sleep((started + BURST * bursts).saturating_duration_since(Instant::now()));
        }
        for input in closing_of(&self.source.market(sent), self.source.partitions) {
            self.send(&input)?;
        }
        self.producer.flush(FLUSH).context("the last records were not written")?;
        Ok(sent)
    }

    /// Waits for room as long as it takes.
    fn send(&self, input: &Input) -> Result<()> {
        let record = Outgoing {
            topic: &self.source.topic,
            partition: Some(place_of(input, self.source.partitions)),
            key: input.key.as_deref(),
            value: input.value.as_deref(),
            ..Outgoing::default()
        };
        loop {
            match self.producer.send(&record) {
                Ok(()) => return Ok(()),
                Err(error) if error.reaction == tape_kafka::Reaction::Retry => {}
                Err(error) => return Err(error).context("a record was not written"),
            }
        }
    }
}
