//! Fills gaps of trade channels from the vendor's REST interface, as a state machine: no socket and no clock, time is an argument.
//!
//! ```text
//!          gap ─▶ a job for each symbol ─▶ call ─▶ answer: a page, and where the next one is
//!                     │                                       │ sorted, without what was heard already
//!   live ─▶ held while jobs of its symbol are open ─▶ merged by time ─▶ effects: publish
//! ```
//!
//! - **Range.** A gap reaches from the last frame of the lost connection to the first acknowledgement of the new one. It is widened by
//!   [`MARGIN_MS`] on both sides: what was on its way when the connection broke, channels that are acknowledged a moment after the
//!   first, clocks that differ. Trades are asked for by the time that the consolidated tape gave them, which is nearly the order of the feed, so
//!   late reports of the exchanges need no more than that. The first call waits until the widened range is past.
//! - **Jobs.** One symbol has one job for gaps that overlap, unless the first is being read already; then the other one follows. `T.*` is
//!   not filled: it would be a call for each of ten thousand symbols.
//! - **Twice.** A trade that both ways bring is published once, by its identity. Live events are remembered as long as a gap could
//!   reach back for them ([`RECENT`]), and those inside of a job's range until the job is done. More than [`RECENT_MAX`] or [`SEEN_MAX`] are
//!   not remembered; such a trade may be published twice, and that is counted. Two trades without id and sequence number that agree in
//!   everything else count as one when a backfill brings them.
//! - **Hold.** Live events of a symbol with an open job wait, each at most the configured time, all of them together at most the configured
//!   bytes; then they are let through, and what the backfill brings later is published late.
//! - **Calls.** One at a time, pages included; no minute has more than the plan allows ([`Rate`]).
//!
//! | answer | |
//! |---|---|
//! | page | published; the next one follows |
//! | 429 | all wait as long as the server says, at most [`RETRY_AFTER_MAX`] |
//! | 5xx, no answer | the job is tried again, after pauses of 1 s to [`RETRY_MAX`]; others go on |
//! | 200 that cannot be read | the same, [`UNREADABLE_MAX`] times |
//! | 401, 403 | the plan does not hold it: no more backfill until the restart |
//! | any other | the job is given up |

mod filling;
mod rate;
mod recent;
mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::cluster::Cluster;
use crate::hash;
use filling::{Filling, Job};
use rate::Rate;
use recent::{By, Recent};
pub(crate) use types::{Answer, Call, Effect, Event, Figures, Note, Page, Pass, Record, Row, Settings};

/// A gap is widened by so much on both sides, in milliseconds of event time.
pub(crate) const MARGIN_MS: i64 = 2_000;
/// The same as a duration.
const MARGIN: Duration = Duration::from_millis(MARGIN_MS.cast_unsigned());
/// How long live events are remembered: longer than a margin, by what the arrival may differ from the event time.
const RECENT: Duration = Duration::from_secs(5);
/// Events of a cluster that are remembered at most.
const RECENT_MAX: usize = 1 << 19;
/// Events of a symbol that are remembered at most while it is filled.
const SEEN_MAX: usize = 1 << 20;
/// Jobs that may wait.
const JOBS_MAX: usize = 20_000;
/// The first pause before a job is tried again; it doubles.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// The longest pause that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Pages that could not be read, in a row, before their job is given up.
const UNREADABLE_MAX: u32 = 5;

/// See the head of this file. Times are durations since any one moment, the same for all calls.
#[derive(Debug)]
pub(crate) struct Plan {
    settings: Settings,
    rate: Rate,
    /// By cluster.
    recent: [Recent; 2],
    /// Symbols with open jobs.
    fillings: BTreeMap<String, Filling>,
    /// The symbol that is being asked for.
    asking: Option<String>,
    paused_until: Duration,
    held_bytes: usize,
    /// The vendor does not let us.
    off: bool,
    all_told: bool,
    figures: Figures,
    effects: VecDeque<Effect>,
}

