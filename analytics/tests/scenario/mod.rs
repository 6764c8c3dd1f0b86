//! Random logs of one partition, and the translation between the two implementations of the contract.

#![allow(dead_code, reason = "shared by several test binaries, each uses a part")]

use proptest::prelude::*;
use tape_analytics as fast;
use tape_oracle as naive;

const SYMBOLS: [&str; 4] = ["A", "AA", "B", "X:BTC-USD"];

/// A record without its offset.
#[derive(Clone, Debug)]
pub(crate) struct Print {
    pub(crate) symbol: usize,
    pub(crate) price: i64,
    pub(crate) spread: (i64, i64, i64, i64),
    pub(crate) size: i128,
    pub(crate) event_time: i64,
    pub(crate) lag_ms: Option<i64>,
    pub(crate) eligibility: u8,
    pub(crate) counts_volume: bool,
    pub(crate) decodes: bool,
}

/// Settings and a log.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) settings: fast::Settings,
    pub(crate) prints: Vec<Print>,
    pub(crate) first_offset: i64,
}

impl Scenario {
    pub(crate) fn offset(&self, index: usize) -> i64 {
        self.first_offset + i64::try_from(index).expect("a log has fewer records") * 3
    }

    pub(crate) fn next_offset(&self, index: usize) -> i64 {
        self.offset(index) + 1
    }

    pub(crate) fn record(&self, index: usize) -> Option<fast::Record<'_>> {
        let print = &self.prints[index];
        print.decodes.then(|| fast::Record {
            trade: print.trade(),
            offset: self.offset(index),
            append_time: print.lag_ms.map(|lag| print.event_time + lag),
        })
    }

    pub(crate) fn naive_record(&self, index: usize) -> naive::Record {
        let print = &self.prints[index];
        let trade = print.trade();
        naive::Record {
            offset: self.offset(index),
            append_time: print.lag_ms.map(|lag| print.event_time + lag),
            trade: print.decodes.then(|| naive::Trade {
                symbol: trade.symbol.to_owned(),
                price: trade.price,
                size: trade.size,
                event_time: trade.event_time,
                open: trade.open,
                high: trade.high,
                low: trade.low,
                vwap: trade.vwap,
                sets_price: trade.sets_price,
                sets_last: trade.sets_last,
                counts_volume: trade.counts_volume,
            }),
        }
    }

    pub(crate) fn naive_settings(&self) -> naive::Settings {
        let alerts = &self.settings.alerts;
        naive::Settings {
            window_ms: self.settings.window_ms,
            slide_ms: self.settings.slide_ms,
            watermark_delay_ms: self.settings.watermark_delay_ms,
            max_future_ms: self.settings.max_future_ms,
            breakout_band_bps: alerts.breakout_band_bps.into(),
            cross_band_bps: alerts.cross_band_bps.into(),
            alert_min_trades: alerts.min_trades,
            alert_cooldown_ms: alerts.cooldown_ms,
            high_volume_threshold: alerts.high_volume_threshold,
        }
    }
}

impl Print {
    pub(crate) fn trade(&self) -> fast::Trade<'static> {
        let (below, above, open, vwap) = self.spread;
        let (low, high) = (self.price - below, self.price + above);
        fast::Trade {
            symbol: SYMBOLS[self.symbol],
            price: self.price,
            size: self.size,
            event_time: self.event_time,
            open: low + open % (high - low + 1),
            high,
            low,
            vwap: low + vwap % (high - low + 1),
            sets_price: self.eligibility > 0,
            sets_last: self.eligibility > 1,
            counts_volume: self.counts_volume,
        }
    }
}

fn settings() -> impl Strategy<Value = fast::Settings> {
    let panes = prop_oneof![Just(1_i64), Just(2), Just(3), Just(5), Just(5), Just(9)];
    (panes, 0_i64..4, 0_i64..=4, 1_u64..5, 0_u32..6, 0_u32..4, 1_i64..90_000, 0_i128..6_000).prop_map(
        |(panes, delay, future, min_trades, breakout_band_bps, cross_band_bps, cooldown_ms, threshold)| {
            let slide_ms = 60_000;
            let watermark_delay_ms = delay * 30_000;
            fast::Settings {
                window_ms: panes * slide_ms,
                slide_ms,
                watermark_delay_ms,
                max_future_ms: watermark_delay_ms * future / 4,
                alerts: fast::AlertSettings {
                    breakout_band_bps,
                    cross_band_bps,
                    min_trades,
                    cooldown_ms,
                    high_volume_threshold: threshold * 1_000_000_000,
                },
            }
        },
    )
}

