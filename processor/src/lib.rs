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
//! | `ports` | what a worker touches outside of itself, as traits |
//! | `recompute` | the state of a task from its input alone |
//! | `status` | what a process says about itself |
//! | `orphans` | partitions that a killed member left unowned |
//! | `startup` | topic checks |
//! | `waits` | lines about waiting |
//! | `topic_watch` | topics that change under a running processor |
//! | `micro` | doors for the micro-benchmarks |
//! | `reset` | starting over: empty state, moved offsets, a higher generation |
//!
//! Invariant: a task belongs to one thread; nothing on the way of a trade is shared.

mod batch;
pub mod codec;
mod commit;
mod context;
mod intake;
mod meters;
#[doc(hidden)]
pub mod micro;
mod orphans;
mod ports;
pub mod recompute;
pub mod reset;
mod restore;
#[cfg(test)]
mod simulation;
mod startup;
pub mod status;
mod task;
mod topic_watch;
mod waits;
mod worker;

use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use tape_kafka::Clients;
use tape_service::{Config, Failure, Health, Shutdown, http};
use tape_state::{DirectoryError, Shared, StateDir};
use tokio::task::JoinError;

pub use commit::CommitOrder;
use context::Context;
pub use meters::METRICS;
use orphans::{OrphanWatch, Place};
use ports::{Real, World as _};
use status::Status;
use topic_watch::TopicWatch;
use worker::Worker;

/// Blocks of tables that all stores of the process keep in memory. Stores are written at commits and read at restarts, so
/// a larger cache buys nothing.
const STORE_CACHE_BYTES: usize = 32 << 20;
/// Writes of all stores that are not yet in a table.
const STORE_BUFFER_BYTES: usize = 32 << 20;

/// Runs the role until a stop is requested: then commits, closes, and returns. A failure of one worker stops all.
pub async fn run(config: Arc<Config>, shutdown: Shutdown) -> Result<(), Failure> {
    run_with(config, shutdown, CommitOrder::Right).await
}

/// [`run`] with a commit order that may be broken, for tests that must see the damage.
#[doc(hidden)]
pub async fn run_with(config: Arc<Config>, shutdown: Shutdown, order: CommitOrder) -> Result<(), Failure> {
    let health = Health::new("processor");
    let workers = config.processing.workers;
    meters::announce();
    let status = Arc::new(Status::new(health.clone(), &config.app_id, workers));
    let answer = status_text(Arc::clone(&status));
    let address = http::serve_with(config.http.processor, health, Some(answer), shutdown.clone()).await?;
    let context = Arc::new(open(&config, status, order)?);
    let checked = {
        let (config, context, shutdown) = (Arc::clone(&config), Arc::clone(&context), shutdown.clone());
        tokio::task::spawn_blocking(move || startup::check_topics(&config, &context.world.admin, &shutdown))
    };
    let Some(ids) = joined(checked.await)? else { return Ok(()) };
    context.know(ids);
    let watch = TopicWatch::new(Arc::clone(&config), Arc::clone(&context.world.admin), ids);
    let watch = tokio::spawn(watched(watch, Arc::clone(&context), shutdown.clone()));
    tracing::info!(workers, member = %context.member, ?address, "processor starts");
    // Not before: while the start waits for the brokers, no worker is missing.
    meters::workers(workers);
    let threads: Vec<_> = (0..workers)
        .map(|number| {
            let (context, shutdown) = (Arc::clone(&context), shutdown.clone());
            tokio::task::spawn_blocking(move || {
                let alive = meters::Alive::new();
                let result = work(context, number, &shutdown);
                drop(alive);
                if let Err(failure) = &result {
                    meters::worker_failed();
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
    // A worker may fail because a topic has changed; then the watch says it better.
    let (mut watch, changed) =
        watch.await.map_err(|panic| Failure::Other(anyhow!("a thread failed: {panic}")))?;
    let outcome = match (changed, outcome) {
        (Ok(()), Err(Failure::Config(mistake))) => watch.explain().await.and(Err(Failure::Config(mistake))),
        (changed, outcome) => changed.and(outcome),
    };
    tracing::info!("processor stopped");
    outcome
}

/// The consumer group of the processor, for tools that ask for its lag.
pub fn group(config: &Config) -> String {
    context::group(config)
}

/// The watch of the topics; what it finds stops the workers in order.
async fn watched(
    mut watch: TopicWatch,
    context: Arc<Context<Real>>,
    shutdown: Shutdown,
) -> (TopicWatch, Result<(), Failure>) {
    let result = watch.run(&shutdown).await;
    if let Err(failure) = &result {
        tracing::error!(%failure, "the topics have changed; stopping the processor");
        context.spoil();
    }
    shutdown.request();
    (watch, result)
}

/// The answer to `GET /status`.
fn status_text(status: Arc<Status>) -> http::StatusText {
    Arc::new(move || {
        serde_json::to_string(&status.process(Instant::now())).expect("invariant: a status has JSON's shape")
    })
}

fn open(config: &Config, status: Arc<Status>, order: CommitOrder) -> Result<Context<Real>, Failure> {
    let refused = |error: DirectoryError| Failure::Config(error.to_string());
    let state = StateDir::open(&config.processing.state_dir).map_err(refused)?;
    let instance = state.instance_id(config.processing.instance_id.as_deref()).map_err(refused)?;
    let member = format!("{}-{instance}", config.app_id);
    let clients = Clients::new(&config.kafka, &member);
    let admin = Arc::new(clients.admin()?);
    let shared = Shared::new(STORE_CACHE_BYTES, STORE_BUFFER_BYTES);
    let context = Context::new(config, member, Real { clients, admin, state, shared }, status, order);
    context.settings.check().map_err(|error| Failure::Config(error.to_string()))?;
    Ok(context)
}

fn work(context: Arc<Context<Real>>, number: usize, shutdown: &Shutdown) -> Result<(), Failure> {
    // The first worker watches for all.
    let place = (number == 0).then(|| Place {
        clients: context.world.clients.clone(),
        admin: Arc::clone(&context.world.admin),
        group: context.group.clone(),
        input: context.input.to_string(),
        member: context.member.clone(),
    });
    let orphans = place.map(|place| OrphanWatch::new(place, context.world.now()));
    match Worker::start(context, number, orphans, shutdown)? {
        Some(worker) => worker.run(shutdown),
        None => Ok(()),
    }
}

/// The result of a thread; one that panicked failed.
fn joined<T>(thread: Result<Result<T, Failure>, JoinError>) -> Result<T, Failure> {
    thread.unwrap_or_else(|panic| Err(Failure::Other(anyhow!("a thread failed: {panic}"))))
}
