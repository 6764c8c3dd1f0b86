//! Which subscriptions the server has not acknowledged.
//!
//! A refused channel and an unknown one are answered alike: not at all. So after [`ACK_TIMEOUT`] the missing ones are named; the
//! others stream on. They are asked for again after 1, 2, 4, … minutes, at most an hour: a plan may be extended meanwhile, and
//! what the server has already is not counted twice. A change of what is wanted begins this anew.

use std::collections::BTreeSet;
use std::time::Duration;

/// How long the server may take to acknowledge.
pub(crate) const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// First and longest pause before the missing ones are asked for again.
pub(crate) const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(3600);

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Name these.
    Missing(Vec<String>),
    /// Ask for these again.
    Ask(BTreeSet<String>),
}

/// Channels without an acknowledgement.
#[derive(Debug, Default)]
pub(super) struct Acks {
    pending: BTreeSet<String>,
    /// When to name them, or if they have been named, when to ask for them again.
    due: Duration,
    named: bool,
    pause: Duration,
}

impl Acks {
    /// These have been asked for.
    pub(super) fn expect(&mut self, channels: impl IntoIterator<Item = String>, now: Duration) {
        let before = self.pending.len();
        self.pending.extend(channels);
        if self.pending.len() > before {
            self.pause = ASK_AGAIN_AFTER;
            self.wait(now);
        }
    }

    /// These are no longer wanted.
    pub(super) fn forget(&mut self, channels: &BTreeSet<String>) {
        self.pending.retain(|channel| !channels.contains(channel));
    }

    /// Whether `channel` was pending.
    pub(super) fn confirm(&mut self, channel: &str) -> bool {
        self.pending.remove(channel)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.pending.is_empty()
    }

    /// When to call [`pass`](Self::pass).
    pub(super) fn due(&self) -> Duration {
        if self.is_complete() { Duration::MAX } else { self.due }
    }

    pub(super) fn pass(&mut self, now: Duration) -> Option<Due> {
        if now < self.due() || self.is_complete() {
            return None;
        }
        if self.named {
            self.wait(now);
            return Some(Due::Ask(self.pending.clone()));
        }
        self.named = true;
        self.due = now.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(ASK_AGAIN_MAX);
        Some(Due::Missing(self.pending.iter().cloned().collect()))
    }

    fn wait(&mut self, now: Duration) {
        self.named = false;
        self.due = now.saturating_add(ACK_TIMEOUT);
    }
}
