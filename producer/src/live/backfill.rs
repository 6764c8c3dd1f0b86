//! Fills gaps of a live feed: the shell of [`backfill`](crate::massive::backfill), inside of the thread that publishes.
//!
//! Calls are made, and their pages read, by a thread of its own, so that live events do not wait for them.
//!
//! The plan thinks in event time, a gap is told in ours. How far the feed is behind our clock (15 minutes on a delayed host, years when
//! an old tape is played) is measured at the last trades before the gap; its end is moved by the least lag that was seen, because a
//! feed that lagged when it broke is often fresh afterwards.

mod lag;
mod numbers;

use std::collections::BTreeSet;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use tape_service::config::Format;
use tape_service::{Config, Secret};
use tracing::{error, info, warn};

use super::rest::{Response, Rest};
use crate::feed::encode;
use crate::massive::backfill::{Answer, Call, Effect, Event, Note, Page, Pass, Plan, Record, Row, Settings};
use crate::massive::cluster::Cluster;
use crate::massive::decode::{Decoder, Kind, Past};
use crate::report::now_ms;
use crate::venue::Decoded;
use lag::Lag;
use numbers::Numbers;

/// Bytes of live events that may wait for a backfill.
const HOLD_BYTES: usize = 64 << 20;

/// A stretch of time that a connection missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Index of the feed.
    pub(crate) feed: usize,
    /// From and to by our clock, in milliseconds since the Unix epoch.
    pub(crate) range: (i64, i64),
    /// What the connection is subscribed to.
    pub(crate) channels: BTreeSet<String>,
}

impl Gap {
    /// All three times on the clock of the connections.
    pub(crate) fn new(
        feed: usize,
        (from, to): (Duration, Duration),
        channels: BTreeSet<String>,
        now: Duration,
    ) -> Self {
        let ago = |time| i64::try_from(now.saturating_sub(time).as_millis()).unwrap_or(i64::MAX);
        let clock = now_ms();
        Self { feed, range: (clock.saturating_sub(ago(from)), clock.saturating_sub(ago(to))), channels }
    }
}

/// See the head of this file.
pub(super) struct Backfill {
    plan: Plan,
    calls: Sender<Call>,
    answers: Receiver<Answer>,
    /// By cluster.
    lags: [Lag; 2],
    numbers: Numbers,
}

impl Backfill {
    /// `None`: not wanted. `decoders`: one for each cluster.
    pub(super) fn new(config: &Config, key: Secret, decoders: [Decoder; 2]) -> Option<Self> {
        let source = &config.source;
        if !source.massive_backfill {
            return None;
        }
        let plan = Plan::new(Settings {
            calls_per_minute: source.massive_calls_per_minute,
            hold: config.processing.watermark_delay / 2,
            hold_bytes: HOLD_BYTES,
        });
        let caller = Caller {
            rest: Rest::new(&source.massive_rest_url, key),
            decoders,
            format: config.producer.trade_format,
        };
        let (calls, called) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        // Not waited for at the end: a call may take long, and nobody wants its answer then.
        std::thread::spawn(move || caller.run(&called, &answer));
        Some(Self { plan, calls, answers, lags: Default::default(), numbers: Numbers::new() })
    }

    /// A connection missed something.
    pub(super) fn gap(&mut self, gap: &Gap, now: Duration) {
        let Some(&cluster) = Cluster::ALL.get(gap.feed) else { return };
        let lag = &self.lags[cluster as usize];
        let range = (gap.range.0.saturating_sub(lag.last()), gap.range.1.saturating_sub(lag.least()));
        self.plan.gap(cluster, range, &gap.channels, now);
    }

    /// A live event came, with its record's value. True = publish it; false = it is held, or was published before. Then, and
    /// otherwise too, take the [`effects`](Self::effects) first.
    pub(super) fn live(&mut self, decoded: &Decoded<'_>, value: &[u8], clock: i64, now: Duration) -> bool {
        let kinds = [(Kind::T, Cluster::Stocks), (Kind::Xt, Cluster::Crypto)];
        let Some((_, cluster)) = kinds.into_iter().find(|(kind, _)| kind.name() == decoded.kind) else {
            return true;
        };
        let trade = &decoded.trade;
        self.lags[cluster as usize].add(clock.saturating_sub(trade.event_time));
        let event = Event {
            cluster,
            symbol: &trade.symbol,
            event_time: trade.event_time,
            identity: decoded.identity,
            value,
        };
        self.plan.live(&event, now) == Pass::Now
    }

