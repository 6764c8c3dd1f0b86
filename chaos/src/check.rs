//! The proof: topics and tables against what the oracle makes of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use anyhow::{Result, bail};
use tape_harness::{AlertLine, RowLine, Tables, alerts_by_symbol, final_rows, place_of};
use tape_oracle::{Alert, Oracle, Record, Row, Settings, Verdict};

use crate::feed::Source;
use crate::topics::{Line, Outputs, late_mark, mark};

/// Length of a pane and of a window, ms: the oracle's defaults.
const SLIDE_MS: i64 = 60_000;
const WINDOW_MS: i64 = 300_000;

/// What must be there.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) rows: BTreeMap<String, Vec<Row>>,
    pub(crate) alerts: BTreeMap<String, Vec<Alert>>,
    pub(crate) dead_letters: BTreeMap<(i32, i64), usize>,
    pub(crate) late: BTreeMap<u64, usize>,
    /// Partition of each symbol.
    pub(crate) partitions: BTreeMap<String, i32>,
    pub(crate) records: usize,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) what: String,
    pub(crate) partition: Option<i32>,
    /// Offset in the input that it has to do with, if one is known: tells the time.
    pub(crate) offset: Option<i64>,
}

/// What the oracle makes of the log. The log must be what the market says, record by record.
pub(crate) fn expect(source: &Source, records: usize, log: &[Vec<Line>]) -> Result<Wanted> {
    let mut oracles = vec![Oracle::new(Settings::default()); log.len()];
    let mut next = vec![0_usize; log.len()];
    let mut wanted = Wanted::default();
    for input in source.written(records) {
        let partition = place_of(&input, source.partitions);
        let at = usize::try_from(partition)?;
        let (key, value) = (input.key.as_deref(), input.value.as_deref());
        let Some(line) = log.get(at).and_then(|lines| lines.get(next[at])) else {
            bail!("{}[{partition}] ends at offset {}, before the market does", source.topic, next[at]);
        };
        let offset = i64::try_from(next[at])?;
        if line.mark != mark(key, value) {
            bail!("{}[{partition}] offset {offset} holds another record than the one written", source.topic);
        }
        next[at] += 1;
        wanted.records += 1;
        let record = Record { offset, append_time: None, trade: input.trade };
        match oracles[at].step(&record) {
            Verdict::Counted { .. } => {}
            Verdict::Late => {
                let time = record.trade.as_ref().map_or(0, |trade| trade.event_time);
                let newest_end = time - time.rem_euclid(SLIDE_MS) + WINDOW_MS;
                let lateness = oracles[at].watermark().unwrap_or(0) - newest_end;
                *wanted.late.entry(late_mark(key, value, lateness)).or_default() += 1;
            }
            _ => *wanted.dead_letters.entry((partition, offset)).or_default() += 1,
        }
    }
    for (partition, (lines, next)) in log.iter().zip(next).enumerate() {
        if lines.len() != next {
            bail!("{}[{partition}] holds {} records, {next} were written", source.topic, lines.len());
        }
        for row in &oracles[partition].rows {
            wanted.partitions.entry(row.symbol.clone()).or_insert(i32::try_from(partition)?);
        }
    }
    (wanted.rows, wanted.alerts) = (final_rows(&oracles), alerts_by_symbol(&oracles));
    Ok(wanted)
}

/// The topics against the oracle.
pub(crate) fn topics(wanted: &Wanted, found: &Outputs) -> Vec<Difference> {
    let partition = |symbol: &str| wanted.partitions.get(symbol).copied();
    let mut differences = lists("final row", &wanted.rows, &found.rows, |row| row.window_start);
    let by_revision = |symbol: &str, at: i64| {
        let row = wanted.rows.get(symbol)?.iter().find(|row| row.window_start == at)?;
        Some(row.revision)
    };
    let mut placed: Vec<_> = differences
        .drain(..)
        .map(|(symbol, at, what)| Difference {
            what,
            partition: partition(&symbol),
            offset: by_revision(&symbol, at),
        })
        .collect();
    let alerts = lists("alert", &wanted.alerts, &found.alerts, |alert| alert.timestamp);
    placed.extend(alerts.into_iter().map(|(symbol, _, what)| Difference {
        what,
        partition: partition(&symbol),
        offset: None,
    }));
    for ((partition, offset), what) in counts("dead letter", &wanted.dead_letters, &found.dead_letters) {
        placed.push(Difference {
            what: format!("{what}: input [{partition}] offset {offset}"),
            partition: Some(partition),
            offset: Some(offset),
        });
    }
    let late = counts("late record", &wanted.late, &found.late);
    placed.extend(late.into_iter().map(|(mark, what)| Difference {
        what: format!("{what} (mark {mark:x})"),
        partition: None,
        offset: None,
    }));
    placed
}

