//! A worker: one thread with its own consumer, its own producer and its own tasks. No locks, no hand-over on the way of a
//! trade.
//!
//! Each turn: group events → restore steps → records → idle tasks → commit when it is due. A turn that fails ends in
//! [`Worker::recover`], which is also the way out of a fence: give up the transaction, suspend every task, restore. Shutdown
//! commits and goes the way of a revocation.

mod clock;
mod pace;
mod recovery;
mod report;
mod restoring;
mod running;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_analytics::Effects;
use tape_kafka::{Error, GroupEvent, Isolation, Part, Reaction};
use tape_service::health::Heartbeat;
use tape_service::{Backoff, Failure, Shutdown};

use crate::batch::Outbox;
use crate::commit::{CommitError, Committer};
use crate::context::Context;
use crate::meters::{self, Counts};
use crate::orphans::OrphanWatch;
use crate::ports::{Changelog as _, Group as _, TaskStore, World};
use crate::task::{Phase, Task};
use crate::waits::{For, Waits};
use clock::{Activity, Clock};
use pace::Pace;

/// Wait for records when there is nothing else to do.
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// Wait for the coordinator's refusal, if it refuses us: then the group does not get to know us.
const REFUSAL_WAIT: Duration = Duration::from_millis(200);
/// Wait for one answer of the broker outside commits.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Wait for an end of a log that may as well be asked for later.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);
/// A worker whose loop does not turn for so long is dead: the longest wait inside a turn is a commit that times out.
const STALL_LIMIT: Duration = Duration::from_secs(180);

/// Why a turn failed.
enum Trouble {
    /// Consumer or reader.
    Client(Error),
    /// A client that gets nowhere.
    Stuck(Error),
    /// The commit; what is in memory must be dropped.
    Commit(CommitError),
    Stop(Failure),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Client(error)
    }
}

/// One thread's share of the group.
pub(crate) struct Worker<W: World> {
    context: Arc<Context<W>>,
    number: usize,
    consumer: W::Group,
    reader: W::Changelog,
    committer: Committer<W>,
    tasks: BTreeMap<i32, Task<W::Store>>,
    /// What the group said and was not dealt with yet: a turn that fails at one event must not lose the next.
    events: VecDeque<GroupEvent>,
    /// Assigned by the group, not yet answered.
    unanswered: Vec<Part>,
    /// The group has given an answer once.
    joined: bool,
    outbox: Outbox,
    effects: Effects,
    counts: Counts,
    /// When the first record since the last commit was taken.
    uncommitted_since: Option<Instant>,
    pace: Pace,
    clock: Clock,
    next_trigger: Instant,
    next_figures: Instant,
    fences: Vec<Instant>,
    backoff: Backoff,
    waits: Waits,
    heartbeat: Heartbeat,
    /// The first worker watches for all.
    orphans: Option<OrphanWatch>,
}

