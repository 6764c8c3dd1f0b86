//! Versions of the schema: what this program knows, what a database has.

use std::collections::BTreeMap;

use tape_service::{Config, Failure};
use tokio_postgres::GenericClient;

use crate::layout::{self, Server};
use crate::settings::{self, Settings};
use crate::{Connection, Error, Pool};

#[allow(clippy::unwrap_used, unreachable_pub, reason = "written by the embedding macro")]
mod embedded {
    refinery::embed_migrations!("../migrations");
}

/// The numbered files of `migrations/`.
pub(crate) fn runner() -> refinery::Runner {
    embedded::migrations::runner()
}

/// The version that this program needs.
pub fn newest() -> i32 {
    runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or_default()
}

/// A database beside this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the server is.
    pub server: Server,
    /// Version of the schema; 0 = never migrated.
    pub version: i32,
    /// The version that this program needs.
    pub newest: i32,
    /// Files that `tape migrate` would apply, such as `V1__stock_aggregates`.
    pub pending: Vec<String>,
    /// Files that were changed after they were applied: `tape migrate` refuses to go on.
    pub changed: Vec<String>,
    /// What the rows were computed with.
    pub settings: Option<Settings>,
}

/// Looks without changing anything.
pub(crate) async fn status(client: &impl GenericClient) -> Result<Status, Error> {
    let server = layout::detect(client).await?;
    let exists: bool =
        client.query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[]).await?.get(0);
    let mut applied = BTreeMap::new();
    let mut stored = None;
    if exists {
        let rows = client.query("SELECT version, checksum FROM refinery_schema_history", &[]).await?;
        applied = rows.iter().map(|row| (row.get::<_, i32>(0), row.get::<_, String>(1))).collect();
        let row = client.query_opt(settings::READ, &[]).await?;
        stored = row.map(|row| settings::from_millis(row.get(0), row.get(1)));
    }
    let (mut pending, mut changed) = (Vec::new(), Vec::new());
    for migration in runner().get_migrations() {
        match applied.get(&migration.version()) {
            None => pending.push(migration.to_string()),
            Some(checksum) if *checksum != migration.checksum().to_string() => {
                changed.push(migration.to_string())
            }
            Some(_) => {}
        }
    }
    let version = applied.keys().next_back().copied().unwrap_or_default();
    Ok(Status { server, version, newest: newest(), pending, changed, settings: stored })
}

/// Refuses a database whose schema, or whose window, is not the one that this program is configured to write.
pub async fn fits(
    connection: &Connection,
    pool: &Pool,
    config: &Config,
) -> Result<Result<(), Failure>, Error> {
    let schema = check(connection, pool).await?;
    let stored = settings::read(connection).await?;
    Ok(schema.and_then(|()| settings::check(stored, config, pool)))
}

async fn check(connection: &Connection, pool: &Pool) -> Result<Result<(), Failure>, Error> {
    let row =
        connection.query_one("SELECT coalesce(max(version), 0) FROM refinery_schema_history", &[]).await;
    // A database that was never migrated has no such table: the settings row says so better.
    let version = match row.map_err(Error::from) {
        Ok(row) => row.get::<_, i32>(0),
        Err(error) if error.sqlstate() == Some(settings::UNDEFINED_TABLE) => return Ok(Ok(())),
        Err(error) => return Err(error),
    };
    Ok(judge(version, newest(), pool.target()).map_err(Failure::Config))
}

pub(crate) fn judge(version: i32, newest: i32, target: &str) -> Result<(), String> {
    if version < newest {
        return Err(format!(
            "the schema of the database {target} is at version {version} and this tape needs {newest}; run `tape migrate`"
        ));
    }
    if version > newest {
        return Err(format!(
            "the schema of the database {target} is at version {version}, and this tape knows only {newest}; run the newer \
             tape that migrated it"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn only_our_own_version_will_do() {
        assert_eq!(judge(5, 5, "h:1/d"), Ok(()));
        assert!(judge(4, 5, "h:1/d").is_err_and(|text| text.contains("run `tape migrate`")));
        assert!(
            judge(6, 5, "h:1/d").is_err_and(|text| text.contains("version 6") && text.contains("newer tape"))
        );
    }
}
