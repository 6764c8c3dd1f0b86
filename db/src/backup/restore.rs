//! `tape restore`.
//!
//! 1. read the manifest, find `pg_restore`, list the dump: what is not whole is refused before anything is touched;
//! 2. connect, take the lock of migrations; refuse a database that has tables of ours, a server or an extension that the
//!    dump does not fit, a configuration with other windows than the rows;
//! 3. extensions; for TimescaleDB its restoring mode;
//! 4. `pg_restore`: one transaction on plain PostgreSQL, so that a failure leaves nothing behind;
//! 5. count the rows of each table again and compare with the manifest;
//! 6. `tape migrate`: rights, policies, partitions ahead, and what a newer tape needs.
//!
//! Owners and rights in the dump are ignored: everything belongs to the role that restores.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use tape_service::config::Config;
use tape_service::{Failure, Shutdown};
use tracing::{info, warn};

use super::broken;
use super::manifest::Manifest;
use super::session::Session;
use super::tables;
use super::tool::{Ended, Program, Tools, major};
use crate::layout::{self, NO_RIGHT, Server};
use crate::settings::Settings;
use crate::{Error, Reaction, migrate, schema};

/// What was done.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What stood beside the dump, and now stands in the database.
    pub manifest: Manifest,
    /// What `tape migrate` did afterwards; `None`: the stop was requested before, so it is still to be run.
    pub migrated: Option<migrate::Report>,
    /// How long it took.
    pub took: Duration,
}

/// Brings a dump back and verifies it; waits while the database is away. `Ok(None)`: the stop was requested first; a plain
/// database is then as it was, unless its rows were being counted already. `Failure::Config`: what must be corrected before
/// a new attempt; no table was made. `Failure::Other`: `pg_restore` failed, or what was restored is not what the manifest says.
pub async fn restore(
    config: &Config,
    dump: &Path,
    tools: &Tools,
    shutdown: &Shutdown,
) -> Result<Option<Restored>, Failure> {
    let begun = Instant::now();
    let manifest = Manifest::of(dump)?;
    let program = tools.find("pg_restore").await?;
    judge_alone(&manifest, config, &program)?;
    let contents = match program.output([OsString::from("--list"), dump.into()]).await? {
        Ok(text) => Contents::of(&text),
        Err(text) => return Err(Failure::Config(format!("{} cannot be read: {text}", dump.display()))),
    };
    let Some(session) = Session::open(config, shutdown).await? else { return Ok(None) };
    let work = Work { config, dump, program: &program, session: &session, manifest: &manifest, contents };
    let done = work.run(shutdown).await;
    session.close().await;
    if done?.is_none() {
        return Ok(None);
    }
    info!(file = %dump.display(), tables = manifest.tables.len(), rows = manifest.rows(), "restored and verified");
    let migrated = migrate(config, shutdown).await?;
    Ok(Some(Restored { manifest, migrated, took: begun.elapsed() }))
}

/// What can be said without the database.
fn judge_alone(manifest: &Manifest, config: &Config, program: &Program) -> Result<(), Failure> {
    let dumped_by = major(&manifest.pg_dump).unwrap_or_default();
    if program.major < dumped_by {
        return Err(Failure::Config(format!(
            "the backup was made by pg_dump {} and pg_restore is version {}: install the client programs of PostgreSQL \
             {dumped_by} (package postgresql-client-{dumped_by} on Debian and Ubuntu) and put them first in PATH",
            manifest.pg_dump, program.version
        )));
    }
    if manifest.schema > schema::newest() {
        return Err(Failure::Config(format!(
            "the schema in the backup is at version {}, and this tape knows only {}; restore it with tape {}",
            manifest.schema,
            schema::newest(),
            manifest.tape
        )));
    }
    let wanted = Settings::from(&config.processing);
    if let Some(windows) = manifest.windows.map(Settings::from)
        && windows != wanted
        && manifest.rows_of("stock_aggregates") > 0
    {
        return Err(Failure::Config(format!(
            "the rows in the backup were computed with WINDOW_DURATION={:?} and SLIDE_DURATION={:?}, and the settings say {:?} and \
             {:?}; set them as the rows were computed, here and for processor and sink",
            windows.window, windows.slide, wanted.window, wanted.slide
        )));
    }
    Ok(())
}

/// The dump's table of contents, as `pg_restore --list` prints it, without extensions and their comments: these belong to the
/// server's administrator, and the role that restores may often not touch them.
struct Contents {
    list: String,
    extensions: Vec<String>,
}

