//! Questions to brokers that may be away: asked until there is an answer.

use std::time::Duration;

use tape_kafka::{Error, Reaction};
use tape_service::{Backoff, Failure, Health, Shutdown};
use tokio::runtime::Handle;
use tracing::warn;

/// The first pause while brokers are away.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_CAP: Duration = Duration::from_secs(5);

/// Asks until there is an answer; `None` = the shutdown came first. Readiness says what is waited for. Blocks.
///
/// # Errors
/// Only a human can help.
pub(crate) fn patiently<T>(
    (shutdown, health, runtime): (&Shutdown, &Health, &Handle),
    ask: impl Fn() -> Result<T, Error>,
) -> Result<Option<T>, Failure> {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
    loop {
        match ask() {
            _ if shutdown.is_requested() => return Ok(None),
            Ok(answer) => return Ok(Some(answer)),
            Err(error) if error.reaction == Reaction::Config => return Err(error.into()),
            Err(error) => {
                let why = format!("waiting for Kafka: {error}");
                if backoff.attempts() == 0 {
                    warn!("{why}");
                }
                health.set_ready(false, &why);
                runtime.block_on(shutdown.pause(backoff.pause()));
            }
        }
    }
}
