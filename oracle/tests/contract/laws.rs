//! Laws that hold for any input, on pseudo-random logs of 50 symbols with disorder, lateness and gaps.

use std::collections::{BTreeMap, BTreeSet};

use tape_oracle::{Alert, Oracle, Record, Row, Settings, Trade, Verdict, run};

use crate::scene::UNIT;

/// A small generator (Knuth's MMIX constants), so that every run sees the same logs.
struct Random(u64);

impl Random {
    /// A number in `0..below`.
    fn below(&mut self, below: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).expect("31 bits") % below
    }
}

/// A log of `count` records, on average `pace_ms` apart; most are at most `most_late_ms` late, 1 of 50 up to 10 times.
fn log(seed: u64, count: i64, pace_ms: i64, (most_late_ms, with_outliers): (i64, bool)) -> Vec<Record> {
    let mut random = Random(seed);
    let mut now = 1_700_000_000_000;
    let mut prices = [100 * UNIT; 50];
    (0..count)
        .map(|offset| {
            now += random.below(2 * pace_ms + 1);
            if random.below(2_000) == 0 {
                now += random.below(1_000_000);
            }
            let symbol = usize::try_from(random.below(50)).expect("not negative");
            prices[symbol] = (prices[symbol] + random.below(UNIT / 5 + 1) - UNIT / 10).max(UNIT);
            let outlier = with_outliers && random.below(50) == 0;
            let lateness = random.below(most_late_ms + 1) * if outlier { 10 } else { 1 };
            let price = prices[symbol];
            let rights = random.below(10);
            let trade = Trade {
                symbol: format!("S{symbol:02}"),
                price,
                size: i128::from(random.below(5_000_000)) * 1_000_000,
                event_time: now - lateness,
                open: price - random.below(5),
                high: price + 5,
                low: price - 5,
                vwap: price + random.below(5),
                sets_price: rights != 0,
                sets_last: rights > 1,
                counts_volume: rights != 9,
            };
            Record { offset, append_time: Some(now), trade: (random.below(100) != 0).then_some(trade) }
        })
        .collect()
}

/// Settings under which the logs above give many alerts of each type: about every other window has a high volume.
fn lively(window_ms: i64) -> Settings {
    let high_volume_threshold = i128::from(window_ms / 1_000) * 200 * i128::from(UNIT);
    Settings { window_ms, alert_min_trades: 3, high_volume_threshold, ..Settings::default() }
}

#[test]
fn every_counted_record_is_in_its_windows_and_whole_ones_in_one_bar() {
    for (seed, window_ms) in [(1, 300_000), (2, 60_000), (3, 120_000), (4, 3_600_000)] {
        let mut oracle = Oracle::new(lively(window_ms));
        let (mut in_windows, mut whole, mut whole_volume, mut late) = (0, 0, 0, 0);
        for record in log(seed, 20_000, 200, (40_000, true)) {
            match oracle.step(&record) {
                Verdict::Counted { windows } => {
                    in_windows += u64::from(windows);
                    if i64::from(windows) == window_ms / 60_000 {
                        whole += 1;
                        let trade = record.trade.unwrap();
                        whole_volume += if trade.counts_volume { trade.size } else { 0 };
                    }
                }
                Verdict::Late => late += 1,
                _ => {}
            }
        }
        let open = oracle.open_rows();
        let closed = oracle.rows.len();
        oracle.finish();
        assert_eq!(in_windows, oracle.rows.iter().map(|row| row.trade_count).sum::<u64>());
        assert_eq!(whole, oracle.rows.iter().map(|row| row.bar_trades).sum::<u64>());
        assert_eq!(whole_volume, oracle.rows.iter().map(|row| row.bar_volume).sum::<i128>());
        assert!(late > 0 || window_ms > 300_000, "the log of seed {seed} has records that are late");
        let views: Vec<Row> = oracle.rows[closed..]
            .iter()
            .map(|row| Row { is_final: false, closed_by: None, ..row.clone() })
            .collect();
        assert_eq!(open, views, "END closes the open windows as they stand");
        let mut keys: Vec<_> = oracle.rows.iter().map(|row| (&row.symbol, row.window_start)).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), oracle.rows.len(), "no window closes twice");
    }
}

/// Rows by key without what may differ between partitions, and sorted alerts.
fn comparable(oracles: &[Oracle]) -> (BTreeMap<(String, i64), Row>, Vec<Alert>) {
    let rows = oracles.iter().flat_map(|oracle| &oracle.rows).map(|row| {
        let key = (row.symbol.clone(), row.window_start);
        (key, Row { revision: 0, closed_by: None, ..row.clone() })
    });
    let mut alerts: Vec<_> = oracles.iter().flat_map(|oracle| oracle.alerts.clone()).collect();
    alerts.sort_unstable();
    (rows.collect(), alerts)
}

#[test]
fn partitions_do_not_matter_within_the_watermark_delay() {
    for (seed, window_ms) in [(5, 300_000), (6, 60_000), (7, 120_000)] {
        let settings = lively(window_ms);
        let log = log(seed, 20_000, 200, (60_000, false));
        let run_part = |belongs: &dyn Fn(&Record) -> bool| {
            let mut oracle = run(settings.clone(), log.iter().filter(|record| belongs(record)).cloned());
            oracle.finish();
            oracle
        };
        let whole = comparable(&[run_part(&|_| true)]);
        let parts: Vec<Oracle> = (0..3)
            .map(|part| {
                run_part(&|record| {
                    record.trade.as_ref().is_some_and(|trade| trade.symbol.as_bytes()[2] % 3 == part)
                })
            })
            .collect();
        assert_eq!(comparable(&parts), whole);
        let kinds: BTreeSet<_> = whole.1.iter().map(|alert| alert.kind).collect();
        let crosses = if window_ms == 60_000 { 0 } else { 2 }; // with one slide the average is its own mean
        assert_eq!(kinds.len(), 2 + crosses, "alerts of {kinds:?} only");
    }
}

#[test]
fn reading_twice_gives_the_same() {
    let once = || run(lively(300_000), log(8, 5_000, 300, (60_000, true)).into_iter());
    let (first, second) = (once(), once());
    assert_eq!(first.rows, second.rows);
    assert_eq!(first.alerts, second.alerts);
}

#[test]
fn a_dense_log_of_300_000_trades_runs() {
    // About 25 minutes: each window holds some 1,200 trades of each symbol.
    let oracle = run(lively(300_000), log(9, 300_000, 5, (50_000, true)).into_iter());
    assert!(oracle.rows.len() > 500, "{} rows", oracle.rows.len());
}
