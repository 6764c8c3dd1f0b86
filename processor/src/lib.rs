//! The processor role: reads `raw-trades`, keeps windows, and emits rows and alerts exactly once.
//!
//! | file | holds |
//! |---|---|
//! | `worker` | the loop of one thread: events, restore, records, idle tasks, commit |
//! | `task` | the life of a task, drawn and encoded |
//! | `intake` | what happens to one record |
//! | `commit` | the order of a commit, known nowhere else |
//! | `restore` | from store and changelog to a running task |
//! | `batch` | buffers of one commit |
//! | `codec` | wire, logic and stored values, one into another |
//! | `orphans` | partitions that a killed member left unowned |
//! | `startup` | topic checks |
//!
//! Invariant: a task belongs to one thread; nothing on the way of a trade is shared.

mod batch;
pub mod codec;
mod commit;
mod context;
mod intake;
mod meters;
mod orphans;
mod restore;
mod startup;
mod status;
mod task;
mod worker;

use std::sync::Arc;

use anyhow::anyhow;
use tape_service::{Config, Failure, Health, Shutdown, http};
use tape_state::{DirectoryError, StateDir};
use tokio::task::JoinError;

#[doc(hidden)]
pub use commit::CommitOrder;
use context::Context;
use status::Status;
use worker::Worker;

/// Runs the role until a stop is requested: then commits, closes, and returns. A failure of one worker stops all.
pub async fn run(config: Arc<Config>, shutdown: Shutdown) -> Result<(), Failure> {
    run_with(config, shutdown, CommitOrder::Right).await
}

/// The same with an order of the commit that may be broken: for tests that must catch it.
#[doc(hidden)]
pub async fn run_with(config: Arc<Config>, shutdown: Shutdown, order: CommitOrder) -> Result<(), Failure> {
    let health = Health::new("processor");
    let workers = config.processing.workers;
    let status = Status::new(health.clone(), workers);
    let address = http::serve(config.http.processor, health, shutdown.clone()).await?;
    let context = Arc::new(Context::with_order(open(&config, status)?, order));
    let checked = {
        let (config, context, shutdown) = (Arc::clone(&config), Arc::clone(&context), shutdown.clone());
        tokio::task::spawn_blocking(move || startup::check_topics(&config, &context.clients, &shutdown))
    };
    if !joined(checked.await)? {
        return Ok(());
    }
    tracing::info!(workers, member = %context.member, ?address, "processor starts");
    let threads: Vec<_> = (0..workers)
        .map(|number| {
            let (context, shutdown) = (Arc::clone(&context), shutdown.clone());
            tokio::task::spawn_blocking(move || {
                let result = work(context, number, &shutdown);
                if let Err(failure) = &result {
                    tracing::error!(worker = number, %failure, "worker failed; stopping the processor");
                }
                // One worker down: the others finish in order, so that the process ends and is started anew as a whole.
                shutdown.request();
                result
            })
        })
        .collect();
    let mut outcome = Ok(());
    for thread in threads {
        outcome = outcome.and(joined(thread.await));
    }
    tracing::info!("processor stopped");
    outcome
}

/// The consumer group of the processor, for tools that ask for its lag.
pub fn group(config: &Config) -> String {
    context::group(config)
}

fn open(config: &Config, status: Status) -> Result<Context, Failure> {
    let refused = |error: DirectoryError| Failure::Config(error.to_string());
    let state = StateDir::open(&config.processing.state_dir).map_err(refused)?;
    let instance = state.instance_id(config.processing.instance_id.as_deref()).map_err(refused)?;
    let context = Context::new(config, &instance, state, status);
    context.settings.check().map_err(|error| Failure::Config(error.to_string()))?;
    Ok(context)
}

fn work(context: Arc<Context>, number: usize, shutdown: &Shutdown) -> Result<(), Failure> {
    match Worker::start(context, number, shutdown)? {
        Some(worker) => worker.run(shutdown),
        None => Ok(()),
    }
}

/// The result of a thread; one that panicked failed.
fn joined<T>(thread: Result<Result<T, Failure>, JoinError>) -> Result<T, Failure> {
    thread.unwrap_or_else(|panic| Err(Failure::Other(anyhow!("a thread failed: {panic}"))))
}
