//! The sink's loop: one thread owns consumer, partitions and what waits in the lanes; only writing is done beside it.
//!
//! A turn: answer the group's events → start parked partitions → consume into the batch → write the batch when it is
//! due → once a second measure lag. Nothing else moves anything.
//!
//! **Whatever goes wrong takes one way** ([`Worker::retreat`]): the batch is dropped, all partitions are parked, and after a
//! pause each starts again where the database says that it stands. Nothing is lost by that, because an offset is moved only
//! together with its rows; little is repeated, because a batch is small; and memory stays flat however long the database is
//! away, because parked partitions deliver nothing. Meanwhile the loop goes on turning, so the group keeps its member.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_kafka::{Admin, Clients, CommitMode, GroupConsumer, GroupSpec, Part, Reaction};
use tape_service::health::Heartbeat;
use tape_service::{Backoff, Config, Failure, Health, Shutdown};
use tokio::runtime::Handle;
use tracing::{debug, info, warn};

use crate::batch::Limits;
use crate::breaker::Breaker;
use crate::dead_letters::DeadLetters;
use crate::entry::{Entry, Incoming};
use crate::lanes::{Lane, lane_of};
use crate::meter::Meter;
use crate::partitions::Partitions;
use crate::rounds::Rounds;
use crate::slot::{Names, Slot, Table};
use crate::trouble::Trouble;
use crate::writer::Writer;

/// Longest time without a look at the group's events.
const TICK: Duration = Duration::from_millis(100);

/// Most records taken at once: bounds by how much a batch may exceed its bytes.
const CHUNK: usize = 500;

/// First and longest pause after trouble.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// Pause when somebody must act on the server first.
const PAUSE_SLOW: Duration = Duration::from_secs(15);
/// Trouble after so much peace begins with the first pause again.
const PEACE: Duration = Duration::from_secs(60);

/// A turn may take this long before the process counts as dead: dead letters (30 s), the transaction (60 s), several
/// times over for a batch with many culprits.
const TURN_MAX: Duration = Duration::from_secs(600);

/// A sink that was killed is missed after so long at most. It keeps nothing on disk that would be worth waiting for.
const SESSION_MAX: Duration = Duration::from_secs(10);
/// A member that does not poll for this long loses its partitions; above any turn that is not lost already.
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(600);

/// Longest wait for a broker's answer to a question.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for the first of two answers; a healthy broker needs a few milliseconds.
const FIRST_ASK: Duration = Duration::from_millis(500);

/// Longest wait when leaving the group.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the worker shares with its role.
pub(crate) struct Context {
    pub(crate) config: Arc<Config>,
    pub(crate) clients: Clients,
    pub(crate) group: String,
    pub(crate) names: Names,
    pub(crate) writer: Writer,
    pub(crate) health: Health,
    pub(crate) shutdown: Shutdown,
    /// Runs the database's futures; this thread waits for them.
    pub(crate) runtime: Handle,
}

/// How a worker ended.
pub(crate) enum Ended {
    /// The stop was requested.
    Stopped,
    /// The consumer is dead; a new worker takes over.
    Renew { why: String },
}

/// The loop's state.
pub(crate) struct Worker {
    pub(crate) context: Arc<Context>,
    pub(crate) consumer: GroupConsumer,
    /// Asks for offsets: on the consumer's own connections a question waits behind a fetch, up to half a second.
    pub(crate) admin: Admin,
    pub(crate) letters: DeadLetters,
    pub(crate) meter: Meter,
    pub(crate) partitions: Partitions,
    /// Assigned by the group, not answered yet.
    pub(crate) unanswered: Vec<Part>,
    /// The group has answered at least once.
    pub(crate) joined: bool,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) limits: Limits,
    /// Hours that are written to are marked for `tape maintain`.
    pub(crate) marks: bool,
    /// Keys in the batch that failed last.
    pub(crate) failed_keys: usize,
    pub(crate) breaker: Breaker,
    /// Where the last failed batch ended: until the table stands there, the sink is not ready.
    pub(crate) owed: BTreeMap<Slot, i64>,
    pub(crate) backoff: Backoff,
    pub(crate) retry_at: Option<Instant>,
    pub(crate) last_trouble: Option<Instant>,
    /// What the last trouble was, until all partitions run again.
    pub(crate) waiting_for: Option<String>,
    pub(crate) last_commit: Option<Instant>,
    pub(crate) rounds: Rounds,
    heartbeat: Heartbeat,
}

