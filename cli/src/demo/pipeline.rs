//! The three roles in this process. Each stops alone, because they stop one after the other.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tape_producer::Monitor;
use tape_service::{Failure, Shutdown};
use tokio::task::{JoinError, JoinHandle};

use super::plan::Plan;

/// The running roles.
pub(crate) struct Pipeline {
    pub(crate) producer: Role,
    pub(crate) processor: Role,
    pub(crate) sink: Role,
    /// What the producer has done.
    pub(crate) monitor: Monitor,
}

/// One role.
pub(crate) struct Role {
    name: &'static str,
    stop: Shutdown,
    /// We asked for the stop; a role that fails asks its own parts through the same request.
    is_asked: bool,
    task: Option<JoinHandle<Result<(), Failure>>>,
}

impl Pipeline {
    /// Starts all roles. Must be called inside a tokio runtime.
    pub(crate) fn start(plan: &Plan) -> Self {
        let config = || Arc::clone(&plan.config);
        let monitor = Monitor::default();
        let (source, seen) = (plan.source.clone(), monitor.clone());
        Self {
            sink: Role::start("sink", |stop| tape_sink::run(config(), stop)),
            processor: Role::start("processor", |stop| tape_processor::run(config(), stop)),
            producer: Role::start("producer", |stop| {
                tape_producer::run_monitored(config(), source, seen, stop)
            }),
            monitor,
        }
    }

    /// Asks all roles to stop at once, and waits. For a run that has failed.
    pub(crate) async fn abandon(&mut self, patience: Duration) {
        let roles = [&mut self.producer, &mut self.processor, &mut self.sink];
        for role in roles {
            role.request_stop();
        }
        for role in [&mut self.producer, &mut self.processor, &mut self.sink] {
            match tokio::time::timeout(patience, role.join()).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => tracing::warn!(role = role.name, %failure, "a role ended badly"),
                Err(_) => tracing::warn!(role = role.name, "a role did not stop in time and is left behind"),
            }
        }
    }
}

impl Role {
    fn start<F>(name: &'static str, run: impl FnOnce(Shutdown) -> F) -> Self
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let stop = Shutdown::new();
        let task = tokio::spawn(run(stop.clone()));
        Self { name, stop, is_asked: false, task: Some(task) }
    }

    /// Asks it to stop.
    pub(crate) fn request_stop(&mut self) {
        self.is_asked = true;
        self.stop.request();
    }

    /// It has ended; [`Role::join`] returns at once.
    pub(crate) fn has_ended(&self) -> bool {
        self.task.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// It ended though nobody asked it to: the reason, once.
    pub(crate) async fn unexpected_end(&mut self) -> Option<Failure> {
        if self.is_asked || self.task.is_none() || !self.has_ended() {
            return None;
        }
        match self.join().await {
            Err(failure) => Some(failure),
            Ok(()) => Some(Failure::Other(anyhow!("the {} ended by itself", self.name))),
        }
    }

    /// Waits for its end; afterwards it counts as ended well.
    pub(crate) async fn join(&mut self) -> Result<(), Failure> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let result = task.await;
        self.task = None;
        result.unwrap_or_else(|panic: JoinError| {
            Err(Failure::Other(anyhow!("the {} failed: {panic}", self.name)))
        })
    }
}
