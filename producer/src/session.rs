//! The life of a connection to a venue, as a state machine: no socket and no clock, time is an argument. What is said, in which
//! words, is the venue's [`Dialect`].
//!
//! ```text
//!               Opened          greeting           auth_success               first ack            first data
//!   connecting ────────▶ opened ────────▶ greeted ────────────▶ authenticated ──────────▶ subscribed ──────────▶ streaming
//!     ▲    ▲                 send the key         send the channels  │                        or 30 s                ▲
//!     │    │                                                         └─── first data ────────────────────────────────┘
//!     │    │
//!     │  backing off ◀── from each: its time-out · closed, also politely · failed · auth_timeout · 60 s without a frame
//!     │       ▲
//!     │    draining  ◀── from each: slow_consumer; until the server hangs up, at most 5 s
//!     │
//!   cooling down     ◀── from each: max_connections · force_disconnect
//!
//!   refused          ◀── from each: auth_failed     (final)
//!   stopped          ◀── from each: Stop            (final)
//! ```
//!
//! Without a greeting, *opened* is passed at once; without a key, *greeted* is.
//! `auth_required` is answered with the key before the greeting, waited out while the key is under way, and later it ends the
//! connection: what is subscribed on it is in doubt. `error` and unknown statuses are told, no more.
//!
//! The caller carries out each [`Action`] in order after each [`Session::handle`], and calls it with [`Input::Tick`] at
//! [`Session::deadline`]. After [`Action::Close`] the socket or the attempt to open it is gone, and nothing of it is handed in any
//! more; that includes its end.
//!
//! | time-out | ends | |
//! |---|---|---|
//! | [`CONNECT_TIMEOUT`] | connecting | reconnect |
//! | [`GREETING_TIMEOUT`] | opened | reconnect: a server that greets late may miss the key |
//! | [`AUTH_TIMEOUT`] | greeted | reconnect |
//! | `ACK_TIMEOUT` | the wait for acknowledgements | the missing channels are named and asked for again later; the others go on |
//! | [`SILENCE_MAX`] | authenticated and right of it | reconnect: nothing came, not even a pong |
//!
//! Laws (properties in the tests), whatever the server does:
//! 1. between two `Open`s the first connection has ended;
//! 2. a pause lies between two connections (see `backoff`); only data, or 30 s with a subscription, make it short again;
//! 3. after refused or stopped nothing is opened;
//! 4. while authenticated or right of it, the server has been asked for exactly the wanted channels, whatever it acknowledged;
//! 5. the key is in no notice and in no `Debug`.

mod acks;
mod backoff;
mod dialect;
mod notice;
mod settings;
mod state;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tape_service::Secret;

use acks::{Acks, Due};
use backoff::Backoff;
pub(crate) use dialect::{Dialect, Status, StatusKind, shortened};
pub(crate) use notice::{Action, Cause, Input, Notice};
pub(crate) use settings::Settings;
use settings::{
    AUTH_TIMEOUT, CALM_AFTER, CONNECT_TIMEOUT, DRAIN_TIMEOUT, GREETING_TIMEOUT, HEALTHY_AFTER, PING_EVERY,
    SILENCE_MAX,
};
use state::State;

const NEVER: Duration = Duration::MAX;
/// Close code of a stop.
const NORMAL: u16 = 1000;
/// Close code when we leave a server to try again.
const GOING_AWAY: u16 = 1001;

/// One connection after the other. Times are durations since any one moment, the same for all calls.
#[derive(Debug)]
pub(crate) struct Session {
    dialect: &'static dyn Dialect,
    api_key: Option<Secret>,
    wanted: BTreeSet<String>,
    state: State,
    /// When `state` ends by itself.
    until: Duration,
    now: Duration,
    /// When the last frame of this connection came.
    heard: Duration,
    ping_due: Duration,
    acks: Acks,
    /// This connection has brought an acknowledgement or data.
    fed: bool,
    /// When an earlier connection that was fed brought its last frame.
    gap_from: Option<Duration>,
    backoff: Backoff,
    actions: VecDeque<Action>,
}

impl Session {
    /// Begins to connect: take the first [`action`](Self::action) at once.
    ///
    /// `seed` chooses the jitter: different ones for connections to one server.
    pub(crate) fn new(settings: Settings, wanted: BTreeSet<String>, seed: u64, now: Duration) -> Self {
        let mut session = Self {
            dialect: settings.dialect,
            api_key: settings.api_key,
            wanted,
            state: State::BackingOff,
            until: now,
            now,
            heard: now,
            ping_due: NEVER,
            acks: Acks::default(),
            fed: false,
            gap_from: None,
            backoff: Backoff::new(settings.backoff_first, settings.backoff_max, seed),
            actions: VecDeque::new(),
        };
        session.pass();
        session
    }

