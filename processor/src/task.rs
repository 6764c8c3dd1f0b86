//! The life of a task, one partition of the input with its state.
//!
//! ```text
//! Created ───▶ Restoring ───▶ Running
//!    │          │  ▲  │          │
//!    │          │  │  ▼          ▼
//!    │          │  └─ Suspended ◀┘
//!    ▼          ▼        │
//!  Closed ◀─────┴────────┘
//! ```
//!
//! | phase | holds | the input partition is |
//! |---|---|---|
//! | Created | nothing | not yet assigned, or parked |
//! | Restoring | a store and how far it has read the changelog | parked |
//! | Running | the state in memory, the store behind it | delivered |
//! | Suspended | the store, as it was committed | parked |
//! | Closed | nothing | given back |
//!
//! A failed commit, a fence, a lost assignment and a shutdown all leave Running through Suspended: what is in memory is
//! dropped, what is on disk is committed.
//!
//! Invariant: [`Task::transition`] is the only place where a phase changes.

use std::time::Instant;

use crate::batch::StateBatch;
use crate::intake::RejectWindow;
use crate::ports::TaskStore;
use crate::restore::Restoring;
use tape_analytics as logic;

/// A task and its phase.
pub(crate) struct Task<S> {
    pub(crate) partition: i32,
    pub(crate) phase: Phase<S>,
    /// When records of it were last committed, by this process.
    pub(crate) last_commit: Option<Instant>,
}

/// What a task holds in each phase.
pub(crate) enum Phase<S> {
    Created,
    Restoring(Box<Restoring<S>>),
    Running(Box<Running<S>>),
    /// The store is gone when it was the store that failed.
    Suspended(Option<Box<S>>),
    Closed,
}

/// State of a running task.
pub(crate) struct Running<S> {
    pub(crate) logic: logic::Task,
    pub(crate) store: S,
    /// Next offset of the input to read; everything below it is in `logic`.
    pub(crate) next_offset: i64,
    /// Something was read or closed since the last commit.
    pub(crate) uncommitted: bool,
    /// Changes of the commit under way.
    pub(crate) changes: StateBatch,
    /// The later of the last accepted record and the entry into Running.
    pub(crate) quiet_since: Instant,
    /// When the end of the input was last asked for.
    pub(crate) idle_checked: Instant,
    /// What became of the last records.
    pub(crate) recent: RejectWindow,
}

impl<S: TaskStore> Task<S> {
    pub(crate) fn new(partition: i32) -> Self {
        Task { partition, phase: Phase::Created, last_commit: None }
    }

    /// Moves to another phase and returns the one left.
    pub(crate) fn transition(&mut self, to: Phase<S>) -> Phase<S> {
        assert!(
            may_become(self.phase.name(), to.name()),
            "invariant: task {} may not go from {} to {}",
            self.partition,
            self.phase.name(),
            to.name()
        );
        tracing::debug!(task = self.partition, from = self.phase.name(), to = to.name(), "task");
        std::mem::replace(&mut self.phase, to)
    }

    /// Drops what is in memory and keeps the store, which holds what is committed. A task that has nothing yet stays.
    pub(crate) fn suspend(&mut self) {
        let store = match &mut self.phase {
            Phase::Created | Phase::Suspended(_) | Phase::Closed => return,
            Phase::Restoring(_) | Phase::Running(_) => match self.transition(Phase::Suspended(None)) {
                Phase::Restoring(restoring) => restoring.into_store(),
                Phase::Running(running) => Some(Box::new(running.store)),
                Phase::Created | Phase::Suspended(_) | Phase::Closed => None,
            },
        };
        self.phase = Phase::Suspended(store);
    }

    pub(crate) fn running(&mut self) -> Option<&mut Running<S>> {
        match &mut self.phase {
            Phase::Running(running) => Some(running),
            _ => None,
        }
    }

    /// The store, while there is one.
    pub(crate) fn store(&self) -> Option<&S> {
        match &self.phase {
            Phase::Restoring(restoring) => restoring.store(),
            Phase::Running(running) => Some(&running.store),
            Phase::Suspended(store) => store.as_deref(),
            Phase::Created | Phase::Closed => None,
        }
    }

    /// Runs, and rejects most of what it reads.
    pub(crate) fn is_degraded(&self) -> bool {
        matches!(&self.phase, Phase::Running(running) if running.recent.is_degraded())
    }

    pub(crate) fn restoring(&mut self) -> Option<&mut Restoring<S>> {
        match &mut self.phase {
            Phase::Restoring(restoring) => Some(restoring),
            _ => None,
        }
    }
}

impl<S> Phase<S> {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Phase::Created => "created",
            Phase::Restoring(_) => "restoring",
            Phase::Running(_) => "running",
            Phase::Suspended(_) => "suspended",
            Phase::Closed => "closed",
        }
    }
}

/// The arrows of the drawing above.
fn may_become(from: &str, to: &str) -> bool {
    matches!(
        (from, to),
        ("created", "restoring" | "closed")
            | ("restoring", "running" | "suspended" | "closed")
            | ("running", "suspended")
            | ("suspended", "restoring" | "closed")
    )
}

#[cfg(test)]
mod tests {
    use super::may_become;

    const PHASES: [&str; 5] = ["created", "restoring", "running", "suspended", "closed"];

    #[test]
    fn the_table_of_transitions() {
        let row = |from: &str| {
            let cells = PHASES.map(|to| if may_become(from, to) { 'x' } else { '.' });
            format!("{from:9} {}", cells.iter().collect::<String>())
        };
        let table = PHASES.map(row).join("\n");
        let expected = "\
created   .x..x
restoring ..xxx
running   ...x.
suspended .x..x
closed    .....";
        assert_eq!(table, expected);
    }
}
