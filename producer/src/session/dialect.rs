//! What differs between the protocols of venues.

use std::collections::BTreeSet;
use std::fmt::Debug;

/// The longest text of a status that is kept, in characters: it goes into the log.
const TEXT_MAX: usize = 500;

/// How a venue is talked to: pure functions of texts.
pub(crate) trait Dialect: Debug + Send + Sync {
    /// Whether the server speaks first, and is to be asked nothing before.
    fn greets(&self) -> bool;

    /// The message that gives the key, a secret as the key is; `None`: this venue takes none.
    fn auth(&self, api_key: &str) -> Option<String>;

    /// Messages that subscribe to these channels, none if there are none.
    fn subscribe(&self, channels: &BTreeSet<String>) -> Vec<String>;

    /// Messages that take back their subscription, none if there are none.
    fn unsubscribe(&self, channels: &BTreeSet<String>) -> Vec<String>;

    /// The statuses in a frame, in its order; none in a frame of events, which has to cost little.
    fn statuses(&self, frame: &[u8]) -> Vec<Status>;
}

/// What a server says about the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) kind: StatusKind,
    /// The server's own words, at most [`TEXT_MAX`] characters; may be empty.
    pub(crate) message: String,
}

/// Kinds of statuses that have a meaning of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatusKind {
    /// The greeting.
    Connected,
    AuthSuccess,
    /// The key is wrong, or its plan does not hold this cluster.
    AuthFailed,
    /// No key came in time.
    AuthTimeout,
    /// Something was asked for before the key was given.
    AuthRequired,
    /// This channel (`T.AAPL`) is subscribed.
    Subscribed(String),
    /// This channel no longer is.
    Unsubscribed(String),
    /// A success that names no channel; some servers greet like this.
    Success,
    /// Something asked for is refused; which one is not said.
    Error,
    /// Another connection of the account is in the way.
    MaxConnections,
    /// We read too slowly: the server is about to hang up.
    SlowConsumer,
    /// Thrown out, without a reason.
    ForceDisconnect,
    /// Any other word, as it came.
    Other(String),
}

/// The first [`TEXT_MAX`] characters.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}