/// Price, bar shape and size of one print.
fn shape() -> impl Strategy<Value = (i64, (i64, i64, i64, i64), i128)> {
    let price = prop_oneof![
        8 => (-200_i64..200).prop_map(|step| 100_000_000_000 + step * 50_000_000),
        1 => 1_i64..1_000,
        1 => 8_999_999_000_000_000_000_i64..=9_000_000_000_000_000_000,
    ];
    let spread = prop_oneof![4 => Just((0, 0, 0, 0)), 1 => (0_i64..3, 0_i64..3, 0_i64..100, 0_i64..100)];
    let size = prop_oneof![
        1 => Just(0_i128),
        8 => (1_i128..2_000).prop_map(|size| size * 500_000_000),
        1 => 1_i128..1_000,
    ];
    (price, spread, size).prop_map(|(price, spread, size)| {
        let room = (price - 1, 9_000_000_000_000_000_000 - price);
        let spread = (spread.0.min(room.0), spread.1.min(room.1), spread.2, spread.3);
        // Keeps price · size within the contract's 1e31.
        (price, spread, size.min(10_000_000_000_000_000_000_000_000_000_000 / i128::from(price + spread.1)))
    })
}

/// How a print's time relates to the largest one before it: onward, far onward, or back.
fn time_step() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => 0_i64..20_000,
        4 => -30_000_i64..0,
        3 => -120_000_i64..0,
        1 => -700_000_i64..0,
        2 => 60_000_i64..200_000,
        1 => 200_000_i64..1_500_000,
    ]
}

pub(crate) fn scenario(prints_max: usize) -> impl Strategy<Value = Scenario> {
    let flags = (
        prop_oneof![8 => Just(2_u8), 1 => Just(1), 1 => Just(0)],
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.97),
        prop_oneof![3 => Just(None), 2 => (-130_000_i64..30_000).prop_map(Some)],
    );
    let print = (0_usize..SYMBOLS.len(), shape(), time_step(), flags);
    let start = prop_oneof![Just(0_i64), Just(1_700_000_012_345)];
    (settings(), prop::collection::vec(print, 1..prints_max), start, 0_i64..1_000).prop_map(
        |(settings, steps, start, first_offset)| {
            let mut newest = start;
            let prints = steps
                .into_iter()
                .map(
                    |(symbol, (price, spread, size), step, (eligibility, counts_volume, decodes, lag_ms))| {
                        let event_time = (newest + step).max(0);
                        newest = newest.max(event_time);
                        Print {
                            symbol,
                            price,
                            spread,
                            size,
                            event_time,
                            lag_ms,
                            eligibility,
                            counts_volume,
                            decodes,
                        }
                    },
                )
                .collect();
            Scenario { settings, prints, first_offset }
        },
    )
}

/// A row of the fast implementation as the oracle writes it.
pub(crate) fn as_naive_row(row: &fast::Row) -> naive::Row {
    naive::Row {
        symbol: row.symbol.to_string(),
        window_start: row.window_start,
        window_end: row.window_end,
        avg_price: row.avg_price,
        max_price: row.max_price,
        min_price: row.min_price,
        open_price: row.open_price,
        close_price: row.close_price,
        vwap: row.vwap,
        total_volume: row.total_volume,
        trade_count: row.trade_count,
        ma_5min: row.ma_5min,
        side: row.side,
        bar_open: row.bar.open,
        bar_high: row.bar.high,
        bar_low: row.bar.low,
        bar_close: row.bar.close,
        bar_volume: row.bar.volume,
        bar_trades: row.bar.trades,
        bar_notional: row.bar.notional,
        bar_notional_size: row.bar.notional_size,
        is_final: row.is_final,
        revision: row.revision,
        closed_by: row.closed_by.map(|by| match by {
            fast::ClosedBy::Record => naive::ClosedBy::Record,
            fast::ClosedBy::Idle => naive::ClosedBy::Idle,
            fast::ClosedBy::Rescale => naive::ClosedBy::Rescale,
            fast::ClosedBy::End => naive::ClosedBy::End,
        }),
    }
}

/// An alert of the fast implementation as the oracle writes it.
pub(crate) fn as_naive_alert(alert: &fast::Alert) -> naive::Alert {
    naive::Alert {
        symbol: alert.symbol.to_string(),
        kind: match alert.kind {
            fast::AlertKind::Breakout => naive::AlertKind::Breakout,
            fast::AlertKind::GoldenCross => naive::AlertKind::GoldenCross,
            fast::AlertKind::DeathCross => naive::AlertKind::DeathCross,
            fast::AlertKind::HighVolume => naive::AlertKind::HighVolume,
        },
        signal: match alert.signal {
            fast::Signal::Bullish => naive::Signal::Bullish,
            fast::Signal::Bearish => naive::Signal::Bearish,
            fast::Signal::Neutral => naive::Signal::Neutral,
        },
        timestamp: alert.timestamp,
        current_price: alert.current_price,
        window_avg: alert.window_avg,
    }
}
