//! The last trades of a cluster, for gaps that are not known yet.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::{RECENT, RECENT_MAX};
use crate::hash;
use crate::venue::Identity;

/// Who brought a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    Live,
    Backfill,
}

/// See the head of this file. What is older than [`RECENT`] when a live event comes is forgotten: while nothing comes, nothing is,
/// because the gap that is then told begins at the last one.
#[derive(Debug, Default)]
pub(super) struct Recent {
    by: HashMap<Identity, By>,
    /// In order of arrival: when, hash of the symbol, which.
    order: VecDeque<(Duration, u64, Identity)>,
}

impl Recent {
    /// Who brought it.
    pub(super) fn by(&self, identity: Identity) -> Option<By> {
        self.by.get(&identity).copied()
    }

    /// A live event. Returns how many were forgotten before their time.
    pub(super) fn hear(&mut self, symbol: &str, identity: Identity, now: Duration) -> u64 {
        while self.order.front().is_some_and(|(since, ..)| now.saturating_sub(*since) > RECENT) {
            self.forget();
        }
        let is_full = self.order.len() >= RECENT_MAX;
        if is_full {
            self.forget();
        }
        self.add(now, symbol, identity, By::Live);
        u64::from(is_full)
    }

    /// A trade of a backfill: the next gap may reach back for it, too.
    pub(super) fn fill(&mut self, symbol: &str, identity: Identity, now: Duration) {
        self.add(now, symbol, identity, By::Backfill);
    }

    /// Hash of the symbol, identity, who.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, Identity, By)> {
        let by = |identity: &Identity| self.by.get(identity).copied().unwrap_or(By::Live);
        self.order.iter().map(move |(_, symbol, identity)| (*symbol, *identity, by(identity)))
    }

    fn add(&mut self, since: Duration, symbol: &str, identity: Identity, by: By) {
        if self.by.insert(identity, by).is_none() {
            self.order.push_back((since, hash::bytes(symbol.as_bytes()), identity));
        }
    }

    fn forget(&mut self) {
        if let Some((_, _, identity)) = self.order.pop_front() {
            self.by.remove(&identity);
        }
    }
}