/// The tables against the oracle. Rows that are not final are nobody's business.
pub(crate) fn tables(
    wanted: &Wanted,
    rows: &BTreeMap<(String, i64), RowLine>,
    alerts: &[AlertLine],
) -> Vec<Difference> {
    let difference = |symbol: &str, offset: Option<i64>, what: String| Difference {
        what,
        partition: wanted.partitions.get(symbol).copied(),
        offset,
    };
    let mut differences = Vec::new();
    let mut known = BTreeSet::new();
    for row in wanted.rows.values().flatten() {
        let (key, line) = Tables::row_line(row);
        let at = format!("table row {} {}", key.0, key.1);
        match rows.get(&key) {
            Some(found) if *found == line => {}
            Some(found) => {
                let what = format!("{at}: {}", columns(&line, found));
                differences.push(difference(&key.0, Some(row.revision), what));
            }
            None => differences.push(difference(&key.0, Some(row.revision), format!("{at} is missing"))),
        }
        known.insert(key);
    }
    let extra = rows.iter().filter(|(key, line)| line["is_final"] == "true" && !known.contains(*key));
    differences.extend(extra.map(|(key, _)| {
        difference(&key.0, None, format!("table row {} {} should not be final", key.0, key.1))
    }));
    let lines: BTreeSet<AlertLine> = wanted.alerts.values().flatten().map(Tables::alert_line).collect();
    let found: BTreeSet<AlertLine> = alerts.iter().cloned().collect();
    let missing = lines.difference(&found);
    differences
        .extend(missing.map(|line| difference(&line.0, None, format!("table alert {line:?} is missing"))));
    let extra = found.difference(&lines);
    differences
        .extend(extra.map(|line| difference(&line.0, None, format!("table alert {line:?} is too much"))));
    differences
}

fn columns(wanted: &RowLine, found: &RowLine) -> String {
    let differ = wanted.iter().filter(|(name, value)| found.get(*name) != Some(value));
    let text = differ.map(|(name, value)| {
        format!("{name} is {}, must be {value}", found.get(name).map_or("absent", String::as_str))
    });
    text.collect::<Vec<_>>().join("; ")
}

/// Lists by symbol that must be equal, in order: symbol, place and words of each difference. `place` orders a list.
fn lists<T: PartialEq + Debug>(
    what: &str,
    wanted: &BTreeMap<String, Vec<T>>,
    found: &BTreeMap<String, Vec<T>>,
    place: impl Fn(&T) -> i64,
) -> Vec<(String, i64, String)> {
    let mut differences = Vec::new();
    let symbols: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    for symbol in symbols {
        let empty = Vec::new();
        let (wanted, found) = (wanted.get(symbol).unwrap_or(&empty), found.get(symbol).unwrap_or(&empty));
        if wanted == found {
            continue;
        }
        let before = differences.len();
        let places: BTreeSet<i64> = wanted.iter().chain(found).map(&place).collect();
        for at in places {
            let is_here = |item: &&T| place(item) == at;
            let mut missing: Vec<&T> = wanted.iter().filter(is_here).collect();
            let mut extra: Vec<&T> = found.iter().filter(is_here).collect();
            // What both have is right.
            missing.retain(|item| match extra.iter().position(|other| other == item) {
                Some(position) => {
                    extra.remove(position);
                    false
                }
                None => true,
            });
            let texts = if let ([wanted], [found]) = (&missing[..], &extra[..]) {
                vec![format!("{what} of {symbol} at {at}: {}", fields(wanted, found))]
            } else {
                let missing = missing.iter().map(|item| format!("{what} of {symbol} is missing: {item:?}"));
                let extra = extra.iter().map(|item| format!("{what} of {symbol} is too much: {item:?}"));
                missing.chain(extra).collect()
            };
            differences.extend(texts.into_iter().map(|text| (symbol.clone(), at, text)));
        }
        if differences.len() == before {
            differences.push((symbol.clone(), 0, format!("{what}s of {symbol} are in another order")));
        }
    }
    differences
}

/// The fields in which two of a kind differ.
fn fields<T: Debug>(wanted: &T, found: &T) -> String {
    let (wanted, found) = (format!("{wanted:?}"), format!("{found:?}"));
    let pairs = wanted.split(", ").zip(found.split(", ")).filter(|(wanted, found)| wanted != found);
    pairs.map(|(wanted, found)| format!("{found}, must be {wanted}")).collect::<Vec<_>>().join("; ")
}

/// Things that must be there so often.
fn counts<K: Ord + Copy>(
    what: &str,
    wanted: &BTreeMap<K, usize>,
    found: &BTreeMap<K, usize>,
) -> Vec<(K, String)> {
    let keys: BTreeSet<K> = wanted.keys().chain(found.keys()).copied().collect();
    keys.into_iter()
        .filter_map(|key| {
            let (wanted, found) = (wanted.get(&key).unwrap_or(&0), found.get(&key).unwrap_or(&0));
            (wanted != found).then(|| (key, format!("{what} is there {found} times, must be {wanted}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{counts, lists};

    fn by_symbol(items: &[i64]) -> BTreeMap<String, Vec<i64>> {
        BTreeMap::from([("A".to_owned(), items.to_vec())])
    }

    fn found(wanted: &[i64], found: &[i64]) -> Vec<String> {
        // Tens are the place, ones the value.
        let differences = lists("row", &by_symbol(wanted), &by_symbol(found), |item| item / 10);
        differences.into_iter().map(|(_, _, what)| what).collect()
    }

    #[test]
    fn lists_must_be_equal_and_in_order() {
        assert!(found(&[11, 21, 31], &[11, 21, 31]).is_empty());
        assert_eq!(found(&[11, 21], &[11]), ["row of A is missing: 21"]);
        assert_eq!(found(&[11], &[11, 11]), ["row of A is too much: 11"]);
        assert_eq!(found(&[11], &[12]), ["row of A at 1: 12, must be 11"]);
        assert_eq!(found(&[11, 21], &[21, 11]), ["rows of A are in another order"]);
        assert_eq!(lists("row", &BTreeMap::new(), &by_symbol(&[11]), |item| *item).len(), 1);
    }

    #[test]
    fn counts_must_be_equal() {
        let (wanted, found) = (BTreeMap::from([(1, 1), (2, 1)]), BTreeMap::from([(2, 2), (3, 1)]));
        let differences = counts("letter", &wanted, &found);
        assert_eq!(differences.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(differences[1].1, "letter is there 2 times, must be 1");
    }
}
