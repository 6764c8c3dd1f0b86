//! The states; what leads from one to the next is in the session.

/// See the drawing of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    /// The socket is open.
    Opened,
    /// The key has been sent.
    Greeted,
    /// The subscriptions have been sent.
    Authenticated,
    /// One at least is acknowledged.
    Subscribed,
    /// The connection is healthy.
    Streaming,
    /// The server is about to hang up.
    Draining,
    BackingOff,
    CoolingDown,
    Refused,
    Stopped,
}

impl State {
    /// The server takes subscriptions.
    pub(super) const fn is_live(self) -> bool {
        matches!(self, Self::Authenticated | Self::Subscribed | Self::Streaming)
    }

    pub(super) const fn has_socket(self) -> bool {
        self.is_live() || matches!(self, Self::Opened | Self::Greeted | Self::Draining)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Opened => "opened",
            Self::Greeted => "greeted",
            Self::Authenticated => "authenticated",
            Self::Subscribed => "subscribed",
            Self::Streaming => "streaming",
            Self::Draining => "draining",
            Self::BackingOff => "backing off",
            Self::CoolingDown => "cooling down",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }
}
