//! One symbol of a task: its live panes, its facts, and the running sums of its newest window.

use std::collections::VecDeque;

use smol_str::SmolStr;

use crate::pane::{Pane, Print, later};
use crate::rounding::average;
use crate::settings::Settings;
use crate::state::SymbolFacts;
use crate::trade::Trade;

/// So many symbols are touched ahead: more than a core can wait for at once is of no use.
pub(crate) const TOUCHED: usize = 16;

/// A pane with at least one open window.
#[derive(Debug)]
pub(crate) struct LivePane {
    pub(crate) start: i64,
    pub(crate) pane: Pane,
    /// Changed since the last commit.
    pub(crate) dirty: bool,
    /// Changed since the last view of the open windows.
    pub(crate) changed: bool,
    /// A commit has carried it, so its deletion must be carried too.
    pub(crate) stored: bool,
}

/// Running sums of the window that ends with the latest pane, so that an alert costs no merge.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) prices: u64,
    pub(crate) sum_price: i128,
    pub(crate) volume: i128,
    pub(crate) close: Option<Print>,
}

impl Newest {
    pub(crate) fn average(&self) -> Option<i64> {
        average(self.sum_price, self.prices)
    }
}

/// What counting a trade did to its symbol's newest window.
pub(crate) struct Placed {
    /// The trade opened the pane that is now the latest.
    pub(crate) opened_latest: bool,
    /// The trade lies in the latest pane.
    pub(crate) in_latest: bool,
    /// The trade became the close of the newest window.
    pub(crate) became_close: bool,
}

#[derive(Debug)]
pub(crate) struct SymbolState {
    pub(crate) symbol: SmolStr,
    /// Ascending by start; sparse, so a quiet symbol costs what it holds.
    pub(crate) panes: VecDeque<LivePane>,
    pub(crate) newest: Newest,
    pub(crate) facts: SymbolFacts,
    pub(crate) facts_dirty: bool,
    pub(crate) facts_stored: bool,
    /// Stands in the task's list of symbols with something to commit.
    pub(crate) dirty: bool,
    /// Stands in the task's list of symbols with something new to show.
    pub(crate) changed: bool,
    /// Stands in the task's list of restored symbols.
    pub(crate) restored: bool,
}

impl SymbolState {
    pub(crate) fn new(symbol: SmolStr) -> Self {
        SymbolState {
            symbol,
            panes: VecDeque::new(),
            newest: Newest::default(),
            facts: SymbolFacts::default(),
            facts_dirty: false,
            facts_stored: false,
            dirty: false,
            changed: false,
            restored: false,
        }
    }

    /// Reads what a look at all panes will need. A symbol lies in several places of memory, so one that was not used for long
    /// costs several waits, one after the other; those of several symbols touched in a row pass at the same time.
    pub(crate) fn touch(&self) {
        let panes = self.panes.iter().fold(0, |sum, live| sum ^ live.start ^ live.pane.records.cast_signed());
        let closed = self.facts.closed.first().map_or(0, |window| window.start);
        std::hint::black_box(panes ^ closed);
    }

    /// Start of the latest live pane.
    pub(crate) fn latest(&self) -> Option<i64> {
        self.panes.back().map(|live| live.start)
    }

    /// Place of the pane that starts at `start`, or where it would stand. Nearly always the latest one.
    fn position(&self, start: i64) -> Result<usize, usize> {
        match self.panes.back() {
            None => Err(0),
            Some(last) if last.start == start => Ok(self.panes.len() - 1),
            Some(last) if last.start < start => Err(self.panes.len()),
            Some(_) => self.panes.binary_search_by_key(&start, |live| live.start),
        }
    }

    /// The pane that starts at `start`.
    pub(crate) fn pane(&self, start: i64) -> Option<&Pane> {
        self.position(start).ok().map(|at| &self.panes[at].pane)
    }

    /// The merge of the panes of the window that starts at `start`, and whether one of them changed since the last view.
    pub(crate) fn window(&self, start: i64, settings: &Settings) -> (Pane, bool) {
        let end = start + settings.window_ms;
        let from = self.panes.partition_point(|live| live.start < start);
        let (mut merged, mut changed) = (Pane::default(), false);
        for live in self.panes.range(from..).take_while(|live| live.start < end) {
            merged.merge(&live.pane);
            changed |= live.changed;
        }
        (merged, changed)
    }

    /// Windows that exist with `after < start ≤ until`, ascending.
    pub(crate) fn windows(&self, after: i64, until: i64, settings: &Settings) -> Vec<i64> {
        let (mut starts, mut next) = (Vec::new(), after.saturating_add(settings.slide_ms));
        for live in &self.panes {
            if next > until {
                break;
            }
            let mut start = next.max(live.start - settings.last_pane_ms());
            while start <= live.start.min(until) {
                starts.push(start);
                start += settings.slide_ms;
            }
            next = next.max(start);
        }
        starts
    }

    /// Counts a trade in the pane that starts at `start`.
    pub(crate) fn count(
        &mut self,
        trade: &Trade<'_>,
        offset: i64,
        start: i64,
        settings: &Settings,
    ) -> Placed {
        let found = self.position(start);
        let at = found.unwrap_or_else(|at| {
            let live = LivePane { start, pane: Pane::default(), dirty: false, changed: false, stored: false };
            self.panes.insert(at, live);
            at
        });
        let in_latest = at + 1 == self.panes.len();
        let live = &mut self.panes[at];
        live.pane.add(trade, offset);
        live.dirty = true;
        live.changed = true;
        let opened_latest = in_latest && found.is_err();
        if opened_latest {
            self.refresh_newest(settings);
        } else if self.latest().is_some_and(|latest| start >= latest - settings.last_pane_ms()) {
            self.add_to_newest(trade, offset);
        }
        let place = Some((trade.event_time, offset));
        let became_close = trade.sets_last && self.newest.close.map(|print| print.place()) == place;
        Placed { opened_latest, in_latest, became_close }
    }

    fn add_to_newest(&mut self, trade: &Trade<'_>, offset: i64) {
        if trade.counts_volume {
            self.newest.volume += trade.size;
        }
        if trade.sets_price {
            self.newest.prices += 1;
            self.newest.sum_price += i128::from(trade.price);
        }
        if trade.sets_last {
            let print = Print { time: trade.event_time, offset, price: trade.price };
            self.newest.close = later(self.newest.close, Some(print));
        }
    }

    /// Computes the running sums anew, from the panes.
    pub(crate) fn refresh_newest(&mut self, settings: &Settings) {
        self.newest = self.latest().map_or_else(Newest::default, |latest| {
            let (window, _) = self.window(latest - settings.last_pane_ms(), settings);
            Newest {
                prices: window.prices,
                sum_price: window.sum_price,
                volume: window.sum_size,
                close: window.close,
            }
        });
    }
}
