//! Readiness of the role from the readiness of its workers: ready = every worker is in the group and runs all its tasks.

use std::sync::{Mutex, PoisonError};

use tape_service::Health;

/// What each worker waits for; empty = it is ready.
pub(crate) struct Status {
    health: Health,
    waits: Mutex<Vec<String>>,
}

impl Status {
    pub(crate) fn new(health: Health, workers: usize) -> Self {
        Status { health, waits: Mutex::new(vec!["joining the group".to_owned(); workers]) }
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Says what a worker waits for.
    pub(crate) fn report(&self, worker: usize, wait: &str) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if waits[worker] == wait {
            return;
        }
        wait.clone_into(&mut waits[worker]);
        let all: Vec<_> = (0..).zip(waits.iter()).filter(|(_, wait)| !wait.is_empty()).collect();
        let why = all
            .iter()
            .map(|(worker, wait)| format!("worker {worker}: {wait}"))
            .collect::<Vec<_>>()
            .join("; ");
        if self.health.set_ready(why.is_empty(), &why) {
            if why.is_empty() {
                tracing::info!("ready");
            } else {
                tracing::warn!(%why, "not ready");
            }
        }
    }
}