    /// Takes in what happened. Inputs that do not fit the state are ignored; time that runs backwards stands still.
    pub(crate) fn handle(&mut self, input: Input<'_>, now: Duration) {
        self.now = self.now.max(now);
        let (connecting, has_socket) = (self.state == State::Connecting, self.state.has_socket());
        if has_socket && matches!(input, Input::Status(_) | Input::Data | Input::Alive) {
            self.heard = self.now;
        }
        match input {
            Input::Opened if connecting => {
                self.enter(State::Opened, GREETING_TIMEOUT);
                self.tell(Notice::Opened);
                if !self.dialect.greets() {
                    self.log_in();
                }
            }
            Input::Status(status) if has_socket => self.status(status),
            Input::Data if self.state.is_live() => self.data(),
            Input::OpenFailed(why) if connecting => self.lost(Cause::OpenFailed, None, why),
            Input::Failed(why) if connecting || has_socket => self.ended(Cause::Failed, None, why),
            Input::Closed { code, reason } if connecting || has_socket => {
                self.ended(Cause::Closed, code, reason)
            }
            Input::Want(wanted) => self.want(wanted),
            Input::Stop => self.stop(),
            _ => {}
        }
        // Only now: a frame that waited while we slept is proof of life.
        self.pass();
    }

    /// The next thing to do, until there is none.
    pub(crate) fn action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to hand in the next [`Input::Tick`]; after [`handle`](Self::handle) never in the past. [`Duration::MAX`]: never.
    pub(crate) fn deadline(&self) -> Duration {
        if self.state.is_live() {
            self.until.min(self.heard.saturating_add(SILENCE_MAX)).min(self.ping_due).min(self.acks.due())
        } else {
            self.until
        }
    }

