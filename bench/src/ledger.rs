//! Which trades are visible in rows, and how long each took. Pure.
//!
//! A row is a window with a number of trades in it. Of the windows that a trade falls in, one begins at a multiple of the window's
//! length; in that one the trades of a symbol are numbered as they are produced. A row with N trades shows the first N of them.
//! Both systems keep a symbol in one partition and in order, so this holds for each, and asks nothing else of a row.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// A trade that is about to be produced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) symbol: usize,
    pub(crate) event_time: i64,
    pub(crate) at: Instant,
}

/// A row that has become visible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) symbol: usize,
    /// Start of the window.
    pub(crate) start: i64,
    pub(crate) trades: u64,
    pub(crate) at: Instant,
}

/// Trades of a window that no row has shown.
#[derive(Default)]
struct Waiting {
    trades: VecDeque<Instant>,
    shown: u64,
}

/// When trades count that were sent from then on, and until then.
#[derive(Clone, Copy, Default)]
struct Span {
    from: Option<Instant>,
    until: Option<Instant>,
}

impl Span {
    fn holds(self, at: Instant) -> bool {
        self.from.is_some_and(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }
}

/// Trades and rows.
pub(crate) struct Ledger {
    window_ms: i64,
    waiting: HashMap<(usize, i64), Waiting>,
    span: Span,
    /// Milliseconds, of each trade that counts.
    pub(crate) latencies: Vec<f64>,
    /// Trades that count, shown or not.
    pub(crate) counted: u64,
}

impl Ledger {
    pub(crate) fn new(window_ms: i64) -> Self {
        let (waiting, latencies) = (HashMap::new(), Vec::new());
        Ledger { window_ms, waiting, span: Span::default(), latencies, counted: 0 }
    }

    /// Trades from now on count.
    pub(crate) fn open(&mut self, now: Instant) {
        self.span.from = Some(now);
    }

    /// Trades from now on do not count.
    pub(crate) fn close(&mut self, now: Instant) {
        self.span.until = Some(now);
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.latencies.len() as u64 >= self.counted
    }

    pub(crate) fn sent(&mut self, sent: Sent) {
        let start = sent.event_time.div_euclid(self.window_ms) * self.window_ms;
        self.counted += u64::from(self.span.holds(sent.at));
        self.waiting.entry((sent.symbol, start)).or_default().trades.push_back(sent.at);
    }

    pub(crate) fn shown(&mut self, row: Shown) {
        if row.start.rem_euclid(self.window_ms) != 0 {
            return;
        }
        let Some(waiting) = self.waiting.get_mut(&(row.symbol, row.start)) else { return };
        while waiting.shown < row.trades {
            let Some(sent) = waiting.trades.pop_front() else { break };
            waiting.shown += 1;
            if self.span.holds(sent) {
                self.latencies.push(row.at.saturating_duration_since(sent).as_secs_f64() * 1e3);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Ledger, Sent, Shown};

    #[test]
    fn a_trade_is_shown_by_the_first_row_that_counts_it() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let sent = |ms: u64| Sent { symbol: 1, event_time: 300_000 + ms as i64, at: at(ms) };
        let row = |trades, ms| Shown { symbol: 1, start: 300_000, trades, at: at(ms) };
        let mut ledger = Ledger::new(300_000);
        ledger.sent(sent(1));
        ledger.open(at(5));
        ledger.sent(sent(10));
        ledger.sent(sent(20));
        ledger.close(at(25));
        ledger.sent(sent(30));
        ledger.shown(Shown { start: 240_000, ..row(3, 31) });
        assert!(ledger.latencies.is_empty(), "a window in which they have other numbers");
        ledger.shown(row(2, 50));
        assert_eq!((ledger.latencies.clone(), ledger.counted), (vec![40.0], 2));
        assert!(!ledger.is_complete());
        ledger.shown(row(2, 60));
        ledger.shown(row(4, 70));
        assert_eq!(ledger.latencies, [40.0, 50.0]);
        assert!(ledger.is_complete());
    }
}
