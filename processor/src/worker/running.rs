//! Records, idle input, and the commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_analytics::Scope;
use tape_kafka::{Isolation, Part};
use tape_service::config::OutputMode;

use super::{Activity, IDLE_WAIT, LOOK_TIMEOUT, Trouble, Worker};
use crate::codec::millis;
use crate::intake::{Intake, push_row};
use crate::ports::{Group as _, World};
use crate::task::Task;

/// Most records taken in one turn: the longest stretch without a look at the clock.
const RECORDS_PER_TURN: usize = 5_000;
/// The end of a quiet input is asked for so often.
const IDLE_ASK_INTERVAL: Duration = Duration::from_secs(1);
/// A commit does not wait for its time when the outbox holds so many records or bytes: memory is bounded, and so is the
/// time that a transaction needs.
const OUTBOX_RECORDS_MAX: usize = 250_000;
const OUTBOX_BYTES_MAX: usize = 64 << 20;
/// A task that is behind the end of its input by more records than this has a backlog.
const BACKLOG: i64 = 10_000;
/// Wait for records while a restore goes on.
const RESTORE_WAIT: Duration = Duration::from_millis(1);

impl<W: World> Worker<W> {
    pub(super) fn take_records(&mut self) -> Result<(), Trouble> {
        let wait = self.wait();
        let now = self.context.world.now();
        let mut intake = Intake {
            outbox: &mut self.outbox,
            effects: &mut self.effects,
            counts: &mut self.counts,
            format: self.context.output_format,
            panes: self.context.settings.panes(),
            now,
        };
        let (tasks, world) = (&mut self.tasks, &self.context.world);
        self.clock.enter(Activity::Poll, now);
        let mut came = None;
        let taken = self.consumer.consume(RECORDS_PER_TURN, wait, &mut |record| {
            came.get_or_insert_with(|| world.now());
            if let Some(running) = tasks.get_mut(&record.partition).and_then(Task::running) {
                intake.take(running, &record);
            }
        });
        // The wait for records lies between: quiet begins when they were taken, not when we began to wait.
        let taken_at = self.context.world.now();
        if came.is_none() {
            self.clock.was(Activity::Idle);
        }
        self.clock.enter(Activity::Process, came.unwrap_or(taken_at));
        for running in self.tasks.values_mut().filter_map(Task::running) {
            if running.quiet_since == now {
                running.quiet_since = taken_at;
            }
        }
        // With an error, the records handed over before it count.
        if self.counts.records > 0 {
            self.uncommitted_since.get_or_insert(taken_at);
        }
        taken?;
        Ok(())
    }

    /// When the records taken so far must be committed. Whether there is a backlog is asked only when that moment has come.
    fn commit_deadline(&mut self, now: Instant) -> Option<Instant> {
        let since = self.uncommitted_since?;
        let deadline = self.pace.due(since, self.has_results());
        if now < deadline || !self.has_backlog() {
            return Some(deadline);
        }
        Some(self.pace.due_with_backlog(since))
    }

    /// The next commit shows something.
    fn has_results(&self) -> bool {
        let shows_rows =
            self.context.trigger_interval.is_zero() && self.context.output_mode != OutputMode::Append;
        shows_rows || !self.outbox.is_empty()
    }

    fn has_backlog(&mut self) -> bool {
        let (consumer, input) = (&self.consumer, &self.context.input);
        self.tasks.values_mut().any(|task| {
            let part = Part::new(Arc::clone(input), task.partition);
            task.running().is_some_and(|running| {
                consumer.known_end(&part).is_some_and(|end| end - running.next_offset > BACKLOG)
            })
        })
    }

    /// How long to wait for records: until the next thing is due.
    pub(super) fn wait(&mut self) -> Duration {
        if self.tasks.values_mut().any(|task| task.restoring().is_some()) {
            return RESTORE_WAIT;
        }
        let now = self.context.world.now();
        let commit = self.commit_deadline(now);
        let trigger = self.trigger_is_its_own_reason().then_some(self.next_trigger);
        let until = |moment: Instant| moment.saturating_duration_since(now);
        [commit, trigger].into_iter().flatten().map(until).fold(IDLE_WAIT, Duration::min)
    }

    pub(super) fn has_rows_to_show(&mut self) -> bool {
        let running = |task: &mut Task<W::Store>| task.running().map(|running| running.logic.has_changed());
        match self.context.output_mode {
            OutputMode::Append => false,
            OutputMode::Update => self.tasks.values_mut().filter_map(running).any(|changed| changed),
            OutputMode::Complete => self.tasks.values_mut().filter_map(running).next().is_some(),
        }
    }

    fn has_restored(&mut self) -> bool {
        let restored =
            |task: &mut Task<W::Store>| task.running().is_some_and(|running| running.logic.has_restored());
        self.context.output_mode == OutputMode::Update && self.tasks.values_mut().any(restored)
    }

