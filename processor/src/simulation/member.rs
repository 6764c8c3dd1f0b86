//! A member of the simulated group, as a worker sees it: events that wait, partitions that are parked or read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tape_kafka::{Error, GroupEvent, Part, Reaction, Record};

use super::group::{News, Standing};
use super::world::{SimWorld, record, said, take};
use crate::ports::{Group, Question};

struct Lane {
    next: i64,
    open: bool,
}

/// A consumer.
pub(super) struct SimGroup {
    world: SimWorld,
    name: String,
    handle: u64,
    lanes: BTreeMap<i32, Lane>,
    /// Told to the worker, not yet answered.
    owed: BTreeSet<i32>,
    /// The group has gone on without us; we join again when that is answered.
    lost: bool,
    topic: Arc<str>,
}

impl SimGroup {
    pub(super) fn new(world: SimWorld, name: String) -> Self {
        let handle = world.sim.handle(world.ticket);
        let now = world.sim.now_ms();
        world.sim.cluster.borrow_mut().group.join(&name, handle, now);
        let (lanes, owed) = (BTreeMap::new(), BTreeSet::new());
        SimGroup { world, name, handle, lanes, owed, lost: false, topic: "raw".into() }
    }

    fn standing(&self) -> Standing {
        self.world.sim.cluster.borrow().group.standing(&self.name, self.handle)
    }

    /// Whether the coordinator takes offsets from us.
    pub(super) fn is_member(&self) -> bool {
        self.standing() == Standing::Member
    }

    fn parts(&self, partitions: &[i32]) -> Vec<Part> {
        partitions.iter().map(|partition| Part::new(Arc::clone(&self.topic), *partition)).collect()
    }

    fn rejoin(&mut self) {
        self.lost = false;
        let now = self.world.sim.now_ms();
        self.world.sim.cluster.borrow_mut().group.join(&self.name, self.handle, now);
    }

    fn lane(&mut self, part: &Part) -> Result<&mut Lane, Error> {
        let missing = || said(Reaction::Fatal, "use a partition", "not assigned");
        self.lanes.get_mut(&part.partition).ok_or_else(missing)
    }
}

impl Group for SimGroup {
    fn poll_events(&mut self) -> Result<Vec<GroupEvent>, Error> {
        self.world.point();
        let sim = &self.world.sim;
        if sim.hiccup() && sim.chance(4) {
            return Err(said(Reaction::Fatal, "take part in the group", "made to fail"));
        }
        let away = sim.now_ms() < sim.cluster.borrow().away_until;
        if away || !self.owed.is_empty() || sim.chance(3) {
            return Ok(Vec::new());
        }
        match self.standing() {
            Standing::Fenced => return Err(said(Reaction::Fenced, "take part in the group", "fenced")),
            Standing::Unknown if self.lanes.is_empty() => self.rejoin(),
            Standing::Unknown => {
                self.lost = true;
                self.owed = self.lanes.keys().copied().collect();
                let lost: Vec<_> = self.owed.iter().copied().collect();
                return Ok(vec![GroupEvent::Lost(self.parts(&lost))]);
            }
            Standing::Member => {}
        }
        let news = self.world.sim.cluster.borrow_mut().group.news(&self.name);
        if news.is_some() {
            tracing::debug!(ms = self.world.sim.now_ms(), name = self.name, ?news, "SIM news");
        }
        Ok(match news {
            None => Vec::new(),
            Some(News::Assigned(partitions)) => {
                self.owed = partitions.iter().copied().collect();
                vec![GroupEvent::Assigned(self.parts(&partitions))]
            }
            Some(News::Revoked(partitions)) => {
                self.owed = partitions.iter().copied().collect();
                vec![GroupEvent::Revoked(self.parts(&partitions))]
            }
        })
    }

    fn assign(&mut self, parts: &[(Part, i64)]) -> Result<(), Error> {
        self.world.point();
        for (part, offset) in parts {
            assert!(self.owed.remove(&part.partition), "{part} was not given");
            self.lanes.insert(part.partition, Lane { next: *offset, open: false });
        }
        Ok(())
    }

