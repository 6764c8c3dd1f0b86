//! Closing windows: final rows and crosses in order of (window start, symbol), then deletion of what no window needs.

use crate::alert::{Alert, AlertKind, AlertState, signal_of};
use crate::row::{ClosedBy, measure, open_row};
use crate::settings::Settings;
use crate::state::{ClosedWindow, Dropped};
use crate::symbol::{SymbolState, TOUCHED};
use crate::task::{Effects, Task};

/// A window to close.
struct Due {
    start: i64,
    id: usize,
    prefix: u64,
}

/// The first eight bytes of a symbol, in the order of texts: they nearly always decide, without a look at the text.
fn prefix(symbol: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = symbol.len().min(bytes.len());
    bytes[..length].copy_from_slice(&symbol.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

impl Task {
    /// Closes every open window that starts at or before `until`.
    pub(crate) fn close_windows(&mut self, until: i64, by: ClosedBy, revision: i64, effects: &mut Effects) {
        let after = self.clock.closed_until();
        let mut due = Vec::new();
        for (id, state) in &self.symbols {
            let starts = state.windows(after, until, &self.settings);
            due.extend(starts.into_iter().map(|start| Due { start, id, prefix: prefix(&state.symbol) }));
        }
        let symbol = |due: &Due| &self.symbols[due.id].symbol;
        due.sort_unstable_by(|a, b| {
            (a.start, a.prefix).cmp(&(b.start, b.prefix)).then_with(|| symbol(a).cmp(symbol(b)))
        });
        for due in due.chunks(TOUCHED) {
            due.iter().for_each(|due| self.symbols[due.id].touch());
            for &Due { start, id, .. } in due {
                self.symbols[id].close(start, by, revision, &self.settings, effects);
                self.mark_dirty(id);
            }
        }
    }

    /// Deletes panes whose windows are all closed, facts that no window can refer to, and symbols that hold nothing.
    pub(crate) fn expire(&mut self) {
        let closed_until = self.clock.closed_until();
        let mut empty = Vec::new();
        let mut dirty = Vec::new();
        for (id, state) in &mut self.symbols {
            state.expire(closed_until, &self.settings, &mut self.dropped);
            if state.panes.is_empty() && state.facts.closed.is_empty() {
                empty.push(id);
            } else if state.facts_dirty {
                dirty.push(id);
            }
        }
        for id in dirty {
            self.mark_dirty(id);
        }
        for id in empty {
            let state = self.symbols.remove(id);
            self.ids.remove(&state.symbol);
            if state.facts_stored {
                self.dropped.push(Dropped::Facts(state.symbol));
            }
        }
    }
}

impl SymbolState {
    fn close(&mut self, start: i64, by: ClosedBy, revision: i64, settings: &Settings, effects: &mut Effects) {
        let (window, _) = self.window(start, settings);
        let measures = measure(start, &window, &self.facts.closed, settings);
        let newest = self.pane(start + settings.last_pane_ms());
        let row = open_row(&self.symbol, start, &window, newest, &measures, settings);
        effects.rows.push(crate::Row { is_final: true, revision, closed_by: Some(by), ..row });
        if measures.side != measures.previous_side && measures.previous_side != 0 {
            let kind = if measures.side > 0 { AlertKind::GoldenCross } else { AlertKind::DeathCross };
            effects.alerts.push(Alert {
                symbol: self.symbol.clone(),
                kind,
                signal: signal_of(measures.side),
                timestamp: start + settings.window_ms,
                current_price: measures.avg,
                window_avg: measures.ma,
            });
        }
        self.facts.closed.push(ClosedWindow { start, avg: measures.avg, side: measures.side });
        self.facts_dirty = true;
    }

    fn expire(&mut self, closed_until: i64, settings: &Settings, dropped: &mut Vec<Dropped>) {
        while self.panes.front().is_some_and(|live| live.start <= closed_until) {
            let live = self.panes.pop_front().expect("invariant: the front was just seen");
            if live.stored {
                dropped.push(Dropped::Pane(self.symbol.clone(), live.start));
            }
        }
        if self.panes.is_empty() && self.facts.alerts != AlertState::default() {
            self.facts.alerts = AlertState::default();
            self.facts_dirty = true;
        }
        // The moving average looks K − 1 slides back, the side one slide, whichever is further.
        let reach = settings.last_pane_ms().max(settings.slide_ms);
        let expired = self.facts.closed.partition_point(|window| window.start <= closed_until - reach);
        self.facts.closed.drain(..expired);
    }
}
