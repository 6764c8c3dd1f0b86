//! The thread between the sockets and Kafka: reads frames, makes records, and moves them on, over the disk if need be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tape_service::config::Format;
use tape_service::health::Heartbeat;
use tape_service::{Config, Failure, Health};
use tracing::{error, info, warn};

use super::backfill::Backfill;
use super::client::Link;
use super::intake::{Frame, Next, Outlet};
use super::meters::LiveMeters;
use super::outbox::{Fate, Outbox};
use super::status::Lines;
use crate::feed::encode;
use crate::monitor::{Meters, Snapshot};
use crate::publish::{FLUSH_ON_STOP, LOSSES_MAX};
use crate::report::now_ms;
use crate::spool::SpoolError;
use crate::venue::{Decode, Decoded, Element};

/// How long the thread waits for a frame before it looks after what waits.
const TURN: Duration = Duration::from_millis(20);
/// What waits is looked after at least once in so many frames.
const FRAMES_MAX: usize = 256;
/// Events that could not be read are logged one by one so often; from then on they are only counted.
const BAD_LOGGED_MAX: u64 = 20;
/// So much of an event stands in the log.
const EXCERPT_CHARS: usize = 200;
/// How often the log says how things go.
const LOG_EVERY: Duration = Duration::from_secs(30);
/// A thread that does not look after what waits for so long is stuck, and only a restart helps.
const STALL_LIMIT: Duration = Duration::from_secs(180);
/// How often numbers are brought up to date.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// See the head of this file.
pub(super) struct Publisher {
    outlet: Outlet,
    decoders: Vec<Box<dyn Decode>>,
    backfill: Option<Backfill>,
    outbox: Outbox,
    link: Link,
    lines: Lines,
    health: Health,
    heartbeat: Heartbeat,
    format: Format,
    started: Instant,
    count: Count,
    losses: u32,
}

/// Everything that is counted and told.
struct Count {
    meters: Meters,
    live: LiveMeters,
    now: Snapshot,
    told: Snapshot,
    bytes: u64,
    bad: u64,
    dropped: Dropped,
    /// Trades that never came, by symbol, since the last report.
    missing: BTreeMap<String, u64>,
    reported: Instant,
    logged: (Instant, u64),
}

/// Records for which there was no room, in a row.
#[derive(Default)]
struct Dropped {
    count: u64,
    /// Event times of the first and the last.
    range: Option<(i64, i64)>,
}

impl Publisher {
    pub(super) fn new(
        config: &Config,
        (outlet, decoders, backfill): (Outlet, Vec<Box<dyn Decode>>, Option<Backfill>),
        (outbox, link): (Outbox, Link),
        (lines, health): (Lines, Health),
    ) -> Self {
        let now = Instant::now();
        let count = Count {
            meters: Meters::new(),
            live: LiveMeters::new(config.producer.spool_limit),
            now: Snapshot::default(),
            told: Snapshot::default(),
            bytes: 0,
            bad: 0,
            dropped: Dropped::default(),
            missing: BTreeMap::new(),
            reported: now,
            logged: (now, 0),
        };
        let format = config.producer.trade_format;
        Self {
            outlet,
            decoders,
            backfill,
            outbox,
            link,
            lines,
            heartbeat: health.watch("the thread that publishes", STALL_LIMIT),
            health,
            format,
            started: now,
            count,
            losses: 0,
        }
    }

