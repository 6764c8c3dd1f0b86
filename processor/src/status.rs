//! What a processor says about itself: ready or not and why, and each task with its phase, for `GET /status`.
//!
//! - Ready = every worker is in the group and runs all its tasks.
//! - Workers hand over what their tasks are at about twice a second; a question never waits for a worker. A worker that
//!   says nothing is seen by [`WorkerStatus::silent_ms`].

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tape_service::Health;
use tape_state::Progress;

/// Workers hand over their tasks so often.
const INTERVAL: Duration = Duration::from_millis(500);

/// A process, as `GET /status` of its HTTP server shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// `APP_ID`.
    pub app_id: String,
    /// `<APP_ID>-<INSTANCE_ID>`: its client id, and the beginning of its members' names in the group.
    pub member: String,
    /// Every worker is in the group and runs all its tasks.
    pub ready: bool,
    /// Why not; empty when there is nothing to say.
    pub reason: String,
    /// Its threads.
    pub workers: Vec<WorkerStatus>,
    /// Its tasks by partition.
    pub tasks: Vec<TaskStatus>,
}

/// A thread of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// From 0.
    pub worker: usize,
    /// What it waits for; empty: it does its work.
    pub waits_for: String,
    /// Time since it last said what its tasks do, ms; none before the first time.
    pub silent_ms: Option<u64>,
}

/// A task of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Partition of the input and of the changelog.
    pub partition: i32,
    /// Whose it is.
    pub worker: usize,
    /// `created`, `restoring`, `running` or `suspended`.
    pub phase: String,
    /// How far the restore is; only while it reads the changelog.
    pub restore: Option<RestoreStatus>,
    /// Next offset of the input to read.
    pub next_offset: Option<i64>,
    /// Next offset of the changelog, by the store: everything below it is in the state.
    pub changelog_offset: Option<i64>,
    /// Largest accepted event time, epoch ms.
    pub stream_time: Option<i64>,
    /// Watermark, epoch ms.
    pub watermark: Option<i64>,
    /// Symbols with live state.
    pub symbols: Option<usize>,
    /// Panes with an open window, over all symbols.
    pub panes: Option<usize>,
}

/// How far a restore is. Counted in offsets of the changelog, an upper bound of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStatus {
    /// Still to read.
    pub left: u64,
    /// To read in all.
    pub total: u64,
    /// Read per second so far.
    pub rate: Option<u64>,
    /// Time left at this rate, whole seconds rounded up.
    pub seconds_left: Option<u64>,
}

impl RestoreStatus {
    pub(crate) fn of(progress: &Progress) -> Self {
        RestoreStatus {
            left: progress.remaining(),
            total: progress.total(),
            rate: progress.rate(),
            seconds_left: progress.eta().map(|eta| eta.as_secs()),
        }
    }
}

/// What a worker that does not run all its tasks waits for: the restore with the most left, if one reads already.
pub(crate) fn waiting<'a>(
    running: usize,
    all: usize,
    restores: impl Iterator<Item = (i32, &'a Progress)>,
) -> String {
    match restores.max_by_key(|(_, progress)| progress.remaining()) {
        Some((task, progress)) => {
            format!("restoring task {task}: {progress} ({running} of {all} tasks run)")
        }
        None => format!("{running} of {all} tasks run"),
    }
}

/// What the workers of a process say.
pub(crate) struct Status {
    health: Health,
    app_id: String,
    member: OnceLock<String>,
    workers: Mutex<Vec<Said>>,
}

/// The last word of a worker.
struct Said {
    waits_for: String,
    tasks: Vec<TaskStatus>,
    at: Option<Instant>,
}

