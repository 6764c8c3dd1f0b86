//! Laws of the stream logic, on random logs with disorder, lateness, gaps, bars and records that may set nothing.

mod scenario;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use scenario::{Scenario, as_naive_alert, as_naive_row, scenario};
use tape_analytics::{
    Change, ClosedBy, Effects, Outcome, Pane, Reject, Restore, Row, Scope, SymbolFacts, Task, TaskMeta,
};
use tape_oracle as naive;

/// Feeds prints `range` to the task.
fn feed(
    task: &mut Task,
    log: &Scenario,
    range: std::ops::Range<usize>,
    effects: &mut Effects,
) -> Vec<Option<i64>> {
    range
        .map(|index| match log.record(index).map(|record| task.step(&record, effects)) {
            Some(Ok(Outcome::Counted { windows })) => Some(windows),
            Some(Ok(Outcome::Late { .. })) => Some(0),
            Some(Err(_)) | None => None,
        })
        .collect()
}

fn whole(log: &Scenario) -> (Task, Effects, Vec<Option<i64>>) {
    let (mut task, mut effects) = (Task::new(log.settings.clone()), Effects::default());
    let counted = feed(&mut task, log, 0..log.prints.len(), &mut effects);
    (task, effects, counted)
}

/// Stored state, as a key-value store would hold it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stored {
    meta: Option<TaskMeta>,
    facts: BTreeMap<String, SymbolFacts>,
    panes: BTreeMap<(String, i64), Pane>,
}

impl Stored {
    fn commit(&mut self, task: &mut Task) {
        task.drain_changes(|change| match change {
            Change::Meta(meta) => self.meta = Some(meta),
            Change::Symbol { symbol, facts: Some(facts) } => {
                self.facts.insert(symbol.to_owned(), facts.clone());
            }
            Change::Symbol { symbol, facts: None } => {
                assert!(self.facts.remove(symbol).is_some(), "deletion of facts that were never stored");
            }
            Change::Pane { symbol, start, pane: Some(pane) } => {
                self.panes.insert((symbol.to_owned(), start), pane.clone());
            }
            Change::Pane { symbol, start, pane: None } => {
                let known = self.panes.remove(&(symbol.to_owned(), start)).is_some();
                assert!(known, "deletion of a pane that was never stored");
            }
        });
    }

    fn restore(&self, log: &Scenario) -> Task {
        let mut restore = Restore::new(log.settings.clone());
        // In the worst order: panes last to first, the task's own state at the end.
        for ((symbol, start), pane) in self.panes.iter().rev() {
            restore.pane(symbol, *start, pane.clone());
        }
        for (symbol, facts) in &self.facts {
            restore.symbol(symbol, facts.clone());
        }
        if let Some(meta) = &self.meta {
            restore.meta(meta.clone());
        }
        restore.finish()
    }
}

