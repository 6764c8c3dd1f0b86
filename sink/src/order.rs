//! The order of rows: of one key the largest (is_final, revision) wins, everywhere.
//!
//! Two rows of one key in one statement would fail as a whole (SQLSTATE 21000), so a batch is reduced to its winners
//! first. Winners come sorted by key: two sinks that meet on the same rows then lock them in the same order.
//!
//! Invariant: whatever the order and the repetition of rows, and wherever batches are cut, the table ends with the winner of
//! each key.

use std::cmp::Ordering;

use tape_proto::messages::{BreakoutAlert, StockAggregate};

/// The winner of each key, sorted by (symbol, window_start). Of equal rows the first stays.
pub(crate) fn newest_rows(mut rows: Vec<(usize, &StockAggregate)>) -> Vec<(usize, &StockAggregate)> {
    rows.sort_by(|(_, a), (_, b)| row_key(a).cmp(&row_key(b)).then_with(|| rank(b).cmp(&rank(a))));
    rows.dedup_by(|(_, next), (_, kept)| row_key(next) == row_key(kept));
    rows
}

/// One alert for each identity, sorted by it. The first stays.
pub(crate) fn distinct_alerts(mut alerts: Vec<(usize, &BreakoutAlert)>) -> Vec<(usize, &BreakoutAlert)> {
    alerts.sort_by(|(_, a), (_, b)| compare_alerts(a, b));
    alerts.dedup_by(|(_, next), (_, kept)| compare_alerts(next, kept) == Ordering::Equal);
    alerts
}

fn row_key(row: &StockAggregate) -> (&str, i64) {
    (&row.symbol, row.window_start)
}

fn rank(row: &StockAggregate) -> (bool, i64) {
    (row.is_final, row.revision)
}

fn compare_alerts(a: &BreakoutAlert, b: &BreakoutAlert) -> Ordering {
    let identity = |alert: &BreakoutAlert| (alert.timestamp, alert.r#type, alert.signal);
    a.symbol.cmp(&b.symbol).then_with(|| identity(a).cmp(&identity(b)))
}

#[cfg(test)]
mod tests;