impl Worker {
    pub(crate) fn new(context: Arc<Context>) -> Result<Self, Trouble> {
        let config = &context.config;
        let spec = GroupSpec {
            group: context.group.clone(),
            instance_id: None,
            topics: vec![config.topics.aggregates.clone(), config.topics.alerts.clone()],
            session_timeout: config.kafka.session_timeout.min(SESSION_MAX),
            max_poll_interval: POLL_INTERVAL_MAX.max(config.kafka.session_timeout),
        };
        let consumer = context.clients.group_consumer(spec)?;
        let admin = context.clients.admin()?;
        let letters = DeadLetters::new(&context.clients, config)?;
        let heartbeat = context.health.watch("the sink's loop", TURN_MAX);
        Ok(Self {
            consumer,
            admin,
            letters,
            meter: Meter::new(),
            partitions: Partitions::default(),
            unanswered: Vec::new(),
            joined: false,
            lanes: Lane::all(&context)?,
            limits: configured_limits(config),
            marks: false,
            failed_keys: 0,
            breaker: Breaker::default(),
            owed: BTreeMap::new(),
            backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
            retry_at: None,
            last_trouble: None,
            waiting_for: None,
            last_commit: None,
            rounds: Rounds::default(),
            heartbeat,
            context,
        })
    }

    /// Turns until the stop is requested or the consumer dies.
    pub(crate) fn run(mut self) -> Result<Ended, Failure> {
        while !self.context.shutdown.is_requested() {
            self.heartbeat.beat();
            match self.turn() {
                Ok(()) => self.report(),
                Err(Trouble::Later { why, slow }) => {
                    self.retreat(&why, if slow { "slow" } else { "later" }, slow)
                }
                Err(Trouble::Split { why }) => {
                    self.limits.rows = (self.failed_keys / 2).max(1);
                    self.retreat(&why, "split", self.failed_keys <= 1);
                }
                Err(Trouble::Renew { why }) => {
                    self.forget_lag();
                    self.consumer.close(CLOSE_TIMEOUT);
                    return Ok(Ended::Renew { why });
                }
                Err(Trouble::Stop(failure)) => {
                    self.consumer.close(CLOSE_TIMEOUT);
                    return Err(failure);
                }
            }
        }
        self.finish();
        Ok(Ended::Stopped)
    }

    fn turn(&mut self) -> Result<(), Trouble> {
        self.answer_events()?;
        if self.retry_at.is_none_or(|at| Instant::now() >= at) {
            self.retry_at = None;
            self.answer_assigned()?;
            self.start_parked()?;
        }
        self.consume()?;
        self.flush_due()?;
        self.round()
    }

