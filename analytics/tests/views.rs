//! Views of open windows after a restore.

use std::collections::BTreeMap;

use tape_analytics::{Effects, Pane, Record, Restore, Row, Scope, Settings, Task, TaskMeta, Trade};

const MINUTE: i64 = 60_000;
const BEGIN: i64 = 1_700_000_040_000;
/// Each with five open windows.
const SYMBOLS: i64 = 3_000;

fn trade(symbol: &str) -> Trade<'_> {
    let price = 1_000_000_000;
    Trade {
        symbol,
        price,
        size: price.into(),
        event_time: BEGIN + 1,
        open: price,
        high: price,
        low: price,
        vwap: price,
        sets_price: true,
        sets_last: true,
        counts_volume: true,
    }
}

fn restored() -> Task {
    let mut restore = Restore::new(Settings::default());
    restore.meta(TaskMeta { stream_time: Some(BEGIN), watermark: Some(BEGIN - MINUTE), generation: 0 });
    for number in 0..SYMBOLS {
        let symbol = format!("S{number}");
        let mut pane = Pane::default();
        pane.add(&trade(&symbol), number);
        restore.pane(&symbol, BEGIN, pane);
    }
    restore.finish()
}

fn view(task: &mut Task) -> Vec<Row> {
    let mut rows = Vec::new();
    task.open_rows(Scope::Changed, SYMBOLS, &mut rows);
    rows
}

/// A large state is shown slice by slice, each window once, and what is new does not wait for the rest.
#[test]
fn a_restored_state_is_shown_in_slices() {
    let (mut task, mut seen) = (restored(), BTreeMap::new());
    let newest = format!("S{}", SYMBOLS - 1);
    let mut slices = 0;
    while task.has_changed() {
        if slices == 1 {
            let record = Record { trade: trade(&newest), offset: SYMBOLS, append_time: None };
            task.step(&record, &mut Effects::default()).expect("a good trade");
        }
        let rows = view(&mut task);
        assert!(rows.len() <= 5_010, "{}", rows.len());
        if slices == 1 {
            assert!(rows.iter().take(5).all(|row| *row.symbol == *newest && row.trade_count == 2), "at once");
        }
        for row in rows {
            *seen.entry((row.symbol, row.window_start)).or_insert(0) += 1;
        }
        slices += 1;
    }
    assert!((3..=4).contains(&slices), "{slices}");
    assert_eq!(seen.len() as i64, 5 * SYMBOLS);
    assert!(seen.values().all(|times| *times == 1));
    assert!(view(&mut task).is_empty());
}

/// A view of everything leaves nothing over.
#[test]
fn a_view_of_all_shows_a_restored_state_at_once() {
    let (mut task, mut rows) = (restored(), Vec::new());
    task.open_rows(Scope::All, SYMBOLS, &mut rows);
    assert_eq!(rows.len() as i64, 5 * SYMBOLS);
    assert!(!task.has_changed() && view(&mut task).is_empty());
}
