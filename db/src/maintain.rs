//! `tape maintain`: keeps the database in order. Run it every few minutes; each step may be repeated, and another one that
//! runs at the same time is waited for.
//!
//! | step | plain PostgreSQL | TimescaleDB, Apache | TimescaleDB |
//! |---|---|---|---|
//! | room | partitions four chunks ahead | by itself | by itself |
//! | statistics | `ANALYZE` of the whole | the same | the same |
//! | roll-ups | hours marked stale, one by one | the same | refresh of what changed |
//! | retention | old partitions and rows | old chunks | by policy |
//!
//! Statistics come first: sums over a table that the server knows nothing of take many times as long. Roll-ups come before
//! retention, so that nothing is deleted that was never rolled up.

use std::time::{Duration, Instant};

use tape_service::config::{Config, Database};
use tape_service::{Failure, Shutdown};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::layout::{Edition, Server, interval, unless_zero};
use crate::migrate::{Stop, patiently};
use crate::settings::Settings;
use crate::{Error, schema};

/// Key of the advisory lock: "tape" in ASCII, then 2 for maintenance.
const LOCK: i64 = 0x7461_7065_0000_0002;
/// Partitions made ahead of now.
const CHUNKS_AHEAD: u32 = 4;
/// How long a step waits for a lock that a reader or writer holds before it gives up.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";
/// The big tables and the column that orders them in time.
const TABLES: [(&str, &str); 2] = [("stock_aggregates", "window_start"), ("breakout_alerts", "timestamp")];
/// Continuous aggregates and the length of their buckets.
const AGGREGATES: [(&str, u64); 3] =
    [("stock_5min_bars", 300), ("stock_15min_bars", 900), ("stock_1hour_bars", 3_600)];
/// Buckets younger than this, beyond their own length, are left to be summed up when they are asked for.
const LATE: Duration = Duration::from_secs(300);

/// What one step did.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Such as `rolled up`.
    pub what: &'static str,
    /// Table or view.
    pub subject: String,
    /// How many partitions, hours, rows; `None` where nothing is counted.
    pub count: Option<i64>,
    /// How long it took.
    pub took: Duration,
}

/// What the tables have come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    /// What the server is.
    pub server: Server,
    /// All tables of tape, largest first.
    pub tables: Vec<Table>,
    /// The slowest by their mean; `None` without the extension pg_stat_statements.
    pub slow_queries: Option<Vec<Query>>,
}

/// A table with all its partitions or chunks, indexes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// As the last ANALYZE estimated.
    pub rows: i64,
    /// On disk.
    pub bytes: i64,
}

/// A query, as pg_stat_statements keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// On one line, cut.
    pub text: String,
    /// How often it ran.
    pub calls: i64,
    /// Mean time, ms.
    pub mean_ms: f64,
}

/// Does everything that is due; `on_step` hears of each step. `None`: the stop was requested first.
pub async fn maintain(
    config: &Config,
    reindex: bool,
    shutdown: &Shutdown,
    on_step: impl Fn(&Step),
) -> Result<Option<Inventory>, Failure> {
    patiently(config, shutdown, async |client, target| {
        let (server, windows) = look(client, config, target).await?;
        let work = Work { client, db: &config.db, windows, on_step: &on_step };
        work.run(server.edition, reindex, shutdown).await?;
        Ok(take_stock(client, server).await?)
    })
    .await
}

/// Takes the lock; refuses a database whose schema is another.
async fn look(client: &Client, config: &Config, target: &str) -> Result<(Server, Settings), Stop> {
    client.batch_execute(LOCK_TIMEOUT).await?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let status = schema::status(client).await?;
    schema::judge(status.version, status.newest, target).map_err(Stop::Refused)?;
    let windows = status.settings.unwrap_or_else(|| Settings::from(&config.processing));
    Ok((status.server, windows))
}

struct Work<'a> {
    client: &'a Client,
    db: &'a Database,
    windows: Settings,
    on_step: &'a dyn Fn(&Step),
}

