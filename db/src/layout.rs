//! How the tables lie: what the server can do, and the files of `migrations/layout/` that make use of it.
//!
//! | edition | tables | roll-ups | kept in order by |
//! |---|---|---|---|
//! | [`Edition::Plain`] PostgreSQL | native partitions | `bar_rollups` | `tape maintain` |
//! | [`Edition::Apache`] TimescaleDB, Apache licence | hypertables | `bar_rollups` | `tape maintain` |
//! | [`Edition::Timescale`] TimescaleDB, its own licence | hypertables, columnstore | continuous aggregates | its policies |
//!
//! Names, columns and answers are the same on all. Unlike the numbered migrations these files describe a wanted state, so
//! each run of `tape migrate` runs them, and they change what differs.

use std::fmt;
use std::time::Duration;

use tape_service::config::Database;
use tokio_postgres::{Client, GenericClient};
use tracing::{info, warn};

use crate::{Connection, Error};

const PLAIN: &str = include_str!("../../migrations/layout/plain.sql");
const HYPERTABLE: &str = include_str!("../../migrations/layout/hypertable.sql");
const ROLLUPS: &str = include_str!("../../migrations/layout/rollups.sql");
const TIMESCALE: &str = include_str!("../../migrations/layout/timescale.sql");
const VIEWS: &str = include_str!("../../migrations/layout/views.sql");
const GRANTS: &str = include_str!("../../migrations/layout/grants.sql");

/// SQLSTATE of a right that is missing.
pub(crate) const NO_RIGHT: &str = "42501";

/// What the server's TimescaleDB allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// None, or tables that were partitioned before there was one.
    Plain,
    /// Hypertables only.
    Apache,
    /// Everything.
    Timescale,
}

impl Edition {
    /// The word that reports and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "postgresql",
            Self::Apache => "timescaledb-apache",
            Self::Timescale => "timescaledb",
        }
    }

    /// True where roll-ups and retention are the work of `tape maintain`.
    pub fn needs_maintenance(self) -> bool {
        self != Self::Timescale
    }

    /// The layout's files, in order.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Plain => &[("plain", PLAIN), ("rollups", ROLLUPS), ("views", VIEWS), ("grants", GRANTS)],
            Self::Apache => {
                &[("hypertable", HYPERTABLE), ("rollups", ROLLUPS), ("views", VIEWS), ("grants", GRANTS)]
            }
            Self::Timescale => {
                &[("hypertable", HYPERTABLE), ("timescale", TIMESCALE), ("views", VIEWS), ("grants", GRANTS)]
            }
        }
    }
}

/// A server, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What it allows.
    pub edition: Edition,
    /// Version of PostgreSQL, such as `15.7`.
    pub postgres: String,
    /// Version of TimescaleDB in this database.
    pub timescale: Option<String>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {}", self.postgres)?;
        match (&self.timescale, self.edition) {
            (None, _) => Ok(()),
            (Some(version), Edition::Plain) => write!(f, ", TimescaleDB {version} (not used)"),
            (Some(version), Edition::Apache) => write!(f, ", TimescaleDB {version} (Apache edition)"),
            (Some(version), Edition::Timescale) => write!(f, ", TimescaleDB {version}"),
        }
    }
}

/// Asks the server what it is.
pub async fn detect(client: &impl GenericClient) -> Result<Server, Error> {
    let sql = "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), \
               current_setting('timescaledb.license', true), \
               coalesce((SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('stock_aggregates')), false), \
               split_part(current_setting('server_version'), ' ', 1)";
    let row = client.query_one(sql, &[]).await?;
    let (timescale, licence): (Option<String>, Option<String>) = (row.get(0), row.get(1));
    let is_partitioned: bool = row.get(2);
    let edition = match (&timescale, licence.as_deref()) {
        (Some(_), _) if is_partitioned => Edition::Plain,
        (Some(_), Some("apache")) => Edition::Apache,
        (Some(_), _) => Edition::Timescale,
        (None, _) => Edition::Plain,
    };
    Ok(Server { edition, postgres: row.get(3), timescale })
}

