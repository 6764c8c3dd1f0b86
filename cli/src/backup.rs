//! `tape backup` and `tape restore`: a dump whose rows are counted, and the way back. How it is done stands in
//! `tape_db::backup`.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tape_db::backup::{Backup, Manifest, Options, Restored, Tools};
use tape_service::{Config, Failure};

use crate::backtest::grouped;
use crate::{output, roles};

/// How often the bar turns.
const TICK: Duration = Duration::from_millis(100);

const BACKUP_HELP: &str = "\
Two files are written, readable by their owner only: stockdb-20261128T020000Z-postgresql-15.dump (pg_dump's custom format) and \
the same with .json: rows and a checksum of each table, taken in the same snapshot. Keep both together. A dump without its \
.json is half of an interrupted backup; --keep removes it.

Everybody goes on reading and writing meanwhile; `tape migrate` and `tape maintain` wait where they would drop something.

Needed: pg_dump in PATH, not older than the server; a role that may read every table.

EXAMPLES
  One a day, a week of them (crontab):
      0 2 * * *  tape backup --dir /var/backups/tape --keep 7
  The way back: tape restore --help";

const RESTORE_HELP: &str = "\
The database must be there and have no tables of tape. Counts and checksums are compared with the manifest afterwards, then \
`tape migrate` runs. A backup of TimescaleDB needs a server with the very same version of the extension.

Stop sinks and `tape maintain` first. The offsets in the backup are as old as its rows, so a sink that is started afterwards reads \
again what came since.

Needed: pg_restore in PATH, not older than the pg_dump that made the file; a role that may create tables in the database.

EXAMPLES
  Into a database of another name, beside the one that is in use:
      createdb stockdb2 && DB_NAME=stockdb2 tape restore stockdb-20261128T020000Z-postgresql-15.dump --yes
  In place of what is there:
      tape migrate --down --yes && tape restore stockdb-20261128T020000Z-postgresql-15.dump --yes";

/// Options of `tape backup`.
#[derive(Debug, Args)]
#[command(after_long_help = BACKUP_HELP)]
pub(crate) struct BackupArgs {
    /// Folder for the backups of this one database; made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Then delete all complete backups of this database but the newest N, and what interrupted ones left
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroUsize>,
    /// One JSON object instead of a line
    #[arg(long)]
    json: bool,
}

/// Options of `tape restore`.
#[derive(Debug, Args)]
#[command(after_long_help = RESTORE_HELP)]
pub(crate) struct RestoreArgs {
    /// The dump; its manifest (.json) lies beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Do not ask: the rows of the backup come into the database that the settings name
    #[arg(long, required = true)]
    yes: bool,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// What is told, as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    file: String,
    seconds: f64,
    rows: i64,
    #[serde(flatten)]
    manifest: &'a Manifest,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
}

/// Makes one backup; waits while the database is away.
pub(crate) fn backup(args: &BackupArgs, config: Config) -> Result<(), Failure> {
    roles::until_stopped(config, async |config: Arc<Config>, shutdown| {
        let options = Options { dir: args.dir.clone(), keep: args.keep, tools: Tools::from_path() };
        let bar = bar();
        let done =
            tape_db::backup::backup(&config, &options, &shutdown, |bytes| bar.set_position(bytes)).await;
        bar.finish_and_clear();
        let done = done?.ok_or_else(stopped)?;
        output::print("the answer", &if args.json { backup_json(&done)? } else { backup_line(&done) })
    })
}

/// Brings a backup back and verifies it; waits while the database is away.
pub(crate) fn restore(args: &RestoreArgs, config: Config) -> Result<(), Failure> {
    roles::until_stopped(config, async |config: Arc<Config>, shutdown| {
        let done = tape_db::backup::restore(&config, &args.file, &Tools::from_path(), &shutdown).await?;
        let done = done.ok_or_else(stopped)?;
        output::print(
            "the answer",
            &if args.json { restore_json(args, &done)? } else { restore_lines(&done) },
        )?;
        match done.migrated {
            Some(_) => Ok(()),
            None => Err(Failure::Other(anyhow::anyhow!(
                "stopped after the rows were verified: run `tape migrate`"
            ))),
        }
    })
}

fn backup_line(done: &Backup) -> String {
    let seconds = done.took.as_secs_f64();
    let rows = rows(&done.manifest);
    let bytes = grouped(done.manifest.bytes);
    let mut text = format!("{}: {rows} rows, {bytes} bytes, {seconds:.1} s\n", done.file.display());
    for file in &done.deleted {
        text.push_str(&format!("deleted {}\n", file.display()));
    }
    text
}

fn backup_json(done: &Backup) -> Result<String, Failure> {
    json(&Answer {
        file: done.file.to_string_lossy().into_owned(),
        seconds: done.took.as_secs_f64(),
        rows: done.manifest.rows(),
        manifest: &done.manifest,
        deleted: Some(done.deleted.iter().map(|file| file.to_string_lossy().into_owned()).collect()),
        verified: None,
    })
}

fn restore_lines(done: &Restored) -> String {
    let (tables, rows) = (done.manifest.tables.len(), rows(&done.manifest));
    let seconds = done.took.as_secs_f64();
    format!(
        "verified: {tables} tables, {rows} rows as of {} ({seconds:.1} s)\n\
         Start the sink: it goes on where this backup stands (sink_offsets), as long as Kafka still has the records.\n",
        done.manifest.taken_at
    )
}

fn restore_json(args: &RestoreArgs, done: &Restored) -> Result<String, Failure> {
    json(&Answer {
        file: args.file.to_string_lossy().into_owned(),
        seconds: done.took.as_secs_f64(),
        rows: done.manifest.rows(),
        manifest: &done.manifest,
        deleted: None,
        verified: Some(true),
    })
}

fn rows(manifest: &Manifest) -> String {
    grouped(u64::try_from(manifest.rows()).unwrap_or_default())
}

/// Bytes of the dump, where a person looks at it; how many there will be is not known.
fn bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {binary_bytes}  {binary_bytes_per_sec}  {elapsed}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

fn stopped() -> Failure {
    Failure::Other(anyhow::anyhow!("stopped before it was done"))
}

fn json(answer: &Answer<'_>) -> Result<String, Failure> {
    let text = serde_json::to_string(answer).map_err(|error| Failure::Other(error.into()))?;
    Ok(text + "\n")
}
