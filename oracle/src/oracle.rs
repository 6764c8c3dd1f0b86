//! One partition: time, closing, counting, and the order of effects.
//!
//! State: stream time, watermark, and per symbol the trades that an open window can still hold, the averages and sides
//! of closed windows that an open window can still refer to, and the alert state. No list of open windows is kept, they
//! follow from the trades.
//!
//! Decision: a window is closed when its end is at or before the watermark, whether or not it exists; a late record
//! cannot bring such a window into being.
//!
//! Decision: closing is the same whatever closes: a cross found by idle closing or END is an alert too.
//!
//! Decision: a record that is both too far in the future and over the sum limit is rejected for the future: that check
//! needs nothing but the record.
//!
//! Decision: the sum limit is judged against the pane as far as it is still held. The pane of a record that is wholly
//! late is gone, so within the limits of single fields such a record is late, never rejected.
//!
//! Decision: "the next offset to read" is the offset of the last record given + 1, rejected records included.
//!
//! Decision: a record dropped as late is accepted: it moves stream time (it can be newer than it after idle closing).

use std::collections::{BTreeMap, BTreeSet};

use crate::alert::{Alert, AlertKind, AlertState, Judged, Signal};
use crate::record::{Record, Sums, Trade, Verdict};
use crate::row::{ClosedBy, Row};
use crate::settings::Settings;
use crate::window::{self, Counted, Known, Summary, Trades, Windows};

/// The naive implementation of the contract for one partition.
#[derive(Debug, Clone)]
pub struct Oracle {
    settings: Settings,
    symbols: BTreeMap<String, Symbol>,
    stream_time: Option<i64>,
    watermark: Option<i64>,
    next_arrival: u64,
    next_offset: i64,
    is_finished: bool,
    /// Final rows in order of emission.
    pub rows: Vec<Row>,
    /// Alerts in order of emission.
    pub alerts: Vec<Alert>,
}

/// State of one symbol.
#[derive(Debug, Clone, Default)]
struct Symbol {
    trades: Trades,
    closed: Windows,
    alerts: AlertState,
}

/// Feeds all `records` to a fresh oracle; windows still open at the end stay open.
pub fn run(settings: Settings, records: impl Iterator<Item = Record>) -> Oracle {
    let mut oracle = Oracle::new(settings);
    for record in records {
        oracle.step(&record);
    }
    oracle
}

impl Oracle {
    /// An oracle that has read nothing.
    ///
    /// # Panics
    /// When the settings are outside the contract.
    pub fn new(settings: Settings) -> Self {
        settings.assert_valid();
        Self {
            settings,
            symbols: BTreeMap::new(),
            stream_time: None,
            watermark: None,
            next_arrival: 0,
            next_offset: 0,
            is_finished: false,
            rows: Vec::new(),
            alerts: Vec::new(),
        }
    }

    /// Reads one record.
    ///
    /// # Panics
    /// When the offset is not above the one before, or after [`Oracle::finish`].
    pub fn step(&mut self, record: &Record) -> Verdict {
        assert!(!self.is_finished, "a record at offset {} after the end", record.offset);
        assert!(
            record.offset >= self.next_offset,
            "offset {} given again or out of order; expected {} or more",
            record.offset,
            self.next_offset
        );
        self.next_offset = record.offset + 1;
        let Some(trade) = &record.trade else { return Verdict::RejectedDecode };
        if record
            .append_time
            .is_some_and(|append| trade.event_time.saturating_sub(append) > self.settings.max_future_ms)
        {
            return Verdict::RejectedFuture;
        }
        if !self.pane_would_be_within_limit(trade) {
            return Verdict::RejectedSum;
        }

        let stream_time = self.stream_time.map_or(trade.event_time, |before| before.max(trade.event_time));
        self.stream_time = Some(stream_time);
        let watermark =
            self.advance(stream_time - self.settings.watermark_delay_ms, record.offset, ClosedBy::Record);

        let windows = self.settings.windows_of(trade.event_time, watermark, i64::MAX).count();
        if windows == 0 {
            return Verdict::Late;
        }
        let windows = u32::try_from(windows).expect("at most 1,440 windows");
        self.count_and_judge(trade, windows, watermark);
        Verdict::Counted { windows }
    }

