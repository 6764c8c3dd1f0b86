//! Pauses between connections.
//!
//! Pause n, counted from 0, is drawn evenly from `floor` to `first · 2ⁿ`, at most `max`; `floor` is half of `first`, at least
//! [`PAUSE_MIN`]. That is full jitter above a floor: clients that lost the same server come back spread over the whole range, whereas
//! the workspace's `Backoff` keeps to its upper half; and the floor bounds the rate. It is a pure function of the seed.
//!
//! Bound: a pause lies before each connection but the first, so any minute sees at most 1 + 60 s / `floor` of them, even if the
//! server sends data and hangs up each time, which makes the pauses short again. With `first` = 5 s and `max` = 60 s: 25, about 16 on
//! average. If it hangs up before data, the pauses grow, to half a minute on average: 2 in a minute.
//!
//! A cool-down is [`COOL_DOWN`] and a full jitter above it, up to `COOL_DOWN · 2ⁿ`, at most [`COOL_DOWN_JITTER_MAX`]: two clients that throw each
//! other out must not meet in lockstep.

use std::time::Duration;

use fastrand::Rng;

/// The shortest pause, whatever is set: a mistake in the settings is no attack on the vendor.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The shortest cool-down.
pub(crate) const COOL_DOWN: Duration = Duration::from_secs(60);
/// What jitter adds to it at most.
pub(crate) const COOL_DOWN_JITTER_MAX: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    rng: Rng,
    /// Pauses since the last reset.
    attempts: u32,
    /// Cool-downs since the last calm.
    cool_downs: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, max: Duration, seed: u64) -> Self {
        Self { first, max, rng: Rng::with_seed(seed), attempts: 0, cool_downs: 0 }
    }

    /// The next pause, and its number from 1.
    pub(super) fn pause(&mut self) -> (Duration, u32) {
        let floor = (self.first / 2).max(PAUSE_MIN);
        let ceiling = doubled(self.first, self.attempts).min(self.max);
        self.attempts = self.attempts.saturating_add(1);
        (floor + self.up_to(ceiling.saturating_sub(floor)), self.attempts)
    }

    /// The next cool-down.
    pub(super) fn cool_down(&mut self) -> Duration {
        let jitter = doubled(COOL_DOWN, self.cool_downs).min(COOL_DOWN_JITTER_MAX);
        self.cool_downs = self.cool_downs.saturating_add(1);
        COOL_DOWN + self.up_to(jitter)
    }

    /// A connection was healthy.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// A connection was healthy for long.
    pub(super) fn calm(&mut self) {
        self.cool_downs = 0;
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.rng.u64(0..=nanos))
    }
}

fn doubled(duration: Duration, times: u32) -> Duration {
    duration.saturating_mul(2_u32.saturating_pow(times))
}