/// Rows without what depends on where and by whom a window was closed.
fn values(rows: &[Row]) -> BTreeMap<(i64, String), Row> {
    let plain = |row: &Row| Row { revision: 0, closed_by: None, ..row.clone() };
    rows.iter().map(|row| ((row.window_start, row.symbol.to_string()), plain(row))).collect()
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    /// The two implementations of the contract agree on every verdict, row and alert, and on the open rows at any moment.
    #[test]
    fn agrees_with_the_oracle(log in scenario(160), idle_at in 0_usize..160, idle_ms in 0_i64..400_000) {
        let (mut task, mut effects) = (Task::new(log.settings.clone()), Effects::default());
        let mut oracle = naive::Oracle::new(log.naive_settings());
        for index in 0..log.prints.len() {
            let verdict = oracle.step(&log.naive_record(index));
            let outcome = log.record(index).map(|record| task.step(&record, &mut effects));
            let matches = match (&verdict, &outcome) {
                (naive::Verdict::Counted { windows }, Some(Ok(Outcome::Counted { windows: counted }))) => {
                    i64::from(*windows) == *counted
                }
                (naive::Verdict::Late, Some(Ok(Outcome::Late { .. })))
                | (naive::Verdict::RejectedFuture, Some(Err(Reject::Future { .. })))
                | (naive::Verdict::RejectedSum, Some(Err(Reject::SumOverflow)))
                | (naive::Verdict::RejectedDecode, None) => true,
                _ => false,
            };
            prop_assert!(matches, "record {}: oracle {:?}, task {:?}", index, verdict, outcome);
            if index == idle_at {
                oracle.idle(idle_ms);
                task.idle(idle_ms, log.next_offset(index), &mut effects);
            }
            let mut open = Vec::new();
            task.open_rows(Scope::All, log.next_offset(index), &mut open);
            open.sort_by(|a, b| (a.window_start, &a.symbol).cmp(&(b.window_start, &b.symbol)));
            prop_assert_eq!(open.iter().map(as_naive_row).collect::<Vec<_>>(), oracle.open_rows());
        }
        task.finish(log.next_offset(log.prints.len() - 1), &mut effects);
        oracle.finish();
        prop_assert_eq!(effects.rows.iter().map(as_naive_row).collect::<Vec<_>>(), oracle.rows);
        prop_assert_eq!(effects.alerts.iter().map(as_naive_alert).collect::<Vec<_>>(), oracle.alerts);
    }

    /// A task cut anywhere and restored from what it stored goes on as if it had never stopped.
    #[test]
    fn cut_and_restore_is_whole(log in scenario(120), cuts in prop::collection::vec(0_usize..120, 0..6)) {
        let (mut undisturbed, expected, _) = whole(&log);
        let (mut stored, mut effects, mut from) = (Stored::default(), Effects::default(), 0);
        let cuts: Vec<_> = sorted(cuts).into_iter().filter(|&cut| cut < log.prints.len()).collect();
        for to in cuts.into_iter().chain([log.prints.len()]) {
            let mut task = stored.restore(&log);
            feed(&mut task, &log, from..to, &mut effects);
            stored.commit(&mut task);
            from = to;
        }
        prop_assert_eq!(&effects, &expected);
        let mut task = stored.restore(&log);
        let (mut open, mut expected_open) = (Vec::new(), Vec::new());
        task.open_rows(Scope::Changed, 7, &mut open);
        undisturbed.open_rows(Scope::All, 7, &mut expected_open);
        prop_assert_eq!(values(&open), values(&expected_open));
        // Nothing is stored that is not live.
        prop_assert_eq!(stored.panes.len(), task.pane_count());
        prop_assert_eq!(undisturbed.pane_count(), task.pane_count());
        prop_assert_eq!(undisturbed.symbol_count(), task.symbol_count());
    }

    /// The rows of changed windows are exactly those rows of all windows that differ from the last view.
    #[test]
    fn changed_rows_are_the_difference(log in scenario(60), step in 1_usize..9) {
        let (mut task, mut all) = (Task::new(log.settings.clone()), Task::new(log.settings.clone()));
        let (mut effects, mut before) = (Effects::default(), BTreeMap::new());
        for from in (0..log.prints.len()).step_by(step) {
            let range = from..(from + step).min(log.prints.len());
            feed(&mut task, &log, range.clone(), &mut effects);
            feed(&mut all, &log, range, &mut effects);
            let (mut changed, mut now) = (Vec::new(), Vec::new());
            task.open_rows(Scope::Changed, 0, &mut changed);
            all.open_rows(Scope::All, 0, &mut now);
            let now = values(&now);
            // Another window may move ma and side; a count that moved is what makes a window changed.
            let count = |rows: &BTreeMap<(i64, String), Row>, key: &(i64, String)| rows.get(key).map(|row| row.trade_count);
            let differ: Vec<_> = now.keys().filter(|key| count(&now, key) != count(&before, key)).cloned().collect();
            prop_assert_eq!(values(&changed).into_keys().collect::<Vec<_>>(), differ);
            for (key, row) in values(&changed) {
                prop_assert_eq!(&row, &now[&key]);
            }
            before = now;
        }
    }

    /// Merging is associative and commutative, and folding is merging.
    #[test]
    fn merge_is_a_monoid(log in scenario(40), owners in prop::collection::vec(0_usize..3, 40)) {
        let (mut parts, mut folded) = (vec![Pane::default(); 3], Pane::default());
        for (index, print) in log.prints.iter().enumerate() {
            parts[owners[index]].add(&print.trade(), log.offset(index));
            folded.add(&print.trade(), log.offset(index));
        }
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut left = parts[order[0]].clone();
            left.merge(&parts[order[1]]);
            left.merge(&parts[order[2]]);
            let mut tail = parts[order[1]].clone();
            tail.merge(&parts[order[2]]);
            let mut right = parts[order[0]].clone();
            right.merge(&tail);
            prop_assert_eq!(&left, &folded);
            prop_assert_eq!(&right, &folded);
        }
    }

    /// A trade counts in exactly its open windows, and the bars add up to the trades that were on time for all of theirs.
    #[test]
    fn windows_and_bars_account_for_every_trade(log in scenario(160)) {
        let (mut task, mut effects, counted) = whole(&log);
        task.finish(0, &mut effects);
        let in_windows: i64 = counted.iter().flatten().sum();
        let in_rows: u64 = effects.rows.iter().map(|row| row.trade_count).sum();
        prop_assert_eq!(i64::try_from(in_rows).unwrap(), in_windows);

        let full = |index: &usize| counted[*index] == Some(log.settings.panes());
        let trades: Vec<_> = (0..log.prints.len()).filter(full).map(|index| log.prints[index].trade()).collect();
        let volume: i128 = trades.iter().filter(|trade| trade.counts_volume).map(|trade| trade.size).sum();
        let pairs = || trades.iter().filter(|trade| trade.counts_volume && trade.sets_price);
        let notional: i128 = pairs().map(|trade| i128::from(trade.vwap) * trade.size).sum();
        let bars = || effects.rows.iter().map(|row| &row.bar);
        prop_assert_eq!(bars().map(|bar| bar.trades).sum::<u64>(), trades.len() as u64);
        prop_assert_eq!(bars().map(|bar| bar.volume).sum::<i128>(), volume);
        prop_assert_eq!(bars().map(|bar| bar.notional).sum::<i128>(), notional);
        prop_assert_eq!(bars().map(|bar| bar.notional_size).sum::<i128>(), pairs().map(|trade| trade.size).sum::<i128>());
    }

    /// The watermark never falls, stays behind stream time, and rejected records move neither.
    #[test]
    fn time_only_rises(log in scenario(120)) {
        let (mut task, mut effects) = (Task::new(log.settings.clone()), Effects::default());
        for index in 0..log.prints.len() {
            let before = task.meta();
            let accepted = log.record(index).is_some_and(|record| task.step(&record, &mut effects).is_ok());
            let after = task.meta();
            prop_assert!(after.stream_time >= before.stream_time && after.watermark >= before.watermark);
            prop_assert!(accepted || before == after);
            if let (Some(time), Some(watermark)) = (after.stream_time, after.watermark) {
                prop_assert_eq!(watermark, time - log.settings.watermark_delay_ms);
            }
        }
    }
}