impl Work<'_> {
    async fn run(&self, edition: Edition, reindex: bool, shutdown: &Shutdown) -> Result<(), Error> {
        if edition == Edition::Plain {
            self.make_partitions().await?;
        }
        for (table, _) in TABLES {
            self.plain("analysed", table, &format!("ANALYZE {table}")).await?;
        }
        match edition {
            Edition::Timescale => self.refresh_aggregates().await?,
            Edition::Plain | Edition::Apache => self.roll_up(shutdown).await?,
        }
        if let Some(age) = unless_zero(self.db.retention)
            && edition.needs_maintenance()
        {
            self.drop_old(edition, age).await?;
        }
        if let Some(age) = unless_zero(self.db.rollup_retention)
            && edition.needs_maintenance()
        {
            let sql = "DELETE FROM bar_rollups WHERE bucket < now() - $1::text::interval";
            let begun = Instant::now();
            let count = self.client.execute(sql, &[&interval(age)]).await?;
            self.tell("deleted rows before the retention", "bar_rollups", i64::try_from(count).ok(), begun);
        }
        if reindex && !shutdown.is_requested() {
            self.reindex(edition).await?;
        }
        Ok(())
    }

    async fn make_partitions(&self) -> Result<(), Error> {
        for (table, column) in TABLES {
            let sql =
                "SELECT tape_make_partitions($1, $2, $3::text::interval, now() + $4::text::interval)::bigint";
            let ahead = interval(self.db.chunk * CHUNKS_AHEAD);
            self.counted("made partitions", table, sql, &[&table, &column, &interval(self.db.chunk), &ahead])
                .await?;
        }
        Ok(())
    }

    /// One hour after the other, oldest first. The hour that is still being written is left to the views.
    async fn roll_up(&self, shutdown: &Shutdown) -> Result<(), Error> {
        let begun = Instant::now();
        let hours = "SELECT m.hour::text, m.hour < now() - nullif($1::text, '')::interval AND EXISTS ( \
                         SELECT FROM bar_rollups r WHERE r.width = '1 hour' AND r.bucket = m.hour) \
                     FROM (SELECT DISTINCT hour FROM rollup_stale) m \
                     WHERE m.hour + interval '1 hour' <= now() - $2::text::interval ORDER BY m.hour";
        let retention = unless_zero(self.db.retention).map(interval).unwrap_or_default();
        let mut count = 0;
        for row in self.client.query(hours, &[&retention, &interval(LATE)]).await? {
            let (hour, is_past): (String, Option<bool>) = (row.get(0), row.get(1));
            // Its rows are partly deleted by now: what was rolled up before is the better answer.
            let sql = match is_past {
                Some(true) => "DELETE FROM rollup_stale WHERE hour = $1::text::timestamptz",
                _ => "SELECT refresh_rollups($1::text::timestamptz)",
            };
            self.client.execute(sql, &[&hour]).await?;
            count += 1;
            if shutdown.is_requested() {
                break;
            }
        }
        self.tell("rolled up hours", "bar_rollups", Some(count), begun);
        Ok(())
    }

    async fn refresh_aggregates(&self) -> Result<(), Error> {
        let shift = self.windows.window - self.windows.slide;
        for (name, width) in AGGREGATES {
            let from = match unless_zero(self.db.retention) {
                Some(age) => format!("now() - interval '{}'", interval(age)),
                None => "NULL".to_owned(),
            };
            let end = interval(Duration::from_secs(width) + shift + LATE);
            let sql =
                format!("CALL refresh_continuous_aggregate('{name}', {from}, now() - interval '{end}')");
            self.plain("refreshed", name, &sql).await?;
        }
        Ok(())
    }

    async fn drop_old(&self, edition: Edition, age: Duration) -> Result<(), Error> {
        for (table, column) in TABLES {
            let age = interval(age);
            let (what, sql) = match edition {
                Edition::Plain => (
                    "deleted rows before the retention",
                    "SELECT tape_drop_before($1, $2, now() - $3::text::interval)",
                ),
                Edition::Apache | Edition::Timescale => (
                    "dropped chunks before the retention",
                    "SELECT count(*) FROM drop_chunks($1::text::regclass, older_than => now() - $3::text::interval) \
                     WHERE $2::text IS NOT NULL",
                ),
            };
            self.counted(what, table, sql, &[&table, &column, &age]).await?;
        }
        Ok(())
    }

    /// Rebuilds the indexes beside the old ones, while everybody goes on reading and writing.
    async fn reindex(&self, edition: Edition) -> Result<(), Error> {
        for (table, _) in TABLES {
            let mut tables = vec![table.to_owned()];
            if edition != Edition::Plain {
                let rows = self
                    .client
                    .query("SELECT c::text FROM show_chunks($1::text::regclass) c", &[&table])
                    .await?;
                tables = rows.iter().map(|row| row.get(0)).collect();
            }
            for name in tables {
                self.plain("reindexed", &name, &format!("REINDEX TABLE CONCURRENTLY {name}")).await?;
            }
        }
        Ok(())
    }

    async fn counted(
        &self,
        what: &'static str,
        subject: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<(), Error> {
        let begun = Instant::now();
        let count = self.client.query_one(sql, parameters).await?.get(0);
        self.tell(what, subject, Some(count), begun);
        Ok(())
    }

    /// A statement that refuses to run inside a transaction.
    async fn plain(&self, what: &'static str, subject: &str, sql: &str) -> Result<(), Error> {
        let begun = Instant::now();
        self.client.batch_execute(sql).await.map_err(|error| Error::from(error).within(subject))?;
        self.tell(what, subject, None, begun);
        Ok(())
    }

    fn tell(&self, what: &'static str, subject: &str, count: Option<i64>, begun: Instant) {
        (self.on_step)(&Step { what, subject: subject.to_owned(), count, took: begun.elapsed() });
    }
}