impl<W: World> Worker<W> {
    /// Connects; waits for the broker as long as it takes. `None`: a stop was requested meanwhile.
    pub(crate) fn start(
        context: Arc<Context<W>>,
        number: usize,
        orphans: Option<OrphanWatch>,
        shutdown: &Shutdown,
    ) -> Result<Option<Self>, Failure> {
        let heartbeat = context.status.health().watch(&format!("worker {number}"), STALL_LIMIT);
        let mut waits = Waits::default();
        let mut committer = Committer::new(context.commit_spec(number), &context.world)?;
        let first = committer.init(REFUSAL_WAIT);
        if let Err(error) = &first
            && error.reaction == Reaction::Config
        {
            return Err(error.clone().into());
        }
        // What takes longer is an orphan of our id that is being aborted, or a broker that is away: we join meanwhile.
        let consumer = context.world.join(context.group_spec(number))?;
        if first.is_err() {
            // librdkafka would ask again after half a second; a new client asks at once.
            committer.replace(&context.world)?;
            if !init(&mut committer, &context, &mut waits, number, shutdown, &mut || heartbeat.beat())? {
                return Ok(None);
            }
        }
        let reader = context.world.changelog()?;
        let now = context.world.now();
        let pace = Pace::new(context.commit_interval);
        Ok(Some(Worker {
            context,
            number,
            consumer,
            reader,
            committer,
            tasks: BTreeMap::new(),
            events: VecDeque::new(),
            unanswered: Vec::new(),
            joined: false,
            outbox: Outbox::default(),
            effects: Effects::default(),
            counts: Counts::default(),
            uncommitted_since: None,
            pace,
            clock: Clock::new(now),
            next_trigger: now,
            next_figures: now,
            fences: Vec::new(),
            heartbeat,
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(2)),
            waits,
            orphans,
        }))
    }

    /// Where it lives.
    #[cfg(test)]
    pub(crate) fn world(&self) -> &W {
        &self.context.world
    }

    /// Works until a stop is requested, then commits and closes in order.
    pub(crate) fn run(mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        while !shutdown.is_requested() {
            self.step(shutdown)?;
        }
        self.close();
        Ok(())
    }

    /// One turn, and what must be done when it fails.
    pub(crate) fn step(&mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        self.heartbeat.beat();
        match self.turn() {
            Ok(()) => {
                self.backoff.reset();
                if let Some((what, lasted)) = self.waits.over(self.context.world.now()) {
                    tracing::info!(worker = self.number, waited = ?lasted, "{what} answers again");
                }
            }
            Err(trouble) => {
                self.enter(Activity::Recover);
                self.recover(trouble, shutdown)?;
                self.context.world.sleep(self.backoff.pause());
            }
        }
        let (now, number) = (self.context.world.now(), self.number);
        self.clock.report(now, |activity, seconds| meters::worked(number, activity, seconds));
        Ok(())
    }

    fn enter(&mut self, activity: Activity) -> Activity {
        self.clock.enter(activity, self.context.world.now())
    }

    fn turn(&mut self) -> Result<(), Trouble> {
        self.enter(Activity::Other);
        self.events.extend(self.consumer.poll_events()?);
        while let Some(event) = self.events.pop_front() {
            self.on_event(event)?;
        }
        self.answer_assignment()?;
        self.enter(Activity::Restore);
        self.restore()?;
        self.take_records()?;
        self.close_idle()?;
        if self.commit_is_due() {
            self.commit()?;
        }
        self.enter(Activity::Other);
        self.look_after_stores();
        if let Some(orphans) = &mut self.orphans {
            orphans.look(self.context.world.now());
        }
        self.report();
        Ok(())
    }

    fn on_event(&mut self, event: GroupEvent) -> Result<(), Trouble> {
        match event {
            GroupEvent::Assigned(parts) => {
                self.joined = true;
                if !parts.is_empty() {
                    meters::rebalanced("assigned");
                    tracing::info!(worker = self.number, partitions = ?numbers(&parts), "assigned");
                }
                self.unanswered.extend(parts);
            }
            GroupEvent::Revoked(parts) => {
                if !parts.is_empty() {
                    meters::rebalanced("revoked");
                    tracing::info!(worker = self.number, partitions = ?numbers(&parts), "revoked");
                }
                // The group waits for our answer, so it comes even when the commit fails; the failure is dealt with after.
                let committed = self.commit();
                self.give_up(&parts)?;
                committed?;
            }
            GroupEvent::Lost(parts) => {
                meters::rebalanced("lost");
                tracing::warn!(worker = self.number, partitions = ?numbers(&parts), "lost: the group went on without us");
                self.rewind("lost assignment");
                self.give_up(&parts)?;
            }
        }
        Ok(())
    }

    /// Takes the assigned partitions, parked at their end: where to start is found out while restoring.
    fn answer_assignment(&mut self) -> Result<(), Trouble> {
        if self.unanswered.is_empty() {
            return Ok(());
        }
        let ends = self.context.world.log_ends(&self.unanswered, Isolation::ReadUncommitted, ASK_TIMEOUT)?;
        let at: Vec<_> = self.unanswered.iter().cloned().zip(ends).collect();
        self.consumer.assign(&at)?;
        for part in self.unanswered.drain(..) {
            self.tasks.insert(part.partition, Task::new(part.partition));
        }
        Ok(())
    }

    /// Closes the tasks of partitions that are not ours any more. Only committed state is left in them.
    fn give_up(&mut self, parts: &[Part]) -> Result<(), Trouble> {
        self.unanswered.retain(|part| !parts.contains(part));
        for part in parts {
            if let Some(mut task) = self.tasks.remove(&part.partition) {
                self.reader.unassign(&Part::new(Arc::clone(&self.context.changelog), part.partition));
                close_task(&mut task);
                meters::given_up(part.partition);
            }
        }
        if !parts.is_empty() {
            // The group waits for this answer; a client that cannot give it is of no use.
            self.consumer.unassign(parts).map_err(Trouble::Stuck)?;
        }
        Ok(())
    }

    /// Orderly end: what was read is committed, open windows that changed are shown a last time, stores are flushed, the partitions
    /// stay ours for a quick return.
    pub(crate) fn close(mut self) {
        self.next_trigger = self.context.world.now();
        let committed = if self.context.is_spoiled() { Ok(()) } else { self.commit() };
        if let Err(trouble) = committed {
            let why = match trouble {
                Trouble::Client(error)
                | Trouble::Stuck(error)
                | Trouble::Commit(CommitError::Kafka(error)) => error.to_string(),
                Trouble::Commit(error) => error.to_string(),
                Trouble::Stop(failure) => failure.to_string(),
            };
            tracing::warn!(worker = self.number, %why, "the last commit failed; its records are read again at the next start");
            let _ = self.committer.abort();
        }
        self.give_back();
        if let Some(orphans) = self.orphans.take() {
            orphans.close();
        }
        if !self.consumer.close(ASK_TIMEOUT * 2) {
            tracing::debug!(worker = self.number, "the consumer closes in the background");
        }
    }

    fn give_back(&mut self) {
        for task in self.tasks.values_mut() {
            close_task(task);
            meters::given_up(task.partition);
        }
        self.tasks.clear();
    }
}