    /// The idle rule, `elapsed_ms` after the later of the last accepted record and the start; without stream time it
    /// does nothing.
    ///
    /// The caller judges whether the idle time has passed; a shorter time than at an earlier call changes nothing.
    ///
    /// # Panics
    /// After [`Oracle::finish`].
    pub fn idle(&mut self, elapsed_ms: i64) {
        assert!(!self.is_finished, "idle after the end");
        if let Some(stream_time) = self.stream_time {
            let time = (stream_time - self.settings.watermark_delay_ms).saturating_add(elapsed_ms);
            self.advance(time, self.next_offset, ClosedBy::Idle);
        }
    }

    /// END: closes every open window, in order of (window, symbol). Neither stream time nor the watermark moves.
    ///
    /// Decision: nothing may be read afterwards, because the contract knows END only as the last thing that happens.
    pub fn finish(&mut self) {
        if let Some(watermark) = self.watermark {
            self.close(self.existing_windows(watermark, i64::MAX), self.next_offset, ClosedBy::End);
        }
        self.symbols.clear();
        self.is_finished = true;
    }

    /// Every open window that exists, as a row that is not final, in order of (window, symbol).
    ///
    /// `ma_5min` and `side` refer to closed windows as they closed and to open ones as they stand.
    pub fn open_rows(&self) -> Vec<Row> {
        let Some(watermark) = self.watermark else { return Vec::new() };
        let mut windows: BTreeMap<&str, Windows> =
            self.symbols.iter().map(|(symbol, state)| (symbol.as_str(), state.closed.clone())).collect();
        let mut rows = Vec::new();
        for (start, symbol) in self.existing_windows(watermark, i64::MAX) {
            let (symbol, state) =
                self.symbols.get_key_value(&symbol).expect("an existing window has a symbol");
            let windows = windows.entry(symbol).or_default();
            let mut row = window::row(&self.settings, symbol, start, &state.trades, windows);
            row.revision = self.next_offset;
            // Ascending by window: whatever a later window refers to is there when its turn comes.
            windows.insert(start, Known { avg_price: row.avg_price, side: row.side });
            rows.push(row);
        }
        rows
    }

    /// Largest event time accepted so far, epoch milliseconds; none before the first accepted record.
    pub fn stream_time(&self) -> Option<i64> {
        self.stream_time
    }

    /// The watermark, epoch milliseconds; none before the first accepted record, may be before 1970.
    pub fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// Whether each sum of the trade's pane would be at most (2^127 − 1) / K with the trade in it.
    fn pane_would_be_within_limit(&self, trade: &Trade) -> bool {
        let limit = i128::MAX / i128::from(self.settings.slides());
        let pane = self.settings.pane_of(trade.event_time);
        let held = self.symbols.get(&trade.symbol).map_or_else(Sums::default, |symbol| {
            Summary::of(window::between(&symbol.trades, pane, pane + self.settings.slide_ms)).sums
        });
        held.plus(trade).is_some_and(|sums| sums.are_within(limit))
    }

    /// Moves the watermark to `time` unless it is further already, closes what it has reached, and returns it.
    fn advance(&mut self, time: i64, revision: i64, closed_by: ClosedBy) -> i64 {
        // Before the first record there is no watermark, and nothing to close.
        let before = self.watermark.unwrap_or(time);
        let watermark = before.max(time);
        self.watermark = Some(watermark);
        // Windows end at multiples of S: nothing is due until the watermark enters another slide.
        if self.settings.pane_of(before) < self.settings.pane_of(watermark) {
            self.close(self.existing_windows(before, watermark), revision, closed_by);
            self.forget(watermark);
        }
        watermark
    }

