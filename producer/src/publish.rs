//! The shell around a [`Feed`]: clock, Kafka, shutdown.
//!
//! ```text
//! locate ──▶ open the feed ──▶ send … send ──▶ flush ──▶ done
//!   ▲                              │
//!   └──── the client was lost ◀────┘
//! ```
//!
//! - **Locate**: where to begin. With `resume`, and whenever a client was lost, the log says which records it has; so
//!   nothing is written twice and nothing is left out, whatever happened to what was on its way.
//! - **Send**: the client keeps the order of each partition and retries without doubling. While brokers are away nothing is
//!   given up: its buffer fills, the feed waits, readiness says why.
//! - **Stop**: what was sent is flushed for at most [`FLUSH_ON_STOP`]. What the brokers did not take by then is said, and a
//!   later run with `resume` sends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tape_kafka::{Clients, Error, Kind, Outgoing, Producer, Reaction};
use tape_proto::partition::partition;
use tape_proto::trade::SOURCE_HEADER;
use tape_service::{Config, Failure, Health, Shutdown};
use tokio::runtime::Handle;
use tracing::{info, warn};

use crate::cursor::{Cursor, write_header};
use crate::feed::{Feed, FeedRecord, Poll};
use crate::files::FileError;
use crate::log_tail::{self, Last};
use crate::monitor::Monitor;
use crate::patience::{RETRY_FIRST, patiently};
use crate::replay::{self, ReplayFeed};
use crate::report::{Report, now_ms};
use crate::run_id::Lineage;
use crate::simulate::{HISTORY_MS, Market, Simulation};
use crate::source::{SourceKind, SourceSpec};

/// How long a stop waits for the brokers; the grace period of a pod is 30 s.
pub(crate) const FLUSH_ON_STOP: Duration = Duration::from_secs(10);
/// One step of a flush, between two looks at the shutdown.
const FLUSH_STEP: Duration = Duration::from_millis(200);
/// The shortest sleep: records due within it go out together. Below the default `LINGER_MS`.
const NAP_MIN: Duration = Duration::from_millis(5);
/// The longest sleep between two looks at the numbers, so that they are fresh while little happens.
const NAP_MAX: Duration = Duration::from_millis(500);
/// Brokers that take nothing for so long are away.
const AWAY_AFTER: Duration = Duration::from_secs(3);
/// So many clients in a row may be lost without a record acknowledged in between.
pub(crate) const LOSSES_MAX: u32 = 5;

/// What a run needs and what it tells.
pub(crate) struct Publisher {
    config: Arc<Config>,
    spec: SourceSpec,
    clients: Clients,
    shutdown: Shutdown,
    health: Health,
    runtime: Handle,
    report: Report,
    header: Vec<u8>,
}

/// Where a run begins.
struct Start {
    id: String,
    /// Second since the Unix epoch.
    begin: i64,
    cursor: Cursor,
}

/// How sending ended.
enum Outcome {
    /// The source has ended and everything is acknowledged.
    Done,
    /// As was asked for.
    Stopped,
    /// The client is dead: what it had not written is found out by reading the log.
    Lost(Error),
}

impl Publisher {
    /// Must be called inside a tokio runtime, after the metrics recorder was installed.
    pub(crate) fn new(
        config: Arc<Config>,
        mut spec: SourceSpec,
        shutdown: Shutdown,
        health: Health,
        monitor: Monitor,
    ) -> Self {
        match &mut spec.kind {
            SourceKind::Simulate(market) => *market = market.with_symbols(&config.source.symbols),
            SourceKind::Replay(replay) => {
                replay.layout.sale_conditions.clone_from(&config.source.sale_conditions_file);
            }
        }
        let clients = Clients::new(&config.kafka, &format!("{}-producer", config.app_id));
        let runtime = Handle::current();
        let report = Report::new(monitor);
        Self { config, spec, clients, shutdown, health, runtime, report, header: Vec::new() }
    }

