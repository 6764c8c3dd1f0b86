//! Restoring a task: from its store and the tail of its changelog to a state that goes on where the last commit ended.
//!
//! Order, each step repeated until it succeeds, none of them waiting long, so that running tasks of the worker go on:
//! 1. committed offset of the input (it waits for a transaction that carries one), checked against the log
//! 2. open the store; damaged: set it aside and start with an empty one
//! 3. end of the changelog, read *uncommitted*: a transaction of the last owner that is still open must be decided first
//! 4. read the changelog, read committed, by **position**, because transaction markers take offsets
//! 5. state into memory, checked against settings and committed offset; the input is read on from there
//!
//! The committed offset is asked for first: once it is known, no later commit of an earlier owner can succeed. `course` tells
//! how far a restore is.

mod course;
mod hitch;
mod offset;
mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_kafka::{Error, Kind, Part, Record};
use tape_service::Failure;
use tape_state::{CodecError, Entry, Key, Plan, Progress};

use crate::batch::StateBatch;
use crate::context::Context;
use crate::intake::RejectWindow;
use crate::ports::{Changelog as _, Group as _, Question, TaskStore, World};
use crate::reset::MARKER_KEY;
use crate::task::Running;
use crate::waits::Waits;

use course::Course;
use hitch::Hitch;
use offset::{ask, has_moved, input_offset, ranges};
use state::check;
pub(crate) use state::load;

/// Wait for one answer of the broker. Other tasks of the worker stand still for so long.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Wait for a seek: it is answered by our own client.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

/// A task on its way to Running.
pub(crate) struct Restoring<S> {
    partition: i32,
    stage: Stage<S>,
    /// No step before this moment.
    not_before: Instant,
    /// Since when the questions are asked.
    asking_since: Instant,
}

enum Stage<S> {
    /// Nothing is known yet but, perhaps, the store, when it is still open from before. The question is under way, or not yet
    /// asked.
    Asking(Option<Box<S>>, Option<Question>),
    /// Reading the changelog.
    Replaying(Box<Replaying<S>>),
}

struct Replaying<S> {
    store: S,
    /// Where the input goes on.
    next_offset: i64,
    /// The offset that the group has committed, if it has.
    committed: Option<i64>,
    changelog: Part,
    course: Course,
    target: i64,
    pending: StateBatch,
    /// Generation of the store that was emptied before.
    wiped: Option<u32>,
    /// The marker of a reset was read: the store is emptied before `pending` is applied.
    is_reset: bool,
    foreign: u64,
}

/// What a step came to.
pub(crate) enum Step<S> {
    /// Not there yet.
    Going,
    /// Ready to run.
    Done(Box<Running<S>>),
}

/// Why a restore cannot go on.
pub(crate) enum RestoreError {
    /// Nothing helps but a person.
    Stop(Failure),
    /// The client is broken.
    Kafka(Error),
    /// The same question stays without an answer.
    Stuck(Error),
}

impl From<Failure> for RestoreError {
    fn from(failure: Failure) -> Self {
        RestoreError::Stop(failure)
    }
}

/// What a restore works with.
pub(crate) struct Tools<'a, W: World> {
    pub(crate) context: &'a Context<W>,
    pub(crate) consumer: &'a mut W::Group,
    pub(crate) reader: &'a mut W::Changelog,
    pub(crate) waits: &'a mut Waits,
    pub(crate) now: Instant,
}

impl<S: TaskStore> Restoring<S> {
    pub(crate) fn new(partition: i32, store: Option<Box<S>>, now: Instant) -> Self {
        Restoring { partition, stage: Stage::Asking(store, None), not_before: now, asking_since: now }
    }

    /// The store, as far as it is restored.
    pub(crate) fn into_store(self) -> Option<Box<S>> {
        match self.stage {
            Stage::Asking(store, _) => store,
            Stage::Replaying(replaying) => Some(Box::new(replaying.store)),
        }
    }

    /// The same to look at.
    pub(crate) fn store(&self) -> Option<&S> {
        match &self.stage {
            Stage::Asking(store, _) => store.as_deref(),
            Stage::Replaying(replaying) => Some(&replaying.store),
        }
    }

