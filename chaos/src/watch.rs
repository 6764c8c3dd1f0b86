//! Progress of the groups as their committed offsets show it, and who owns which partition.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use tape_kafka::{Admin, Clients, Isolation, Observer, Part};
use tape_service::Shutdown;

/// Time between two looks at the offsets.
const LOOK: Duration = Duration::from_millis(100);
/// Time between two looks at the members.
const LOOK_MEMBERS: Duration = Duration::from_secs(1);
/// Wait for one answer.
const ASK: Duration = Duration::from_millis(1_500);

/// A group to watch.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) partitions: i32,
    /// Offsets that transaction markers take behind the last record.
    pub(crate) markers: i64,
}

impl Group {
    fn parts(&self) -> Vec<Part> {
        let topic: Arc<str> = self.topic.as_str().into();
        (0..self.partitions).map(|partition| Part::new(Arc::clone(&topic), partition)).collect()
    }
}

/// The committed offset of a partition moved some time after `since` and was seen to have moved at `at`; or there was nothing
/// to read, which is no standstill either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) since: Instant,
    pub(crate) at: Instant,
    pub(crate) moved: bool,
}

/// What is known about a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    /// By partition.
    pub(crate) steps: BTreeMap<i32, Vec<Step>>,
    /// Partitions by the member's client id, when the group was stable last.
    pub(crate) owners: BTreeMap<String, Vec<i32>>,
    /// Records not committed yet, when that could be asked last.
    pub(crate) lag: Option<i64>,
    /// When the question was asked whose answer that is.
    pub(crate) lag_at: Option<Instant>,
    offsets: BTreeMap<i32, (i64, Instant)>,
}

impl Course {
    /// Number of partitions that have moved.
    pub(crate) fn moving(&self) -> usize {
        self.steps.values().filter(|steps| steps.iter().any(|step| step.moved)).count()
    }

    /// First progress of a partition that began after `moment`.
    pub(crate) fn first_after(&self, partition: i32, moment: Instant) -> Option<Instant> {
        let steps = self.steps.get(&partition)?;
        let first = steps.partition_point(|step| step.since < moment);
        steps[first..].iter().find(|step| step.moved).map(|step| step.at)
    }

    /// Longest stretch without progress of a partition that began in `[from, until)`. A stretch that has not ended lasts
    /// until `now`.
    pub(crate) fn longest_gap(
        &self,
        partition: i32,
        (from, until): (Instant, Instant),
        now: Instant,
    ) -> Duration {
        let Some(steps) = self.steps.get(&partition) else { return now - from };
        let first = steps.partition_point(|step| step.since < from);
        let (mut longest, mut last) = (Duration::ZERO, from);
        for step in &steps[first..] {
            longest = longest.max(step.at.saturating_duration_since(last));
            last = step.at;
            if last >= until {
                return longest;
            }
        }
        longest.max(now.saturating_duration_since(last))
    }

    /// Notes what a look has found: the offset, and whether there is nothing behind it.
    fn note(&mut self, partition: i32, (offset, at_end): (i64, bool), (asked, seen): (Instant, Instant)) {
        let Some((before, since)) = self.offsets.insert(partition, (offset, asked)) else { return };
        let moved = before < offset;
        if moved || at_end {
            self.steps.entry(partition).or_default().push(Step { since, at: seen, moved });
        }
    }
}

/// Looks at groups from a thread of its own, past all proxies.
pub(crate) struct Watch {
    courses: Arc<Vec<Mutex<Course>>>,
    stop: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(clients: Clients, groups: Vec<Group>) -> Result<Self> {
        let courses: Arc<Vec<_>> = Arc::new(groups.iter().map(|_| Mutex::default()).collect());
        let stop = Shutdown::new();
        let admin = clients.admin()?;
        let observers =
            groups.iter().map(|group| admin.observer(&group.name)).collect::<Result<Vec<_>, _>>()?;
        let looker = Looker { admin, observers, groups, courses: Arc::clone(&courses), stop: stop.clone() };
        let thread = std::thread::spawn(move || looker.run());
        Ok(Watch { courses, stop, thread: Some(thread) })
    }

    /// What is known about the group of this number.
    pub(crate) fn course(&self, group: usize) -> MutexGuard<'_, Course> {
        self.courses[group].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.request();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Looker {
    admin: Admin,
    observers: Vec<Observer>,
    groups: Vec<Group>,
    courses: Arc<Vec<Mutex<Course>>>,
    stop: Shutdown,
}

impl Looker {
    fn run(&self) {
        let mut members_at = Instant::now();
        while !self.stop.is_requested() {
            let next = Instant::now() + LOOK;
            let members = members_at <= Instant::now();
            for number in 0..self.groups.len() {
                // What cannot be asked now is asked the next time; the broker may be away.
                let _ = self.offsets(number);
                if members {
                    let _ = self.members(number);
                    members_at = Instant::now() + LOOK_MEMBERS;
                }
            }
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn offsets(&self, number: usize) -> Result<()> {
        let (asked, group) = (Instant::now(), &self.groups[number]);
        // Ends first: what has come since then makes nobody late.
        let ends = self.admin.end_offsets(&group.parts(), Isolation::ReadCommitted, ASK)?;
        let found = self.observers[number].committed(&group.parts(), ASK)?;
        let seen = Instant::now();
        let mut course = self.courses[number].lock().unwrap_or_else(PoisonError::into_inner);
        let mut lag = 0;
        for ((part, offset), (_, end)) in found.into_iter().zip(ends) {
            let offset = offset.unwrap_or(0);
            let behind = (end - offset).max(0);
            course.note(part.partition, (offset, behind <= group.markers), (asked, seen));
            lag += behind;
        }
        (course.lag, course.lag_at) = (Some(lag), Some(asked));
        Ok(())
    }

    fn members(&self, number: usize) -> Result<()> {
        let group = &self.groups[number];
        let Some(members) = self.admin.stable_members(&group.name, ASK)? else { return Ok(()) };
        let mut course = self.courses[number].lock().unwrap_or_else(PoisonError::into_inner);
        course.owners.clear();
        for member in members {
            let parts = member.parts.iter().filter(|part| *part.topic == *group.topic);
            course.owners.entry(member.client_id).or_default().extend(parts.map(|part| part.partition));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Course;

    #[test]
    fn gaps_are_measured_from_the_fault_to_the_progress_after_it() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut course = Course::default();
        for (asked, offset) in [(0, 1), (100, 2), (200, 3), (300, 3), (1_400, 3), (1_500, 4), (1_600, 5)] {
            course.note(0, (offset, false), (at(asked), at(asked + 10)));
        }
        assert_eq!(course.first_after(0, at(150)), Some(at(1_510)), "the step at 210 began before 150");
        assert_eq!(course.first_after(0, at(1_550)), None);
        assert_eq!(course.longest_gap(0, (at(150), at(1_600)), at(2_000)), Duration::from_millis(1_360));
        assert_eq!(course.longest_gap(0, (at(1_550), at(3_000)), at(2_000)), Duration::from_millis(450));
        assert_eq!(course.longest_gap(7, (at(0), at(1)), at(500)), Duration::from_millis(500), "never seen");
        for asked in [0, 100, 200, 300] {
            course.note(1, (7, true), (at(asked), at(asked + 10)));
        }
        assert_eq!(
            course.longest_gap(1, (at(0), at(250)), at(310)),
            Duration::from_millis(110),
            "nothing to read"
        );
        assert_eq!(course.first_after(1, at(0)), None);
    }
}
