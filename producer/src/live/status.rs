//! How the connections are, for readiness and for Prometheus.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Gauge, gauge};

/// The lines of a process; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<State>>>);

#[derive(Debug, Clone)]
struct State {
    name: &'static str,
    state: &'static str,
    open: bool,
}

/// One connection's entry.
pub(crate) struct Line {
    lines: Lines,
    index: usize,
    connected: Gauge,
}

impl Lines {
    /// An entry for a cluster.
    pub(crate) fn add(&self, name: &'static str) -> Line {
        let mut lines = self.lock();
        lines.push(State { name, state: "connecting", open: true });
        let connected = gauge!("tape_producer_connected", "cluster" => name);
        connected.set(0.0);
        Line { lines: self.clone(), index: lines.len() - 1, connected }
    }

    /// Which clusters bring nothing, and why, in words; empty: all do.
    pub(crate) fn troubles(&self) -> String {
        let troubled = |line: &&State| line.open && !line.brings();
        let words: Vec<_> = self
            .lock()
            .iter()
            .filter(troubled)
            .map(|line| format!("{}: {}", line.name, line.state))
            .collect();
        words.join(", ")
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn brings(&self) -> bool {
        matches!(self.state, "subscribed" | "streaming")
    }
}

impl Line {
    pub(crate) fn set(&self, state: &'static str) {
        let mut lines = self.lines.lock();
        let line = &mut lines[self.index];
        if line.state != state {
            line.state = state;
            self.connected.set(if line.brings() { 1.0 } else { 0.0 });
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.lines.lock()[self.index].open = false;
        self.connected.set(f64::NAN);
    }
}
