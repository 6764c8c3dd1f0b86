//! Our tables, and what stands in them in one number.
//!
//! The checksum of a table is the sum, over its rows, of a 64-bit hash of the row's text. A sum does not depend on the order of
//! rows, on partitions, chunks, compression or pages, and, unlike an exclusive or, it sees a row that is there twice. The text
//! of a row depends on settings of the session, all of which [`SETTINGS`] fixes, and on the order of columns, which a dump
//! keeps. It shows damage and loss, not forgery: whoever can write the dump can write the manifest.
//!
//! `hashtextextended` gives the same on every PostgreSQL since 11; a machine of another byte order, or a database of another
//! encoding with symbols beyond ASCII, gives another number for the same rows.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio_postgres::GenericClient;

use crate::Error;

/// What `tape migrate` makes, where the edition has it.
pub(super) const TABLES: [&str; 7] = [
    "stock_aggregates",
    "breakout_alerts",
    "settings",
    "sink_offsets",
    "bar_rollups",
    "rollup_stale",
    "refinery_schema_history",
];

/// A session that reads the same text from the same row everywhere, as slowly as it must. With row security off, a policy
/// that hides rows from us is an error instead of a smaller backup.
pub(super) const SETTINGS: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
     SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; \
     SET bytea_output = 'hex'; SET row_security = off";

/// What stands in one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    /// Its name.
    pub name: String,
    /// Number of rows.
    pub rows: i64,
    /// Sum of the hashes of all rows, a decimal number.
    pub checksum: String,
}

impl fmt::Display for TableSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows with checksum {}", self.rows, self.checksum)
    }
}

/// Those of [`TABLES`] that the database has.
pub(super) async fn present(client: &impl GenericClient) -> Result<Vec<&'static str>, Error> {
    let sql = "SELECT to_regclass(name) IS NOT NULL FROM unnest($1::text[]) WITH ORDINALITY t (name, at) ORDER BY at";
    let rows = client.query(sql, &[&TABLES.as_slice()]).await?;
    Ok(TABLES.iter().zip(rows).filter(|(_, row)| row.get(0)).map(|(name, _)| *name).collect())
}

/// Counts and sums each table, in the snapshot of the client's transaction.
pub(super) async fn sums(client: &impl GenericClient, tables: &[&str]) -> Result<Vec<TableSum>, Error> {
    let mut sums = Vec::with_capacity(tables.len());
    for name in tables {
        let sql =
            format!("SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {name} t");
        let row = client.query_one(&sql, &[]).await.map_err(|error| Error::from(error).within(name))?;
        sums.push(TableSum { name: (*name).to_owned(), rows: row.get(0), checksum: row.get(1) });
    }
    Ok(sums)
}

/// A line for each table in which the two differ.
pub(super) fn differences(expected: &[TableSum], found: &[TableSum]) -> Vec<String> {
    let of = |sums: &[TableSum], name: &str| sums.iter().find(|sum| sum.name == name).cloned();
    let say =
        |sum: &Option<TableSum>| sum.as_ref().map_or_else(|| "no such table".to_owned(), ToString::to_string);
    let mut names: Vec<&str> = expected.iter().chain(found).map(|sum| sum.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name, of(expected, name), of(found, name)))
        .filter(|(_, expected, found)| expected != found)
        .map(|(name, expected, found)| {
            format!("{name}: the manifest says {}, the database has {}", say(&expected), say(&found))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(name: &str, rows: i64, checksum: &str) -> TableSum {
        TableSum { name: name.to_owned(), rows, checksum: checksum.to_owned() }
    }

    #[test]
    fn every_difference_is_named_with_both_values() {
        let expected = [sum("a", 1, "10"), sum("b", 2, "20"), sum("c", 3, "30")];
        assert!(differences(&expected, &expected).is_empty());
        let found = [sum("b", 2, "-20"), sum("a", 1, "10"), sum("d", 0, "0")];
        assert_eq!(
            differences(&expected, &found),
            [
                "b: the manifest says 2 rows with checksum 20, the database has 2 rows with checksum -20",
                "c: the manifest says 3 rows with checksum 30, the database has no such table",
                "d: the manifest says no such table, the database has 0 rows with checksum 0",
            ]
        );
    }
}