    /// Runs to the end of the source or to the shutdown. Blocks.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        let lineage = self.lineage()?;
        let result = self.run_as(lineage);
        if let Err(failure) = &result {
            self.health.set_ready(false, &failure.to_string());
        }
        result
    }

    fn run_as(&mut self, mut lineage: Lineage) -> Result<(), Failure> {
        // Without `resume` only what this run wrote counts: everything behind the end of the log as it is now.
        let from = if self.spec.resume { Some(Vec::new()) } else { self.patiently(Self::ends)? };
        let Some(from) = from else { return Ok(()) };
        let mut start = if self.spec.resume {
            let Some(last) = self.patiently(|this| this.last_records(&lineage, &from))? else {
                return Ok(());
            };
            self.continue_after(&lineage, &last)
        } else {
            Start { id: String::new(), begin: self.begin_now(), cursor: Cursor::fresh(from.len()) }
        };
        lineage = lineage.only(start.begin);
        start.id = lineage.id(start.begin);
        self.announce(&start);

        let mut losses = 0;
        loop {
            let acknowledged = self.report.acknowledged();
            let error = match self.send_all(&start)? {
                Outcome::Done => {
                    info!(source = start.id, records = self.report.records(), "the source has ended");
                    self.health.set_ready(true, "the source has ended; everything is acknowledged");
                    return Ok(());
                }
                Outcome::Stopped => return Ok(()),
                Outcome::Lost(error) => error,
            };
            losses = if self.report.acknowledged() > acknowledged { 1 } else { losses + 1 };
            if losses > LOSSES_MAX {
                return Err(anyhow!(error).context("the Kafka client was lost again and again").into());
            }
            warn!(%error, "the Kafka client was lost; going on after what the log has");
            self.report.restarted();
            self.health.set_ready(false, &error.to_string());
            let Some(last) = self.patiently(|this| this.last_records(&lineage, &from))? else {
                return Ok(());
            };
            start.cursor = cursor_of(&last, start.begin);
        }
    }

    /// Opens the files once, so that mistakes are found before anything else happens.
    fn lineage(&self) -> Result<Lineage, Failure> {
        self.spec.check().map_err(|error| Failure::Config(error.to_string()))?;
        match &self.spec.kind {
            SourceKind::Replay(replay) => {
                ReplayFeed::probe(replay).map_err(file_failure)?;
                Ok(Lineage::fixed(replay::source_id(replay).map_err(file_failure)?))
            }
            SourceKind::Simulate(market) => {
                let begin = market.start.map(|start| start.div_euclid(1000));
                Ok(Lineage::with_begin(market.source_id(), begin))
            }
        }
    }

    fn begin_now(&self) -> i64 {
        match &self.spec.kind {
            SourceKind::Simulate(Market { start: Some(start), .. }) => start.div_euclid(1000),
            SourceKind::Simulate(Market { start: None, .. }) => (now_ms() - HISTORY_MS).div_euclid(1000),
            SourceKind::Replay(_) => 0,
        }
    }

    /// Of several runs in the log the one that began last goes on.
    fn continue_after(&self, lineage: &Lineage, last: &[Option<Last>]) -> Start {
        let newest = last.iter().flatten().map(|last| last.begin).max();
        let begin = newest.unwrap_or_else(|| self.begin_now());
        Start { id: lineage.id(begin), begin, cursor: cursor_of(last, begin) }
    }

    fn announce(&self, start: &Start) {
        if start.cursor.is_fresh() {
            info!(source = start.id, topic = self.topic(), "beginning");
        } else {
            info!(source = start.id, topic = self.topic(), after = ?start.cursor.last(), "continuing");
        }
    }

    fn topic(&self) -> &str {
        &self.config.topics.raw_trades
    }

    fn ends(&self) -> Result<Vec<i64>, Error> {
        log_tail::ends(&self.clients, self.topic())
    }

    fn last_records(&self, lineage: &Lineage, from: &[i64]) -> Result<Vec<Option<Last>>, Error> {
        log_tail::last_records(&self.clients, self.topic(), lineage, from, &|| self.shutdown.is_requested())
    }

    /// Asks until there is an answer; `None` = the shutdown came first.
    fn patiently<T>(&self, ask: impl Fn(&Self) -> Result<T, Error>) -> Result<Option<T>, Failure> {
        patiently((&self.shutdown, &self.health, &self.runtime), || ask(self))
    }

    fn nap(&self, duration: Duration) {
        self.runtime.block_on(self.shutdown.pause(duration));
    }

    fn open(&self, start: &Start) -> Result<Feed, Failure> {
        let format = self.config.producer.trade_format;
        Ok(match &self.spec.kind {
            SourceKind::Replay(replay) => {
                let feed = ReplayFeed::open(replay, format, start.cursor.clone());
                Feed::Replay(Box::new(feed.map_err(file_failure)?))
            }
            SourceKind::Simulate(market) => Feed::Simulation(Box::new(Simulation::new(
                market,
                start.begin * 1000,
                format,
                start.cursor.clone(),
            ))),
        })
    }

    fn send_all(&mut self, start: &Start) -> Result<Outcome, Failure> {
        let mut feed = self.open(start)?;
        let producer = self.clients.producer(&self.config.producer)?;
        let partitions = i32::try_from(start.cursor.last().len()).unwrap_or(i32::MAX);
        self.report.begin();
        self.health.set_ready(true, "");
        while !self.shutdown.is_requested() {
            let outcome = match feed.poll(now_ms()).map_err(file_failure)? {
                Poll::Record(record) => {
                    write_header(&start.id, record.number, &mut self.header);
                    self.send(&producer, &record, partitions)?
                }
                Poll::Wait(until) => {
                    let wait = Duration::from_millis(u64::try_from(until - now_ms()).unwrap_or(0));
                    self.report.update(&feed, &producer);
                    if !wait.is_zero() {
                        self.nap(wait.clamp(NAP_MIN, NAP_MAX));
                    }
                    None
                }
                Poll::End => {
                    self.report.update(&feed, &producer);
                    return self.finish(&feed, &producer, None);
                }
            };
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
            if self.report.is_due() {
                self.report.update(&feed, &producer);
            }
            if producer.delivery_failures() > 0
                && let Some(error) = producer.take_failure()
            {
                return lost(error);
            }
        }
        self.finish(&feed, &producer, Some(Instant::now() + FLUSH_ON_STOP))
    }

    /// Sends one record; waits while the brokers take nothing. `None` = sent, or refused for good and noted.
    fn send(
        &mut self,
        producer: &Producer,
        record: &FeedRecord<'_>,
        partitions: i32,
    ) -> Result<Option<Outcome>, Failure> {
        let outgoing = Outgoing {
            topic: &self.config.topics.raw_trades,
            partition: Some(partition(record.key, partitions)),
            key: Some(record.key),
            value: record.value,
            headers: &[(SOURCE_HEADER, Some(&self.header))],
            timestamp: None,
        };
        let begun = Instant::now();
        loop {
            let error = match producer.send(&outgoing) {
                Ok(()) => {
                    if begun.elapsed() > AWAY_AFTER {
                        info!("the brokers take records again");
                        self.health.set_ready(true, "");
                    }
                    self.report.sent(record);
                    return Ok(None);
                }
                Err(error) => error,
            };
            if self.shutdown.is_requested() {
                return Ok(None);
            }
            match (&error.kind, error.reaction) {
                (Kind::QueueFull, _) => {
                    if begun.elapsed() > AWAY_AFTER
                        && self
                            .health
                            .set_ready(false, "the brokers take no records: waiting, nothing is lost")
                    {
                        warn!(in_flight = producer.in_flight(), "the brokers take no records; waiting");
                    }
                }
                (_, Reaction::Retry) => self.nap(RETRY_FIRST),
                _ => return lost(error).map(Some),
            }
        }
    }

    /// Waits until everything is acknowledged; without a deadline as long as it takes, or until the shutdown sets one.
    fn finish(
        &mut self,
        feed: &Feed,
        producer: &Producer,
        mut deadline: Option<Instant>,
    ) -> Result<Outcome, Failure> {
        let outcome = if deadline.is_some() { Outcome::Stopped } else { Outcome::Done };
        let begun = Instant::now();
        loop {
            let flushed = producer.flush(FLUSH_STEP);
            self.report.update(feed, producer);
            match flushed {
                Ok(()) => {
                    info!(records = self.report.acknowledged(), "everything sent is acknowledged");
                    return Ok(outcome);
                }
                Err(error) if !error.is_timeout() => return lost(error),
                Err(_) => {}
            }
            if self.shutdown.is_requested() {
                deadline.get_or_insert(Instant::now() + FLUSH_ON_STOP);
            }
            if begun.elapsed() > AWAY_AFTER
                && self
                    .health
                    .set_ready(false, "the brokers acknowledge nothing: waiting for the last records")
            {
                warn!(in_flight = producer.in_flight(), "the brokers acknowledge nothing; waiting");
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(anyhow!(
                    "stopped with {} records that the brokers have not acknowledged; the next run with --resume sends \
                     what is missing",
                    producer.in_flight()
                )
                .into());
            }
        }
    }
}

/// A lost client is made anew, unless only a human can help.
fn lost(error: Error) -> Result<Outcome, Failure> {
    if error.reaction == Reaction::Config { Err(error.into()) } else { Ok(Outcome::Lost(error)) }
}

fn cursor_of(last: &[Option<Last>], begin: i64) -> Cursor {
    let number = |last: &Option<Last>| last.filter(|last| last.begin == begin).map(|last| last.number);
    Cursor::new(last.iter().map(number).collect())
}

/// A file that cannot be opened or understood is the user's to correct.
fn file_failure(error: FileError) -> Failure {
    match error {
        FileError::Open { .. } | FileError::Header { .. } | FileError::Conditions { .. } => {
            Failure::Config(error.to_string())
        }
        FileError::Read { .. } | FileError::Write { .. } => Failure::Other(error.into()),
    }
}