    /// Runs until the sockets have closed and what they brought is delivered, or safe on disk. Blocks.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let result = self.work();
        let finished = self.finish();
        if let Err(failure) = &result {
            self.health.set_ready(false, &failure.to_string());
        }
        result.and(finished)
    }

    fn work(&mut self) -> Result<(), Failure> {
        let mut wait = TURN;
        loop {
            for _ in 0..FRAMES_MAX {
                match self.outlet.next(wait) {
                    Next::Frame(frame) => self.take(&frame),
                    Next::Gap(gap) => {
                        if let Some(backfill) = &mut self.backfill {
                            backfill.gap(&gap, self.started.elapsed());
                        }
                    }
                    Next::Nothing => break,
                    Next::End => return Ok(()),
                }
                wait = Duration::ZERO;
            }
            wait = if self.turn()? { Duration::ZERO } else { TURN };
        }
    }

    fn take(&mut self, frame: &Frame) {
        let now = self.started.elapsed();
        let (backfill, outbox, client, count, format) =
            (&mut self.backfill, &mut self.outbox, self.link.client(), &mut self.count, self.format);
        let clock = now_ms();
        let mut value = Vec::with_capacity(256);
        let Some(decoder) = self.decoders.get_mut(frame.feed) else { return };
        decoder.decode(&frame.bytes, &mut |element| match element {
            Element::Trade(decoded) => {
                encode(&decoded.trade, decoded.raw, format, &mut value);
                count.heard(&decoded, clock);
                let mut push = |symbol: &str, event_time, value: &[u8]| {
                    let fate = outbox.push(client, (symbol.as_bytes(), value), now);
                    count.took(event_time, value, fate);
                };
                if let Some(backfill) = backfill {
                    let is_free = backfill.live(&decoded, &value, clock, now);
                    backfill.effects(|record| push(&record.symbol, record.event_time, &record.value));
                    if !is_free {
                        return;
                    }
                }
                push(&decoded.trade.symbol, decoded.trade.event_time, &value);
            }
            Element::Status => {}
            Element::Ignored(name) => count.live.ignored(name),
            Element::Missing { symbol, count: trades } => count.missed(symbol, trades),
            Element::Bad { reason, message, text } => count.refused(reason, &message, text),
        });
    }

    /// Publishes what a backfill has ready.
    fn fill(&mut self) {
        let now = self.started.elapsed();
        let (outbox, client, count) = (&mut self.outbox, self.link.client(), &mut self.count);
        let Some(backfill) = &mut self.backfill else { return };
        backfill.turn(now);
        backfill.effects(|record| {
            let fate = outbox.push(client, (record.symbol.as_bytes(), &record.value), now);
            count.took(record.event_time, &record.value, fate);
        });
    }

    /// Looks after backfill, client and disk. True = there is more to do at once.
    fn turn(&mut self) -> Result<bool, Failure> {
        self.heartbeat.beat();
        self.fill();
        if let Some(cursor) = self.link.look()? {
            self.outbox.resume(cursor);
        }
        let before = self.outbox.figures().acknowledged;
        let more = self.outbox.turn(self.link.client(), self.started.elapsed());
        let more = more.unwrap_or_else(|error| {
            self.count.disk(&error);
            false
        });
        if self.outbox.figures().acknowledged > before {
            self.losses = 0;
        }
        let broken = self.outbox.take_broken().or_else(|| {
            let client = self.link.client()?;
            if client.producer.delivery_failures() > 0 { client.producer.take_failure() } else { None }
        });
        if let Some(why) = broken {
            self.replace_client(why)?;
        }
        if self.count.reported.elapsed() >= REPORT_EVERY {
            self.report();
        }
        Ok(more)
    }

    fn replace_client(&mut self, why: tape_kafka::Error) -> Result<(), Failure> {
        if why.reaction == tape_kafka::Reaction::Config {
            return Err(why.into());
        }
        self.losses += 1;
        if self.losses > LOSSES_MAX {
            return Err(anyhow!(why).context("the Kafka client was lost again and again").into());
        }
        warn!(error = %why, "the Kafka client was lost; going on after what the log has");
        self.count.meters.restarted();
        match self.outbox.lost() {
            Ok(0) => {}
            Ok(lost) => {
                error!(records = lost, "dropped: they were in memory only, and the disk has no room");
                self.count.live.dropped.increment(lost);
            }
            Err(error) => self.count.disk(&error),
        }
        self.link.renew();
        Ok(())
    }

    fn report(&mut self) {
        let figures = self.outbox.figures();
        let count = &mut self.count;
        count.reported = Instant::now();
        count.now.acknowledged = figures.acknowledged;
        count.meters.update(&count.told, &count.now, std::mem::take(&mut count.bytes), figures.in_flight);
        count.told = count.now;
        count.live.update(&figures, self.outlet.bytes());
        if let Some(backfill) = &mut self.backfill {
            backfill.report(self.started.elapsed());
        }
        if let Some(line) = count.dropped.end() {
            error!("{line}");
        }
        if !count.missing.is_empty() {
            warn!(trades = ?std::mem::take(&mut count.missing), "these numbers of trades never came");
        }
        let (at, records) = count.logged;
        if at.elapsed() >= LOG_EVERY {
            let per_second = ((count.now.records - records) as f64 / at.elapsed().as_secs_f64()).round();
            let behind_s = (now_ms() - count.now.event_time) / 1000;
            let (in_flight, spooled) = (figures.in_flight, figures.spooled);
            info!(records = count.now.records, per_second, behind_s, in_flight, spooled, "receiving");
            count.logged = (Instant::now(), count.now.records);
        }
        self.say_ready();
    }

    fn say_ready(&self) {
        let troubles = self.lines.troubles();
        let why = match self.link.client() {
            // Who makes the client says what it waits for.
            None => return,
            Some(_) if self.outbox.is_spilling() => {
                format!("the brokers take no records: {} wait on disk", self.outbox.figures().spooled)
            }
            Some(_) => troubles,
        };
        if self.health.set_ready(why.is_empty(), &why) {
            if why.is_empty() {
                info!("ready");
            } else {
                warn!("not ready: {why}");
            }
        }
    }

    /// Delivers what is left, or saves it.
    fn finish(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + FLUSH_ON_STOP;
        if let Some(backfill) = &mut self.backfill {
            backfill.stop();
        }
        loop {
            if self.turn().is_err() {
                break;
            }
            match self.link.client() {
                Some(client) => drop(client.producer.flush(TURN)),
                None => std::thread::sleep(TURN),
            }
            if self.outbox.is_settled() || self.link.is_over() || Instant::now() >= deadline {
                break;
            }
        }
        let is_settled = self.outbox.is_settled();
        let saved = if is_settled { Ok(()) } else { self.outbox.save() };
        self.report();
        let figures = self.outbox.figures();
        if is_settled {
            info!(records = figures.acknowledged, "everything received is acknowledged");
            return Ok(());
        }
        match saved {
            Ok(()) if figures.memory_bytes == 0 => {
                warn!(records = figures.spooled, "the brokers have not taken these yet; they wait on disk for the next start");
                Ok(())
            }
            Ok(()) => Err(anyhow!(
                "stopped with {} records that the brokers have not acknowledged and no room on disk (SPOOL_LIMIT): they are lost",
                figures.in_flight
            )
            .into()),
            Err(error) => Err(Failure::Other(error.into())),
        }
    }
}

