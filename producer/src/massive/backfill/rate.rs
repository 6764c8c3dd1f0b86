//! How many calls a minute may have.

use std::collections::VecDeque;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// The calls of the last minute. A bucket that fills while nobody calls would let through nearly twice as many in the minute
/// after; here no stretch of 60 s has more than the limit, wherever the vendor's minutes begin.
#[derive(Debug)]
pub(super) struct Rate {
    limit: usize,
    calls: VecDeque<Duration>,
}

impl Rate {
    /// `limit` = calls per minute; 0 = any number.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit: limit as usize, calls: VecDeque::new() }
    }

    pub(super) fn allows(&self, now: Duration) -> bool {
        let oldest = self.calls.front();
        self.calls.len() < self.limit.max(1) || oldest.is_none_or(|call| now >= call.saturating_add(MINUTE))
    }

    pub(super) fn spend(&mut self, now: Duration) {
        if self.limit == 0 {
            return;
        }
        if self.calls.len() == self.limit {
            self.calls.pop_front();
        }
        self.calls.push_back(now);
    }
}