    /// Offsets left to read, while that is known.
    pub(crate) fn progress(&self) -> Option<&Progress> {
        match &self.stage {
            Stage::Asking(..) => None,
            Stage::Replaying(replaying) => Some(replaying.course.progress()),
        }
    }

    /// Keeps a record of the changelog until the next step.
    pub(crate) fn take(&mut self, record: &Record<'_>) -> Result<(), CodecError> {
        let Stage::Replaying(replaying) = &mut self.stage else { return Ok(()) };
        // A left-over of an earlier attempt would put an old value over a newer one.
        if record.offset < replaying.store.changelog_offset().unwrap_or(0) {
            return Ok(());
        }
        let key = record.key.unwrap_or_default();
        // What stands before the marker is deleted; a broker that crashed may have brought it back.
        if key == MARKER_KEY {
            replaying.pending.clear();
            replaying.is_reset = true;
            return Ok(());
        }
        let readable = match record.value {
            Some(value) => Entry::decode(key, value).map(drop),
            None => Key::decode(key).map(drop),
        };
        match readable {
            Ok(()) => {
                replaying.course.count(key, record.value);
                replaying.pending.push_raw(key, record.value);
            }
            Err(error @ CodecError::Newer { .. }) => return Err(error),
            // Somebody else wrote to the changelog: not our state, and no reason to stop.
            Err(_) => replaying.foreign += 1,
        }
        Ok(())
    }

    /// Does the next step. Must follow each poll of the reader.
    pub(crate) fn step<W: World<Store = S>>(
        &mut self,
        tools: &mut Tools<'_, W>,
    ) -> Result<Step<S>, RestoreError> {
        if tools.now < self.not_before {
            return Ok(Step::Going);
        }
        // Whatever fails below is dropped before it is dealt with: a damaged store must be closed to be set aside.
        let hitch = match std::mem::replace(&mut self.stage, Stage::Asking(None, None)) {
            Stage::Asking(store, question) => match ask(self.partition, question, tools) {
                Err(question) => {
                    self.stage = Stage::Asking(store, Some(question));
                    return Ok(Step::Going);
                }
                Ok(Err(error)) => Hitch::Kafka(error, store),
                Ok(Ok(committed)) => match prepare(self.partition, committed, store, tools) {
                    Ok(replaying) => {
                        self.stage = Stage::Replaying(Box::new(replaying));
                        return Ok(Step::Going);
                    }
                    Err(hitch) => hitch,
                },
            },
            Stage::Replaying(mut replaying) => match replaying.step(tools) {
                Ok(false) => {
                    self.asking_since = tools.now;
                    self.stage = Stage::Replaying(replaying);
                    return Ok(Step::Going);
                }
                Ok(true) => match replaying.finish(self.partition, tools) {
                    Ok(running) => return Ok(Step::Done(Box::new(running))),
                    Err(hitch) => hitch,
                },
                Err(hitch) => {
                    tools.reader.unassign(&replaying.changelog);
                    hitch
                }
            },
        };
        self.stage = Stage::Asking(self.overcome(hitch, tools)?, None);
        Ok(Step::Going)
    }
}

