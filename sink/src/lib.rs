//! `tape sink`: the topics `stock-aggregates` and `breakout-alerts` into PostgreSQL, effectively once.
//!
//! - **Exactly the log, whatever happens**: rows are upserted under the contract's order, alerts by their identity, and how
//!   far each partition was read stands in the same SQL transaction (table `sink_offsets`). A restart, a lost connection, an
//!   unheard COMMIT, a second sink, a restored database: reading goes on where the table stands.
//! - Two sinks that both believe to own a partition cannot both write it: an offset is moved only from the value that the
//!   writer knows.
//! - Only committed records are read (`read_committed`). Kafka's own committed offsets are a hint for lag tools.
//! - What cannot be read, and rows that the database refuses, go to the sink's dead-letter topic, with the place that they
//!   come from and the reason, before their offset is moved. More than half of the last thousand: the sink stops.
//! - While the database is away the sink waits with backoff, is not ready, and says why; memory stays flat.
//!
//! One thread decides (`worker`), others write (`lanes`); `writer` alone knows the order of a commit.
//!
//! | file | what |
//! |---|---|
//! | `entry`, `letter` | a record, judged; a dead letter |
//! | `batch`, `order`, `columns`, `statement` | what is written, and how |
//! | `lanes` | batches that fill while others are written |
//! | `bisect`, `breaker` | rows that are refused |
//! | `partitions`, `start`, `assignment` | whose partitions, from where |
//! | `flush`, `rounds`, `trouble` | a batch's way, the second's round, errors by reaction |

mod assignment;
mod batch;
mod bisect;
mod breaker;
mod columns;
mod dead_letters;
mod entry;
mod flush;
mod lanes;
mod letter;
mod meter;
mod order;
mod partitions;
mod rounds;
#[cfg(test)]
#[path = "../../db/tests/scratch/mod.rs"]
mod scratch;
mod slot;
mod start;
mod statement;
mod trouble;
mod worker;
mod writer;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use tape_db::Pool;
use tape_kafka::Clients;
use tape_service::{Backoff, Config, Failure, Health, Shutdown, http};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::{info, warn};

pub use meter::METRICS;
use slot::Names;
use trouble::Trouble;
use worker::{Context, Ended, Worker};
use writer::Writer;

/// First and longest pause before a new consumer.
const RENEW_FIRST: Duration = Duration::from_millis(200);
const RENEW_LONGEST: Duration = Duration::from_secs(10);

/// Runs the sink until the stop is requested. Must be called inside a tokio runtime. Ends early with
/// `Failure::Config` when the database refuses us (rights, no such database), was never migrated, or holds rows of another
/// slide or window.
pub async fn run(config: Arc<Config>, shutdown: Shutdown) -> Result<(), Failure> {
    // Thread and endpoints end with the role, however it ends, also when this future is dropped.
    let stop = shutdown.child();
    let _stop_on_drop = StopOnDrop(stop.clone());
    let health = Health::new("sink");
    http::serve(config.http.sink, health.clone(), stop.clone()).await?;
    meter::describe();
    let group = group(&config);
    let pool = Pool::new(&config.db, &group)?;
    if !database_is_ours(&config, &pool, &health, &stop).await? {
        return Ok(());
    }
    let names = Names::new(&config.topics);
    let context = Context {
        clients: Clients::new(&config.kafka, &group),
        writer: Writer::new(pool, group.clone(), names.clone(), config.processing.slide),
        group,
        names,
        health,
        shutdown: stop,
        runtime: Handle::current(),
        config,
    };
    let (done, result) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("sink".to_owned())
        .spawn(move || {
            // Nobody listens any more when the role was dropped.
            let _ = done.send(work(Arc::new(context)));
        })
        .map_err(|error| Failure::Other(anyhow!(error).context("the sink's thread cannot start")))?;
    let result = result.await;
    if thread.join().is_err() {
        return Err(Failure::Other(anyhow!("the sink's thread panicked")));
    }
    result.unwrap_or_else(|_| Err(Failure::Other(anyhow!("the sink's thread ended without a result"))))
}

/// The sink's consumer group, also its key in `sink_offsets`: `<APP_ID>-sink`.
pub fn group(config: &Config) -> String {
    format!("{}-sink", config.app_id)
}

struct StopOnDrop(Shutdown);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Waits for the database and compares its settings row; false when the stop came first.
async fn database_is_ours(
    config: &Config,
    pool: &Pool,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<bool, Failure> {
    let refused = |error: tape_db::Error| Failure::Config(format!("database {}: {error}", pool.target()));
    for pause in Backoff::new(RENEW_FIRST, RENEW_LONGEST) {
        let on_wait = |error: &tape_db::Error| {
            meter::database_error(error);
            health.set_ready(false, &format!("database: {error}"));
            warn!(database = pool.target(), %error, "waiting for the database");
        };
        let Some(connection) = pool.wait(shutdown, on_wait).await.map_err(refused)? else { return Ok(false) };
        match tape_db::schema::fits(&connection, pool, config).await {
            Ok(fits) => return fits.map(|()| true),
            Err(error) if error.reaction() == tape_db::Reaction::Config => return Err(refused(error)),
            Err(error) => {
                meter::database_error(&error);
                tape_db::discard(connection);
                warn!(database = pool.target(), %error, "the settings row cannot be read; trying again");
            }
        }
        if !shutdown.pause(pause).await {
            return Ok(false);
        }
    }
    Ok(false)
}

/// One worker after the other, until the stop is requested.
fn work(context: Arc<Context>) -> Result<(), Failure> {
    let mut backoff = Backoff::new(RENEW_FIRST, RENEW_LONGEST);
    loop {
        let why = match Worker::new(Arc::clone(&context)) {
            Ok(worker) => match worker.run()? {
                Ended::Stopped => return Ok(()),
                Ended::Renew { why } => why,
            },
            Err(Trouble::Stop(failure)) => return Err(failure),
            Err(Trouble::Later { why, .. } | Trouble::Split { why } | Trouble::Renew { why }) => why,
        };
        let pause = backoff.pause();
        context.health.set_ready(false, &why);
        warn!(pause_ms = pause.as_millis() as u64, "{why}; a new consumer follows");
        if !context.runtime.block_on(context.shutdown.pause(pause)) {
            info!("sink stopped");
            return Ok(());
        }
    }
}