    /// Drops trades of which every window has ended, and closed windows that no open window can refer to.
    fn forget(&mut self, watermark: i64) {
        let settings = &self.settings;
        // A window refers to the K − 1 windows before it for its average, and to the one before it for its side.
        let reach = (settings.slides() - 1).max(1) * settings.slide_ms;
        for symbol in self.symbols.values_mut() {
            symbol.trades.retain(|(event_time, _), _| !settings.is_over(*event_time, watermark));
            symbol.closed.retain(|start, _| start + reach + settings.window_ms > watermark);
        }
        self.symbols.retain(|_, symbol| !symbol.trades.is_empty() || !symbol.closed.is_empty());
    }

    /// Windows that hold a counted trade and end in `(after, until]`, in order of (window, symbol bytes).
    ///
    /// Right for `after` = the watermark, or the one before it moved: a trade was counted in exactly those of its
    /// windows that ended after the watermark of its time, and the watermark never goes back.
    fn existing_windows(&self, after: i64, until: i64) -> BTreeSet<(i64, String)> {
        let mut windows = BTreeSet::new();
        for (symbol, state) in &self.symbols {
            let panes: BTreeSet<i64> =
                state.trades.keys().map(|(time, _)| self.settings.pane_of(*time)).collect();
            let starts = panes.iter().flat_map(|pane| self.settings.windows_of(*pane, after, until));
            windows.extend(starts.map(|start| (start, symbol.clone())));
        }
        windows
    }

    /// Closes `windows` in the order given: the final row of each, then its cross.
    fn close(&mut self, windows: BTreeSet<(i64, String)>, revision: i64, closed_by: ClosedBy) {
        for (start, symbol) in windows {
            let state = self.symbols.get_mut(&symbol).expect("an existing window has a symbol");
            let mut row = window::row(&self.settings, &symbol, start, &state.trades, &state.closed);
            row.is_final = true;
            row.revision = revision;
            row.closed_by = Some(closed_by);
            let before = window::side_before(&self.settings, start, &state.closed);
            state.closed.insert(start, Known { avg_price: row.avg_price, side: row.side });
            if before != 0 && row.side != 0 && row.side != before {
                self.alerts.push(cross(&row));
            }
            self.rows.push(row);
        }
    }

    /// Counts a trade in its open windows and judges its symbol's newest window, if that is open.
    fn count_and_judge(&mut self, trade: &Trade, windows: u32, watermark: i64) {
        let settings = &self.settings;
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        let pane = settings.pane_of(trade.event_time);
        let symbol = self.symbols.entry(trade.symbol.clone()).or_default();

        // The trades held are those of live panes: without any, the state went with the last of them.
        let latest_before = symbol.trades.keys().next_back().map(|(time, _)| settings.pane_of(*time));
        if latest_before.is_none_or(|latest| trade.event_time >= latest + settings.window_ms) {
            symbol.alerts = AlertState::default();
        }
        let opens_pane = window::between(&symbol.trades, pane, pane + settings.slide_ms).next().is_none();
        let in_all_windows = i64::from(windows) == settings.slides();
        symbol.trades.insert((trade.event_time, arrival), Counted { trade: trade.clone(), in_all_windows });

        let latest = latest_before.map_or(pane, |before| before.max(pane));
        let newest = settings.window_ending_with(latest);
        let newest_end = newest + settings.window_ms;
        if watermark >= newest_end {
            return;
        }
        let judged = Judged {
            symbol: &trade.symbol,
            event_time: trade.event_time,
            arrival,
            in_newest_pane: pane == latest,
            opens_pane,
            newest: Summary::of(window::between(&symbol.trades, newest, newest_end)),
        };
        self.alerts.extend(symbol.alerts.judge_breakout(settings, &judged));
        self.alerts.extend(symbol.alerts.judge_high_volume(settings, &judged));
    }
}

/// The cross of a window that has just closed with another side than the window before it.
fn cross(row: &Row) -> Alert {
    Alert {
        symbol: row.symbol.clone(),
        kind: if row.side > 0 { AlertKind::GoldenCross } else { AlertKind::DeathCross },
        signal: Signal::of_side(row.side),
        timestamp: row.window_end,
        current_price: row.avg_price,
        window_avg: row.ma_5min,
    }
}