impl Status {
    pub(crate) fn new(health: Health, app_id: &str, workers: usize) -> Self {
        let said = || Said { waits_for: "joining the group".to_owned(), tasks: Vec::new(), at: None };
        Status {
            health,
            app_id: app_id.to_owned(),
            member: OnceLock::new(),
            workers: Mutex::new(std::iter::repeat_with(said).take(workers).collect()),
        }
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// The name of the process in the group, as soon as it is known.
    pub(crate) fn set_member(&self, member: &str) {
        let _ = self.member.set(member.to_owned());
    }

    /// Says what a worker waits for.
    pub(crate) fn report(&self, worker: usize, wait: &str) {
        let mut workers = self.lock();
        if workers[worker].waits_for == wait {
            return;
        }
        wait.clone_into(&mut workers[worker].waits_for);
        let why = (0..)
            .zip(workers.iter())
            .filter(|(_, said)| !said.waits_for.is_empty())
            .map(|(worker, said)| format!("worker {worker}: {}", said.waits_for))
            .collect::<Vec<_>>()
            .join("; ");
        if self.health.set_ready(why.is_empty(), &why) {
            if why.is_empty() {
                tracing::info!("ready");
            } else {
                tracing::info!(%why, "not ready");
            }
        }
    }

    /// Takes what the tasks of a worker are, when it is time to ask again.
    pub(crate) fn tasks(&self, worker: usize, now: Instant, tasks: impl FnOnce() -> Vec<TaskStatus>) {
        let is_due = self.lock()[worker].at.is_none_or(|at| now.duration_since(at) >= INTERVAL);
        if is_due {
            let tasks = tasks();
            let mut workers = self.lock();
            workers[worker].tasks = tasks;
            workers[worker].at = Some(now);
        }
    }

    /// Everything, for `GET /status`.
    pub(crate) fn process(&self, now: Instant) -> ProcessStatus {
        let ready = self.health.ready();
        let workers = self.lock();
        let mut tasks: Vec<_> = workers.iter().flat_map(|said| said.tasks.iter().cloned()).collect();
        tasks.sort_by_key(|task| task.partition);
        let worker = |(worker, said): (usize, &Said)| WorkerStatus {
            worker,
            waits_for: said.waits_for.clone(),
            silent_ms: said
                .at
                .map(|at| u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX)),
        };
        ProcessStatus {
            app_id: self.app_id.clone(),
            member: self.member.get().cloned().unwrap_or_default(),
            ready: ready.ok,
            reason: ready.why,
            workers: workers.iter().enumerate().map(worker).collect(),
            tasks,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Said>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tape_service::Health;
    use tape_state::Progress;

    use super::{RestoreStatus, Status, TaskStatus, waiting};

    #[test]
    fn the_restore_with_the_most_left_is_named() {
        let start = Instant::now();
        let mut far = Progress::new(0, 1_000_000, start);
        far.advance(880_000, start + Duration::from_secs(2));
        let near = Progress::new(0, 10, start);
        assert_eq!(
            waiting(1, 3, [(2, &near), (3, &far)].into_iter()),
            "restoring task 3: 120,000 of 1,000,000 records left, 440,000/s, 1 s to go (1 of 3 tasks run)"
        );
        assert_eq!(waiting(0, 2, [].into_iter()), "0 of 2 tasks run");
        let expected =
            RestoreStatus { left: 120_000, total: 1_000_000, rate: Some(440_000), seconds_left: Some(1) };
        assert_eq!(RestoreStatus::of(&far), expected);
    }

    #[test]
    fn what_the_workers_said_is_put_together() {
        let status = Status::new(Health::new("processor"), "app", 2);
        let start = Instant::now();
        let task = |partition, worker| TaskStatus { partition, worker, ..TaskStatus::default() };
        status.set_member("app-one");
        status.report(0, "");
        status.tasks(0, start, || vec![task(2, 0)]);
        status.tasks(1, start, || vec![task(1, 1), task(0, 1)]);
        status.tasks(0, start + Duration::from_millis(100), || unreachable!("asked a moment ago"));

        let process = status.process(start + Duration::from_millis(700));
        assert_eq!((process.app_id.as_str(), process.member.as_str()), ("app", "app-one"));
        assert_eq!(process.reason, "worker 1: joining the group");
        assert!(!process.ready);
        let partitions: Vec<_> = process.tasks.iter().map(|task| (task.partition, task.worker)).collect();
        assert_eq!(partitions, [(0, 1), (1, 1), (2, 0)]);
        assert_eq!(process.workers[1].silent_ms, Some(700));
        status.report(1, "");
        assert!(status.process(start).ready);
    }
}
