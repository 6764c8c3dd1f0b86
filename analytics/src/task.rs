//! A task: the state of one partition, and the order of what a record does to it.
//!
//! For each record (contract, section 3): reject, or move stream time and watermark → close due windows → count it or
//! drop it as late → judge breakout, then high volume. A rejected record changes nothing.

use std::collections::HashMap;

use slab::Slab;
use smol_str::SmolStr;

use crate::alert::{Alert, AlertKind, AlertState, Signal};
use crate::clock::Clock;
use crate::row::{ClosedBy, Row};
use crate::settings::Settings;
use crate::state::{Dropped, TaskMeta};
use crate::symbol::{Placed, SymbolState};
use crate::trade::{Record, Trade};

/// Bits of a revision that hold the offset; the generation stands above them. 2^47 records fit.
const OFFSET_BITS: u32 = 47;

/// Largest generation that a revision holds; the sign stays free.
pub const GENERATION_MAX: u32 = (1 << (63 - OFFSET_BITS)) - 1;

/// The generation that stands in a revision.
pub fn generation_of(revision: i64) -> u32 {
    u32::try_from(revision >> OFFSET_BITS).unwrap_or(0)
}

/// What has to be emitted, in order within each list. A caller takes the contents and reuses the buffers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Final rows.
    pub rows: Vec<Row>,
    /// Alerts.
    pub alerts: Vec<Alert>,
}

/// What became of an accepted record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Counted in this many open windows: K, or fewer when it was partly late.
    Counted {
        /// 1..=K.
        windows: i64,
    },
    /// All its windows are closed.
    Late {
        /// The watermark less the end of the newest window of the record, ms, ≥ 0: by how much it came too late.
        lateness_ms: i64,
    },
}

/// Why a record that decodes is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The event time lies too far ahead of the log's time.
    #[error("event time is {ahead_ms} ms ahead of the log's time, more than MAX_FUTURE allows")]
    Future {
        /// Event time less append time, ms.
        ahead_ms: i64,
    },
    /// A sum of the pane would leave the range in which windows can be merged.
    #[error("a sum of the record's pane would overflow")]
    SumOverflow,
}

impl Reject {
    /// A stable name for counters and headers.
    pub fn code(self) -> &'static str {
        match self {
            Reject::Future { .. } => "future_timestamp",
            Reject::SumOverflow => "sum_overflow",
        }
    }
}

/// The state of one partition.
#[derive(Debug)]
pub struct Task {
    pub(crate) settings: Settings,
    /// What follows from the settings, so that no trade pays a division for it.
    panes: i64,
    pane_sum_max: i128,
    /// Start of the pane of the last record: nearly always that of the next.
    recent: i64,
    pub(crate) clock: Clock,
    pub(crate) generation: u32,
    pub(crate) ids: HashMap<SmolStr, usize, foldhash::fast::RandomState>,
    pub(crate) symbols: Slab<SymbolState>,
    /// Symbols with something to commit.
    pub(crate) dirty: Vec<usize>,
    /// Symbols with something new to show.
    pub(crate) changed: Vec<usize>,
    /// Symbols that came with a restore and were not shown since, the last one to be shown first.
    pub(crate) restored: Vec<usize>,
    /// Stored values to delete with the next commit.
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) reported_meta: Option<TaskMeta>,
}

impl Task {
    /// A task without state. `settings` must have passed [`Settings::check`].
    pub fn new(settings: Settings) -> Self {
        debug_assert_eq!(settings.check(), Ok(()));
        Task {
            clock: Clock::new(None, None, settings.window_ms, settings.slide_ms),
            panes: settings.panes(),
            pane_sum_max: settings.pane_sum_max(),
            recent: 0,
            settings,
            generation: 0,
            ids: HashMap::default(),
            symbols: Slab::new(),
            dirty: Vec::new(),
            changed: Vec::new(),
            restored: Vec::new(),
            dropped: Vec::new(),
            reported_meta: None,
        }
    }

    /// Stream time, watermark and generation.
    pub fn meta(&self) -> TaskMeta {
        TaskMeta {
            stream_time: self.clock.stream_time(),
            watermark: self.clock.watermark(),
            generation: self.generation,
        }
    }

    /// Symbols with live state.
    pub fn symbol_count(&self) -> usize {
        self.symbols.len()
    }

    /// Panes with an open window, over all symbols.
    pub fn pane_count(&self) -> usize {
        self.symbols.iter().map(|(_, state)| state.panes.len()).sum()
    }

