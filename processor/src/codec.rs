//! Conversions between the three languages of the processor: configuration and wire messages (`tape-proto`), the pure
//! logic (`tape-analytics`) and stored values (`tape-state`). None of the three knows another; this file knows all.

use std::time::Duration;

use tape_analytics as logic;
use tape_proto::messages::{self, BreakoutAlert, StockAggregate};
use tape_proto::trade::Trade;
use tape_service::config::Processing;
use tape_state as stored;

use crate::context::TopicIds;

/// The settings of the logic.
pub fn settings(processing: &Processing) -> logic::Settings {
    logic::Settings {
        window_ms: millis(processing.window),
        slide_ms: millis(processing.slide),
        watermark_delay_ms: millis(processing.watermark_delay),
        max_future_ms: millis(processing.max_future),
        alerts: logic::AlertSettings {
            breakout_band_bps: processing.breakout_band_bps,
            cross_band_bps: processing.cross_band_bps,
            min_trades: processing.alert_min_trades,
            cooldown_ms: millis(processing.alert_cooldown),
            high_volume_threshold: processing.high_volume_threshold,
        },
    }
}

/// A duration in whole milliseconds; one that does not fit is longer than any event time.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A decoded trade for the logic.
pub fn trade<'a>(trade: &'a Trade<'_>) -> logic::Trade<'a> {
    logic::Trade {
        symbol: &trade.symbol,
        price: trade.price,
        size: trade.size,
        event_time: trade.event_time,
        open: trade.open,
        high: trade.high,
        low: trade.low,
        vwap: trade.vwap,
        sets_price: trade.price_eligibility.sets_price(),
        sets_last: trade.price_eligibility.sets_last(),
        counts_volume: trade.volume_eligible,
    }
}

/// A row as it travels on `stock-aggregates`.
pub fn row_message(row: &logic::Row) -> StockAggregate {
    let mut message = StockAggregate {
        symbol: row.symbol.to_string(),
        window_start: row.window_start,
        window_end: row.window_end,
        avg_price: row.avg_price,
        max_price: row.max_price,
        min_price: row.min_price,
        open_price: row.open_price,
        close_price: row.close_price,
        vwap: row.vwap,
        trade_count: row.trade_count,
        ma_5min: row.ma_5min,
        side: row.side.into(),
        is_final: row.is_final,
        revision: row.revision,
        bar_open: row.bar.open,
        bar_high: row.bar.high,
        bar_low: row.bar.low,
        bar_close: row.bar.close,
        bar_trades: row.bar.trades,
        ..StockAggregate::default()
    };
    message.set_closed_by(match row.closed_by {
        None => messages::ClosedBy::Unspecified,
        Some(logic::ClosedBy::Record) => messages::ClosedBy::Record,
        Some(logic::ClosedBy::Idle) => messages::ClosedBy::Idle,
        Some(logic::ClosedBy::Rescale) => messages::ClosedBy::Rescale,
        Some(logic::ClosedBy::End) => messages::ClosedBy::End,
    });
    message.set_total_volume(row.total_volume);
    message.set_bar_volume(row.bar.volume);
    message.set_bar_notional(row.bar.notional);
    message.set_bar_notional_size(row.bar.notional_size);
    message
}

/// An alert as it travels on `breakout-alerts`.
pub fn alert_message(alert: &logic::Alert) -> BreakoutAlert {
    let mut message = BreakoutAlert {
        symbol: alert.symbol.to_string(),
        timestamp: alert.timestamp,
        current_price: alert.current_price,
        window_avg: alert.window_avg,
        ..BreakoutAlert::default()
    };
    message.set_type(match alert.kind {
        logic::AlertKind::Breakout => messages::AlertType::Breakout,
        logic::AlertKind::GoldenCross => messages::AlertType::GoldenCross,
        logic::AlertKind::DeathCross => messages::AlertType::DeathCross,
        logic::AlertKind::HighVolume => messages::AlertType::HighVolume,
    });
    message.set_signal(match alert.signal {
        logic::Signal::Bullish => messages::Signal::Bullish,
        logic::Signal::Bearish => messages::Signal::Bearish,
        logic::Signal::Neutral => messages::Signal::Neutral,
    });
    message
}

/// The stored form of the task's own state, with the windows and topics it belongs to.
pub(crate) fn meta_value(
    meta: &logic::TaskMeta,
    settings: &logic::Settings,
    ids: TopicIds,
) -> stored::MetaValue {
    stored::MetaValue {
        stream_time: meta.stream_time,
        watermark: meta.watermark,
        window_ms: settings.window_ms,
        slide_ms: settings.slide_ms,
        generation: meta.generation,
        input_id: ids.input.map(|id| id.0),
        changelog_id: ids.changelog.map(|id| id.0),
        partitions: ids.partitions,
    }
}

/// The way back of [`meta_value`].
pub(crate) fn task_meta(value: &stored::MetaValue) -> logic::TaskMeta {
    logic::TaskMeta {
        stream_time: value.stream_time,
        watermark: value.watermark,
        generation: value.generation,
    }
}

/// The stored form of a pane.
pub(crate) fn pane_value(pane: &logic::Pane) -> stored::PaneValue {
    let print =
        |print: logic::Print| stored::Print { time: print.time, offset: print.offset, price: print.price };
    stored::PaneValue {
        records: pane.records,
        prices: pane.prices,
        sum_price: pane.sum_price,
        sum_size: pane.sum_size,
        notional: pane.notional,
        notional_size: pane.notional_size,
        high: pane.high,
        low: pane.low,
        open: pane.open.map(print),
        close: pane.close.map(print),
    }
}

/// The way back of [`pane_value`].
pub(crate) fn pane(value: &stored::PaneValue) -> logic::Pane {
    let print =
        |print: stored::Print| logic::Print { time: print.time, offset: print.offset, price: print.price };
    logic::Pane {
        records: value.records,
        prices: value.prices,
        sum_price: value.sum_price,
        sum_size: value.sum_size,
        notional: value.notional,
        notional_size: value.notional_size,
        high: value.high,
        low: value.low,
        open: value.open.map(print),
        close: value.close.map(print),
    }
}

/// The stored form of a symbol's facts.
pub(crate) fn symbol_value(facts: &logic::SymbolFacts) -> stored::SymbolValue {
    let closed = |window: &logic::ClosedWindow| stored::ClosedWindow {
        start: window.start,
        avg: window.avg,
        side: window.side,
    };
    stored::SymbolValue {
        closed: facts.closed.iter().map(closed).collect(),
        breakout: facts.alerts.breakout.map(|last| stored::LastBreakout { side: last.side, time: last.time }),
        disarmed: facts.alerts.disarmed,
        above: facts.alerts.above,
    }
}

/// The way back of [`symbol_value`].
pub(crate) fn symbol_facts(value: &stored::SymbolValue) -> logic::SymbolFacts {
    let closed = |window: &stored::ClosedWindow| logic::ClosedWindow {
        start: window.start,
        avg: window.avg,
        side: window.side,
    };
    logic::SymbolFacts {
        closed: value.closed.iter().map(closed).collect(),
        alerts: logic::AlertState {
            breakout: value.breakout.map(|last| logic::LastBreakout { side: last.side, time: last.time }),
            disarmed: value.disarmed,
            above: value.above,
        },
    }
}
