//! What must stand before the roles start: topics, the database, its schema. Everything may stand already.

use std::time::Duration;

use anyhow::anyhow;
use tape_db::Pool;
use tape_kafka::{Clients, Error, Reaction};
use tape_service::{Backoff, Config, Failure, Shutdown};

use super::plan::Plan;
use crate::topics::ANSWER_TIMEOUT;

/// First and longest pause between two questions to brokers that are away.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// Makes all of it. False: a stop was requested meanwhile.
pub(crate) async fn build(plan: &Plan, shutdown: &Shutdown) -> Result<bool, Failure> {
    Ok(topics(&plan.config, shutdown).await?
        && database(plan, shutdown).await?
        && tape_db::migrate(&plan.config, shutdown).await?.is_some())
}

async fn topics(config: &Config, shutdown: &Shutdown) -> Result<bool, Failure> {
    for pause in Backoff::new(PAUSE_FIRST, PAUSE_LONGEST) {
        let owned = config.clone();
        let asked = tokio::task::spawn_blocking(move || ensure(&owned));
        match asked.await.map_err(|error| Failure::Other(anyhow!("making the topics failed: {error}")))? {
            Ok(lines) if lines.is_empty() => return Ok(true),
            Ok(lines) => return Err(Failure::Config(lines.join("\n"))),
            Err(error) if error.reaction == Reaction::Retry => {
                tracing::warn!(%error, servers = %config.kafka.bootstrap_servers, "waiting for Kafka");
            }
            Err(error) => return Err(error.into()),
        }
        if !shutdown.pause(pause).await {
            break;
        }
    }
    Ok(false)
}

/// One line for each topic that does not fit.
fn ensure(config: &Config) -> Result<Vec<String>, Error> {
    let admin = Clients::new(&config.kafka, &format!("{}-demo", config.app_id)).admin()?;
    Ok(admin.ensure(config, ANSWER_TIMEOUT)?.iter().map(ToString::to_string).collect())
}

/// A replay has a database of its own, made from the configured one.
async fn database(plan: &Plan, shutdown: &Shutdown) -> Result<bool, Failure> {
    let name = &plan.config.db.name;
    if *name == plan.server.name {
        return Ok(true);
    }
    let pool = Pool::new(&plan.server, &format!("{}-demo", plan.config.app_id))?;
    let refused = |error: tape_db::Error| Failure::Config(format!("database {}: {error}", pool.target()));
    let waiting = |error: &tape_db::Error| tracing::warn!(%error, "waiting for the database");
    let Some(connection) = pool.wait(shutdown, waiting).await.map_err(refused)? else { return Ok(false) };
    let failed = |error: tape_db::Error| Failure::Other(anyhow!("database {name}: {error}"));
    let exists = connection
        .query_one("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", &[name])
        .await
        .map_err(|error| failed(error.into()))?;
    if !exists.get::<_, bool>(0) {
        // A name cannot be a parameter; ours has no quotes of its own, the configured part might.
        let quoted = name.replace('"', "\"\"");
        connection
            .batch_execute(&format!("CREATE DATABASE \"{quoted}\""))
            .await
            .map_err(|error| failed(error.into()))?;
        tracing::info!(database = name, "created");
    }
    Ok(true)
}
