//! `tape backup`.
//!
//! 1. find `pg_dump`, make and lock the folder, connect; refuse a database without our tables and a `pg_dump` older than
//!    the server;
//! 2. begin a transaction, lock our tables against being dropped, export its snapshot;
//! 3. meanwhile: `pg_dump` in that snapshot; rows and checksums in that snapshot;
//! 4. dump to disk, then the manifest, then the rotation.
//!
//! Whatever ends it early, a stop included, ends `pg_dump` and removes the half files.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tape_service::config::Config;
use tape_service::{Failure, Shutdown};
use tracing::info;

use super::broken;
use super::folder::{self, Folder, Half};
use super::manifest::Manifest;
use super::session::Session;
use super::tables::{self, TableSum};
use super::tool::{Ended, Program, Tools, major};
use crate::Error;
use crate::layout::{self, Server};
use crate::schema::{self, Status};

/// How often the caller hears how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// A name holds whole seconds.
const NAME_PAUSE: Duration = Duration::from_secs(1);

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of the backups; made if it is not there.
    pub dir: PathBuf,
    /// How many complete backups of this database stay; `None`: all.
    pub keep: Option<NonZeroUsize>,
    /// Where `pg_dump` is.
    pub tools: Tools,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Backup {
    /// The dump.
    pub file: PathBuf,
    /// What stands beside it.
    pub manifest: Manifest,
    /// Dumps that the rotation deleted, with their manifests.
    pub deleted: Vec<PathBuf>,
    /// How long it took.
    pub took: Duration,
}

/// Makes one backup; waits while the database is away. `on_progress` hears how many bytes the dump has. `Ok(None)`: the stop
/// was requested first, and nothing is left. `Failure::Config`: `pg_dump` missing or too old, folder, rights, a database
/// without our tables.
pub async fn backup(
    config: &Config,
    options: &Options,
    shutdown: &Shutdown,
    on_progress: impl Fn(u64),
) -> Result<Option<Backup>, Failure> {
    let begun = Instant::now();
    let program = options.tools.find("pg_dump").await?;
    let folder = Folder::open(&options.dir)?;
    let Some(session) = Session::open(config, shutdown).await? else { return Ok(None) };
    let work = Work { config, program: &program, session: &session, folder: &folder };
    let done = work.run(shutdown, &on_progress).await;
    session.close().await;
    let Some((file, manifest)) = done? else { return Ok(None) };
    let deleted = match options.keep {
        None => Vec::new(),
        Some(keep) => folder.rotate(&config.db.name, keep).map_err(|error| {
            let (file, dir) = (file.display(), options.dir.display());
            broken(format!(
                "the backup {file} is complete, but older ones in {dir} could not be deleted: {error}"
            ))
        })?,
    };
    let took = begun.elapsed();
    info!(file = %file.display(), bytes = manifest.bytes, rows = manifest.rows(), deleted = deleted.len(), "backup complete");
    Ok(Some(Backup { file, manifest, deleted, took }))
}

struct Work<'a> {
    config: &'a Config,
    program: &'a Program,
    session: &'a Session,
    folder: &'a Folder,
}

/// A snapshot that others can read in, and what it is of.
struct Snapshot {
    id: String,
    status: Status,
    tables: Vec<&'static str>,
}

