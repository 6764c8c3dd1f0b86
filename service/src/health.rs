//! What a role says about itself, for probes: alive (must it be restarted?) and ready (does it do its work?).
//!
//! - A role starts alive and not ready ("starting").
//! - **Restoring, rebalancing or waiting for a server is alive and not ready**: a restart would not help.
//! - Not alive is a dead worker ([`Health::set_live`]) or a loop that no longer turns ([`Health::watch`]).
//! - What is not alive is not ready either.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// State of one role, shared by its clones. Cheap to read and to write; every call takes one short lock.
#[derive(Clone)]
pub struct Health {
    role: &'static str,
    state: Arc<Mutex<State>>,
}

struct State {
    live: Verdict,
    ready: Verdict,
    /// Loops that must turn; an entry whose `Heartbeat` was dropped is removed at the next look.
    loops: Vec<Loop>,
}

struct Loop {
    name: String,
    limit: Duration,
    pulse: Weak<Pulse>,
}

/// Milliseconds since `start` at the last beat.
struct Pulse {
    start: Instant,
    last_ms: AtomicU64,
}

/// Yes or no, and the reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The answer.
    pub ok: bool,
    /// Why; empty when there is nothing to say.
    pub why: String,
}

impl Health {
    /// A role that starts. `role` is one of `producer`, `processor`, `sink`, `api`: it names the setting
    /// `HTTP_BIND_<ROLE>` in error messages.
    pub fn new(role: &'static str) -> Self {
        let state = State {
            live: Verdict { ok: true, why: String::new() },
            ready: Verdict { ok: false, why: "starting".to_owned() },
            loops: Vec::new(),
        };
        Self { role, state: Arc::new(Mutex::new(state)) }
    }

    /// The name given to [`Health::new`].
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Says whether the role does its work, and why (not). True when this changed the answer, so that the caller
    /// can log the change and only that.
    pub fn set_ready(&self, ok: bool, why: &str) -> bool {
        let mut state = self.lock();
        let changed = state.ready.ok != ok;
        state.ready = Verdict { ok, why: why.to_owned() };
        changed
    }

    /// Says whether the process must be restarted (`ok` = no), and why.
    pub fn set_live(&self, ok: bool, why: &str) {
        self.lock().live = Verdict { ok, why: why.to_owned() };
    }

    /// Watches a loop: while the returned heartbeat exists and did not beat for `limit`, the role is not alive.
    /// Choose `limit` far above the longest turn (a restore step, a commit that waits for the broker).
    pub fn watch(&self, name: &str, limit: Duration) -> Heartbeat {
        let pulse = Arc::new(Pulse { start: Instant::now(), last_ms: AtomicU64::new(0) });
        self.lock().loops.push(Loop { name: name.to_owned(), limit, pulse: Arc::downgrade(&pulse) });
        Heartbeat { pulse }
    }

    /// Must the process be restarted? `ok` = no.
    pub fn live(&self) -> Verdict {
        let mut state = self.lock();
        if !state.live.ok {
            return state.live.clone();
        }
        state.loops.retain(|watched| watched.pulse.strong_count() > 0);
        state.loops.iter().find_map(Loop::stalled).unwrap_or_else(|| state.live.clone())
    }

    /// Does the role do its work?
    pub fn ready(&self) -> Verdict {
        let live = self.live();
        if live.ok { self.lock().ready.clone() } else { live }
    }

    /// [`Health::live`] without the reason.
    pub fn is_live(&self) -> bool {
        self.live().ok
    }

    /// [`Health::ready`] without the reason.
    pub fn is_ready(&self) -> bool {
        self.ready().ok
    }

    /// A panic elsewhere while the lock was held leaves a whole state: every write is one assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (live, ready) = (self.live(), self.ready());
        f.debug_struct("Health")
            .field("role", &self.role)
            .field("live", &live)
            .field("ready", &ready)
            .finish()
    }
}

impl Loop {
    fn stalled(&self) -> Option<Verdict> {
        let silence = self.pulse.upgrade()?.silence();
        (silence > self.limit).then(|| Verdict {
            ok: false,
            why: format!(
                "{} has not turned for {} s (limit {} s)",
                self.name,
                silence.as_secs(),
                self.limit.as_secs()
            ),
        })
    }
}

impl Pulse {
    fn silence(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

/// A loop's sign of life. Dropping it ends the watch: a loop that returned is no longer expected to turn.
pub struct Heartbeat {
    pulse: Arc<Pulse>,
}

impl Heartbeat {
    /// The loop turned. One clock reading and one store, no lock.
    pub fn beat(&self) {
        let since_start_ms = u64::try_from(self.pulse.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.pulse.last_ms.store(since_start_ms, Ordering::Relaxed);
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("silence", &self.pulse.silence()).finish()
    }
}

#[cfg(test)]
mod tests;
