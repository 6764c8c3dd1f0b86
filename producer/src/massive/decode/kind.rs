//! The events that are trades or bars, and the names of the others.

use crate::massive::cluster::Cluster;

/// An event that becomes a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Stock trade.
    T,
    /// Stock bar of a second.
    A,
    /// Stock bar of a minute.
    Am,
    /// Crypto trade.
    Xt,
    /// Crypto bar of a second.
    Xas,
    /// Crypto bar of a minute.
    Xa,
}

/// Known events that are no trades on their cluster (each of ours is one on the other).
const IGNORED: [&str; 17] =
    ["Q", "XQ", "C", "CA", "CAS", "LULD", "NOI", "FMV", "LV", "V", "XL2", "T", "A", "AM", "XT", "XAS", "XA"];

/// The label of every event that we do not know.
const OTHER: &str = "other";

impl Kind {
    /// The vendor's name of the event, its `ev`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::T => "T",
            Self::A => "A",
            Self::Am => "AM",
            Self::Xt => "XT",
            Self::Xas => "XAS",
            Self::Xa => "XA",
        }
    }

    /// How long a bar is, in milliseconds; `None` for a trade.
    pub(super) const fn bar_length(self) -> Option<i64> {
        match self {
            Self::T | Self::Xt => None,
            Self::A | Self::Xas => Some(1_000),
            Self::Am | Self::Xa => Some(60_000),
        }
    }

    /// The kind of an event; the same name means another thing, or nothing, on another cluster.
    pub(super) fn of(cluster: Cluster, ev: &str) -> Option<Self> {
        let kinds = match cluster {
            Cluster::Stocks => [Self::T, Self::A, Self::Am],
            Cluster::Crypto => [Self::Xt, Self::Xas, Self::Xa],
        };
        kinds.into_iter().find(|kind| kind.name() == ev)
    }
}

/// The label of an event that is no trade: one of a closed list, whatever was sent.
pub(super) fn ignored(ev: &str) -> &'static str {
    IGNORED.into_iter().find(|name| *name == ev).unwrap_or(OTHER)
}
