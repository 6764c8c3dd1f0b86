//! Rows of open windows: a view of the moment, for the output modes `update` and `complete`.

use crate::pane::Pane;
use crate::row::{Row, measure, open_row};
use crate::settings::Settings;
use crate::state::ClosedWindow;
use crate::symbol::SymbolState;
use crate::task::Task;

/// Rows after which a view leaves the rest of a restored state to the next one. Every open window counts as changed after a
/// restore, and they can be millions: nobody's alerts should wait for all of them.
const RESTORED_ROWS: usize = 5_000;

/// Which open windows to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those in which a record was counted since the last view, or since the restore.
    Changed,
    /// All.
    All,
}

impl Task {
    /// Appends a row for each open window in `scope`; `next_offset` is the next offset to read. After a restore of many
    /// windows it takes several calls until all of them are shown: see [`Task::has_restored`].
    pub fn open_rows(&mut self, scope: Scope, next_offset: i64, rows: &mut Vec<Row>) {
        let revision = self.revision(next_offset);
        let ids = std::mem::take(&mut self.changed);
        let after = self.clock.closed_until();
        let (settings, before) = (&self.settings, rows.len());
        let mut show = |state: &mut SymbolState| {
            state.view(scope, after, settings, |row| rows.push(Row { revision, ..row }));
            rows.len() - before
        };
        match scope {
            Scope::All => {
                for (_, state) in &mut self.symbols {
                    show(state);
                }
                self.restored.clear();
            }
            Scope::Changed => {
                let mut shown = 0;
                for &id in &ids {
                    // An id may have been given to another symbol since: its flag decides.
                    if let Some(state) = self.symbols.get_mut(id).filter(|state| state.changed) {
                        shown = show(state);
                    }
                }
                while shown < RESTORED_ROWS
                    && let Some(id) = self.restored.pop()
                {
                    if let Some(state) = self.symbols.get_mut(id).filter(|state| state.restored) {
                        shown = show(state);
                    }
                }
            }
        }
        self.changed = ids;
        self.changed.clear();
    }
}

impl SymbolState {
    fn view(&mut self, scope: Scope, after: i64, settings: &Settings, mut show: impl FnMut(Row)) {
        let mut earlier = self.facts.closed.clone();
        let starts = self.windows(after, i64::MAX, settings);
        let merges = self.merges(&starts, settings);
        for (start, (window, changed)) in starts.iter().zip(merges.into_iter().rev()) {
            let measures = measure(*start, &window, &earlier, settings);
            earlier.push(ClosedWindow { start: *start, avg: measures.avg, side: measures.side });
            if changed || scope == Scope::All {
                let newest = self.pane(start + settings.last_pane_ms());
                show(open_row(&self.symbol, *start, &window, newest, &measures, settings));
            }
        }
        (self.changed, self.restored) = (false, false);
        self.panes.iter_mut().for_each(|live| live.changed = false);
    }

    /// What [`SymbolState::window`] says of each of these windows (ascending by start), the last first.
    ///
    /// Most open windows reach to the latest pane. Such a window is the next one with a pane more in front, so all of them
    /// together cost one merge a pane.
    fn merges(&self, starts: &[i64], settings: &Settings) -> Vec<(Pane, bool)> {
        let latest = self.latest().unwrap_or(i64::MIN);
        let (mut suffix, mut changed, mut from) = (Pane::default(), false, self.panes.len());
        let merge = |&start: &i64| {
            if start + settings.window_ms <= latest {
                return self.window(start, settings);
            }
            while from > 0 && self.panes[from - 1].start >= start {
                from -= 1;
                suffix.merge(&self.panes[from].pane);
                changed |= self.panes[from].changed;
            }
            (suffix.clone(), changed)
        };
        starts.iter().rev().map(merge).collect()
    }
}
