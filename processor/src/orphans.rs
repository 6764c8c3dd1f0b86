//! Partitions that nobody has, and the push that makes the group give them away.
//!
//! A cooperative rebalance takes a partition from one member in a first round and gives it to another in a second. When the
//! first member is killed between the two, nobody asks for the second round: a static member that comes back gets the
//! assignment it had, without a rebalance, and the partition stays unowned in a group that calls itself stable.
//!
//! So the first worker of one process looks at the group now and then. When a partition was unowned at two looks in a row, a
//! member without a static name joins and leaves again: both make the group share out everything anew.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tape_kafka::{Admin, Clients, Error, GroupMember, GroupSpec};

/// Time between two looks; a rebalance takes less.
const INTERVAL: Duration = Duration::from_secs(3);
/// Wait for the group's answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest stay of the member that pushes.
const PUSH_TIMEOUT: Duration = Duration::from_secs(30);
/// Session of the member that pushes: should it die, it is forgotten soon.
const PUSH_SESSION: Duration = Duration::from_secs(10);
/// Pause between two polls of the member that pushes.
const PUSH_POLL: Duration = Duration::from_millis(20);

/// Looks for unowned partitions.
pub(crate) struct OrphanWatch {
    place: Arc<Place>,
    next: Instant,
    /// Whether the last look found some, as soon as it is over.
    looking: Option<JoinHandle<bool>>,
}

/// Where to look, and as whom.
pub(crate) struct Place {
    pub(crate) clients: Clients,
    pub(crate) admin: Arc<Admin>,
    pub(crate) group: String,
    pub(crate) input: String,
    /// Our process, by the name that the group knows.
    pub(crate) member: String,
}

impl OrphanWatch {
    pub(crate) fn new(place: Place, now: Instant) -> Self {
        OrphanWatch { place: Arc::new(place), next: now + INTERVAL, looking: None }
    }

    /// Looks, when it is time, on a thread of its own: the answer of a broker that is away may take seconds. What cannot be
    /// asked now is asked the next time.
    pub(crate) fn look(&mut self, now: Instant) {
        if now < self.next || self.looking.as_ref().is_some_and(|looking| !looking.is_finished()) {
            return;
        }
        self.next = now + INTERVAL;
        // A look that panicked found nothing.
        let suspected = self.looking.take().is_some_and(|looking| looking.join().unwrap_or_default());
        let place = Arc::clone(&self.place);
        self.looking = Some(std::thread::spawn(move || place.look(suspected)));
    }

    /// Waits for a look under way.
    pub(crate) fn close(self) {
        if let Some(looking) = self.looking {
            let _ = looking.join();
        }
    }
}

impl Place {
    /// True when there are unowned partitions for the first time.
    fn look(&self, suspected: bool) -> bool {
        let orphans = self.orphans().unwrap_or_default();
        if orphans.is_empty() || !suspected {
            return !orphans.is_empty();
        }
        tracing::warn!(partitions = ?orphans, "a stable group leaves partitions unowned; asking it to share them out anew");
        if let Err(error) = push(self) {
            tracing::warn!(%error, "the group could not be asked to share out its partitions; trying again");
        }
        false
    }

    /// Partitions without an owner, if it is for this process to act.
    fn orphans(&self) -> Result<Vec<i32>, Error> {
        let Some(members) = self.admin.stable_members(&self.group, ASK_TIMEOUT)? else {
            return Ok(Vec::new());
        };
        if !acts(&members, &self.member) {
            return Ok(Vec::new());
        }
        let count = self.admin.partition_count(&self.input, ASK_TIMEOUT)?.unwrap_or(0);
        Ok(unowned(&members, &self.input, count))
    }
}

/// One process of the group acts: the one with the smallest name.
fn acts(members: &[GroupMember], me: &str) -> bool {
    members.iter().map(|member| member.client_id.as_str()).min() == Some(me)
}

fn unowned(members: &[GroupMember], topic: &str, count: i32) -> Vec<i32> {
    let owned = |partition: i32| {
        members
            .iter()
            .flat_map(|member| &member.parts)
            .any(|part| &*part.topic == topic && part.partition == partition)
    };
    (0..count).filter(|partition| !owned(*partition)).collect()
}

/// Joins the group without a static name, and leaves it.
fn push(place: &Place) -> Result<(), Error> {
    let mut member = place.clients.group_consumer(GroupSpec {
        group: place.group.clone(),
        instance_id: None,
        topics: vec![place.input.clone()],
        session_timeout: PUSH_SESSION,
        max_poll_interval: PUSH_TIMEOUT,
    })?;
    let deadline = Instant::now() + PUSH_TIMEOUT;
    let mut joined = false;
    while !joined && Instant::now() < deadline {
        // Whatever it is given it gives back by leaving.
        joined = !member.poll_events()?.is_empty();
        std::thread::sleep(PUSH_POLL);
    }
    member.close(PUSH_SESSION);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tape_kafka::{GroupMember, Part};

    use super::{acts, unowned};

    #[test]
    fn finds_what_nobody_has() {
        let member = |client_id: &str, partitions: &[i32]| GroupMember {
            member_id: client_id.to_owned(),
            client_id: client_id.to_owned(),
            host: String::new(),
            parts: partitions.iter().map(|partition| Part::new("trades", *partition)).collect(),
        };
        let members = [member("b", &[1, 2]), member("a", &[]), member("a", &[4])];
        assert_eq!(unowned(&members, "trades", 6), [0, 3, 5]);
        assert_eq!(unowned(&members[..1], "other", 2), [0, 1]);
        assert!(unowned(&members, "trades", 0).is_empty());
        assert!(acts(&members, "a") && !acts(&members, "b") && !acts(&[], "a"));
    }
}
