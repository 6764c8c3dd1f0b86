//! Wire messages as the oracle writes its rows and alerts.

use tape_oracle as oracle;
use tape_proto::messages::{AlertType, BreakoutAlert, ClosedBy, Signal, StockAggregate};

/// A row; panics when it is none that tape writes.
pub fn row(message: &StockAggregate) -> oracle::Row {
    oracle::Row {
        symbol: message.symbol.clone(),
        window_start: message.window_start,
        window_end: message.window_end,
        avg_price: message.avg_price,
        max_price: message.max_price,
        min_price: message.min_price,
        open_price: message.open_price,
        close_price: message.close_price,
        vwap: message.vwap,
        total_volume: message.total_volume(),
        trade_count: message.trade_count,
        ma_5min: message.ma_5min,
        side: i8::try_from(message.side).expect("-1, 0 or 1"),
        bar_open: message.bar_open,
        bar_high: message.bar_high,
        bar_low: message.bar_low,
        bar_close: message.bar_close,
        bar_volume: message.bar_volume(),
        bar_trades: message.bar_trades,
        bar_notional: message.bar_notional(),
        bar_notional_size: message.bar_notional_size(),
        is_final: message.is_final,
        revision: message.revision,
        closed_by: match message.closed_by() {
            ClosedBy::Unspecified => None,
            ClosedBy::Record => Some(oracle::ClosedBy::Record),
            ClosedBy::Idle => Some(oracle::ClosedBy::Idle),
            ClosedBy::End => Some(oracle::ClosedBy::End),
            ClosedBy::Rescale => Some(oracle::ClosedBy::Rescale),
        },
    }
}

/// An alert; panics when it is none that tape writes.
pub fn alert(message: &BreakoutAlert) -> oracle::Alert {
    oracle::Alert {
        symbol: message.symbol.clone(),
        kind: match message.r#type() {
            AlertType::Breakout => oracle::AlertKind::Breakout,
            AlertType::GoldenCross => oracle::AlertKind::GoldenCross,
            AlertType::DeathCross => oracle::AlertKind::DeathCross,
            AlertType::HighVolume => oracle::AlertKind::HighVolume,
            AlertType::Unspecified => panic!("an alert without type"),
        },
        signal: match message.signal() {
            Signal::Bullish => oracle::Signal::Bullish,
            Signal::Bearish => oracle::Signal::Bearish,
            Signal::Neutral => oracle::Signal::Neutral,
            Signal::Unspecified => panic!("an alert without signal"),
        },
        timestamp: message.timestamp,
        current_price: message.current_price,
        window_avg: message.window_avg,
    }
}