    /// Refused or stopped: nothing will be asked for any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Refused | State::Stopped)
    }

    /// How the venue is talked to.
    pub(crate) fn dialect(&self) -> &'static dyn Dialect {
        self.dialect
    }

    /// For health and metrics: the words of the drawing.
    pub(crate) fn state_name(&self) -> &'static str {
        self.state.name()
    }

    /// Every status has its reaction here.
    fn status(&mut self, status: &Status) {
        let text = self.masked(&status.message);
        match (&status.kind, self.state) {
            (StatusKind::Connected | StatusKind::Success, State::Opened) => self.log_in(),
            (StatusKind::AuthSuccess, State::Greeted) => self.subscribe(),
            (StatusKind::Subscribed(channel), state) if state.is_live() => self.confirm(channel),
            (StatusKind::AuthFailed, _) => {
                self.push(Action::Close(NORMAL));
                self.enter(State::Refused, NEVER);
                self.tell(Notice::Refused(text));
            }
            (StatusKind::AuthTimeout, _) => self.leave(Cause::ServerAuthTimeout, &text),
            (StatusKind::AuthRequired, state) => {
                self.tell(Notice::AuthRequired(text));
                if state == State::Opened {
                    self.log_in();
                } else if state.is_live() {
                    self.leave(Cause::AuthRequired, "");
                }
            }
            (StatusKind::Error, _) => self.tell(Notice::SubscriptionError(text)),
            (StatusKind::MaxConnections, _) => self.cool_down(Cause::MaxConnections, text),
            (StatusKind::ForceDisconnect, _) => self.cool_down(Cause::ForceDisconnect, text),
            (StatusKind::SlowConsumer, State::Draining) => {}
            (StatusKind::SlowConsumer, _) => {
                self.enter(State::Draining, DRAIN_TIMEOUT);
                self.tell(Notice::SlowConsumer(text));
            }
            (StatusKind::Other(word), _) => {
                let status = self.masked(word);
                self.tell(Notice::UnknownStatus { status, message: text });
            }
            // A second greeting, a late or second acknowledgement.
            (StatusKind::Connected | StatusKind::Success | StatusKind::AuthSuccess, _)
            | (StatusKind::Subscribed(_) | StatusKind::Unsubscribed(_), _) => {}
        }
    }

    fn log_in(&mut self) {
        match self.api_key.as_ref().and_then(|key| self.dialect.auth(key.expose())) {
            Some(message) => {
                self.push(Action::SendSecret(Secret::new(message)));
                self.enter(State::Greeted, AUTH_TIMEOUT);
            }
            None => self.subscribe(),
        }
    }

    fn subscribe(&mut self) {
        if self.state == State::Greeted {
            self.tell(Notice::Authenticated);
        }
        self.enter(State::Authenticated, NEVER);
        self.ping_due = self.now.saturating_add(PING_EVERY);
        self.acks = Acks::default();
        self.send(self.dialect.subscribe(&self.wanted));
        self.acks.expect(self.wanted.iter().cloned(), self.now);
    }

    fn confirm(&mut self, channel: &str) {
        if !self.acks.confirm(channel) {
            return;
        }
        if self.state == State::Authenticated {
            self.enter(State::Subscribed, HEALTHY_AFTER);
        }
        self.feed();
        if self.acks.is_complete() {
            self.tell(Notice::Confirmed { count: self.wanted.len() });
        }
    }

    fn data(&mut self) {
        if self.state != State::Streaming {
            self.feed();
            self.healthy();
        }
    }

    fn healthy(&mut self) {
        self.backoff.reset();
        self.enter(State::Streaming, CALM_AFTER);
        self.tell(Notice::Streaming);
    }

    /// This connection brings something: a gap ends.
    fn feed(&mut self) {
        self.fed = true;
        if let Some(from) = self.gap_from.take() {
            self.tell(Notice::Gap { from, to: self.now });
        }
    }

    /// It no longer does: a gap begins at its last frame, unless one is open.
    fn hungry(&mut self) {
        if std::mem::take(&mut self.fed) {
            self.gap_from = Some(self.heard);
        }
    }

    fn want(&mut self, wanted: BTreeSet<String>) {
        let (unsubscribe, subscribe) = (&self.wanted - &wanted, &wanted - &self.wanted);
        self.wanted = wanted;
        if !self.state.is_live() {
            return;
        }
        // In this order no symbol is fed twice in between.
        self.send(self.dialect.unsubscribe(&unsubscribe));
        self.send(self.dialect.subscribe(&subscribe));
        let was_complete = self.acks.is_complete();
        self.acks.forget(&unsubscribe);
        self.acks.expect(subscribe, self.now);
        if !was_complete && self.acks.is_complete() {
            self.tell(Notice::Confirmed { count: self.wanted.len() });
        }
    }

    fn stop(&mut self) {
        if self.state == State::Connecting || self.state.has_socket() {
            self.push(Action::Close(NORMAL));
        }
        self.enter(State::Stopped, NEVER);
    }

    /// Carries out what is due.
    fn pass(&mut self) {
        if self.state.is_live() && self.now >= self.heard.saturating_add(SILENCE_MAX) {
            return self.leave(Cause::Silence, "");
        }
        if self.now >= self.until {
            match self.state {
                State::Connecting => self.leave(Cause::ConnectTimeout, ""),
                State::Opened => self.leave(Cause::GreetingTimeout, ""),
                State::Greeted => self.leave(Cause::AuthTimeout, ""),
                State::Draining => self.leave(Cause::SlowConsumer, ""),
                State::Subscribed => self.healthy(),
                State::Streaming => {
                    self.backoff.calm();
                    self.until = NEVER;
                }
                State::BackingOff | State::CoolingDown => {
                    self.push(Action::Open);
                    self.enter(State::Connecting, CONNECT_TIMEOUT);
                }
                State::Authenticated | State::Refused | State::Stopped => {}
            }
        }
        if self.state.is_live() {
            self.keep_alive();
        }
    }

    fn keep_alive(&mut self) {
        if self.now >= self.ping_due {
            self.push(Action::Ping);
            self.ping_due = self.now.saturating_add(PING_EVERY);
        }
        match self.acks.pass(self.now) {
            Some(Due::Missing(channels)) => self.tell(Notice::MissingAcks(channels)),
            Some(Due::Ask(channels)) => self.send(self.dialect.subscribe(&channels)),
            None => {}
        }
    }

    /// The other side ended the connection.
    fn ended(&mut self, cause: Cause, code: Option<u16>, reason: &str) {
        let announced = self.state == State::Draining;
        self.lost(if announced { Cause::SlowConsumer } else { cause }, code, reason);
    }

    /// We end the connection, to try again.
    fn leave(&mut self, cause: Cause, detail: &str) {
        self.push(Action::Close(GOING_AWAY));
        self.lost(cause, None, detail);
    }

    fn lost(&mut self, cause: Cause, code: Option<u16>, detail: &str) {
        self.hungry();
        let detail = self.masked(detail);
        self.tell(Notice::Lost { cause, code, detail, at: self.now });
        let (after, attempt) = self.backoff.pause();
        self.enter(State::BackingOff, after);
        self.tell(Notice::Retry { after, attempt });
    }

    fn cool_down(&mut self, cause: Cause, detail: String) {
        self.hungry();
        self.push(Action::Close(GOING_AWAY));
        self.tell(Notice::Lost { cause, code: None, detail, at: self.now });
        let pause = self.backoff.cool_down();
        self.enter(State::CoolingDown, pause);
        self.tell(Notice::CoolingDown { until: self.until, cause });
    }

    fn enter(&mut self, state: State, longest: Duration) {
        self.state = state;
        self.until = self.now.saturating_add(longest);
    }

    fn send(&mut self, messages: Vec<String>) {
        self.actions.extend(messages.into_iter().map(Action::Send));
    }

    fn tell(&mut self, notice: Notice) {
        self.push(Action::Tell(notice));
    }

    fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// A text of the other side, for the log: it may repeat the key.
    fn masked(&self, text: &str) -> String {
        match &self.api_key {
            Some(key) if !key.expose().is_empty() => text.replace(key.expose(), &key.to_string()),
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
