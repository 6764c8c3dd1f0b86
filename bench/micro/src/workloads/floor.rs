//! A task in the middle of a trading day, from which the workloads of the logic start.

use tape_analytics::{Alert, Effects, Outcome, Record, Row, Settings, Task};
use tape_processor::codec;
use tape_proto::trade::Trade;

use crate::market::{MINUTE_MS, Market, Swing};

/// Trades of each symbol in a minute that nobody measures: a window has enough for alerts.
const ROUNDS: usize = 5;
/// Minutes before the measured one: windows are full, and so are the averages of the closed ones.
const WARM_MINUTES: usize = 10;

pub(super) struct Floor {
    pub(super) settings: Settings,
    pub(super) task: Task,
    pub(super) market: Market,
    pub(super) effects: Effects,
    pub(super) next_offset: i64,
}

impl Floor {
    pub(super) fn new(swing: Swing) -> Self {
        let settings = Settings::default();
        let task = Task::new(settings.clone());
        let (market, effects) = (Market::new(swing), Effects::default());
        let mut floor = Floor { settings, task, market, effects, next_offset: 0 };
        (0..WARM_MINUTES).for_each(|_| floor.pass_minute());
        floor
    }

    /// A whole minute goes by, and a commit; the next one has not begun. What it emitted is forgotten.
    pub(super) fn pass_minute(&mut self) {
        self.market.minute += MINUTE_MS;
        (0..ROUNDS).for_each(|_| self.take_round());
        self.task.drain_changes(|_| ());
        self.forget();
    }

    /// A trade of each symbol.
    pub(super) fn take_round(&mut self) {
        let trades = self.market.round();
        trades.iter().for_each(|trade| self.take(trade));
    }

    pub(super) fn take(&mut self, trade: &Trade<'_>) {
        let step = Record { trade: codec::trade(trade), offset: self.next_offset, append_time: None };
        let outcome = self.task.step(&step, &mut self.effects);
        assert!(matches!(outcome, Ok(Outcome::Counted { .. })), "every trade counts");
        self.next_offset += 1;
    }

    pub(super) fn forget(&mut self) {
        self.effects.rows.clear();
        self.effects.alerts.clear();
    }

    /// What the next minute emits: a row of each symbol, and alerts.
    pub(super) fn next_effects(&mut self) -> (Vec<Row>, Vec<Alert>) {
        self.market.minute += MINUTE_MS;
        self.take_round();
        (std::mem::take(&mut self.effects.rows), std::mem::take(&mut self.effects.alerts))
    }
}
