//! What goes into a session and what comes out.

use std::collections::BTreeSet;
use std::time::Duration;

use tape_service::Secret;

use super::Status;

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Input<'a> {
    /// The connection is open.
    Opened,
    /// It could not be opened, for this reason.
    OpenFailed(&'a str),
    /// A status came; each of a frame by itself.
    Status(&'a Status),
    /// A frame with events came.
    Data,
    /// Any other frame came, pongs included.
    Alive,
    /// The server closed the connection; no code: without a close frame.
    Closed { code: Option<u16>, reason: &'a str },
    /// The connection broke.
    Failed(&'a str),
    /// Time passed.
    Tick,
    /// From now on these channels are wanted.
    Want(BTreeSet<String>),
    /// It is enough.
    Stop,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Open a connection and report [`Input::Opened`] or [`Input::OpenFailed`].
    Open,
    /// Send a text frame.
    Send(String),
    /// Send a text frame that holds the key.
    SendSecret(Secret),
    /// Send a ping frame.
    Ping,
    /// Send a close frame with this code, take what comes before the answer if one comes soon, and drop the socket; or drop the
    /// attempt to open it.
    Close(u16),
    /// Log and count.
    Tell(Notice),
}

/// What is worth a line in the log, or a number. Texts of the server are at most a few hundred characters where they come from a
/// status, and never hold the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    Opened,
    /// The key was accepted, and the wanted channels have been asked for.
    Authenticated,
    /// All wanted channels, so many, are acknowledged.
    Confirmed {
        count: usize,
    },
    /// These were not in time, or still are not; the server does not say why. They are asked for again.
    MissingAcks(Vec<String>),
    /// The connection is healthy: data came, or it held for [`HEALTHY_AFTER`](super::settings::HEALTHY_AFTER).
    Streaming,
    /// The connection, or the attempt to open it, ended; `detail` is the reason given, it may be empty.
    Lost {
        cause: Cause,
        code: Option<u16>,
        detail: String,
        at: Duration,
    },
    /// What happened between these times was missed: from the last frame of the connection before to the first acknowledgement
    /// or data of this one.
    Gap {
        from: Duration,
        to: Duration,
    },
    /// The next attempt, counted from 1 since the last healthy connection.
    Retry {
        after: Duration,
        attempt: u32,
    },
    /// The account is used elsewhere, or we were thrown out: no attempt before `until`.
    CoolingDown {
        until: Duration,
        cause: Cause,
    },
    /// We read too slowly; the connection is about to end.
    SlowConsumer(String),
    /// The key is wrong or does not hold this cluster. Final.
    Refused(String),
    /// The server wanted the key before anything else: a mistake of ours.
    AuthRequired(String),
    /// The server refused a subscription; it does not say which, [`MissingAcks`](Self::MissingAcks) will.
    SubscriptionError(String),
    /// A word that the protocol did not have.
    UnknownStatus {
        status: String,
        message: String,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    OpenFailed,
    ConnectTimeout,
    GreetingTimeout,
    AuthTimeout,
    /// The server's own time-out for the key.
    ServerAuthTimeout,
    /// The server wants the key again.
    AuthRequired,
    /// No frame for [`SILENCE_MAX`](super::settings::SILENCE_MAX).
    Silence,
    SlowConsumer,
    MaxConnections,
    ForceDisconnect,
    Closed,
    Failed,
}

impl Cause {
    /// Name in logs and labels of metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OpenFailed => "open_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::GreetingTimeout => "greeting_timeout",
            Self::AuthTimeout => "auth_timeout",
            Self::ServerAuthTimeout => "server_auth_timeout",
            Self::AuthRequired => "auth_required",
            Self::Silence => "silence",
            Self::SlowConsumer => "slow_consumer",
            Self::MaxConnections => "max_connections",
            Self::ForceDisconnect => "force_disconnect",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }
}