    /// There are rows to show, and not just whenever there is a commit.
    fn trigger_is_its_own_reason(&mut self) -> bool {
        (!self.context.trigger_interval.is_zero() || self.has_restored()) && self.has_rows_to_show()
    }

    /// Moves the watermark of tasks whose input is proven quiet: read to its end, as the broker says now, and nothing
    /// accepted for the idle time.
    pub(super) fn close_idle(&mut self) -> Result<(), Trouble> {
        let (now, idle_timeout) = (self.context.world.now(), self.context.idle_timeout);
        if idle_timeout.is_zero() {
            return Ok(());
        }
        for task in self.tasks.values_mut() {
            let partition = task.partition;
            let Some(running) = task.running() else { continue };
            let is_quiet = now.duration_since(running.quiet_since) >= idle_timeout;
            let may_ask = now.duration_since(running.idle_checked) >= IDLE_ASK_INTERVAL;
            if !is_quiet || !may_ask || running.logic.symbol_count() == 0 {
                continue;
            }
            running.idle_checked = now;
            let part = Part::new(Arc::clone(&self.context.input), partition);
            let parts = std::slice::from_ref(&part);
            // What cannot be asked now is asked again: the records of other tasks do not wait for it.
            let ends = self.context.world.log_ends(parts, Isolation::ReadCommitted, LOOK_TIMEOUT);
            let Some(end) = ends.ok().and_then(|ends| ends.first().copied()) else { continue };
            // The client's position passes transaction markers, which deliver no record.
            let position = self.consumer.position(&part).unwrap_or(0).max(running.next_offset);
            if position < end {
                continue;
            }
            let elapsed = millis(now.duration_since(running.quiet_since));
            running.logic.idle(elapsed, running.next_offset, &mut self.effects);
            if self.effects.rows.is_empty() && self.effects.alerts.is_empty() {
                continue;
            }
            running.uncommitted = true;
            self.uncommitted_since.get_or_insert(now);
            let mut intake = Intake {
                outbox: &mut self.outbox,
                effects: &mut self.effects,
                counts: &mut self.counts,
                format: self.context.output_format,
                panes: self.context.settings.panes(),
                now,
            };
            intake.emit();
        }
        Ok(())
    }

    pub(super) fn commit_is_due(&mut self) -> bool {
        let now = self.context.world.now();
        let time = self.commit_deadline(now).is_some_and(|deadline| now >= deadline);
        let size = self.outbox.len() >= OUTBOX_RECORDS_MAX || self.outbox.byte_len() >= OUTBOX_BYTES_MAX;
        time || size || (now >= self.next_trigger && self.trigger_is_its_own_reason())
    }

    pub(super) fn commit(&mut self) -> Result<(), Trouble> {
        let before = self.enter(Activity::Commit);
        let result = self.commit_what_is_there();
        self.enter(before);
        result
    }

    fn commit_what_is_there(&mut self) -> Result<(), Trouble> {
        let started = self.context.world.now();
        if started >= self.next_trigger && self.has_rows_to_show() {
            self.show_open_rows();
            // What a restore brought is shown slice by slice, at each commit: see `analytics/src/view.rs`.
            let until_next = match self.has_restored() {
                true => self.context.commit_interval,
                false => self.context.trigger_interval,
            };
            self.next_trigger = started + until_next;
        }
        let tasks: Vec<_> = self
            .tasks
            .values_mut()
            .filter_map(|task| {
                let partition = task.partition;
                task.running().map(|running| (partition, running))
            })
            .collect();
        if self.outbox.is_empty() && tasks.iter().all(|(_, task)| !task.uncommitted) {
            self.uncommitted_since = None;
            return Ok(());
        }
        let committed = self
            .committer
            .commit(
                &self.context.world,
                &self.consumer,
                tasks.into_iter(),
                &mut self.outbox,
                &self.context.settings,
            )
            .map_err(Trouble::Commit)?;
        let now = self.context.world.now();
        self.uncommitted_since = None;
        let backlog = self.has_backlog();
        self.pace.committed(now, backlog);
        self.counts.changelog_records += committed.changelog_records;
        self.counts.report(now.duration_since(started), &committed.phases);
        for partition in committed.partitions {
            if let Some(task) = self.tasks.get_mut(&partition) {
                task.last_commit = Some(now);
            }
        }
        for (partition, error) in committed.store_failures {
            self.on_store_failure(partition, &error);
        }
        Ok(())
    }

    pub(super) fn show_open_rows(&mut self) {
        let scope =
            if self.context.output_mode == OutputMode::Complete { Scope::All } else { Scope::Changed };
        let mut rows = Vec::new();
        for task in self.tasks.values_mut() {
            if let Some(running) = task.running() {
                running.logic.open_rows(scope, running.next_offset, &mut rows);
            }
        }
        for row in &rows {
            push_row(&mut self.outbox, row, self.context.output_format);
        }
        self.counts.open_rows += rows.len() as u64;
    }
}
