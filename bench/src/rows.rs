//! Rows of windows, of tape and of its peers, in one form; and what differs between two tables of them.
//!
//! A peer's row is JSON: `symbol, window_start, window_end, avg_price, max_price, min_price, open_price, close_price, vwap,
//! total_volume, trade_count`. The last row of a key in the topic counts. tape's rows of a key are ordered by (is_final,
//! revision). Sums and prices must be equal to the last digit; the peers divide doubles, so averages may differ by 1e-9 of themselves.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::value::RawValue;
use tape_harness::read_topic;
use tape_kafka::Record;
use tape_proto::aggregate;
use tape_proto::decimal::{nanos_to_f64, parse_nanos};

use crate::rig::Rig;

/// How far averages may differ.
const TOLERANCE: f64 = 1e-9;
/// Differences that are told.
const SHOWN: usize = 5;

/// The values of a window, decimals in units of 1e-9.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) count: u64,
    pub(crate) volume: i128,
    /// Highest, lowest, first, last.
    pub(crate) prices: [i128; 4],
    /// Average and VWAP.
    pub(crate) means: [f64; 2],
    pub(crate) is_final: bool,
    revision: i64,
}

/// Windows by (symbol, start).
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: HashMap<(String, i64), Row>,
    /// Records in the topic.
    pub(crate) records: u64,
}

/// A row as a peer writes it.
#[derive(Deserialize)]
struct Columns<'a> {
    symbol: &'a str,
    window_start: i64,
    #[serde(borrow)]
    avg_price: &'a RawValue,
    max_price: &'a RawValue,
    min_price: &'a RawValue,
    open_price: &'a RawValue,
    close_price: &'a RawValue,
    vwap: &'a RawValue,
    total_volume: &'a RawValue,
    trade_count: u64,
}

/// The table that tape's topic amounts to.
pub(crate) fn of_tape(rig: &Rig, topic: &str) -> Result<Table> {
    table(rig, topic, &|record| {
        let message = aggregate::decode(record.value.unwrap_or_default())?;
        let price = |price: Option<i64>| i128::from(price.unwrap_or_default());
        let row = Row {
            count: message.trade_count,
            volume: message.total_volume(),
            prices: [message.max_price, message.min_price, message.open_price, message.close_price]
                .map(price),
            means: [message.avg_price, message.vwap].map(|mean| nanos_to_f64(price(mean))),
            is_final: message.is_final,
            revision: message.revision,
        };
        Ok(((message.symbol, message.window_start), row))
    })
}

/// The table that a peer's topic amounts to.
pub(crate) fn of_peer(rig: &Rig, topic: &str) -> Result<Table> {
    table(rig, topic, &peer_row)
}

pub(crate) type Keyed = ((String, i64), Row);

/// A row of a peer and its key.
pub(crate) fn peer_row(record: &Record<'_>) -> Result<Keyed> {
    let value = record.value.context("a row of a peer is null")?;
    let columns: Columns<'_> = serde_json::from_slice(value)?;
    let number = |raw: &RawValue| Ok::<_, anyhow::Error>(parse_nanos(raw.get())?);
    let mean = |raw: &RawValue| Ok::<f64, anyhow::Error>(raw.get().parse()?);
    let row = Row {
        count: columns.trade_count,
        volume: number(columns.total_volume)?,
        prices: [
            number(columns.max_price)?,
            number(columns.min_price)?,
            number(columns.open_price)?,
            number(columns.close_price)?,
        ],
        means: [mean(columns.avg_price)?, mean(columns.vwap)?],
        is_final: false,
        revision: record.offset,
    };
    Ok(((columns.symbol.to_owned(), columns.window_start), row))
}

