//! The consumer group of a history: static members, sessions, and cooperative rebalances in rounds.
//!
//! A round takes partitions from members that have too many and gives away those that nobody has. A member that must give
//! one up keeps it until it answers, or until its session is over. A member whose
//! process stands still takes part in no round: the group waits until it answers or its session is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
}

#[derive(Debug)]
struct Member {
    /// Which of the consumers with this name.
    handle: u64,
    seen: u64,
    owned: BTreeSet<i32>,
    leaving: BTreeSet<i32>,
    news: VecDeque<News>,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    members: BTreeMap<String, Member>,
    pub(super) partitions: i32,
    /// Somebody came, went or answered since the last round.
    restless: bool,
}

/// What a member learns about its own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Member,
    /// The session was over; the group went on.
    Unknown,
    /// Another consumer has the name.
    Fenced,
}

impl Group {
    pub(super) fn standing(&self, name: &str, handle: u64) -> Standing {
        match self.members.get(name) {
            None => Standing::Unknown,
            Some(member) if member.handle == handle => Standing::Member,
            Some(_) => Standing::Fenced,
        }
    }

    /// A consumer takes the place of its name, with what that place has, or a new one.
    pub(super) fn join(&mut self, name: &str, handle: u64, now: u64) {
        if let Some(member) = self.members.get_mut(name) {
            (member.handle, member.seen) = (handle, now);
            // What was to be given up went with the process that held it.
            if !std::mem::take(&mut member.leaving).is_empty() {
                self.restless = true;
            }
            member.news = VecDeque::from([News::Assigned(member.owned.iter().copied().collect())]);
            return;
        }
        let (owned, leaving) = (BTreeSet::new(), BTreeSet::new());
        let member = Member { handle, seen: now, owned, leaving, news: VecDeque::new() };
        self.members.insert(name.to_owned(), member);
        self.restless = true;
    }

    pub(super) fn news(&mut self, name: &str) -> Option<News> {
        self.members.get_mut(name)?.news.pop_front()
    }

    /// A member has given partitions up.
    pub(super) fn answered(&mut self, name: &str, partitions: &[i32]) {
        if let Some(member) = self.members.get_mut(name) {
            for partition in partitions {
                self.restless |= member.leaving.remove(partition);
            }
        }
    }

    /// Sessions end, and the next round is held when everybody can take part. `alive` says whether a member's heartbeats
    /// arrive.
    pub(super) fn tick(&mut self, now: u64, session: u64, alive: impl Fn(&str, u64) -> bool) {
        let before = self.members.len();
        let mut all_present = true;
        self.members.retain(|name, member| {
            if alive(name, member.handle) {
                member.seen = now;
            }
            all_present &= member.seen == now;
            now <= member.seen + session
        });
        self.restless |= self.members.len() != before;
        if self.restless && all_present {
            self.restless = false;
            self.round();
        }
    }

    fn round(&mut self) {
        let count = i32::try_from(self.members.len()).expect("few members");
        if count == 0 {
            return;
        }
        let most = |index: i32| {
            let share = self.partitions / count + i32::from(index < self.partitions % count);
            usize::try_from(share).expect("not negative")
        };
        let shares: Vec<usize> = (0..count).map(most).collect();
        let held: BTreeSet<i32> = self
            .members
            .values()
            .flat_map(|member| member.owned.iter().chain(&member.leaving))
            .copied()
            .collect();
        let mut free: VecDeque<i32> =
            (0..self.partitions).filter(|partition| !held.contains(partition)).collect();
        for (member, share) in self.members.values_mut().zip(shares) {
            let mut surplus = Vec::new();
            while member.owned.len() > share {
                let last = member.owned.pop_last().expect("more than none");
                member.leaving.insert(last);
                surplus.push(last);
            }
            let mut gained = Vec::new();
            while member.owned.len() < share
                && let Some(partition) = free.pop_front()
            {
                member.owned.insert(partition);
                gained.push(partition);
            }
            if !surplus.is_empty() {
                member.news.push_back(News::Revoked(surplus));
            }
            member.news.push_back(News::Assigned(gained));
        }
    }
}
