//! A short question to the database: one connection, and an end to the waiting.

use std::fmt::Display;
use std::time::Duration;

use tape_db::{Connection, Error, Pool};
use tape_service::Config;
use tape_service::config::Database;

/// Why there is no answer.
pub(crate) struct Unanswered {
    /// A sentence that names the database.
    pub(crate) what: String,
    /// What the server said, if it spoke.
    pub(crate) sqlstate: Option<String>,
}

/// Asks; the connection, and then the answer, may each take so long.
pub(crate) fn ask<T>(
    config: &Config,
    client: &str,
    patience: Duration,
    question: impl AsyncFnOnce(&Connection, &Pool) -> Result<T, Error>,
) -> Result<T, Unanswered> {
    let failed = |error: &dyn Display| Unanswered { what: error.to_string(), sqlstate: None };
    let database = Database { pool_max: 1, connect_timeout: patience, ..config.db.clone() };
    let pool =
        Pool::new(&database, &format!("{}-{client}", config.app_id)).map_err(|error| failed(&error))?;
    let refused = |error: Error| Unanswered {
        what: format!("{}: {error}", pool.target()),
        sqlstate: error.sqlstate().map(str::to_owned),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| failed(&error))?.block_on(async {
        let connection = pool.get().await.map_err(refused)?;
        let asked = tokio::time::timeout(patience, question(&connection, &pool)).await;
        let late = |_| failed(&format!("{}: no answer within {patience:?}", pool.target()));
        asked.map_err(late)?.map_err(refused)
    })
}