fn table(rig: &Rig, topic: &str, row: &dyn Fn(&Record<'_>) -> Result<Keyed>) -> Result<Table> {
    let mut table = Table::default();
    let records = read_topic(&rig.clients, topic, &mut |record| {
        let (key, row) = row(&record)
            .with_context(|| format!("{topic}[{}] offset {}", record.partition, record.offset))?;
        let newer = |old: &Row| (old.is_final, old.revision) <= (row.is_final, row.revision);
        if table.rows.get(&key).is_none_or(newer) {
            table.rows.insert(key, row);
        }
        Ok(())
    })?;
    table.records = records;
    Ok(table)
}

impl Table {
    /// Fails when the other table does not have the same windows, with the same values. With `finals` only the final rows of
    /// this one are looked for; the other may have more.
    pub(crate) fn must_equal(&self, other: &Table, finals: bool) -> Result<usize> {
        let wanted = self.rows.iter().filter(|(_, row)| row.is_final || !finals);
        let mut differences = Vec::new();
        let mut compared = 0;
        for ((symbol, start), row) in wanted {
            compared += 1;
            match other.rows.get(&(symbol.clone(), *start)) {
                None => differences.push(format!("{symbol} {start}: missing, here {row:?}")),
                Some(found) if !row.equals(found) => {
                    differences.push(format!("{symbol} {start}: {row:?}\n      but {found:?}"));
                }
                Some(_) => {}
            }
        }
        if !finals {
            let more = other.rows.keys().filter(|key| !self.rows.contains_key(*key));
            differences.extend(more.map(|(symbol, start)| format!("{symbol} {start}: only there")));
        }
        if compared == 0 {
            bail!("there is no row to compare");
        }
        if !differences.is_empty() {
            differences.sort();
            let shown = differences[..differences.len().min(SHOWN)].join("\n    ");
            bail!("{} of {compared} rows differ:\n    {shown}", differences.len());
        }
        Ok(compared)
    }
}

impl Row {
    fn equals(&self, other: &Row) -> bool {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= TOLERANCE * a.abs().max(b.abs());
        (self.count, self.volume, self.prices) == (other.count, other.volume, other.prices)
            && self.means.iter().zip(&other.means).all(near)
    }
}

#[cfg(test)]
mod tests {
    use tape_kafka::Record;

    use super::{Row, Table, peer_row};

    const VALUE: &str = r#"{"symbol":"S1","window_start":60000,"window_end":360000,"avg_price":2.0000000001,
        "max_price":3.25,"min_price":1.0,"open_price":1.0,"close_price":3.25,"vwap":2.5,"total_volume":1.25E7,"trade_count":3}"#;

    fn row() -> Row {
        let prices = [3_250_000_000, 1_000_000_000, 1_000_000_000, 3_250_000_000];
        let volume = 12_500_000_000_000_000;
        Row { count: 3, volume, prices, means: [2.0, 2.5], is_final: true, revision: 7 }
    }

    fn table(row: Row) -> Table {
        Table { rows: [(("S1".to_owned(), 60_000), row)].into(), records: 1 }
    }

    #[test]
    fn a_row_of_a_peer_is_the_same_row() {
        let record = Record::detached("t", 0, 5, Some(b"S1"), Some(VALUE.as_bytes()));
        let (key, found) = peer_row(&record).expect("a row");
        assert_eq!(key, ("S1".to_owned(), 60_000));
        assert!(table(row()).must_equal(&table(found), false).is_ok());
    }

    #[test]
    fn differences_are_seen() {
        let other = Row { means: [2.000_001, 2.5], ..row() };
        assert!(table(row()).must_equal(&table(other), false).is_err());
        let other = Row { volume: 1, ..row() };
        assert!(table(row()).must_equal(&table(other), true).is_err());
        assert!(table(row()).must_equal(&Table::default(), true).is_err());
        assert!(Table::default().must_equal(&table(row()), false).is_err());
        let open = Row { is_final: false, ..row() };
        assert!(table(open).must_equal(&table(row()), true).is_err(), "nothing to compare is no success");
    }
}
