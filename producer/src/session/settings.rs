//! What a session is given, and the times that are fixed.

use std::time::Duration;

use tape_service::Secret;

use super::Dialect;

/// How long the opening may take, name look-up and TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may take to greet.
pub(crate) const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may take to judge the key.
pub(crate) const AUTH_TIMEOUT: Duration = Duration::from_secs(10);
/// How often we ping.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(20);
/// A connection without any frame for so long is dead.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a server that called us slow may take to hang up.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// A subscription that lasts so long is healthy, even if no data comes: nights are quiet.
pub(crate) const HEALTHY_AFTER: Duration = Duration::from_secs(30);
/// After streaming so long, earlier cool-downs no longer count.
pub(crate) const CALM_AFTER: Duration = Duration::from_secs(600);

/// Whom to talk to, and what the user sets.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) dialect: &'static dyn Dialect,
    /// `None` for a venue that takes none.
    pub(crate) api_key: Option<Secret>,
    /// `RECONNECT_DELAY`.
    pub(crate) backoff_first: Duration,
    /// `RECONNECT_DELAY_MAX`.
    pub(crate) backoff_max: Duration,
}
