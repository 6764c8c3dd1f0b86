//! Restoring a task: from its store and the tail of its changelog to a state that goes on where the last commit ended.
//!
//! Order, each step repeated until it succeeds, none of them waiting long, so that running tasks of the worker go on:
//! 1. committed offset of the input (it waits for a transaction that carries one), checked against the log
//! 2. open the store; damaged: set it aside and start with an empty one
//! 3. end of the changelog, read *uncommitted*: a transaction of the last owner that is still open must be decided first
//! 4. read the changelog, read committed, by **position**, because transaction markers take offsets
//! 5. state into memory, checked against settings and committed offset; the input is read on from there
//!
//! `course` tells how far it is. The committed offset is asked for first: once it is known, no later commit of an earlier owner can succeed.

mod course;
mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_kafka::{Error, GroupConsumer, Isolation, Kind, Part, Reaction, Reader, Record};
use tape_service::Failure;
use tape_state::{CodecError, Entry, Key, Plan, Progress, Store, StoreError};

use crate::batch::StateBatch;
use crate::context::Context;
use crate::intake::RejectWindow;
use crate::task::Running;

use course::Course;
use state::{check, load};

/// Wait for one answer of the broker. Other tasks of the worker stand still for so long.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a step that did not succeed.
const PAUSE: Duration = Duration::from_millis(200);
/// A client whose questions stay unanswered for so long is replaced. A transaction that an earlier owner left open keeps
/// the committed offset back for less.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// Wait for a seek: it is answered by our own client.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

/// A task on its way to Running.
pub(crate) struct Restoring {
    partition: i32,
    stage: Stage,
    /// No step before this moment.
    not_before: Instant,
    /// Since when the questions are asked.
    asking_since: Instant,
}

enum Stage {
    /// Nothing is known yet; the store when it is still open from before.
    Asking(Option<Box<Store>>),
    /// Reading the changelog.
    Replaying(Box<Replaying>),
}

struct Replaying {
    store: Store,
    /// Where the input goes on.
    next_offset: i64,
    /// The group has committed an offset before.
    resumes: bool,
    changelog: Part,
    course: Course,
    target: i64,
    pending: StateBatch,
    foreign: u64,
}

/// What a step came to.
pub(crate) enum Step {
    /// Not there yet.
    Going,
    /// Ready to run.
    Done(Box<Running>),
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
pub(crate) struct Tools<'a> {
    pub(crate) context: &'a Context,
    pub(crate) consumer: &'a mut GroupConsumer,
    pub(crate) reader: &'a mut Reader,
    pub(crate) now: Instant,
}

impl Restoring {
    pub(crate) fn new(partition: i32, store: Option<Box<Store>>, now: Instant) -> Self {
        Restoring { partition, stage: Stage::Asking(store), not_before: now, asking_since: now }
    }

    /// The store, as far as it is restored.
    pub(crate) fn into_store(self) -> Option<Box<Store>> {
        match self.stage {
            Stage::Asking(store) => store,
            Stage::Replaying(replaying) => Some(Box::new(replaying.store)),
        }
    }