impl Work<'_> {
    async fn run(
        &self,
        shutdown: &Shutdown,
        on_progress: &impl Fn(u64),
    ) -> Result<Option<(PathBuf, Manifest)>, Failure> {
        let looking = async {
            Ok((layout::detect(&self.session.client).await?, tables::present(&self.session.client).await?))
        };
        let Some((server, tables)) = self.session.unless_stopped(shutdown, looking).await? else {
            return Ok(None);
        };
        self.judge(&server, &tables)?;
        let Some(snapshot) = self.session.unless_stopped(shutdown, self.snapshot(tables)).await? else {
            return Ok(None);
        };
        let Some((half, taken_at)) = self.file(&server, shutdown).await? else { return Ok(None) };
        let Some(tables) = self.read(&snapshot, half.path(), shutdown, on_progress).await? else {
            return Ok(None);
        };
        let unwritten = |error| broken(format!("{} cannot be written: {error}", half.path().display()));
        let dump = File::open(half.path()).map_err(unwritten)?;
        dump.sync_all().map_err(unwritten)?;
        let manifest = Manifest {
            format: Manifest::format(),
            database: self.config.db.name.clone(),
            taken_at,
            tape: env!("CARGO_PKG_VERSION").to_owned(),
            schema: snapshot.status.version,
            edition: server.edition.as_str().to_owned(),
            postgres: server.postgres,
            timescale: server.timescale,
            pg_dump: self.program.version.clone(),
            windows: snapshot.status.settings.map(Into::into),
            bytes: dump.metadata().map_err(unwritten)?.len(),
            tables,
        };
        manifest.write(half.path()).map_err(unwritten)?;
        Ok(Some((half.complete(), manifest)))
    }

    /// Begins the transaction. `LOCK` takes no snapshot, so the locks come before it: what is in it cannot be dropped until
    /// `pg_dump` has locks of its own.
    async fn snapshot(&self, tables: Vec<&'static str>) -> Result<Snapshot, Error> {
        let client = &self.session.client;
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        client.batch_execute(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", "))).await?;
        let id = client.query_one("SELECT pg_export_snapshot()", &[]).await?.get(0);
        Ok(Snapshot { id, status: schema::status(client).await?, tables })
    }

    /// Refuses what `pg_dump` would refuse with less of a remedy, and a database without anything of ours.
    fn judge(&self, server: &Server, tables: &[&str]) -> Result<(), Failure> {
        let target = &self.session.target;
        if !tables.contains(&"stock_aggregates") {
            return Err(Failure::Config(format!(
                "the database {target} has no tables of tape, so there is nothing to back up; check DB_NAME"
            )));
        }
        let (ours, theirs) = (self.program.major, major(&server.postgres).unwrap_or_default());
        if ours < theirs {
            return Err(Failure::Config(format!(
                "pg_dump is version {} and the server {target} is PostgreSQL {}: install the client programs of \
                 PostgreSQL {theirs} (package postgresql-client-{theirs} on Debian and Ubuntu) and put them first in PATH",
                self.program.version, server.postgres
            )));
        }
        Ok(())
    }

    /// An empty file and its time. Two backups within a second have the same name: the second one waits.
    async fn file(&self, server: &Server, shutdown: &Shutdown) -> Result<Option<(Half, String)>, Failure> {
        let sql = "SELECT to_char(t, 'YYYYMMDD\"T\"HH24MISS\"Z\"'), to_char(t, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
                   FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC') c (t)";
        loop {
            let row = self.session.client.query_one(sql, &[]).await;
            let row = row.map_err(|error| self.session.failure(&error.into()))?;
            let name = folder::name(&self.config.db.name, row.get(0), server);
            if let Some(half) = self.folder.create(&name)? {
                return Ok(Some((half, row.get(1))));
            }
            if !shutdown.pause(NAME_PAUSE).await {
                return Ok(None);
            }
        }
    }

    /// `pg_dump` and our own reading, at the same time; if one fails, the other one is ended.
    async fn read(
        &self,
        snapshot: &Snapshot,
        file: &Path,
        shutdown: &Shutdown,
        on_progress: &impl Fn(u64),
    ) -> Result<Option<Vec<TableSum>>, Failure> {
        let stop = shutdown.child();
        let dumping = async {
            let ended = self.dump(&snapshot.id, file, &stop).await;
            if !matches!(ended, Ok(Ended::Done)) {
                stop.request();
            }
            ended
        };
        let summing = async {
            let sums = tables::sums(&self.session.client, &snapshot.tables);
            let sums = self.session.unless_stopped(&stop, sums).await;
            if !matches!(sums, Ok(Some(_))) {
                stop.request();
            }
            sums
        };
        let (ended, sums) = tokio::select! {
            both = async { tokio::join!(dumping, summing) } => both,
            never = tell(file, on_progress) => match never {},
        };
        if shutdown.is_requested() {
            return Ok(None);
        }
        match (ended?, sums?) {
            (Ended::Done, Some(sums)) => Ok(Some(sums)),
            (Ended::Failed(text), _) => Err(broken(format!("pg_dump failed: {text}"))),
            (Ended::Done | Ended::Stopped, _) => Err(broken("the backup was stopped")),
        }
    }

    async fn dump(&self, snapshot: &str, file: &Path, stop: &Shutdown) -> Result<Ended, Failure> {
        let mut file_argument = OsString::from("--file=");
        file_argument.push(file);
        let arguments =
            ["--format=custom", "--no-password", &format!("--snapshot={snapshot}")].map(OsString::from);
        let arguments = arguments.into_iter().chain([file_argument]);
        self.program.run(self.config, arguments, &[], stop).await
    }
}

/// Says how long the file is, until it is dropped.
async fn tell(file: &Path, on_progress: &impl Fn(u64)) -> Infallible {
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        on_progress(file.metadata().map(|found| found.len()).unwrap_or_default());
    }
}
