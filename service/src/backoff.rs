//! Pauses between attempts: exponential, capped, with jitter, without end.
//!
//! Laws (properties in the tests), with ideal(n) = the smaller of `first · 2ⁿ` and `cap`:
//! 1. pause n lies between ideal(n) / 2 and ideal(n): never above the cap, never a busy loop;
//! 2. it never ends by itself: who gives up decides so;
//! 3. after [`Backoff::reset`] it begins again at `first`.
//!
//! The jitter keeps many clients of one server that fell from coming back in the same moment. It subtracts, so
//! that the cap is a promise.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// An endless iterator of pauses.
#[derive(Debug)]
pub struct Backoff {
    builder: ExponentialBuilder,
    pauses: ExponentialBackoff,
    cap: Duration,
    attempts: u32,
}

impl Backoff {
    /// Pauses from about `first` up to `cap`. A `first` above `cap` counts as `cap`; choose `first` > 0, or the
    /// pauses are all 0.
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self::from_builder(first, cap, ExponentialBuilder::new())
    }

    /// The same pauses in every run, for tests.
    pub fn with_seed(first: Duration, cap: Duration, seed: u64) -> Self {
        Self::from_builder(first, cap, ExponentialBuilder::new().with_jitter_seed(seed))
    }

    /// `backon` adds up to 100 % of jitter to its own pause: half of ours below gives ½–1 of ours.
    fn from_builder(first: Duration, cap: Duration, builder: ExponentialBuilder) -> Self {
        let builder = builder
            .with_min_delay(first.min(cap) / 2)
            .with_max_delay(cap / 2)
            .with_factor(2.0)
            .without_max_times()
            .with_jitter();
        Self { builder, pauses: builder.build(), cap, attempts: 0 }
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        self.pauses.next().unwrap_or(self.cap).min(self.cap)
    }

    /// Pauses given out since the start or the last reset.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Begins again: the last attempt succeeded (call it when the success has lasted, not at the first byte).
    pub fn reset(&mut self) {
        self.pauses = self.builder.build();
        self.attempts = 0;
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.pause())
    }
}

#[cfg(test)]
mod tests;
