//! The state of a task as facts: what changed since the last commit, and the way back.
//!
//! State of a task = [`TaskMeta`] + one [`Pane`] per (symbol, pane start) + one [`SymbolFacts`] per symbol. Everything
//! else (the running sums of the newest window, what is due) is derived from these on [`Restore::finish`].

use smol_str::SmolStr;

use crate::alert::AlertState;
use crate::clock::Clock;
use crate::pane::Pane;
use crate::settings::Settings;
use crate::symbol::{LivePane, SymbolState, TOUCHED};
use crate::task::Task;

/// State that belongs to the task as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskMeta {
    /// Largest event time accepted so far, ms.
    pub stream_time: Option<i64>,
    /// Watermark, ms.
    pub watermark: Option<i64>,
    /// High bits of every revision; raised when offsets start anew (`rescale`, `reset`).
    pub generation: u32,
}

/// A window that is closed and may still be referred to by a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedWindow {
    /// Start, ms.
    pub start: i64,
    /// Average, 1e-9.
    pub avg: Option<i64>,
    /// +1, 0 or −1.
    pub side: i8,
}

/// State of a symbol beside its panes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SymbolFacts {
    /// Closed windows that an open window can refer to, ascending by start.
    pub closed: Vec<ClosedWindow>,
    /// Alert state.
    pub alerts: AlertState,
}

impl SymbolFacts {
    fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.alerts == AlertState::default()
    }
}

/// One change of the state; `None` means deleted.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The task's own state.
    Meta(TaskMeta),
    /// A symbol's facts.
    Symbol {
        /// Symbol.
        symbol: &'a str,
        /// Facts.
        facts: Option<&'a SymbolFacts>,
    },
    /// A pane.
    Pane {
        /// Symbol.
        symbol: &'a str,
        /// Start of the pane, ms.
        start: i64,
        /// Pane.
        pane: Option<&'a Pane>,
    },
}

/// A stored value whose owner is gone from memory.
#[derive(Debug)]
pub(crate) enum Dropped {
    Facts(SmolStr),
    Pane(SmolStr, i64),
}

impl Task {
    /// Reports every change since the last call, deletions first. What was reported counts as stored: when the commit
    /// that carries it fails, the task must be thrown away and restored.
    pub fn drain_changes(&mut self, mut report: impl FnMut(Change<'_>)) {
        let meta = self.meta();
        if self.reported_meta.as_ref() != Some(&meta) {
            report(Change::Meta(meta.clone()));
            self.reported_meta = Some(meta);
        }
        for dropped in self.dropped.drain(..) {
            match dropped {
                Dropped::Facts(symbol) => report(Change::Symbol { symbol: &symbol, facts: None }),
                Dropped::Pane(symbol, start) => report(Change::Pane { symbol: &symbol, start, pane: None }),
            }
        }
        let symbols = &mut self.symbols;
        for ids in self.dirty.chunks(TOUCHED) {
            ids.iter().filter_map(|&id| symbols.get(id)).for_each(SymbolState::touch);
            for &id in ids {
                // A symbol may have been dropped since, and its id given to another one: its flag decides.
                if let Some(state) = symbols.get_mut(id).filter(|state| state.dirty) {
                    state.drain(&mut report);
                }
            }
        }
        self.dirty.clear();
    }
}

impl SymbolState {
    fn drain(&mut self, report: &mut impl FnMut(Change<'_>)) {
        self.dirty = false;
        for live in self.panes.iter_mut().filter(|live| live.dirty) {
            live.dirty = false;
            live.stored = true;
            report(Change::Pane { symbol: &self.symbol, start: live.start, pane: Some(&live.pane) });
        }
        if self.facts_dirty {
            self.facts_dirty = false;
            let keep = !self.facts.is_empty();
            if keep || self.facts_stored {
                report(Change::Symbol { symbol: &self.symbol, facts: keep.then_some(&self.facts) });
            }
            self.facts_stored = keep;
        }
    }
}

/// Builds a task from stored facts, in any order.
#[derive(Debug)]
pub struct Restore {
    task: Task,
    meta: Option<TaskMeta>,
    /// The symbol of the last value: nearly always that of the next.
    last: Option<usize>,
}

impl Restore {
    /// Starts from nothing.
    pub fn new(settings: Settings) -> Self {
        Restore { task: Task::new(settings), meta: None, last: None }
    }

    /// The task's own state.
    pub fn meta(&mut self, meta: TaskMeta) {
        self.meta = Some(meta);
    }

    /// A pane.
    pub fn pane(&mut self, symbol: &str, start: i64, pane: Pane) {
        let state = self.state(symbol);
        state.panes.push_back(LivePane { start, pane, dirty: false, changed: true, stored: true });
    }

    /// A symbol's facts.
    pub fn symbol(&mut self, symbol: &str, facts: SymbolFacts) {
        let state = self.state(symbol);
        state.facts = facts;
        state.facts_stored = true;
    }

    /// The state of a symbol, made when absent.
    fn state(&mut self, symbol: &str) -> &mut SymbolState {
        let is_it = |id: &usize| *self.task.symbols[*id].symbol == *symbol;
        let id = self.last.filter(is_it).unwrap_or_else(|| self.task.id_of(symbol));
        self.last = Some(id);
        &mut self.task.symbols[id]
    }

    /// Derives what is not stored and drops what the watermark has expired: a store that was away for longer than the
    /// changelog keeps tombstones may still hold it.
    pub fn finish(self) -> Task {
        let Restore { mut task, meta, .. } = self;
        let settings = task.settings.clone();
        let meta_now = meta.clone().unwrap_or_default();
        task.clock =
            Clock::new(meta_now.stream_time, meta_now.watermark, settings.window_ms, settings.slide_ms);
        task.generation = meta_now.generation;
        task.reported_meta = meta;
        for (id, state) in &mut task.symbols {
            state.panes.make_contiguous().sort_unstable_by_key(|live| live.start);
            state.facts.closed.sort_unstable_by_key(|window| window.start);
            state.refresh_newest(&settings);
            state.restored = true;
            task.restored.push(id);
        }
        task.restored.reverse();
        task.expire();
        task
    }
}
