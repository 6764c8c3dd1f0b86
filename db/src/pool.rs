//! The connection pool: deadpool under the limits of the configuration, with time-outs on both sides.
//!
//! - The server ends a statement after [`STATEMENT_TIMEOUT`] and a transaction that nobody works on after
//!   [`IDLE_IN_TRANSACTION_TIMEOUT`]: a sink that froze does not hold its locks for ever.
//! - TCP keepalives notice a server that vanished without a word.
//! - A connection older than `DB_MAX_LIFETIME`, or unused for `DB_IDLE_TIMEOUT`, is replaced when it is next asked
//!   for; [`Pool::sweep`] closes those that nobody asks for.

use std::time::Duration;

use deadpool_postgres::{
    Client as Connection, Hook, HookError, Manager, ManagerConfig, Metrics, Object, RecyclingMethod, Runtime,
};
use tape_service::backoff::Backoff;
use tape_service::config::Database;
use tape_service::{Failure, Shutdown};
use tokio_postgres::NoTls;

use crate::{Error, Reaction};

/// A statement that runs longer is cancelled (57014, a retry). A batch takes 50 ms; half a minute is a lock that
/// somebody forgot or a disk that stands.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a transaction may stand open between two statements. The sink waits in one for the acknowledgement of
/// dead letters, at most the producer's delivery time-out.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(120);

/// Silence after which TCP asks whether the server is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(20);

/// How long sent bytes may stay unacknowledged before the connection counts as lost.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// First and longest pause between two attempts to reach a database that is away.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// How a pool is used at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections that somebody works with.
    pub in_use: usize,
    /// Connections that are open and wait for work.
    pub idle: usize,
    /// Who waits for a connection.
    pub waiting: usize,
    /// Most connections that there may be (`DB_POOL_MAX`).
    pub max: usize,
}

/// Connections to the one database of the configuration. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    inner: deadpool_postgres::Pool,
    target: String,
    idle_timeout: Duration,
}

impl Pool {
    /// Prepares a pool; connects to nothing yet. `application_name` is what the server's own tools show.
    pub fn new(database: &Database, application_name: &str) -> Result<Self, Failure> {
        let mut config = client_config(database, application_name);
        config.options(format!(
            "-c statement_timeout={} -c idle_in_transaction_session_timeout={}",
            STATEMENT_TIMEOUT.as_millis(),
            IDLE_IN_TRANSACTION_TIMEOUT.as_millis()
        ));
        let manager =
            Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let (lifetime, idle) = (database.max_lifetime, database.idle_timeout);
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(database.pool_max)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(database.connect_timeout))
            .create_timeout(Some(database.connect_timeout))
            .pre_recycle(Hook::sync_fn(move |_, metrics| {
                if is_worn(metrics, lifetime, idle) {
                    return Err(HookError::message("the connection reached its age"));
                }
                Ok(())
            }))
            .build()
            .map_err(|error| Failure::Other(error.into()))?;
        Ok(Self { inner, target: target(database), idle_timeout: idle })
    }

    /// A connection, from the pool or new, within the connect time-out.
    pub async fn get(&self) -> Result<Connection, Error> {
        Ok(self.inner.get().await?)
    }

    /// Asks for a connection until there is one, with growing pauses. `None` when the stop was requested first; an
    /// error that waiting cannot mend (rights, no such database) ends it. `on_wait` hears every failure, once each.
    pub async fn wait(
        &self,
        shutdown: &Shutdown,
        mut on_wait: impl FnMut(&Error),
    ) -> Result<Option<Connection>, Error> {
        for pause in Backoff::new(PAUSE_FIRST, PAUSE_LONGEST) {
            let attempt = tokio::select! {
                attempt = self.get() => attempt,
                () = shutdown.requested() => return Ok(None),
            };
            match attempt {
                Ok(connection) => return Ok(Some(connection)),
                Err(error) if error.reaction() == Reaction::Config => return Err(error),
                Err(error) => on_wait(&error),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.requested() => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Closes connections that were unused for longer than the idle time-out. For a caller's regular round.
    pub fn sweep(&self) {
        let idle = self.idle_timeout;
        if !idle.is_zero() {
            self.inner.retain(|_, metrics| metrics.last_used() < idle);
        }
    }

    /// How the pool is used now.
    pub fn status(&self) -> PoolStatus {
        let status = self.inner.status();
        PoolStatus {
            in_use: status.size.saturating_sub(status.available),
            idle: status.available,
            waiting: status.waiting,
            max: status.max_size,
        }
    }

    /// `host:port/name`, for messages.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// Closes a connection whose state is unknown (a time-out, an open transaction) instead of returning it to the pool.
pub fn discard(connection: Connection) {
    drop(Object::take(connection));
}

/// Client settings that pool and migrations share.
pub(crate) fn client_config(database: &Database, application_name: &str) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config
        .host(&database.host)
        .port(database.port)
        .dbname(&database.name)
        .user(&database.user)
        .application_name(application_name)
        .connect_timeout(database.connect_timeout)
        .keepalives_idle(KEEPALIVE_IDLE)
        .tcp_user_timeout(TCP_USER_TIMEOUT);
    if let Some(password) = &database.password {
        config.password(password.expose());
    }
    config
}

pub(crate) fn target(database: &Database) -> String {
    format!("{}:{}/{}", database.host, database.port, database.name)
}

/// First and longest pause between attempts, for the migration runner too.
pub(crate) fn pauses() -> Backoff {
    Backoff::new(PAUSE_FIRST, PAUSE_LONGEST)
}

fn is_worn(metrics: &Metrics, lifetime: Duration, idle: Duration) -> bool {
    (!lifetime.is_zero() && metrics.age() >= lifetime) || (!idle.is_zero() && metrics.last_used() >= idle)
}
