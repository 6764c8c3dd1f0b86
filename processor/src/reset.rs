//! Starting over: the application's state is emptied, its offsets are moved, and what it emits from then on replaces what it
//! emitted before.
//!
//! Output topics and tables stay as they are. Every row of the new run carries a higher generation in its revision, so it
//! replaces the old row of its key wherever rows are ordered by (is_final, revision).
//!
//! The changelog is emptied, not deleted: its settings, access rights and id stay. Stores of other machines find that the
//! first offset of the changelog lies behind the last one that they have read, and empty themselves
//! ([`tape_state::Plan::Wipe`]); that is why a record, the marker, is written before everything is deleted up to behind it.
//!
//! # Order
//!
//! | | step | a crash after it leaves |
//! |---|---|---|
//! | 1 | nobody is in the group, no transaction of the changelog is undecided; the lock of the local state is held | what was there |
//! | 2 | the changelog's `cleanup.policy=compact,delete`, no retention; a missing one is made so: **from here on no processor starts, and one that runs stops** | a changelog that is refused, whole |
//! | 3 | is the group still empty? if not, the policy is set back and nothing has happened | the same |
//! | 4 | the changelog has as many partitions as the input | the same, with empty partitions |
//! | 5 | a marker in each partition, and everything up to behind it deleted | a changelog that is refused, without state |
//! | 6 | the group's offsets | the same |
//! | 7 | the local stores are deleted | the same |
//! | 8 | a meta value in each partition: window, generation, topic ids | the same, or with all that counts |
//! | 9 | `cleanup.policy=compact` | nothing is missing |
//!
//! Partitions are added behind the gate of step 2, because a new one has neither state nor offset and would pass for one that
//! has just begun, while its symbols have their windows elsewhere. Only step 3 opens the gate again, and only if it found it
//! open: behind one that was closed lies what an earlier reset has left.
//!
//! Should a person open the gate by hand, everything after step 5 says "committed offsets but no state": the meta value comes
//! last of all that counts, because state without its offsets, or offsets without their state, would be believed. Whatever was
//! left by a crash, the same command again ends it; it takes the next generation.
//!
//! Members are looked for three times. The list of step 1 is for people: it has names. A processor that had checked its topics
//! just before step 2 may join after it, and of several brokers only the coordinator knows the members: step 3 also commits the
//! offsets that the group has, as nobody's, and the coordinator refuses that while there is a member. So does step 6, for one
//! that came still later: then the state is gone, as was wanted, and the gate stays closed until the next run.

mod apply;
mod generation;

pub(crate) use apply::MARKER_KEY;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tape_analytics::GENERATION_MAX;
use tape_kafka::{Admin, Clients, Error, Isolation, Part};
use tape_service::{Config, Failure};
use tape_state::StateDir;

use crate::{codec, context};

/// Wait for one answer of the brokers.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the group goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// At the first record that the log still has.
    Earliest,
    /// Behind the last one.
    Latest,
    /// At the first record that was appended at this time or later, epoch ms; behind the last one when there is none.
    Time(i64),
}

/// What becomes of one partition of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Partition.
    pub partition: i32,
    /// First offset of its log.
    pub low: i64,
    /// Offset behind its last record.
    pub end: i64,
    /// Where the group stands; `None` = it has committed nothing.
    pub committed: Option<i64>,
    /// Where it will stand.
    pub target: i64,
    /// Offsets of the changelog partition that are deleted; 0 when there is none.
    pub dropped: i64,
}

impl Move {
    /// Offsets that will not be read, by what is in the log now.
    pub fn skipped(&self) -> i64 {
        (self.target - self.stands()).max(0)
    }

    /// Offsets that are read once more, by what is in the log now.
    pub fn again(&self) -> i64 {
        (self.stands().min(self.end) - self.target).max(0)
    }

    fn stands(&self) -> i64 {
        self.committed.unwrap_or(self.low).max(self.low)
    }
}

/// What a reset will do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The group that is moved.
    pub group: String,
    /// Topic of the input.
    pub input: String,
    /// Topic of the changelog.
    pub changelog: String,
    /// One for each partition of the input.
    pub moves: Vec<Move>,
    /// The largest generation that was found; `None` = no trace of an earlier run.
    pub generation_before: Option<u32>,
    /// The generation of everything that is emitted after it.
    pub generation: u32,
    /// Folder of the local state; `None` = there is none on this machine.
    pub state_dir: Option<PathBuf>,
    /// Tasks whose local store is deleted.
    pub stores: Vec<i32>,
}

/// A reset that may be done: nothing was changed yet, and as long as it lives no processor starts on this machine's state.
pub struct Reset {
    config: Config,
    clients: Clients,
    admin: Admin,
    state: Option<StateDir>,
    changelog_partitions: Option<i32>,
    plan: Plan,
}

