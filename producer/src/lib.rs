//! The producer role: trades from a source into `raw-trades`.
//!
//! | module | holds |
//! |---|---|
//! | [`files`] | CSV and JSON lines as streams, several merged by time; `tape backtest` reads the same way |
//! | [`feed`](Feed) | a source as a state machine: time is an argument, no Kafka |
//! | `replay`, [`simulate`] | the sources |
//! | [`Cursor`] | which records the log has already: what makes a restart exact |
//! | `log_tail` | finds that out from Kafka |
//! | `publish` | their shell: clock, Kafka, shutdown |
//! | `live` | the shell of feeds that are heard once; `spool` is its queue on disk |
//! | `session` | the life of a connection, whatever the venue; `venue`: what venues have in common |
//! | `massive` | Massive.com's feed: subscriptions, messages, decoding, sale conditions |
//! | `coinbase` | Coinbase Exchange's |
//! | [`fake`] | a server that speaks the vendor's protocol, for demos and tests |
//!
//! Invariant: a trade of a resumed source is in the log exactly once, whenever and however the producer ended before (as
//! long as `ACKS_CONFIG` is `all`; with less a broker that fails may lose or repeat some). Two conditions: one producer of a
//! source at a time, and the same number of partitions as before.
//!
//! Invariant: the key of every record is its symbol, and its partition the one that every other producer chooses.

mod coinbase;
mod cursor;
pub mod fake;
mod feed;
pub mod files;
#[doc(hidden)]
pub mod fuzzing;
mod hash;
mod live;
mod log_tail;
mod massive;
mod monitor;
mod pace;
mod patience;
mod publish;
mod replay;
mod report;
mod run_id;
mod session;
pub mod simulate;
mod source;
mod spool;
mod table;
mod venue;

use std::sync::Arc;

use tape_service::{Config, Failure, Health, Shutdown, http};

pub use cursor::Cursor;
pub use feed::{Feed, FeedRecord, Poll, Progress};
pub use monitor::{Monitor, Snapshot};
pub use pace::{Pace, RATE_MAX, SPEED_MAX, SPEED_MIN};
pub use replay::ReplayFeed;
pub use source::{Replay, Source, SourceError, SourceKind, SourceSpec, Venue};
pub use table::{BACKFILL_METRICS, LIVE_METRICS, METRICS};

/// Runs the producer until its source has ended or the shutdown is requested; everything it sent is acknowledged then.
///
/// # Errors
/// [`Failure::Config`]: the source cannot be as asked for, a file cannot be opened or understood, the topic is missing.
/// Anything else: a file cannot be read on, or the brokers did not acknowledge everything before the stop.
pub async fn run(config: Arc<Config>, source: impl Into<Source>, shutdown: Shutdown) -> Result<(), Failure> {
    match source.into() {
        Source::Recorded(source) => run_monitored(config, source, Monitor::default(), shutdown).await,
        Source::Live(venue) => {
            let (health, served) = serve(&config, &shutdown).await?;
            let result = live::run(config, venue, shutdown, health).await;
            served.request();
            result
        }
    }
}

/// [`run`] for a recorded source, with its numbers shown in `monitor`.
///
/// # Errors
/// As [`run`].
pub async fn run_monitored(
    config: Arc<Config>,
    source: SourceSpec,
    monitor: Monitor,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let (health, served) = serve(&config, &shutdown).await?;
    let publisher = publish::Publisher::new(config, source, shutdown, health, monitor);
    let result = tokio::task::spawn_blocking(move || publisher.run()).await;
    served.request();
    result.map_err(|error| Failure::Other(error.into()))?
}

/// Health and metrics, until the returned stop is requested.
async fn serve(config: &Config, shutdown: &Shutdown) -> Result<(Health, Shutdown), Failure> {
    let health = Health::new("producer");
    let served = shutdown.child();
    http::serve(config.http.producer, health.clone(), served.clone()).await?;
    Ok((health, served))
}