impl Plan {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            rate: Rate::new(settings.calls_per_minute),
            settings,
            recent: Default::default(),
            fillings: BTreeMap::new(),
            asking: None,
            paused_until: Duration::ZERO,
            held_bytes: 0,
            off: false,
            all_told: false,
            figures: Figures::default(),
            effects: VecDeque::new(),
        }
    }

    /// The feed of a cluster missed what happened between these event times, in milliseconds since the Unix epoch. `channels`: what it
    /// is subscribed to, `T.AAPL`; those that are no trades are passed over.
    pub(crate) fn gap(
        &mut self,
        cluster: Cluster,
        (from, to): (i64, i64),
        channels: &BTreeSet<String>,
        now: Duration,
    ) {
        if self.off {
            return;
        }
        let range = (from.saturating_sub(MARGIN_MS).max(0), to.saturating_add(MARGIN_MS));
        let trades = channels.iter().filter_map(|channel| channel.split_once('.'));
        let mut names = HashMap::new();
        for (_, symbol) in trades.filter(|(kind, _)| matches!(*kind, "T" | "XT")) {
            if symbol == "*" {
                if !std::mem::replace(&mut self.all_told, true) {
                    self.effects.push_back(Effect::Tell(Note::AllSymbols));
                }
            } else if self.pending() >= JOBS_MAX {
                self.figures.given_up += 1;
                self.tell(Note::GivenUp { symbol: symbol.to_owned(), why: "too many gaps wait".to_owned() });
            } else {
                let filling = self.fillings.entry(symbol.to_owned()).or_insert_with(|| Filling::new(cluster));
                filling.add(Job::new(range, now));
                filling.hold_until = now.saturating_add(self.settings.hold);
                names.insert(hash::bytes(symbol.as_bytes()), symbol);
            }
        }
        for (symbol, identity, by) in self.recent[cluster as usize].entries() {
            if let Some(filling) = names.get(&symbol).and_then(|symbol| self.fillings.get_mut(*symbol)) {
                self.figures.forgotten += u64::from(!filling.remember(identity, by));
            }
        }
    }

    /// A live trade came. What [`Pass`] says is done by the caller; take the [`effects`](Self::effect) first.
    pub(crate) fn live(&mut self, event: &Event<'_>, now: Duration) -> Pass {
        if self.off {
            return Pass::Now;
        }
        let recent = &mut self.recent[event.cluster as usize];
        let filling = self.fillings.get_mut(event.symbol);
        let by = recent.by(event.identity);
        let by = by.max(filling.as_ref().and_then(|filling| filling.by(event.identity)));
        if by == Some(By::Backfill) {
            self.figures.twice += 1;
            return Pass::Twice;
        }
        self.figures.forgotten += recent.hear(event.symbol, event.identity, now);
        let Some(filling) = filling else { return Pass::Now };
        if filling.covers(event.event_time) {
            self.figures.forgotten += u64::from(!filling.remember(event.identity, By::Live));
        }
        let is_full = self.held_bytes + event.value.len() > self.settings.hold_bytes;
        if now >= filling.hold_until || is_full {
            filling.hold_until = filling.hold_until.min(now);
            if filling.held.is_empty() {
                return Pass::Now;
            }
            let released = filling.release(|_| true);
            let record = event.record();
            self.publish(released);
            self.effects.push_back(Effect::Publish(record));
        } else {
            self.held_bytes += event.value.len();
            filling.held.push_back((now, event.record()));
        }
        Pass::Kept
    }

    /// The next call to make, if one may be made now; its [`answer`](Self::answer) comes before the next one.
    pub(crate) fn call(&mut self, now: Duration) -> Option<Call> {
        if self.asking.is_some() || now < self.paused_until || !self.rate.allows(now) {
            return None;
        }
        let due = self.fillings.iter_mut().filter_map(|(symbol, filling)| {
            let cluster = filling.cluster;
            let job = filling.jobs.front_mut().filter(|job| job.due <= now)?;
            Some((symbol, cluster, job))
        });
        let (symbol, cluster, job) = due.min_by_key(|(_, _, job)| job.due)?;
        self.rate.spend(now);
        self.figures.calls += 1;
        self.asking = Some(symbol.clone());
        Some(Call { cluster, symbol: symbol.clone(), path: job.begin(cluster, symbol) })
    }

    /// What became of the call.
    pub(crate) fn answer(&mut self, answer: Answer, now: Duration) {
        let Some(symbol) = self.asking.take() else { return };
        match answer {
            Answer::Page(page) => return self.page(&symbol, page, now),
            Answer::Status { code: code @ (401 | 403), .. } => self.switch_off(code),
            Answer::Status { code: code @ (429 | 500..=599), retry_after } => {
                let pause = self.retry(&symbol, format!("status {code}"), retry_after, now);
                if code == 429 {
                    self.paused_until = now.saturating_add(pause);
                }
            }
            Answer::Status { code, .. } => self.give_up(&symbol, format!("status {code}")),
            Answer::Failed(why) => {
                self.retry(&symbol, why, None, now);
            }
            Answer::Unreadable(why) => {
                let job = self.fillings.get_mut(&symbol).and_then(|filling| filling.jobs.front_mut());
                let times = job.map_or(0, |job| {
                    job.unreadable += 1;
                    job.unreadable
                });
                if times < UNREADABLE_MAX {
                    self.retry(&symbol, why, None, now);
                } else {
                    self.give_up(&symbol, why);
                }
            }
        }
        self.figures.failures += 1;
    }

    /// Lets through what has waited long enough. Call it often.
    pub(crate) fn pass(&mut self, now: Duration) {
        let hold = self.settings.hold;
        let mut released = Vec::new();
        for filling in self.fillings.values_mut().filter(|filling| !filling.held.is_empty()) {
            let is_over = now >= filling.hold_until;
            released.extend(filling.release(|(since, _)| is_over || now >= since.saturating_add(hold)));
        }
        self.publish(released);
    }

    /// Nothing is filled any more; what is held goes out. Returns how many jobs were open.
    pub(crate) fn stop(&mut self) -> usize {
        let pending = self.pending();
        self.off = true;
        self.asking = None;
        for mut filling in std::mem::take(&mut self.fillings).into_values() {
            let released = filling.release(|_| true);
            self.publish(released);
        }
        self.recent = Default::default();
        pending
    }

    /// The next thing to do, until there is none.
    pub(crate) fn effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(crate) fn figures(&self, now: Duration) -> Figures {
        let jobs = self.fillings.values().flat_map(|filling| &filling.jobs);
        let oldest = jobs.map(|job| job.since).min();
        Figures {
            pending: self.pending(),
            oldest: oldest.map_or(Duration::ZERO, |since| now.saturating_sub(since)),
            held_bytes: self.held_bytes,
            ..self.figures
        }
    }

    fn pending(&self) -> usize {
        self.fillings.values().map(|filling| filling.jobs.len()).sum()
    }

    fn page(&mut self, symbol: &str, page: Page, now: Duration) {
        let Some(filling) = self.fillings.get_mut(symbol) else { return };
        let recent = &mut self.recent[filling.cluster as usize];
        let Some(job) = filling.jobs.front_mut() else { return };
        self.figures.skipped += page.skipped;
        let (from, to) = job.range;
        let is_last = page.next.is_none();
        let mut released = Vec::new();
        for row in job.take(page) {
            if !(from..to).contains(&row.event_time) {
                self.figures.skipped += 1;
                continue;
            }
            if recent.by(row.identity).or_else(|| filling.seen.get(&row.identity).copied()).is_some() {
                self.figures.twice += 1;
                continue;
            }
            let (is_kept, time) = (filling.remember(row.identity, By::Backfill), row.event_time);
            self.figures.forgotten += u64::from(!is_kept);
            if time >= to - 2 * MARGIN_MS {
                recent.fill(symbol, row.identity, now);
            }
            self.figures.added += 1;
            released.extend(filling.release(|(_, held)| held.event_time < time));
            released.push(Record { is_live: false, ..row.record(symbol) });
        }
        self.publish(released);
        if is_last {
            self.figures.filled += 1;
            self.close(symbol);
        }
    }

    /// The first job of the symbol is over.
    fn close(&mut self, symbol: &str) {
        let Some(filling) = self.fillings.get_mut(symbol) else { return };
        filling.jobs.pop_front();
        if filling.jobs.is_empty() {
            let released = filling.release(|_| true);
            self.publish(released);
            self.fillings.remove(symbol);
        }
    }

    fn give_up(&mut self, symbol: &str, why: String) {
        self.figures.given_up += 1;
        self.tell(Note::GivenUp { symbol: symbol.to_owned(), why });
        self.close(symbol);
    }

    /// Puts the symbol's first job off; returns for how long.
    fn retry(&mut self, symbol: &str, why: String, after: Option<Duration>, now: Duration) -> Duration {
        let job = self.fillings.get_mut(symbol).and_then(|filling| filling.jobs.front_mut());
        let pause = job.map_or(RETRY_FIRST, |job| job.put_off(after, now));
        self.tell(Note::Retry { symbol: symbol.to_owned(), why, pause });
        pause
    }

    fn switch_off(&mut self, code: u16) {
        let pending = self.stop();
        self.figures.given_up += pending as u64;
        self.tell(Note::NotInPlan { code, pending });
    }

    fn publish(&mut self, records: Vec<Record>) {
        for record in records {
            if record.is_live {
                self.held_bytes -= record.value.len();
            }
            self.effects.push_back(Effect::Publish(record));
        }
    }

    fn tell(&mut self, note: Note) {
        self.effects.push_back(Effect::Tell(note));
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