/// A log in which no record is later than the watermark delay, and no two have the same time.
fn on_time(mut log: Scenario) -> Scenario {
    let (delay, mut newest) = (log.settings.watermark_delay_ms, i64::MIN);
    let mut seen = std::collections::BTreeSet::new();
    log.prints.retain(|print| {
        let fits = newest == i64::MIN || print.event_time >= newest - delay;
        let keep = fits && seen.insert(print.event_time);
        newest = if keep { newest.max(print.event_time) } else { newest };
        keep
    });
    log.prints.iter_mut().for_each(|print| print.lag_ms = None);
    log
}

fn finished(log: &Scenario) -> Effects {
    let (mut task, mut effects, _) = whole(log);
    task.finish(0, &mut effects);
    effects
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Order within the delay is irrelevant to rows, equal times apart.
    #[test]
    fn order_within_the_delay_is_irrelevant_to_rows(log in scenario(120).prop_map(on_time)) {
        let mut ordered = log.clone();
        ordered.prints.sort_by_key(|print| print.event_time);
        prop_assert_eq!(values(&finished(&log).rows), values(&finished(&ordered).rows));
    }

    /// The number of partitions is irrelevant to rows and alerts, as long as no record is later than the delay.
    #[test]
    fn partitions_are_irrelevant(log in scenario(160).prop_map(on_time)) {
        let one = finished(&log);
        let (mut rows, mut alerts) = (Vec::new(), Vec::new());
        for symbol in 0..4 {
            let mut part = log.clone();
            part.prints.retain(|print| print.symbol == symbol);
            if !part.prints.is_empty() {
                let effects = finished(&part);
                rows.extend(effects.rows);
                alerts.extend(effects.alerts);
            }
        }
        let name = |alerts: &[tape_analytics::Alert]| sorted(alerts.iter().map(|alert| format!("{alert:?}")).collect());
        prop_assert_eq!(values(&rows), values(&one.rows));
        prop_assert_eq!(name(&alerts), name(&one.alerts));
    }
}

