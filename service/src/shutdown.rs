//! Orderly stop: one request, seen by everybody who holds a clone.
//!
//! 1. Somebody calls [`Shutdown::request`], or SIGINT or SIGTERM arrives after [`Shutdown::on_signals`].
//! 2. Every holder sees it: tasks through [`Shutdown::requested`], threads through [`Shutdown::is_requested`].
//!    They finish what they have begun and return; nobody is cancelled from outside.
//! 3. A second signal, a second or more after the first, means "now": the process ends with code 130, without finishing anything.
//!
//! A [`Shutdown::child`] can be requested alone; a request of the parent reaches all children.

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::Failure;

/// Exit code after a second signal, as shells report a process that SIGINT ended (128 + 2).
const EXIT_IMPATIENT: i32 = 130;

/// Signals so soon after the first one are the same request.
const SAME_STOP: Duration = Duration::from_secs(1);

/// A request to stop, shared by its clones. Once requested it stays requested.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// Nothing requested, no signal watched.
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches SIGINT and SIGTERM from now on: the first one requests the stop, the second one ends the process
    /// at once with code 130. Must be called inside a tokio runtime; the watch ends with the runtime.
    pub fn on_signals(&self) -> Result<(), Failure> {
        let install = |kind| signal(kind).map_err(|error| Failure::Other(error.into()));
        let mut interrupt = install(SignalKind::interrupt())?;
        let mut terminate = install(SignalKind::terminate())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            let name = next_signal(&mut interrupt, &mut terminate).await;
            info!(signal = name, "stopping in order; a second signal ends the process at once");
            shutdown.request();
            // A terminal and a supervisor may both pass the same stop on, milliseconds apart.
            let first = Instant::now();
            let name = loop {
                let name = next_signal(&mut interrupt, &mut terminate).await;
                if first.elapsed() >= SAME_STOP {
                    break name;
                }
            };
            error!(signal = name, "second signal: ending at once, without finishing what was begun");
            std::process::exit(EXIT_IMPATIENT);
        });
        Ok(())
    }

    /// Asks everybody to stop. More than one request changes nothing.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// True once the stop was requested.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns once the stop was requested, at once if it already was.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Sleeps, but no longer than until the stop is requested; true = slept to the end, go on.
    pub async fn pause(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.requested() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }

    /// A stop of its own that also follows this one.
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token() }
    }
}

async fn next_signal(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

#[cfg(test)]
mod tests;
