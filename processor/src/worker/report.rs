//! Stores and figures between commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_kafka::{Isolation, Part};

use super::{LOOK_TIMEOUT, Worker};
use crate::meters::{self, TaskFigures};
use crate::ports::{TaskStore, World};
use crate::status::{self, RestoreStatus, TaskStatus};
use crate::task::{Phase, Task};

/// Gauges of tasks are refreshed so often.
const FIGURES_INTERVAL: Duration = Duration::from_secs(5);

impl<W: World> Worker<W> {
    pub(super) fn look_after_stores(&mut self) {
        let now = self.context.world.now();
        let mut failed = Vec::new();
        for task in self.tasks.values_mut() {
            let partition = task.partition;
            if let Some(running) = task.running()
                && let Err(error) = running.store.flush_if_due(now)
            {
                failed.push((partition, error));
            }
        }
        if failed.is_empty() {
            return;
        }
        // What the failed task has read since the last commit stands in the outbox, beside what others have read: all of it
        // must be dropped, or it would leave without its input offsets and again with them.
        self.rewind("state store");
        for (partition, error) in failed {
            self.on_store_failure(partition, &error);
        }
    }

    pub(super) fn report(&mut self) {
        let counts = self.count_phases();
        let (running, all) = (counts["running"], self.tasks.len());
        let degraded = self.tasks.values().find(|task| task.is_degraded());
        let wait = match degraded {
            _ if !self.joined => "joining the group".to_owned(),
            _ if running < all || !self.unanswered.is_empty() => self.waiting(running),
            Some(task) => format!(
                "task {} rejects more than half of its records; see the dead-letter topic for the reasons",
                task.partition
            ),
            None => String::new(),
        };
        self.context.status.report(self.number, &wait);
        let now = self.context.world.now();
        self.context
            .status
            .tasks(self.number, now, || self.tasks.values().map(|task| self.status_of(task)).collect());
        if now < self.next_figures {
            return;
        }
        self.next_figures = now + FIGURES_INTERVAL;
        for (phase, count) in counts {
            meters::tasks(self.number, phase, count);
        }
        self.report_stores(now);
        let part = |partition: &i32| Part::new(Arc::clone(&self.context.input), *partition);
        let parts: Vec<_> = self.tasks.keys().map(part).collect();
        let Ok(ends) = self.context.world.log_ends(&parts, Isolation::ReadCommitted, LOOK_TIMEOUT) else {
            return;
        };
        for (task, end) in self.tasks.values_mut().zip(ends) {
            let partition = task.partition;
            let Some(running) = task.running() else { continue };
            let meta = running.logic.meta();
            TaskFigures {
                partition,
                lag: (end - running.next_offset).max(0),
                symbols: running.logic.symbol_count(),
                panes: running.logic.pane_count(),
                stream_time: meta.stream_time,
                watermark: meta.watermark,
            }
            .report();
        }
    }

    /// Figures of stores. What RocksDB cannot say now it says at the next write, where it matters.
    fn report_stores(&self, now: Instant) {
        for task in self.tasks.values() {
            if let Some(Ok(figures)) = task.store().map(TaskStore::metrics) {
                meters::store(task.partition, &figures);
            }
            if let Some(at) = task.last_commit {
                meters::last_commit(task.partition, now.duration_since(at));
            }
        }
        // One worker says it for all.
        if self.number == 0 {
            let (usage, disk) = self.context.world.room();
            meters::shared(&usage, disk.as_ref());
        }
    }

    fn waiting(&self, running: usize) -> String {
        let restores = self.tasks.values().filter_map(|task| match &task.phase {
            Phase::Restoring(restoring) => Some((task.partition, restoring.progress()?)),
            _ => None,
        });
        status::waiting(running, self.tasks.len(), restores)
    }

    fn status_of(&self, task: &Task<W::Store>) -> TaskStatus {
        let base = TaskStatus {
            partition: task.partition,
            worker: self.number,
            phase: task.phase.name().to_owned(),
            ..TaskStatus::default()
        };
        match &task.phase {
            Phase::Restoring(restoring) => {
                TaskStatus { restore: restoring.progress().map(RestoreStatus::of), ..base }
            }
            Phase::Running(running) => {
                let meta = running.logic.meta();
                TaskStatus {
                    next_offset: Some(running.next_offset),
                    changelog_offset: running.store.changelog_offset(),
                    stream_time: meta.stream_time,
                    watermark: meta.watermark,
                    symbols: Some(running.logic.symbol_count()),
                    panes: Some(running.logic.pane_count()),
                    ..base
                }
            }
            Phase::Created | Phase::Suspended(_) | Phase::Closed => base,
        }
    }

    fn count_phases(&self) -> BTreeMap<&'static str, usize> {
        let mut counts =
            BTreeMap::from(["created", "restoring", "running", "suspended"].map(|phase| (phase, 0)));
        for task in self.tasks.values() {
            *counts.entry(task.phase.name()).or_default() += 1;
        }
        counts
    }
}