    /// True when there is something new to show: a record was counted since the last view of the open windows, or a restore
    /// has brought some.
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty() || self.has_restored()
    }

    /// True when a restore has brought open windows that no view has shown so far.
    pub fn has_restored(&self) -> bool {
        !self.restored.is_empty()
    }

    /// Takes one record of the log. A rejected record changes nothing, not even stream time.
    pub fn step(&mut self, record: &Record<'_>, effects: &mut Effects) -> Result<Outcome, Reject> {
        let trade = &record.trade;
        let start = self.pane_of(trade.event_time);
        let mut id = self.ids.get(trade.symbol).copied();
        self.check(record, id, start)?;
        if self.clock.observe(trade.event_time, self.settings.watermark_delay_ms) {
            self.close_due(ClosedBy::Record, self.revision(record.offset), effects);
            id = self.ids.get(trade.symbol).copied();
        }
        let windows = self.open_windows(start);
        if windows == 0 {
            let newest_end = start + self.settings.window_ms;
            return Ok(Outcome::Late { lateness_ms: self.clock.watermark_or_min() - newest_end });
        }
        let id = id.unwrap_or_else(|| self.insert(trade.symbol));
        self.count(id, record, start, effects);
        Ok(Outcome::Counted { windows })
    }

    /// The input is proven idle: `elapsed_ms` have passed since the last accepted record or the task's entry into
    /// running, whichever is later, and everything up to `next_offset` was read. Stream time does not move.
    pub fn idle(&mut self, elapsed_ms: i64, next_offset: i64, effects: &mut Effects) {
        let Some(stream_time) = self.clock.stream_time() else { return };
        let watermark = stream_time - self.settings.watermark_delay_ms + elapsed_ms;
        if self.clock.raise_watermark(watermark) {
            self.close_due(ClosedBy::Idle, self.revision(next_offset), effects);
        }
    }

    /// The input has ended before `next_offset`: closes every open window and deletes all state.
    pub fn finish(&mut self, next_offset: i64, effects: &mut Effects) {
        self.close_windows(i64::MAX, ClosedBy::End, self.revision(next_offset), effects);
        *self = Task::new(self.settings.clone());
    }

    fn check(&self, record: &Record<'_>, id: Option<usize>, start: i64) -> Result<(), Reject> {
        if let Some(append_time) = record.append_time {
            let ahead_ms = record.trade.event_time.saturating_sub(append_time);
            if ahead_ms > self.settings.max_future_ms {
                return Err(Reject::Future { ahead_ms });
            }
        }
        let pane = id.and_then(|id| self.symbols[id].pane(start));
        if pane.is_some_and(|pane| pane.would_exceed(&record.trade, self.pane_sum_max)) {
            return Err(Reject::SumOverflow);
        }
        Ok(())
    }

    fn close_due(&mut self, by: ClosedBy, revision: i64, effects: &mut Effects) {
        let Settings { window_ms, slide_ms, .. } = self.settings;
        let watermark = self.clock.watermark_or_min();
        let until = watermark - watermark.rem_euclid(slide_ms) - window_ms;
        self.close_windows(until, by, revision, effects);
        self.clock.settle(window_ms, slide_ms);
        self.expire();
    }

    /// Open windows among the K that hold the pane which starts at `start`.
    fn open_windows(&self, start: i64) -> i64 {
        let reach = start - self.clock.closed_until();
        if reach >= self.settings.window_ms {
            return self.panes;
        }
        (reach / self.settings.slide_ms).max(0)
    }

    fn pane_of(&mut self, time: i64) -> i64 {
        // A time before the recent pane becomes a huge number.
        let within = time.wrapping_sub(self.recent).cast_unsigned() < self.settings.slide_ms.cast_unsigned();
        if !within {
            self.recent = self.settings.pane_of(time);
        }
        self.recent
    }

    fn count(&mut self, id: usize, record: &Record<'_>, start: i64, effects: &mut Effects) {
        let state = &mut self.symbols[id];
        let before = state.facts.alerts;
        let silent =
            state.latest().is_none_or(|latest| record.trade.event_time >= latest + self.settings.window_ms);
        if silent {
            state.facts.alerts = AlertState::default();
        }
        let placed = state.count(&record.trade, record.offset, start, &self.settings);
        let latest = state.latest().unwrap_or(start);
        if self.clock.watermark_or_min() < latest + self.settings.slide_ms {
            state.judge(&record.trade, &placed, &self.settings, effects);
        }
        state.facts_dirty |= state.facts.alerts != before;
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(id);
        }
        if !state.changed {
            state.changed = true;
            self.changed.push(id);
        }
    }

    pub(crate) fn mark_dirty(&mut self, id: usize) {
        let state = &mut self.symbols[id];
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Rows of one key are ordered by the offset that made them, below the generation.
    pub(crate) fn revision(&self, offset: i64) -> i64 {
        (i64::from(self.generation) << OFFSET_BITS) | offset
    }

    /// The id of a symbol, which is made when absent.
    pub(crate) fn id_of(&mut self, symbol: &str) -> usize {
        self.ids.get(symbol).copied().unwrap_or_else(|| self.insert(symbol))
    }

    fn insert(&mut self, symbol: &str) -> usize {
        let symbol = SmolStr::new(symbol);
        let id = self.symbols.insert(SymbolState::new(symbol.clone()));
        self.ids.insert(symbol, id);
        id
    }
}

impl SymbolState {
    /// Judges a counted trade while the symbol's newest window is open: breakout, then high volume.
    fn judge(&mut self, trade: &Trade<'_>, placed: &Placed, settings: &Settings, effects: &mut Effects) {
        let rules = &settings.alerts;
        let alert = |kind, signal, current_price, window_avg| Alert {
            symbol: self.symbol.clone(),
            kind,
            signal,
            timestamp: trade.event_time,
            current_price,
            window_avg,
        };
        let may_break_out = placed.became_close && self.facts.alerts.may_break_out(trade.event_time, rules);
        if may_break_out && self.newest.prices >= rules.min_trades {
            let avg = self.newest.average().expect("invariant: a window with prices has an average");
            if let Some(signal) = self.facts.alerts.breakout(trade.event_time, trade.price, avg, rules) {
                effects.alerts.push(alert(AlertKind::Breakout, signal, Some(trade.price), Some(avg)));
            }
        }
        if placed.in_latest && self.facts.alerts.high_volume(placed.opened_latest, self.newest.volume, rules)
        {
            let close = self.newest.close.map(|print| print.price);
            let avg = self.newest.average();
            effects.alerts.push(alert(AlertKind::HighVolume, Signal::Neutral, close, avg));
        }
    }
}
