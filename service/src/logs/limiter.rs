//! At most one line per interval, and the next line says how many were kept back.
//!
//! ```
//! use std::time::Duration;
//! use tape_service::logs::LogLimiter;
//!
//! let limiter = LogLimiter::new(Duration::from_secs(10));
//! for offset in 0..1000 {
//!     if let Some(suppressed) = limiter.allow() {
//!         tracing::warn!(offset, "record rejected{suppressed}"); // "… (17 more like it were not logged)"
//!     }
//! }
//! ```

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Decides which lines of one kind are written. Shared by reference; one short lock per question.
#[derive(Debug)]
pub struct LogLimiter {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl LogLimiter {
    /// At most one line per `interval`; the first one is always allowed.
    pub const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(State { last: None, suppressed: 0 }) }
    }

    /// May a line be written now? `None` = no, it was counted. Otherwise write it, with the count in it.
    pub fn allow(&self) -> Option<Suppressed> {
        self.allow_at(Instant::now())
    }

    /// [`LogLimiter::allow`] with the time as an argument.
    pub fn allow_at(&self, now: Instant) -> Option<Suppressed> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < self.interval) {
            state.suppressed = state.suppressed.saturating_add(1);
            return None;
        }
        state.last = Some(now);
        Some(Suppressed(std::mem::take(&mut state.suppressed)))
    }
}

/// How many lines were kept back since the last one. Displays as nothing when none was, else as
/// ` (17 more like it were not logged)`, to be put behind a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppressed(pub u64);

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str(" (1 more like it was not logged)"),
            count => write!(f, " ({count} more like it were not logged)"),
        }
    }
}