/// True where `tape maintain` rolls up, so that whoever writes rows must mark their hours in `rollup_stale`.
pub async fn has_marks(connection: &Connection) -> Result<bool, Error> {
    let sql = "SELECT to_regclass('rollup_stale') IS NOT NULL";
    Ok(connection.query_one(sql, &[]).await?.get(0))
}

/// Takes the extension into use where the server has loaded it and the database does not have it: natively partitioned
/// tables cannot become hypertables later. (Whether it is loaded shows in its settings; the list of libraries is shown to
/// administrators only.)
pub(crate) async fn create_extension(client: &Client) -> Result<(), Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb' AND installed_version IS NULL) \
               AND EXISTS (SELECT FROM pg_settings WHERE name LIKE 'timescaledb.%') \
               AND to_regclass('stock_aggregates') IS NULL";
    if !client.query_one(sql, &[]).await?.get::<_, bool>(0) {
        return Ok(());
    }
    match client.batch_execute("CREATE EXTENSION IF NOT EXISTS timescaledb").await.map_err(Error::from) {
        Ok(()) => info!("extension timescaledb created in this database"),
        Err(error) if error.sqlstate() == Some(NO_RIGHT) => warn!(
            %error,
            "the server has TimescaleDB, this role may not create it here, so plain PostgreSQL tables are made; for \
             hypertables have an administrator run CREATE EXTENSION timescaledb first"
        ),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Brings the layout to what the edition allows and the configuration wants. Each file is one transaction.
pub(crate) async fn apply(client: &Client, server: &Server, config: &Database) -> Result<(), Error> {
    if server.edition == Edition::Plain && server.timescale.is_some() {
        warn!(
            "the tables were partitioned before TimescaleDB came into this database, and stay so: it is not used; to use \
             it, restore a backup's rows into a database that has the extension from the start"
        );
    }
    let parameters = [
        ("tape.chunk", Some(config.chunk)),
        ("tape.compress_after", unless_zero(config.compress_after)),
        ("tape.retention", unless_zero(config.retention)),
        ("tape.retention_rollups", unless_zero(config.rollup_retention)),
    ];
    for (name, value) in parameters {
        let text = value.map(interval).unwrap_or_default();
        client.execute("SELECT set_config($1, $2, false)", &[&name, &text]).await?;
    }
    for (name, sql) in server.edition.files() {
        client.batch_execute(sql).await.map_err(|error| Error::from(error).within(name))?;
    }
    Ok(())
}

pub(crate) fn unless_zero(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}

/// As PostgreSQL reads it; whole days as days, so that policies show what was configured.
pub(crate) fn interval(duration: Duration) -> String {
    const DAY: u128 = 86_400_000;
    let ms = duration.as_millis();
    if ms.is_multiple_of(DAY) { format!("{} days", ms / DAY) } else { format!("{ms} milliseconds") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_days_where_they_can() {
        for (seconds, text) in [(604_800, "7 days"), (3_600, "3600000 milliseconds"), (0, "0 days")] {
            assert_eq!(interval(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_server_says_what_it_is() {
        let server = |edition, timescale: Option<&str>| {
            Server { edition, postgres: "15.7".to_owned(), timescale: timescale.map(str::to_owned) }
                .to_string()
        };
        assert_eq!(server(Edition::Plain, None), "PostgreSQL 15.7");
        assert_eq!(server(Edition::Plain, Some("2.28.3")), "PostgreSQL 15.7, TimescaleDB 2.28.3 (not used)");
        assert_eq!(
            server(Edition::Apache, Some("2.28.3")),
            "PostgreSQL 15.7, TimescaleDB 2.28.3 (Apache edition)"
        );
        assert_eq!(server(Edition::Timescale, Some("2.29.2")), "PostgreSQL 15.7, TimescaleDB 2.29.2");
    }
}
