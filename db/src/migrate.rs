//! `tape migrate`: brings the schema up to date. Every step may be repeated; a second run changes nothing.
//!
//! Order of operations, on one connection of its own, without a statement time-out:
//! 1. connect, waiting with backoff while the database is away;
//! 2. take the advisory lock (of two migrations one waits, and says so);
//! 3. compare the settings row, if there is one, with the configuration: refuse before anything is touched;
//! 4. run the numbered files of `migrations/` that the database does not have, each in a transaction of its own, with
//!    a checksum: a file that was changed after it ran is refused;
//! 5. write the settings row; 6. bring the layout to what server and configuration say, rights included (`layout`);
//! 7. close, which releases the lock.
//!
//! A connection lost on the way is the only thing repeated from step 1.

use std::time::Duration;

use tape_service::config::Config;
use tape_service::{Failure, Shutdown};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};
use tracing::{info, warn};

use crate::layout::{self, Server};
use crate::settings::{self, Decision, Settings};
use crate::{Error, Reaction, pool, schema};

/// Key of the advisory lock: "tape" in ASCII, then 1 for migrations. One number for all versions.
const LOCK: i64 = 0x7461_7065_0000_0001;

/// SQLSTATE of an error that the server has no code for.
const INTERNAL_ERROR: &str = "XX000";

/// How often a lock that somebody else holds is asked for again.
const LOCK_PAUSE: Duration = Duration::from_secs(1);

const DOWN: &str = include_str!("../../migrations/layout/down.sql");

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Files applied by this run, in order, such as `V1__stock_aggregates`; empty when the schema was up to date.
    pub applied: Vec<String>,
    /// Version of the schema after the run.
    pub version: i32,
    /// The server, as it was found.
    pub server: Server,
}

/// Runs the migrations and writes the settings row. Waits while the database is away. `Ok(None)`: the stop was
/// requested first. `Failure::Config` for what waiting cannot mend: rights, a database that does not exist, a
/// schema made by another version, rows computed with another slide or window.
pub async fn migrate(config: &Config, shutdown: &Shutdown) -> Result<Option<Report>, Failure> {
    patiently(config, shutdown, async |client, target| up(client, config, target).await).await
}

/// Takes away everything that [`migrate()`] made, rows included. Waits and refuses as it does.
pub async fn down(config: &Config, shutdown: &Shutdown) -> Result<Option<()>, Failure> {
    patiently(config, shutdown, async |client, target| {
        lock(client, target).await?;
        client.batch_execute(DOWN).await?;
        info!(database = %target, "everything of tape is gone from the database");
        Ok(())
    })
    .await
}

/// What the database holds, and what a run would do; changes nothing.
pub async fn status(config: &Config, shutdown: &Shutdown) -> Result<Option<schema::Status>, Failure> {
    patiently(config, shutdown, async |client, _| Ok(schema::status(client).await?)).await
}