    /// Takes what is there, up to the room of the fullest lane, waiting no longer than a lane or the group may wait.
    fn consume(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        if let Some(full) = self.lanes.iter().position(|lane| lane.batch.room(&self.limits) == 0) {
            // What is full and not being written is launched behind this.
            return self.land(full, TICK);
        }
        let rooms = self.lanes.iter().map(|lane| lane.batch.room(&self.limits));
        let room = rooms.min().unwrap_or_default().min(CHUNK);
        let wait = self.lanes.iter().filter_map(|lane| lane.patience(&self.limits, now)).min();
        let wait = wait.unwrap_or(TICK).min(TICK);
        let Self { consumer, partitions, lanes, meter, context, .. } = self;
        let count = lanes.len();
        let mut take = |record: tape_kafka::Record<'_>| {
            let Some(table) = context.names.table(record.topic) else { return };
            let slot = Slot { table, partition: record.partition };
            if partitions.accept(slot, record.offset) {
                meter.consumed(table);
                lanes[lane_of(slot, count)].batch.push(Entry::judge(incoming(slot, &record)), now);
            }
        };
        match consumer.consume(room, wait, &mut take) {
            Ok(_) => Ok(()),
            Err(error) if error.reaction == Reaction::Retry && !is_out_of_range(&error) => {
                self.rounds.kafka_is_away(&error);
                std::thread::sleep(wait.min(TICK));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a question to the brokers, and once more after a fresh look at the topics: a client that reads nothing keeps the
    /// leaders that it saw first, and after a broker's restart the brokers refuse these as too old.
    pub(crate) fn ask<T>(
        &self,
        timeout: Duration,
        question: impl Fn(&Admin, Duration) -> Result<T, tape_kafka::Error>,
    ) -> Result<T, tape_kafka::Error> {
        question(&self.admin, timeout.min(FIRST_ASK)).or_else(|_| {
            for table in Table::ALL {
                self.admin.partition_count(self.context.names.topic(table), timeout)?;
            }
            question(&self.admin, timeout)
        })
    }

    /// The one way after trouble: drop, park, wait.
    fn retreat(&mut self, why: &str, reason: &'static str, slow: bool) {
        if self.last_trouble.is_some_and(|at| at.elapsed() > PEACE) {
            self.backoff.reset();
        }
        let pause = if slow { PAUSE_SLOW } else { self.backoff.pause() };
        let now = Instant::now();
        self.last_trouble = Some(now);
        self.retry_at = Some(now + pause);
        self.meter.retry(reason);
        self.context.health.set_ready(false, why);
        self.waiting_for = Some(why.to_owned());
        // What other lanes are writing meanwhile may go through; the start asks the database in any case.
        if let Err(trouble) = self.settle() {
            debug!(?trouble, "another lane failed too");
        }
        warn!(
            reason,
            pause_ms = pause.as_millis() as u64,
            dropped_records = self.waiting(),
            "{why}; what is not written is read again after a pause"
        );
        self.lanes.iter_mut().for_each(|lane| lane.batch.clear());
        for slot in self.partitions.park_all() {
            let part = self.context.names.part(slot);
            if let Err(error) = self.consumer.stop(&part, ANSWER_TIMEOUT) {
                // What it still delivers is not accepted; the next start seeks anyhow.
                warn!(%part, %error, "could not park the partition");
            }
        }
    }

    /// Records that wait to be written.
    fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.batch.len()).sum()
    }

    /// Readiness and its reason.
    fn report(&mut self) {
        let parked = self.partitions.parked().len() + self.unanswered.len();
        let (ready, why) = if let Some(why) = self.rounds.away() {
            (false, why.to_owned())
        } else if !self.joined {
            (false, format!("joining the group {}", self.context.group))
        } else if parked > 0 {
            let why = self.waiting_for.as_deref().unwrap_or("they were just assigned");
            (false, format!("{parked} partitions wait for their start: {why}"))
        } else if !self.owed.is_empty() {
            (false, "the batch that failed is not written yet".to_owned())
        } else {
            (true, String::new())
        };
        if self.context.health.set_ready(ready, &why) {
            info!(ready, reason = %why, partitions = self.partitions.len(), "readiness changed");
        }
    }

    /// Writes what waits, tells Kafka, leaves the group.
    fn finish(mut self) {
        self.context.health.set_ready(false, "stopping");
        if let Err(trouble) = self.flush_all() {
            warn!(?trouble, "the last batch was not written; the next start reads it again");
        }
        let hints = self.hints();
        if !hints.is_empty()
            && let Err(error) = self.consumer.commit_offsets(&hints, CommitMode::Wait(ANSWER_TIMEOUT))
        {
            warn!(%error, "the last offsets did not reach Kafka; lag tools show too much until the next start");
        }
        self.forget_lag();
        self.consumer.close(CLOSE_TIMEOUT);
        info!("sink stopped");
    }
}

pub(crate) fn configured_limits(config: &Config) -> Limits {
    Limits { rows: config.db.batch_rows, bytes: config.db.batch_bytes, linger: config.db.batch_linger }
}

pub(crate) fn is_out_of_range(error: &tape_kafka::Error) -> bool {
    matches!(error.kind, tape_kafka::Kind::OffsetOutOfRange { .. })
}

fn incoming<'a>(slot: Slot, record: &tape_kafka::Record<'a>) -> Incoming<'a> {
    Incoming {
        slot,
        topic: record.topic,
        offset: record.offset,
        timestamp: record.timestamp,
        append_time: record.append_time(),
        key: record.key,
        value: record.value,
        headers: record
            .headers()
            .map(|(name, value)| tape_proto::dead_letter::Header {
                name,
                value: value.map(std::borrow::Cow::Borrowed),
            })
            .collect(),
    }
}