impl Contents {
    fn of(list: &str) -> Self {
        let mut contents = Self { list: String::with_capacity(list.len()), extensions: Vec::new() };
        for line in list.lines() {
            // `2; 3079 16385 EXTENSION - pg_stat_statements `, `3345; 0 0 COMMENT - EXTENSION pg_stat_statements `
            let what = line.splitn(4, ' ').nth(3).filter(|_| !line.starts_with(';')).unwrap_or_default();
            match what.strip_prefix("EXTENSION - ") {
                Some(name) => contents.extensions.push(name.trim_end().to_owned()),
                None if what.starts_with("COMMENT - EXTENSION ") => {}
                None => {
                    contents.list.push_str(line);
                    contents.list.push('\n');
                }
            }
        }
        contents
    }
}

struct Work<'a> {
    config: &'a Config,
    dump: &'a Path,
    program: &'a Program,
    session: &'a Session,
    manifest: &'a Manifest,
    contents: Contents,
}

/// What a step that may be refused comes to.
type Judged = Result<Result<(), String>, Error>;

impl Work<'_> {
    async fn run(&self, shutdown: &Shutdown) -> Result<Option<()>, Failure> {
        let session = self.session;
        let Some(judged) = session.unless_stopped(shutdown, self.judge()).await? else { return Ok(None) };
        judged.map_err(Failure::Config)?;
        let Some(prepared) = session.unless_stopped(shutdown, self.prepare()).await? else { return Ok(None) };
        prepared.map_err(Failure::Config)?;
        let ended = self.fill(shutdown).await?;
        match ended {
            Ended::Stopped => return Ok(None),
            Ended::Done => {}
            Ended::Failed(text) if self.manifest.timescale.is_none() => {
                return Err(broken(format!(
                    "pg_restore failed, and the database is as it was: {text}{}",
                    self.hint()
                )));
            }
            // Without a transaction around it `pg_restore` goes on after an error; the rows decide.
            Ended::Failed(text) => {
                warn!(complaint = text, "pg_restore reported errors; now the rows are compared")
            }
        }
        let Some(found) = session.unless_stopped(shutdown, self.sums()).await? else { return Ok(None) };
        let lines = tables::differences(&self.manifest.tables, &found);
        if lines.is_empty() {
            return Ok(Some(()));
        }
        Err(broken(format!(
            "what was restored is not what was backed up:\n{}\nif a sink has written meanwhile, stop it; then `tape migrate --down \
             --yes` and restore again, or take another backup",
            lines.join("\n")
        )))
    }

    /// Refuses what the dump does not fit into; changes nothing.
    async fn judge(&self) -> Judged {
        let (client, target) = (&self.session.client, &self.session.target);
        migrate::lock(client, target).await?;
        let present = tables::present(client).await?;
        if !present.is_empty() {
            return Ok(Err(format!(
                "the database {target} has tables of tape already ({}), and a restore replaces nothing: take them away with \
                 `tape migrate --down --yes`, or restore into an empty database and set DB_NAME to it",
                present.join(", ")
            )));
        }
        let server = layout::detect(client).await?;
        if major(&server.postgres) < major(&self.manifest.postgres) {
            return Ok(Err(format!(
                "the backup is of PostgreSQL {} and the server {target} is PostgreSQL {}: an older server cannot take it",
                self.manifest.postgres, server.postgres
            )));
        }
        match &self.manifest.timescale {
            None => Ok(Ok(())),
            Some(wanted) => judge_extension(&self.session.client, &server, wanted, target).await,
        }
    }

    /// Extensions, as far as this role may create them, and TimescaleDB's restoring mode.
    async fn prepare(&self) -> Judged {
        let client = &self.session.client;
        for name in &self.contents.extensions {
            let of_version = match (name.as_str(), &self.manifest.timescale) {
                ("timescaledb", Some(version)) => format!(" VERSION {}", quoted(version, '\'')),
                _ => String::new(),
            };
            let sql = format!("CREATE EXTENSION IF NOT EXISTS {}{of_version}", quoted(name, '"'));
            match client.batch_execute(&sql).await.map_err(Error::from) {
                Ok(()) => {}
                Err(error) if error.reaction() == Reaction::Retry => return Err(error),
                Err(error) if name == "timescaledb" => {
                    let text = "an administrator can: CREATE EXTENSION timescaledb, of that version";
                    return Ok(Err(format!("database {}: {error}; {text}", self.session.target)));
                }
                Err(error) => {
                    warn!(extension = name, %error, "the backed-up database had this extension; it is not created here");
                }
            }
        }
        if self.manifest.timescale.is_none() {
            return Ok(Ok(()));
        }
        match client.batch_execute("SELECT timescaledb_pre_restore()").await.map_err(Error::from) {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.sqlstate() == Some(NO_RIGHT) => {
                let (target, role) = (&self.session.target, quoted(&self.config.db.user, '"'));
                Ok(Err(format!(
                    "database {target}: TimescaleDB lets only a superuser restore: ALTER ROLE {role} SUPERUSER before, ALTER ROLE \
                     {role} NOSUPERUSER afterwards"
                )))
            }
            Err(error) => Err(error),
        }
    }

    /// `pg_restore`. TimescaleDB's restoring mode ends in any case: in it the database is of no use.
    async fn fill(&self, shutdown: &Shutdown) -> Result<Ended, Failure> {
        let is_plain = self.manifest.timescale.is_none();
        // Its name may look like a connection string or an option; the rest of the connection is in the environment.
        let database = format!("--dbname=dbname={}", quoted_for_libpq(&self.config.db.name));
        let mut arguments =
            vec!["--no-owner", "--no-acl", "--no-password", "--use-list=/dev/stdin", &database];
        if is_plain {
            arguments.extend(["--exit-on-error", "--single-transaction"]);
        }
        let arguments = arguments.into_iter().map(OsString::from).chain([self.dump.into()]);
        info!(file = %self.dump.display(), database = %self.session.target, bytes = self.manifest.bytes, "restoring");
        let ended = self.program.run(self.config, arguments, self.contents.list.as_bytes(), shutdown).await;
        if !is_plain {
            let left = self.session.client.batch_execute("SELECT timescaledb_post_restore()").await;
            left.map_err(|error| self.session.failure(&error.into()))?;
        }
        ended
    }

    async fn sums(&self) -> Result<Vec<tables::TableSum>, Error> {
        info!(database = %self.session.target, "restored; counting the rows");
        let client = &self.session.client;
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let sums = tables::sums(client, &tables::present(client).await?).await?;
        client.batch_execute("COMMIT").await?;
        Ok(sums)
    }

    /// A newer `pg_restore` sets parameters that an older server does not know.
    fn hint(&self) -> String {
        let wanted = major(&self.manifest.postgres).unwrap_or_default();
        if self.program.major == wanted {
            return String::new();
        }
        format!("\npg_restore is version {}; that of PostgreSQL {wanted} may do better", self.program.version)
    }
}