    /// Hands answers in and calls out.
    pub(super) fn turn(&mut self, now: Duration) {
        while let Ok(answer) = self.answers.try_recv() {
            self.plan.answer(answer, now);
        }
        self.plan.pass(now);
        while let Some(call) = self.plan.call(now) {
            if self.calls.send(call).is_err() {
                self.plan.answer(Answer::Failed("the thread that makes calls has ended".to_owned()), now);
            }
        }
    }

    /// No more calls; what is held goes out.
    pub(super) fn stop(&mut self) {
        let pending = self.plan.stop();
        if pending > 0 {
            warn!(gaps = pending, "stopped before these gaps were filled");
        }
    }

    /// Publishes what is ready, in order.
    pub(super) fn effects(&mut self, mut publish: impl FnMut(&Record)) {
        while let Some(effect) = self.plan.effect() {
            match effect {
                Effect::Publish(record) => publish(&record),
                Effect::Tell(note) => say(&note),
            }
        }
    }

    /// Brings the numbers up to date.
    pub(super) fn report(&mut self, now: Duration) {
        let figures = self.plan.figures(now);
        if self.numbers.update(&figures) && figures.pending == 0 {
            info!(
                gaps = figures.filled,
                added = figures.added,
                twice = figures.twice,
                calls = figures.calls,
                given_up = figures.given_up,
                "all gaps are filled or given up; sums since the start"
            );
        }
    }
}

fn say(note: &Note) {
    match note {
        Note::AllSymbols => {
            warn!(
                "gaps of a channel of all symbols are not filled: it would take a call for each symbol; name those that matter in SYMBOLS"
            );
        }
        Note::NotInPlan { code, pending } => error!(
            status = code,
            gaps = pending,
            "the vendor refuses to hand out past trades: does the plan hold them, is MASSIVE_REST_URL right? No gap is filled until \
             the next start"
        ),
        Note::GivenUp { symbol, why } => error!(symbol, why, "a gap stays"),
        Note::Retry { symbol, why, pause } => warn!(symbol, why, ?pause, "a gap is tried again"),
    }
}

/// Makes the calls.
struct Caller {
    rest: Rest,
    decoders: [Decoder; 2],
    format: Format,
}

impl Caller {
    /// Until nobody calls any more.
    fn run(mut self, calls: &Receiver<Call>, answers: &Sender<Answer>) {
        while let Ok(call) = calls.recv() {
            if answers.send(self.make(&call)).is_err() {
                return;
            }
        }
    }

    fn make(&mut self, call: &Call) -> Answer {
        match self.rest.get(&call.path) {
            Ok(Response { status: 200, body, .. }) => {
                self.read(call, &body).map_or_else(Answer::Unreadable, Answer::Page)
            }
            Ok(Response { status, retry_after, .. }) => Answer::Status { code: status, retry_after },
            Err(why) => Answer::Failed(why),
        }
    }

    fn read(&mut self, call: &Call, body: &[u8]) -> Result<Page, String> {
        let Some(decoder) = self.decoders.get_mut(call.cluster as usize) else { return Ok(Page::default()) };
        let (mut rows, mut skipped, mut wrong) = (Vec::new(), 0, None);
        let format = self.format;
        let next = decoder.page(&call.symbol, body, |row| match row {
            Ok(Some(past)) => rows.push(record(&past, format)),
            Ok(None) => skipped += 1,
            Err(why) => {
                skipped += 1;
                wrong.get_or_insert(why);
            }
        })?;
        if let Some(why) = wrong {
            warn!(symbol = call.symbol, why, "a page holds trades that cannot be read; the first of them");
        }
        let path_of = |address: String| {
            let path = self.rest.path_of(&address).ok_or("the address of the next page has no path")?;
            if path == call.path { Err("the page names itself as the next one") } else { Ok(path) }
        };
        Ok(Page { rows, skipped, next: next.map(path_of).transpose()? })
    }
}

fn record(past: &Past<'_>, format: Format) -> Row {
    let mut value = Vec::new();
    encode(&past.decoded.trade, past.decoded.raw, format, &mut value);
    Row {
        identity: past.decoded.identity,
        event_time: past.decoded.trade.event_time,
        nanos: past.nanos,
        sequence: past.sequence,
        value,
    }
}

#[cfg(test)]
mod tests;