    fn unassign(&mut self, parts: &[Part]) -> Result<(), Error> {
        self.world.point();
        let partitions: Vec<_> = parts.iter().map(|part| part.partition).collect();
        for partition in &partitions {
            self.lanes.remove(partition);
            self.owed.remove(partition);
        }
        if self.is_member() {
            self.world.sim.cluster.borrow_mut().group.answered(&self.name, &partitions);
        } else if self.lost && self.standing() == Standing::Unknown {
            self.rejoin();
        }
        Ok(())
    }

    fn start(&mut self, part: &Part) -> Result<(), Error> {
        self.lane(part)?.open = true;
        Ok(())
    }

    fn stop(&mut self, part: &Part, _timeout: Duration) -> Result<(), Error> {
        self.lane(part)?.open = false;
        Ok(())
    }

    fn seek(&mut self, part: &Part, offset: i64, timeout: Duration) -> Result<(), Error> {
        self.world.reach("seek", timeout)?;
        self.lane(part)?.next = offset;
        Ok(())
    }

    fn consume(
        &mut self,
        max: usize,
        timeout: Duration,
        f: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, Error> {
        self.world.point();
        let sim = &self.world.sim;
        let (mut handed_out, most) = (0, sim.random(1, 8).min(max as u64));
        if sim.now_ms() >= sim.cluster.borrow().away_until {
            for (partition, lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.open) {
                let taken = take(&self.world, &(self.topic.to_string(), *partition), &mut lane.next, most);
                for (offset, entry) in taken {
                    handed_out += 1;
                    f(record(&self.topic, *partition, offset, &entry));
                }
            }
        }
        let waited = if handed_out > 0 { 10 } else { super::fleet::ms(timeout) };
        sim.let_others_run(sim.random(1, 1 + waited));
        if sim.hiccup() {
            return Err(said(Reaction::Retry, "consume", "broker down"));
        }
        Ok(handed_out)
    }

    fn position(&self, part: &Part) -> Option<i64> {
        self.lanes.get(&part.partition).map(|lane| lane.next)
    }

    /// A simulated log is short: whether there is a backlog is up to the dice.
    fn known_end(&self, _part: &Part) -> Option<i64> {
        (self.world.sim.weather.slow > 0 && self.world.sim.chance(4)).then_some(i64::MAX / 2)
    }

    fn committed(&self, part: &Part, timeout: Duration) -> Result<Option<i64>, Error> {
        self.world.reach("committed", timeout)?;
        let answer = self.world.sim.cluster.borrow().committed(part.partition);
        answer.map_err(|_| {
            self.world.sim.let_others_run(super::fleet::ms(timeout));
            said(Reaction::Retry, "committed", "a transaction holds the offset")
        })
    }

    fn ask_committed(&self, part: &Part, timeout: Duration) -> Question {
        let (world, partition) = (self.world.clone(), part.partition);
        let until = world.sim.now_ms() + super::fleet::ms(timeout);
        let mut answer = None;
        Box::new(move || {
            let (sim, now) = (&world.sim, world.sim.now_ms());
            if answer.is_none() && now >= sim.cluster.borrow().away_until && !sim.chance(3) {
                answer = sim.cluster.borrow().committed(partition).ok();
            }
            // What was true when the broker said it may be old when we hear it.
            match answer {
                Some(_) if sim.chance(3) => None,
                Some(offset) => Some(Ok(offset)),
                None if now < until => None,
                None => Some(Err(said(Reaction::Retry, "committed", "timed out"))),
            }
        })
    }

    fn commit_offsets(&self, offsets: &[(Part, i64)], timeout: Duration) -> Result<(), Error> {
        self.world.reach("commit offsets", timeout)?;
        if !self.is_member() {
            return Err(said(Reaction::Abort, "commit offsets", "not a member"));
        }
        let offsets = offsets.iter().map(|(part, offset)| (part.partition, *offset));
        self.world.sim.cluster.borrow_mut().committed.extend(offsets);
        self.world.point();
        Ok(())
    }

    fn close(self, _timeout: Duration) -> bool {
        // A static member keeps its place.
        true
    }
}