impl Reset {
    /// Finds out what has to be done, and refuses while it may not be. Changes nothing.
    pub fn prepare(config: &Config, to: Target) -> Result<Self, Failure> {
        codec::settings(&config.processing).check().map_err(|error| Failure::Config(error.to_string()))?;
        let refused = |error: tape_state::DirectoryError| Failure::Config(error.to_string());
        let state = StateDir::open_to_reset(&config.processing.state_dir).map_err(refused)?;
        let stores = state.as_ref().map(StateDir::tasks).transpose().map_err(refused)?.unwrap_or_default();
        let clients = Clients::new(&config.kafka, &format!("{}-reset", config.app_id));
        let admin = clients.admin()?;
        let (input, changelog) = (&config.topics.raw_trades, &config.topics.changelog);
        let Some(partitions) = admin.partition_count(input, ASK_TIMEOUT)? else {
            return Err(Failure::Config(format!(
                "topic {input} does not exist; create it with `tape topics`, or name another one in KAFKA_TOPIC_RAW_TRADES"
            )));
        };
        let group = context::group(config);
        refuse_members(&admin, &group, config)?;
        let changelog_partitions = admin.partition_count(changelog, ASK_TIMEOUT)?;
        if let Some(found) = changelog_partitions.filter(|found| *found > partitions) {
            return Err(Failure::Config(format!(
                "topic {changelog} has {found} partitions and {input} {partitions}, and partitions cannot be taken away: delete \
                 {changelog}, then run `tape reset` again"
            )));
        }
        let moves = moves(&admin, config, partitions, changelog_partitions, to)?;
        let generation_before = generation::find(config, (&clients, &admin), state.as_ref(), &stores)?;
        let generation = generation_before.map_or(1, |found| found.saturating_add(1));
        if generation > GENERATION_MAX {
            return Err(Failure::Config(format!(
                "generation {GENERATION_MAX} is the last one; choose another APP_ID and other output topics"
            )));
        }
        let plan = Plan {
            group,
            input: input.clone(),
            changelog: changelog.clone(),
            moves,
            generation_before,
            generation,
            state_dir: state.as_ref().map(|state| state.path().to_owned()),
            stores,
        };
        Ok(Reset { config: config.clone(), clients, admin, state, changelog_partitions, plan })
    }

    /// What will be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// A group with members works, or may work again within its session time-out.
fn refuse_members(admin: &Admin, group: &str, config: &Config) -> Result<(), Failure> {
    let members = admin.group(group, ASK_TIMEOUT)?.members;
    if members.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = members
        .iter()
        .map(|member| {
            let name = member.instance_id().unwrap_or(&member.client_id);
            format!("{name} (client {}, host {})", member.client_id, member.host)
        })
        .collect();
    Err(Failure::Config(format!(
        "group {group} has members: {}; stop every processor of {} first (one that has stopped stays a member until its session \
         ends, after KAFKA_SESSION_TIMEOUT={})",
        names.join(", "),
        config.app_id,
        seconds(config.kafka.session_timeout)
    )))
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

fn parts(topic: &str, partitions: i32) -> Vec<Part> {
    let topic: Arc<str> = topic.into();
    (0..partitions).map(|partition| Part::new(Arc::clone(&topic), partition)).collect()
}

fn moves(
    admin: &Admin,
    config: &Config,
    partitions: i32,
    changelog_partitions: Option<i32>,
    to: Target,
) -> Result<Vec<Move>, Error> {
    let inputs = parts(&config.topics.raw_trades, partitions);
    let committed = admin.committed(&context::group(config), &inputs, ASK_TIMEOUT)?;
    let low = admin.low_offsets(&inputs, ASK_TIMEOUT)?;
    let end = admin.end_offsets(&inputs, Isolation::ReadUncommitted, ASK_TIMEOUT)?;
    let found = match to {
        Target::Earliest | Target::Latest => BTreeMap::new(),
        Target::Time(time) => admin
            .offsets_at(&inputs, time, ASK_TIMEOUT)?
            .into_iter()
            .filter_map(|(part, offset)| Some((part.partition, offset?)))
            .collect(),
    };
    let logs = parts(&config.topics.changelog, changelog_partitions.unwrap_or(0));
    let log_low = admin.low_offsets(&logs, ASK_TIMEOUT)?;
    let log_end = admin.end_offsets(&logs, Isolation::ReadUncommitted, ASK_TIMEOUT)?;
    let dropped: BTreeMap<i32, i64> =
        log_low.iter().zip(&log_end).map(|((part, low), (_, end))| (part.partition, end - low)).collect();
    let all = committed.into_iter().zip(low).zip(end);
    Ok(all
        .map(|(((part, committed), (_, low)), (_, end))| Move {
            partition: part.partition,
            low,
            end,
            committed,
            target: match to {
                Target::Earliest => low,
                Target::Latest => end,
                Target::Time(_) => found.get(&part.partition).copied().unwrap_or(end),
            },
            dropped: dropped.get(&part.partition).copied().unwrap_or(0),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::Move;

    #[test]
    fn what_is_skipped_and_what_is_read_again() {
        let at = |committed, target| Move { partition: 0, low: 100, end: 500, committed, target, dropped: 0 };
        let both = |found: Move| (found.skipped(), found.again());
        assert_eq!(both(at(Some(300), 100)), (0, 200));
        assert_eq!(both(at(Some(300), 500)), (200, 0));
        assert_eq!(both(at(Some(300), 300)), (0, 0));
        assert_eq!(both(at(None, 100)), (0, 0), "nothing was read before");
        assert_eq!(both(at(None, 500)), (400, 0));
        assert_eq!(both(at(Some(20), 100)), (0, 0), "what retention took is neither");
        assert_eq!(both(at(Some(900), 100)), (0, 400), "offsets of a topic that was longer");
    }
}