    /// Offsets left to read, while that is known.
    pub(crate) fn progress(&self) -> Option<&Progress> {
        match &self.stage {
            Stage::Asking(_) => None,
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
    pub(crate) fn step(&mut self, tools: &mut Tools<'_>) -> Result<Step, RestoreError> {
        if tools.now < self.not_before {
            return Ok(Step::Going);
        }
        // Whatever fails below is dropped before it is dealt with: a damaged store must be closed to be set aside.
        let hitch = match std::mem::replace(&mut self.stage, Stage::Asking(None)) {
            Stage::Asking(store) => match prepare(self.partition, store, tools) {
                Ok(replaying) => {
                    self.stage = Stage::Replaying(Box::new(replaying));
                    return Ok(Step::Going);
                }
                Err(hitch) => hitch,
            },
            Stage::Replaying(mut replaying) => match replaying.step(tools) {
                Ok(false) => {
                    self.stage = Stage::Replaying(replaying);
                    return Ok(Step::Going);
                }
                Ok(true) => match replaying.finish(self.partition, tools) {
                    Ok(running) => return Ok(Step::Done(Box::new(running))),
                    Err(hitch) => hitch,
                },
                Err(hitch) => {
                    tools.reader.unassign(&replaying.changelog);
                    self.asking_since = tools.now;
                    hitch
                }
            },
        };
        self.stage = Stage::Asking(self.overcome(hitch, tools)?);
        Ok(Step::Going)
    }

    /// Decides what a hitch means: wait and ask again, with the store if it is still good, or stop.
    fn overcome(&mut self, hitch: Hitch, tools: &Tools<'_>) -> Result<Option<Box<Store>>, RestoreError> {
        self.not_before = tools.now + PAUSE;
        match hitch {
            Hitch::Stop(failure) => Err(failure.into()),
            Hitch::Kafka(error, store) => match error.reaction {
                Reaction::Config => Err(RestoreError::Stop(error.into())),
                Reaction::Fenced | Reaction::Fatal => Err(RestoreError::Kafka(error)),
                Reaction::Retry | Reaction::Abort if tools.now > self.asking_since + STUCK_AFTER => {
                    Err(RestoreError::Stuck(error))
                }
                Reaction::Retry | Reaction::Abort => {
                    if let Some(suppressed) = tools.context.log.allow() {
                        tracing::info!(task = self.partition, %error, "restore waits for Kafka{suppressed}");
                    }
                    Ok(store)
                }
            },
            Hitch::Store(error @ StoreError::Corrupt { .. }) => {
                match tools.context.state.set_aside(self.partition) {
                    Ok(kept) => tracing::warn!(
                        task = self.partition,
                        %error,
                        kept = %kept.display(),
                        "damaged store set aside; restoring the task from the changelog"
                    ),
                    Err(error) => {
                        tracing::warn!(task = self.partition, %error, "a damaged store cannot be set aside")
                    }
                }
                Ok(None)
            }
            Hitch::Store(error @ (StoreError::Newer { .. } | StoreError::Refused { .. })) => {
                Err(RestoreError::Stop(Failure::Config(error.to_string())))
            }
            Hitch::Store(error) => {
                if let Some(suppressed) = tools.context.log.allow() {
                    tracing::warn!(task = self.partition, %error, "restore waits for the state store{suppressed}");
                }
                Ok(None)
            }
        }
    }
}

/// What kept a step from succeeding.
enum Hitch {
    /// The store is handed back when it was open.
    Kafka(Error, Option<Box<Store>>),
    Store(StoreError),
    Stop(Failure),
}

impl From<StoreError> for Hitch {
    fn from(error: StoreError) -> Self {
        Hitch::Store(error)
    }
}

/// Steps 1–3.
fn prepare(partition: i32, store: Option<Box<Store>>, tools: &mut Tools<'_>) -> Result<Replaying, Hitch> {
    let input = Part::new(Arc::clone(&tools.context.input), partition);
    let (next_offset, resumes) = match input_offset(&input, tools) {
        Ok(found) => found?,
        Err(error) => return Err(Hitch::Kafka(error, store)),
    };
    let mut store = match store {
        Some(store) => *store,
        None => Store::open(&tools.context.state, partition, &tools.context.shared)?,
    };
    let changelog = Part::new(Arc::clone(&tools.context.changelog), partition);
    let (low, high) = match tools.reader.watermarks(&changelog, Isolation::ReadUncommitted, ASK_TIMEOUT) {
        Ok(range) => range,
        Err(error) => return Err(Hitch::Kafka(error, Some(Box::new(store)))),
    };
    let from = match Plan::of(store.changelog_offset(), low, high) {
        Plan::Fresh { from } | Plan::Resume { from } => from,
        Plan::Wipe { from, stored } => {
            tracing::warn!(
                task = partition,
                stored,
                from,
                "the changelog no longer holds what the store missed; restoring from the start"
            );
            store.clear()?;
            from
        }
        Plan::Refuse(refusal) => {
            return Err(Hitch::Stop(Failure::Config(format!("task {partition}: {refusal}"))));
        }
    };
    if from < high
        && let Err(error) = tools.reader.assign(&[(changelog.clone(), from)], ASK_TIMEOUT * 4)
    {
        return Err(Hitch::Kafka(error, Some(Box::new(store))));
    }
    tracing::debug!(task = partition, from, to = high, "restoring");
    Ok(Replaying {
        store,
        next_offset,
        resumes,
        changelog,
        course: Course::new(partition, from, high, tools.now),
        target: high,
        pending: StateBatch::default(),
        foreign: 0,
    })
}

/// Where the input goes on, and whether the group has been there before.
fn input_offset(input: &Part, tools: &Tools<'_>) -> Result<Result<(i64, bool), Hitch>, Error> {
    let committed = tools.consumer.committed(std::slice::from_ref(input), ASK_TIMEOUT)?;
    let committed =
        committed.into_iter().find_map(|(part, offset)| (part == *input).then_some(offset)).flatten();
    let (low, high) = tools.consumer.watermarks(input, Isolation::ReadUncommitted, ASK_TIMEOUT)?;
    let stop = |what: String| Ok(Err(Hitch::Stop(Failure::Config(what))));
    match committed {
        None => Ok(Ok((low, false))),
        Some(offset) if offset < low => stop(format!(
            "{input}: records {offset} to {low} were deleted before they were processed; make retention longer, \
             then accept the gap with `tape reset`"
        )),
        Some(offset) if offset > high => stop(format!(
            "{input}: the committed offset {offset} lies beyond the end {high}: the topic was made anew or lost records; \
             bring it back, or start over with `tape reset`"
        )),
        Some(offset) => Ok(Ok((offset, true))),
    }
}

impl Replaying {
    /// Step 4; true when the end is reached.
    fn step(&mut self, tools: &mut Tools<'_>) -> Result<bool, Hitch> {
        let position = tools.reader.position(&self.changelog);
        if let Some(position) =
            position.filter(|position| *position > self.store.changelog_offset().unwrap_or(-1))
        {
            self.store.apply(self.pending.entries(), position)?;
            self.pending.clear();
            self.course.advance(position, tools.now);
            self.store.flush_if_due(tools.now)?;
        }
        Ok(self.course.progress().is_done())
    }

    /// Step 5.
    fn finish(self, partition: i32, tools: &mut Tools<'_>) -> Result<Running, Hitch> {
        tools.reader.unassign(&self.changelog);
        let settings = &tools.context.settings;
        let (logic, meta) = load(&self.store, settings)?;
        check(partition, meta.as_ref(), self.resumes, tools.context).map_err(Hitch::Stop)?;
        let input = Part::new(Arc::clone(&tools.context.input), partition);
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
