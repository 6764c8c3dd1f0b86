//! The comparison. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::entry::{ALERT_COLUMNS, AlertEntry, Cell, Closing, ROW_COLUMNS, RowEntry};
use super::recompute::Recomputed;
use super::tables::Tables;

/// Columns of an open row that are views of a moment.
const OF_THE_MOMENT: [&str; 3] = ["ma_5min", "side", "revision"];

/// The outcome.
pub(super) struct Report {
    pub(super) tallies: Vec<Tally>,
}

impl Report {
    /// Everything that is not equal.
    pub(super) fn differences(&self) -> usize {
        self.tallies.iter().map(|tally| tally.different + tally.missing + tally.extra).sum()
    }
}

/// Counts of one kind of entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) name: &'static str,
    /// Recomputed.
    pub(super) expected: usize,
    /// In PostgreSQL.
    pub(super) found: usize,
    pub(super) equal: usize,
    /// On both sides, with other values.
    pub(super) different: usize,
    /// Recomputed, and not in PostgreSQL.
    pub(super) missing: usize,
    /// In PostgreSQL, and not recomputed.
    pub(super) extra: usize,
    /// The first differences, a line each.
    pub(super) examples: Vec<String>,
}

/// Compares everything; each tally has at most `examples` lines.
pub(super) fn run(recomputed: &Recomputed, tables: &Tables, examples: usize) -> Report {
    let expected: Vec<RowEntry> =
        recomputed.rows.iter().chain(&recomputed.open).map(RowEntry::from).collect();
    let mut tallies: Vec<_> = [
        ("rows closed by RECORD", Closing::Record, &[][..]),
        ("rows closed by IDLE", Closing::Idle, &[]),
        ("open rows", Closing::Open, &OF_THE_MOMENT),
    ]
    .into_iter()
    .map(|(name, closing, ignored)| {
        tally(
            name,
            &rows(&expected, closing),
            &rows(&tables.rows, closing),
            (&ROW_COLUMNS, ignored),
            examples,
        )
    })
    .collect();
    let idle: Vec<AlertEntry> = recomputed.idle_crosses.iter().map(AlertEntry::from).collect();
    let alerts: Vec<AlertEntry> = recomputed.alerts.iter().map(AlertEntry::from).collect();
    // An identity that both sides of the clock produced is one row of the table: it counts as a record's.
    let of_records: BTreeSet<_> = alerts.iter().map(|alert| &alert.identity).collect();
    let idle: Vec<_> = idle.into_iter().filter(|alert| !of_records.contains(&alert.identity)).collect();
    let of_clock: BTreeSet<_> = idle.iter().map(|alert| &alert.identity).collect();
    let (found_idle, found): (Vec<_>, Vec<_>) =
        tables.alerts.iter().partition(|alert| of_clock.contains(&alert.identity));
    for (name, expected, found) in [
        ("alerts", alerts.iter().collect(), found),
        ("crosses closed by IDLE", idle.iter().collect(), found_idle),
    ] {
        tallies.push(tally(
            name,
            &by_identity(expected),
            &by_identity(found),
            (&ALERT_COLUMNS, &[]),
            examples,
        ));
    }
    Report { tallies }
}

fn rows(entries: &[RowEntry], closing: Closing) -> BTreeMap<(&str, i64), &[Cell]> {
    let chosen = entries.iter().filter(|entry| entry.closing == closing);
    chosen.map(|entry| ((entry.symbol.as_str(), entry.window_start), entry.cells.as_slice())).collect()
}

fn by_identity(entries: Vec<&AlertEntry>) -> BTreeMap<&(String, i64, String, String), &[Cell]> {
    entries.into_iter().map(|entry| (&entry.identity, entry.cells.as_slice())).collect()
}

/// Columns, and those of them that are not compared.
type Columns<'a> = (&'a [&'a str], &'a [&'a str]);

fn tally<K: Ord + Debug>(
    name: &'static str,
    expected: &BTreeMap<K, &[Cell]>,
    found: &BTreeMap<K, &[Cell]>,
    columns: Columns<'_>,
    examples: usize,
) -> Tally {
    let mut tally = Tally { name, expected: expected.len(), found: found.len(), ..Tally::default() };
    let note = |examples_so_far: &mut Vec<String>, text: String| {
        if examples_so_far.len() < examples {
            examples_so_far.push(text);
        }
    };
    for (key, right) in expected {
        match found.get(key) {
            None => {
                tally.missing += 1;
                note(&mut tally.examples, format!("{key:?} is missing in PostgreSQL"));
            }
            Some(is) => match differences(right, is, columns) {
                differing if differing.is_empty() => tally.equal += 1,
                differing => {
                    tally.different += 1;
                    note(&mut tally.examples, format!("{key:?}: {}", differing.join(", ")));
                }
            },
        }
    }
    for key in found.keys().filter(|key| !expected.contains_key(key)) {
        tally.extra += 1;
        note(&mut tally.examples, format!("{key:?} is in PostgreSQL and was not recomputed"));
    }
    tally
}

fn differences(expected: &[Cell], found: &[Cell], (columns, ignored): Columns<'_>) -> Vec<String> {
    let pairs = columns.iter().zip(expected.iter().zip(found));
    pairs
        .filter(|(column, (right, is))| right != is && !ignored.contains(column))
        .map(|(column, (right, is))| format!("{column} is {is}, recomputed {right}"))
        .collect()
}

#[cfg(test)]
mod tests;