/// Suspends a task if it runs, and closes its store.
fn close_task<S: TaskStore>(task: &mut Task<S>) {
    task.suspend();
    if let Phase::Suspended(Some(store)) = task.transition(Phase::Closed)
        && let Err(error) = store.close()
    {
        tracing::warn!(task = task.partition, %error, "a store did not close; its tail is restored from the changelog");
    }
}

/// Initialises the producer, as often as it takes. False: a stop was requested meanwhile.
fn init<W: World>(
    committer: &mut Committer<W>,
    context: &Context<W>,
    waits: &mut Waits,
    worker: usize,
    shutdown: &Shutdown,
    alive: &mut dyn FnMut(),
) -> Result<bool, Failure> {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    while !shutdown.is_requested() {
        alive();
        match committer.init(ASK_TIMEOUT * 5) {
            Ok(()) => return Ok(true),
            Err(error) if error.reaction == Reaction::Config => return Err(error.into()),
            Err(error) => {
                if let Some(lasted) = waits.note(For::Coordinator, context.world.now()) {
                    tracing::warn!(worker, %error, "waiting for the transaction coordinator{lasted}");
                }
                if error.reaction != Reaction::Retry {
                    committer.replace(&context.world)?;
                }
                context.world.sleep(backoff.pause());
            }
        }
    }
    Ok(false)
}

fn numbers(parts: &[Part]) -> Vec<i32> {
    parts.iter().map(|part| part.partition).collect()
}
