//! How the connections are, for readiness.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
#[derive(Debug, Clone)]
pub(crate) struct Line {
    lines: Lines,
    index: usize,
}

impl Lines {
    /// An entry for a cluster.
    pub(crate) fn add(&self, name: &'static str) -> Line {
        let mut lines = self.lock();
        lines.push(State { name, state: "connecting", open: true });
        Line { lines: self.clone(), index: lines.len() - 1 }
    }

    /// Which clusters bring nothing, and why, in words; empty: all do.
    pub(crate) fn troubles(&self) -> String {
        let troubled = |line: &&State| line.open && !matches!(line.state, "subscribed" | "streaming");
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

impl Line {
    pub(crate) fn set(&self, state: &'static str) {
        self.lines.lock()[self.index].state = state;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.lines.lock()[self.index].open = false;
    }
}
