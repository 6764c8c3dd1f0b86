//! `produce`, `process`, `sink`: one role of the pipeline in a process of its own.

use std::sync::Arc;
use std::time::Duration;

use tape_service::{Config, Failure, Shutdown, metrics};
use tokio::runtime::Runtime;

use crate::source::ProduceArgs;

/// How long threads that a role left behind may take to end; a role that returned has nothing to lose in them.
const THREADS_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes trades of a source to Kafka until the source ends or a stop is requested.
pub(crate) fn produce(args: &ProduceArgs, config: Config) -> Result<(), Failure> {
    let source = args.source()?;
    until_stopped(config, async move |config, shutdown| tape_producer::run(config, source, shutdown).await)
}

/// Computes windows and alerts until a stop is requested.
pub(crate) fn process(config: Config) -> Result<(), Failure> {
    until_stopped(config, tape_processor::run)
}

/// Writes windows and alerts to the database until a stop is requested.
pub(crate) fn sink(config: Config) -> Result<(), Failure> {
    until_stopped(config, tape_sink::run)
}

/// A runtime for a process of its own.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(error.into()))
}

/// Ends a runtime; what hangs in it is left behind.
pub(crate) fn end(runtime: Runtime) {
    runtime.shutdown_timeout(THREADS_TIMEOUT);
}

/// Runs a role or a tool; SIGINT and SIGTERM request its stop.
pub(crate) fn until_stopped<R>(config: Config, role: R) -> Result<(), Failure>
where
    R: AsyncFnOnce(Arc<Config>, Shutdown) -> Result<(), Failure>,
{
    metrics::install()?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let shutdown = Shutdown::new();
        shutdown.on_signals()?;
        role(Arc::new(config), shutdown).await
    });
    end(runtime);
    result
}