/// Steps 1–3, with the committed offset at hand.
fn prepare<W: World>(
    partition: i32,
    committed: Option<i64>,
    store: Option<Box<W::Store>>,
    tools: &mut Tools<'_, W>,
) -> Result<Replaying<W::Store>, Hitch<W::Store>> {
    let input = Part::new(Arc::clone(&tools.context.input), partition);
    let parts = [input, Part::new(Arc::clone(&tools.context.changelog), partition)];
    // The store first: while it is ours nobody moves it on, so what it has read lies before an end that is asked for now. We may
    // stand still at any moment, and another worker of this process may have had the task meanwhile.
    let mut store = match store {
        Some(store) => store,
        None => Box::new(tools.context.world.open_store(partition)?),
    };
    let (range, (low, high)) = match ranges(&parts, &tools.context.world) {
        Ok([input, changelog]) => (input, changelog),
        Err(error) => return Err(Hitch::Kafka(error, Some(store))),
    };
    let [input, changelog] = parts;
    let (next_offset, committed) = match input_offset(&input, committed, range, tools) {
        Ok(found) => found.map_err(Hitch::Stop)?,
        Err(error) => return Err(Hitch::Kafka(error, Some(store))),
    };
    let mut wiped = None;
    let from = match state::plan(partition, &*store, (low, high), tools.context)? {
        Plan::Fresh { from } | Plan::Resume { from } => from,
        Plan::Wipe { from, stored } => {
            tracing::warn!(
                task = partition,
                stored,
                from,
                "the changelog no longer holds what the store missed; restoring from the start"
            );
            wiped = state::generation_of(&*store)?;
            store.clear()?;
            from
        }
        Plan::Refuse(refusal) => {
            return Err(Hitch::Stop(Failure::Config(format!("task {partition}: {refusal}"))));
        }
    };
    if from < high
        && let Err(error) = tools.reader.assign(&changelog, from, ASK_TIMEOUT * 4)
    {
        return Err(Hitch::Kafka(error, Some(store)));
    }
    tracing::debug!(task = partition, from, to = high, "restoring");
    Ok(Replaying {
        store: *store,
        next_offset,
        committed,
        changelog,
        course: Course::new(partition, from, high, tools.now),
        target: high,
        pending: StateBatch::new(tools.context.ids()),
        wiped,
        is_reset: false,
        foreign: 0,
    })
}

impl<S: TaskStore> Replaying<S> {
    /// Step 4; true when the end is reached.
    fn step<W: World<Store = S>>(&mut self, tools: &mut Tools<'_, W>) -> Result<bool, Hitch<S>> {
        let position = tools.reader.position(&self.changelog);
        if let Some(position) =
            position.filter(|position| *position > self.store.changelog_offset().unwrap_or(-1))
        {
            if std::mem::take(&mut self.is_reset) {
                self.store.clear()?;
            }
            self.store.apply(&mut self.pending.entries(), position)?;
            self.pending.clear();
            self.course.advance(position, tools.now);
            self.store.flush_if_due(tools.now)?;
        }
        Ok(self.course.progress().is_done())
    }

    /// Step 5.
    fn finish<W: World<Store = S>>(
        self,
        partition: i32,
        tools: &mut Tools<'_, W>,
    ) -> Result<Running<S>, Hitch<S>> {
        tools.reader.unassign(&self.changelog);
        let settings = &tools.context.settings;
        let (logic, meta) = load(&self.store, settings)?;
        let input = Part::new(Arc::clone(&tools.context.input), partition);
        let resumes = self.committed.is_some();
        if let Err(refusal) = check(partition, meta.as_ref(), resumes, self.wiped, tools.context) {
            return Err(match has_moved((self.committed, self.target), &input, &self.changelog, tools) {
                Ok(false) => Hitch::Stop(refusal),
                Ok(true) => Hitch::Moved(Box::new(self.store)),
                Err(error) => Hitch::Kafka(error, Some(Box::new(self.store))),
            });
        }
        let rewound = tools
            .consumer
            .seek(&input, self.next_offset, SEEK_TIMEOUT)
            .and_then(|()| tools.consumer.start(&input));
        if let Err(error) = rewound {
            return Err(Hitch::Kafka(error, Some(Box::new(self.store))));
        }
        let restored = self.course.finish(tools.now);
        tracing::info!(
            task = partition,
            offset = self.next_offset,
            changelog = self.target,
            symbols = logic.symbol_count(),
            panes = logic.pane_count(),
            foreign = self.foreign,
            restored = restored.records,
            bytes = restored.bytes,
            took_ms = restored.took_ms,
            per_second = restored.per_second,
            "running"
        );
        Ok(Running {
            logic,
            store: self.store,
            next_offset: self.next_offset,
            uncommitted: false,
            changes: self.pending,
            quiet_since: tools.now,
            idle_checked: tools.now,
            recent: RejectWindow::new(),
        })
    }
}

/// True for an error that says the changelog no longer holds the offset asked for.
pub(crate) fn is_out_of_range(error: &Error) -> bool {
    matches!(error.kind, Kind::OffsetOutOfRange { .. })
}
