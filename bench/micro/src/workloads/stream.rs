//! The stream logic: counting trades, closing windows, showing open ones.

use std::hint::black_box;

use tape_analytics::{Row, Scope};
use tape_proto::trade::{self, Trade};

use super::decode::{Pair, pair, write_raw};
use super::floor::Floor;
use crate::Work;
use crate::market::{MINUTE_MS, Swing};

/// Trades of a measured minute.
const TRADES: usize = 10_000;

/// Trades of one minute, in which nothing closes and no pane is opened.
struct Minute {
    floor: Floor,
    trades: Vec<Trade<'static>>,
}

/// Prices that cause no alert.
pub(super) fn calm() -> Box<dyn Work> {
    Box::new(Minute { floor: Floor::new(Swing::Calm), trades: Vec::new() })
}

/// Prices on both sides of the band.
pub(super) fn alerts() -> Box<dyn Work> {
    Box::new(Minute { floor: Floor::new(Swing::Wild), trades: Vec::new() })
}

impl Work for Minute {
    fn arrange(&mut self) {
        self.floor.pass_minute();
        self.trades = self.floor.market.trades(TRADES);
    }

    fn run(&mut self) -> u64 {
        for trade in &self.trades {
            self.floor.take(trade);
            self.floor.forget();
        }
        TRADES as u64
    }
}

/// The same from the bytes on: the way of a trade but for Kafka's part.
struct Bytes {
    floor: Floor,
    records: Vec<Pair>,
}

pub(super) fn decoded() -> Box<dyn Work> {
    Box::new(Bytes { floor: Floor::new(Swing::Calm), records: Vec::new() })
}

impl Work for Bytes {
    fn arrange(&mut self) {
        self.floor.pass_minute();
        let trades = self.floor.market.trades(TRADES);
        self.records = trades.iter().map(|trade| pair(trade, write_raw)).collect();
    }

    fn run(&mut self) -> u64 {
        for (key, value) in &self.records {
            let trade = trade::decode(Some(key), Some(value)).expect("a good trade");
            self.floor.take(&trade);
            self.floor.forget();
        }
        TRADES as u64
    }
}

/// The first trade of a minute, which closes a window of each symbol.
struct Close {
    floor: Floor,
    trade: Option<Trade<'static>>,
}

pub(super) fn close() -> Box<dyn Work> {
    Box::new(Close { floor: Floor::new(Swing::Wild), trade: None })
}

impl Work for Close {
    fn arrange(&mut self) {
        self.floor.pass_minute();
        self.floor.market.minute += MINUTE_MS;
        self.trade = self.floor.market.round().into_iter().next();
        // The minute itself has not come yet.
        self.floor.market.minute -= MINUTE_MS;
    }

    fn run(&mut self) -> u64 {
        if let Some(trade) = self.trade.take() {
            self.floor.take(&trade);
        }
        self.floor.effects.rows.len() as u64
    }
}

/// Rows of the open windows of symbols that all have a new trade.
struct View {
    floor: Floor,
    rows: Vec<Row>,
}

pub(super) fn view() -> Box<dyn Work> {
    Box::new(View { floor: Floor::new(Swing::Calm), rows: Vec::new() })
}

impl Work for View {
    fn arrange(&mut self) {
        self.rows.clear();
        self.floor.pass_minute();
        // Whatever the minute changed is shown; of the next trades on, everything is new.
        self.floor.task.open_rows(Scope::Changed, self.floor.next_offset, &mut self.rows);
        self.rows.clear();
        self.floor.take_round();
    }

    fn run(&mut self) -> u64 {
        self.floor.task.open_rows(Scope::Changed, self.floor.next_offset, &mut self.rows);
        black_box(self.rows.len()) as u64
    }
}