impl Count {
    fn heard(&mut self, decoded: &Decoded<'_>, clock: i64) {
        let event_time = decoded.trade.event_time;
        self.live.event(decoded.kind, clock - decoded.participant_time.unwrap_or(event_time));
        if decoded.unknown_conditions > 0 {
            self.live.unknown_conditions.increment(decoded.unknown_conditions as u64);
        }
    }

    fn took(&mut self, event_time: i64, value: &[u8], fate: Result<Fate, SpoolError>) {
        match fate {
            Ok(Fate::Sent | Fate::Waits) => {
                self.now.records += 1;
                self.now.event_time = event_time;
                self.bytes += value.len() as u64;
                return;
            }
            Ok(Fate::Dropped) => {}
            Err(error) => self.disk(&error),
        }
        self.live.dropped.increment(1);
        self.dropped.add(event_time);
    }

    fn refused(&mut self, reason: &'static str, message: &str, text: &str) {
        self.bad += 1;
        self.now.rejected += 1;
        self.live.bad(reason);
        if self.bad <= BAD_LOGGED_MAX {
            let event: String = text.chars().take(EXCERPT_CHARS).collect();
            warn!(reason, event, "an event that cannot be read: {message}");
        }
    }

    fn missed(&mut self, symbol: String, trades: u64) {
        self.live.missing.increment(trades);
        let sum = self.missing.entry(symbol).or_default();
        *sum = sum.saturating_add(trades);
    }

    fn disk(&mut self, error: &SpoolError) {
        error!(%error, "the queue on disk refuses");
    }
}

impl Dropped {
    fn add(&mut self, event_time: i64) {
        self.count += 1;
        let (first, last) = self.range.unwrap_or((event_time, event_time));
        self.range = Some((first.min(event_time), last.max(event_time)));
    }

    /// The line for what was dropped since the last time, if anything was.
    fn end(&mut self) -> Option<String> {
        let Self { count, range } = std::mem::take(self);
        let (first, last) = range?;
        let time = |ms: i64| {
            let since = Duration::from_millis(ms.try_into().unwrap_or(0));
            humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).to_string()
        };
        Some(format!(
            "dropped {count} records of {} to {}: the brokers take none, and memory and disk are full (SPOOL_LIMIT)",
            time(first),
            time(last)
        ))
    }
}

/// Who numbers the records of this run: begins in this second.
pub(super) fn source_id(stem: &str) -> String {
    format!("{stem}-{}", now_ms() / 1000)
}