/// Works on a connection of its own, again and again while the database is away. `None`: the stop was requested first.
pub(crate) async fn patiently<T>(
    config: &Config,
    shutdown: &Shutdown,
    work: impl AsyncFn(&mut Client, &str) -> Result<T, Stop>,
) -> Result<Option<T>, Failure> {
    let target = pool::target(&config.db);
    for pause in pool::pauses() {
        let attempt = tokio::select! {
            attempt = run(config, &target, &work) => attempt,
            () = shutdown.requested() => return Ok(None),
        };
        match attempt {
            Ok(done) => return Ok(Some(done)),
            Err(Stop::Refused(text)) => return Err(Failure::Config(text)),
            // TimescaleDB says so of many a plain mistake: nobody should wait for it to pass.
            Err(Stop::Failed(error)) if error.sqlstate() == Some(INTERNAL_ERROR) => {
                return Err(Failure::Config(format!("database {target}: {error}")));
            }
            Err(Stop::Failed(error)) => match error.reaction() {
                Reaction::Retry | Reaction::DiskFull => {
                    warn!(database = %target, pause_ms = pause.as_millis() as u64, %error, "waiting for the database");
                }
                Reaction::Config | Reaction::Data | Reaction::Split => {
                    return Err(Failure::Config(format!("database {target}: {error}")));
                }
            },
        }
        if !shutdown.pause(pause).await {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Why an attempt ended.
pub(crate) enum Stop {
    Refused(String),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

async fn run<T>(
    config: &Config,
    target: &str,
    work: &impl AsyncFn(&mut Client, &str) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let (mut client, connection) = connect(config, "migrate").await?;
    let result = work(&mut client, target).await;
    drop(client);
    // The connection ends by itself once its client is gone, and the server releases the lock.
    if let Err(error) = connection.await {
        warn!(%error, "the migration's connection did not end by itself");
    }
    result
}

/// A connection of its own, without a statement time-out; `purpose` is what the server's own tools show.
pub(crate) async fn connect(
    config: &Config,
    purpose: &'static str,
) -> Result<(Client, JoinHandle<()>), Error> {
    let application = format!("{}-{purpose}", config.app_id);
    let settings = pool::client_config(&config.db, &application);
    // The client's own time-out ends with the TCP handshake; a server may also be silent after it.
    let (client, connection) =
        tokio::time::timeout(config.db.connect_timeout, settings.connect(NoTls)).await.map_err(|_| {
            Error::new(Reaction::Retry, "the connection did not open within DB_CONNECT_TIMEOUT")
        })??;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            warn!(purpose, error = %Error::from(error), "the connection to the database broke");
        }
    });
    Ok((client, task))
}

async fn up(client: &mut Client, config: &Config, target: &str) -> Result<Report, Stop> {
    lock(client, target).await?;
    let wanted = Settings::from(&config.processing);
    let stored = stored_settings(client).await?;
    if stored.is_some() {
        refuse_other_settings(client, stored, wanted, target).await?;
    }
    layout::create_extension(client).await?;
    let report = schema::runner().run_async(client).await?;
    if refuse_other_settings(client, stored, wanted, target).await? == Decision::Write {
        client.execute(settings::WRITE, &[&wanted.slide.as_secs_f64(), &wanted.window.as_secs_f64()]).await?;
        info!(database = %target, slide = ?wanted.slide, window = ?wanted.window, "settings row written");
    }
    let server = layout::detect(client).await?;
    layout::apply(client, &server, &config.db).await?;
    let applied: Vec<String> = report.applied_migrations().iter().map(ToString::to_string).collect();
    let version = schema::newest();
    info!(database = %target, %server, edition = server.edition.as_str(), version, applied = applied.len(), "schema is up to date");
    Ok(Report { applied, version, server })
}

/// Held until the connection ends: nobody migrates meanwhile.
pub(crate) async fn lock(client: &Client, target: &str) -> Result<(), Error> {
    let mut said = false;
    loop {
        let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await?;
        if row.get(0) {
            return Ok(());
        }
        if !said {
            warn!(database = %target, "another migration is running; waiting for it to end");
            said = true;
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

async fn stored_settings(client: &Client) -> Result<Option<Settings>, Error> {
    let exists: bool = client.query_one("SELECT to_regclass('settings') IS NOT NULL", &[]).await?.get(0);
    if !exists {
        return Ok(None);
    }
    let row = client.query_opt(settings::READ, &[]).await?;
    Ok(row.map(|row| settings::from_millis(row.get(0), row.get(1))))
}

async fn refuse_other_settings(
    client: &Client,
    stored: Option<Settings>,
    wanted: Settings,
    target: &str,
) -> Result<Decision, Stop> {
    let has_rows = client.query_one("SELECT EXISTS (SELECT FROM stock_aggregates)", &[]).await?.get(0);
    match settings::decide(stored, wanted, has_rows, target) {
        Decision::Refuse(text) => Err(Stop::Refused(text)),
        decision => Ok(decision),
    }
}
