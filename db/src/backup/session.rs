//! One connection of our own, without time-outs, whose work ends when the stop is requested.

use std::time::Duration;

use tape_service::config::Config;
use tape_service::{Failure, Shutdown};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};
use tracing::warn;

use super::{broken, tables};
use crate::{Error, Reaction, migrate, pool};

/// How long the server may take to hear that a query is to end.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Session {
    pub(super) client: Client,
    pub(super) target: String,
    connection: JoinHandle<()>,
}

impl Session {
    /// Connects, again and again while the database is away. `None`: the stop was requested first. `Failure::Config` for
    /// what waiting cannot mend.
    pub(super) async fn open(config: &Config, shutdown: &Shutdown) -> Result<Option<Self>, Failure> {
        let target = pool::target(&config.db);
        for pause in pool::pauses() {
            let attempt = tokio::select! {
                attempt = connect(config) => attempt,
                () = shutdown.requested() => return Ok(None),
            };
            match attempt {
                Ok((client, connection)) => return Ok(Some(Self { client, target, connection })),
                Err(error) if matches!(error.reaction(), Reaction::Retry | Reaction::DiskFull) => {
                    warn!(database = %target, pause_ms = pause.as_millis() as u64, %error, "waiting for the database");
                }
                Err(error) => return Err(failure(&target, &error)),
            }
            if !shutdown.pause(pause).await {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Work of this connection. `None`: the stop was requested, and the server was told to leave it.
    pub(super) async fn unless_stopped<T>(
        &self,
        shutdown: &Shutdown,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, Failure> {
        tokio::select! {
            done = work => done.map(Some).map_err(|error| self.failure(&error)),
            () = shutdown.requested() => {
                let cancel = self.client.cancel_token();
                // A query that goes on ends with its connection, only later.
                let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancel.cancel_query(NoTls)).await;
                Ok(None)
            }
        }
    }

    pub(super) fn failure(&self, error: &Error) -> Failure {
        failure(&self.target, error)
    }

    /// Waits until the server has heard of the end, which ends its locks.
    pub(super) async fn close(self) {
        drop(self.client);
        let _ = self.connection.await;
    }
}

async fn connect(config: &Config) -> Result<(Client, JoinHandle<()>), Error> {
    let (client, connection) = migrate::connect(config, "backup").await?;
    client.batch_execute(tables::SETTINGS).await?;
    Ok((client, connection))
}

fn failure(target: &str, error: &Error) -> Failure {
    let text = format!("database {target}: {error}");
    match error.reaction() {
        Reaction::Config => Failure::Config(text),
        _ => broken(text),
    }
}