/// A dump of TimescaleDB fits into the very same version only.
async fn judge_extension(
    client: &tokio_postgres::Client,
    server: &Server,
    wanted: &str,
    target: &str,
) -> Judged {
    let remedy = "use a server with that version, and update the extension after the restore (ALTER EXTENSION timescaledb UPDATE)";
    if let Some(found) = &server.timescale {
        if found == wanted {
            return Ok(Ok(()));
        }
        return Ok(Err(format!(
            "the backup is of TimescaleDB {wanted} and the database {target} has {found}: {remedy}"
        )));
    }
    let sql = "SELECT coalesce(array_agg(version::text ORDER BY version), '{}') FROM pg_available_extension_versions \
               WHERE name = 'timescaledb'";
    let offered: Vec<String> = client.query_one(sql, &[]).await?.get(0);
    if offered.iter().any(|version| version == wanted) {
        return Ok(Ok(()));
    }
    let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
    Ok(Err(format!(
        "the backup is of TimescaleDB {wanted} and the server {target} offers {offered}: {remedy}"
    )))
}

fn quoted(text: &str, quote: char) -> String {
    let doubled: String = [quote, quote].iter().collect();
    format!("{quote}{}{quote}", text.replace(quote, &doubled))
}

fn quoted_for_libpq(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_taken_out_of_the_list() {
        let list = ";\n; Archive created at 2026-11-28\n;     Format: CUSTOM\n\
                    2; 3079 16385 EXTENSION - pg_stat_statements \n\
                    3345; 0 0 COMMENT - EXTENSION pg_stat_statements \n\
                    3; 3079 16390 EXTENSION - uuid-ossp \n\
                    215; 1259 16391 TABLE public extension tape\n\
                    3346; 0 0 COMMENT public TABLE extension tape\n";
        let contents = Contents::of(list);
        assert_eq!(contents.extensions, ["pg_stat_statements", "uuid-ossp"]);
        assert_eq!(
            contents.list,
            ";\n; Archive created at 2026-11-28\n;     Format: CUSTOM\n\
             215; 1259 16391 TABLE public extension tape\n3346; 0 0 COMMENT public TABLE extension tape\n"
        );
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("a\"b", '"'), "\"a\"\"b\"");
        assert_eq!(quoted_for_libpq("it's a\\b"), r"'it\'s a\\b'");
    }
}