/// Closing at the end says so, and in order of (window start, symbol).
#[test]
fn end_closes_in_order() {
    let settings = tape_analytics::Settings::default();
    let (mut task, mut effects) = (Task::new(settings), Effects::default());
    for (offset, symbol) in ["B", "A"].into_iter().enumerate() {
        let price = 1_000_000_000;
        let trade = tape_analytics::Trade {
            symbol,
            price,
            size: 1,
            event_time: 600_000,
            open: price,
            high: price,
            low: price,
            vwap: price,
            sets_price: true,
            sets_last: true,
            counts_volume: true,
        };
        let offset = i64::try_from(offset).unwrap();
        task.step(&tape_analytics::Record { trade, offset, append_time: None }, &mut effects).unwrap();
    }
    task.finish(2, &mut effects);
    let order: Vec<_> = effects.rows.iter().map(|row| (row.window_start, &*row.symbol)).collect();
    assert_eq!(order, sorted(order.clone()));
    assert_eq!(order.len(), 10);
    assert!(effects.rows.iter().all(|row| row.closed_by == Some(ClosedBy::End) && row.revision == 2));
}

/// The random logs reach what they are meant to test: every alert, lateness of every degree, both rejections by time.
#[test]
fn scenarios_reach_every_rule() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in 0..300 {
        let log = scenario(160).new_tree(&mut runner).unwrap().current();
        let (_, effects, counted) = whole(&log);
        for alert in &effects.alerts {
            *seen.entry(format!("{:?} {:?}", alert.kind, alert.signal)).or_default() += 1;
        }
        for windows in &counted {
            let kind = match windows {
                None => "rejected",
                Some(0) => "late",
                Some(windows) if *windows < log.settings.panes() => "partly late",
                Some(_) => "on time",
            };
            *seen.entry(kind.to_owned()).or_default() += 1;
        }
    }
    for rule in [
        "Breakout Bullish",
        "Breakout Bearish",
        "GoldenCross Bullish",
        "DeathCross Bearish",
        "HighVolume Neutral",
        "rejected",
        "late",
        "partly late",
        "on time",
    ] {
        assert!(seen.get(rule).is_some_and(|count| *count >= 20), "{rule} is not tested: {seen:?}");
    }
}

/// A pane's sums stop at the limit, and the next pane goes on.
#[test]
fn sums_stop_before_a_merge_could_overflow() {
    let settings = tape_analytics::Settings {
        window_ms: 1_440_000,
        slide_ms: 1_000,
        ..tape_analytics::Settings::default()
    };
    let price = 1_000_000_000_000_000_000;
    let print = |event_time| scenario::Print {
        symbol: 0,
        price,
        spread: (0, 0, 0, 0),
        size: 10_000_000_000_000,
        event_time,
        lag_ms: None,
        eligibility: 2,
        counts_volume: true,
        decodes: true,
    };
    let prints = (0..12_000).map(|_| print(5)).chain((0..10).map(|_| print(1_500))).collect();
    let log = Scenario { settings, prints, first_offset: 0 };
    let (mut task, mut effects) = (Task::new(log.settings.clone()), Effects::default());
    // Records of notional 1e31 that fit below (2^127 − 1) / 1440.
    let fit = (i128::MAX / 1_440 / 10_i128.pow(31)).try_into().unwrap();
    for index in 0..log.prints.len() {
        let verdict = task.step(&log.record(index).unwrap(), &mut effects);
        let expected = if (fit..12_000).contains(&index) {
            Err(Reject::SumOverflow)
        } else {
            Ok(Outcome::Counted { windows: 1_440 })
        };
        assert_eq!(verdict, expected, "record {index}");
    }
}
