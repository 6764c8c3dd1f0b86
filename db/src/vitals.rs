//! What a health check and a doctor want to know of a database, in two short questions.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Connection, Error};

/// Rows are counted so far; the question stays cheap with any number of symbols.
pub const COUNTED_MAX: i64 = 100_000;

const RECENT: &str = "\
SELECT (SELECT count(*) FROM (SELECT FROM stock_aggregates WHERE window_start >= now() - interval '1 hour' LIMIT $1) AS counted),
       (SELECT extract(epoch FROM now() - window_end)::float8 FROM stock_aggregates ORDER BY window_start DESC LIMIT 1)";

// Roles without rights on others' sessions see them without details; they are counted all the same. Background workers of the
// server have other limits.
const VITALS: &str = "\
SELECT current_setting('server_version'),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::bigint,
       current_setting('superuser_reserved_connections')::bigint,
       pg_is_in_recovery(),
       extract(epoch FROM clock_timestamp())::float8";

/// Rows of windows that began within the last hour, by the server's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recent {
    /// How many, up to [`COUNTED_MAX`].
    pub rows: i64,
    /// Seconds since the newest window's end, negative while it is open; `None`: no row at all.
    pub newest_end_age: Option<f64>,
}

/// The server, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Vitals {
    /// `15.14 (Debian …)`.
    pub version: String,
    /// Connections of clients, this one among them.
    pub connections: i64,
    /// Of which so many are allowed,
    pub max_connections: i64,
    /// and these only to superusers.
    pub reserved: i64,
    /// A standby: it can be read only.
    pub is_standby: bool,
    /// How far its clock is ahead of ours, in seconds, to half the time of the question.
    pub clock_ahead: f64,
}

/// Reads [`Recent`].
pub async fn recent(connection: &Connection) -> Result<Recent, Error> {
    let row = connection.query_one(RECENT, &[&COUNTED_MAX]).await?;
    Ok(Recent { rows: row.get(0), newest_end_age: row.get(1) })
}

/// Reads [`Vitals`].
pub async fn vitals(connection: &Connection) -> Result<Vitals, Error> {
    let asked = epoch_seconds();
    let row = connection.query_one(VITALS, &[]).await?;
    let between = f64::midpoint(asked, epoch_seconds());
    Ok(Vitals {
        version: row.get(0),
        connections: row.get(1),
        max_connections: row.get(2),
        reserved: row.get(3),
        is_standby: row.get(4),
        clock_ahead: row.get::<_, f64>(5) - between,
    })
}

fn epoch_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