async fn take_stock(client: &Client, server: Server) -> Result<Inventory, Error> {
    let parts = match server.edition {
        Edition::Plain => "SELECT p.relid AS part FROM pg_partition_tree(t.name::regclass) p WHERE p.isleaf",
        // A table that is no hypertable has no chunks, and is asked for itself.
        Edition::Apache | Edition::Timescale => {
            "SELECT format('%I.%I', c.chunk_schema, c.chunk_name)::regclass AS part FROM timescaledb_information.chunks c \
             WHERE c.hypertable_name = t.name UNION SELECT t.name::regclass"
        }
    };
    let sql = format!(
        "SELECT t.name, coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint, coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint \
         FROM unnest($1::text[]) t (name) CROSS JOIN LATERAL ({parts}) p JOIN pg_class c ON c.oid = p.part \
         WHERE to_regclass(t.name) IS NOT NULL GROUP BY t.name ORDER BY 3 DESC, 1"
    );
    let mut names = vec!["stock_aggregates", "breakout_alerts", "sink_offsets"];
    if server.edition.needs_maintenance() {
        names.extend(["bar_rollups", "rollup_stale"]);
    }
    let rows = client.query(&sql, &[&names]).await?;
    let tables =
        rows.iter().map(|row| Table { name: row.get(0), rows: row.get(1), bytes: row.get(2) }).collect();
    Ok(Inventory { server, tables, slow_queries: slow_queries(client).await? })
}

async fn slow_queries(client: &Client) -> Result<Option<Vec<Query>>, Error> {
    // The extension may be there without being loaded: then reading it fails with 55000.
    let there = "SELECT to_regclass('pg_stat_statements') IS NOT NULL \
                 AND EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max')";
    if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 120), calls, mean_exec_time FROM pg_stat_statements \
               WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
               ORDER BY mean_exec_time DESC LIMIT 10";
    let rows = client.query(sql, &[]).await?;
    Ok(Some(
        rows.iter().map(|row| Query { text: row.get(0), calls: row.get(1), mean_ms: row.get(2) }).collect(),
    ))
}
