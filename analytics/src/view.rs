//! Rows of open windows: a view of the moment, for the output modes `update` and `complete`.

use crate::pane::Pane;
use crate::row::{Row, measure, open_row};
use crate::settings::Settings;
use crate::state::ClosedWindow;
use crate::symbol::SymbolState;
use crate::task::Task;

/// Which open windows to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those in which a record was counted since the last view, or since the restore.
    Changed,
    /// All.
    All,
}

impl Task {
    /// Appends a row for each open window in `scope`; `next_offset` is the next offset to read.
    pub fn open_rows(&mut self, scope: Scope, next_offset: i64, rows: &mut Vec<Row>) {
        let revision = self.revision(next_offset);
        let ids = std::mem::take(&mut self.changed);
        let after = self.clock.closed_until();
        let mut show = |state: &mut SymbolState| {
            state.view(scope, after, &self.settings, |row| rows.push(Row { revision, ..row }));
        };
        match scope {
            Scope::All => self.symbols.iter_mut().for_each(|(_, state)| show(state)),
            Scope::Changed => {
                for &id in &ids {
                    // An id may have been given to another symbol since: its flag decides.
                    if let Some(state) = self.symbols.get_mut(id).filter(|state| state.changed) {
                        show(state);
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
        for (start, (window, changed)) in starts.iter().zip(self.merges(&starts, settings)) {
            let measures = measure(*start, &window, &earlier, settings);
            earlier.push(ClosedWindow { start: *start, avg: measures.avg, side: measures.side });
            if changed || scope == Scope::All {
                let newest = self.pane(start + settings.last_pane_ms());
                show(open_row(&self.symbol, *start, &window, newest, &measures, settings));
            }
        }
        self.changed = false;
        self.panes.iter_mut().for_each(|live| live.changed = false);
    }

    /// What [`SymbolState::window`] says of each of these windows (ascending by start).
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
        let mut merges: Vec<_> = starts.iter().rev().map(merge).collect();
        merges.reverse();
        merges
    }
}
