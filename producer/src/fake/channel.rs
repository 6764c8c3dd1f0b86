//! Clusters, channels and what is said about them.
//!
//! A channel is a kind and a symbol, parted by the first dot: `T.AAPL`, `T.BRK.B`, `XAS.BTC-USD`; `*` stands for all symbols.
//!
//! | asked for | answer |
//! |---|---|
//! | a new channel, whether there is such a symbol or not | one ack |
//! | a channel subscribed already | none |
//! | a kind that the cluster does not have | none |
//! | a kind that is not allowed | an error that does not name the channel |
//! | to leave a channel that is subscribed | one ack |
//! | to leave any other | none |

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// A part of the vendor's service with an address of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    /// US stocks.
    Stocks,
    /// Crypto currencies.
    Crypto,
}

impl Cluster {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Stocks, Self::Crypto];

    /// The path of its address without the slash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stocks => "stocks",
            Self::Crypto => "crypto",
        }
    }

    /// The kinds of channels that it has.
    #[must_use]
    pub const fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Stocks => &["T", "Q", "A", "AM", "LULD", "NOI", "FMV"],
            Self::Crypto => &["XT", "XQ", "XAS", "XA", "FMV"],
        }
    }

    pub(super) fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cluster| path.strip_prefix('/') == Some(cluster.name()))
    }
}

/// What the server says about a connection: the code, and a text for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(pub(super) &'static str, pub(super) &'static str);

impl Status {
    pub(super) const CONNECTED: Self = Self("connected", "Connected Successfully");
    pub(super) const AUTH_SUCCESS: Self = Self("auth_success", "authenticated");
    pub(super) const AUTH_FAILED: Self = Self("auth_failed", "authentication failed");
    pub(super) const AUTH_TIMEOUT: Self = Self("auth_timeout", "no key came in time");
    pub(super) const AUTH_REQUIRED: Self = Self("auth_required", "authenticate first");
    pub(super) const MAX_CONNECTIONS: Self =
        Self("max_connections", "this key has a connection to this cluster already");
    pub(super) const SLOW_CONSUMER: Self = Self("slow_consumer", "the data are not read fast enough");
    pub(super) const NOT_UNDERSTOOD: Self = Self("error", "the message was not understood");
    const NOT_AUTHORIZED: Self = Self("error", "not authorized");

    pub(super) fn element(self) -> String {
        element(self.0, self.1)
    }
}

fn element(status: &str, message: &str) -> String {
    format!(r#"{{"ev":"status","status":"{status}","message":{}}}"#, Value::from(message))
}

/// What a connection has subscribed.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// Symbols by kind; no kind is without a symbol.
    symbols: HashMap<String, HashSet<String>>,
}

impl Subscriptions {
    /// Subscribes a comma list; returns the elements of the answer.
    pub(super) fn add(&mut self, cluster: Cluster, list: &str, forbidden: &[String]) -> Vec<String> {
        let mut answer = Vec::new();
        for (channel, kind, symbol) in channels(list) {
            if forbidden.iter().any(|forbidden| forbidden == kind) {
                answer.push(Status::NOT_AUTHORIZED.element());
            } else if cluster.kinds().contains(&kind)
                && self.symbols.entry(kind.to_owned()).or_default().insert(symbol.to_owned())
            {
                answer.push(element("success", &format!("subscribed to: {channel}")));
            }
        }
        answer
    }

    /// Leaves the channels of a comma list; returns the elements of the answer.
    pub(super) fn remove(&mut self, list: &str) -> Vec<String> {
        let mut answer = Vec::new();
        for (channel, kind, symbol) in channels(list) {
            let Some(symbols) = self.symbols.get_mut(kind) else { continue };
            if symbols.remove(symbol) {
                answer.push(element("success", &format!("unsubscribed to: {channel}")));
            }
            if symbols.is_empty() {
                self.symbols.remove(kind);
            }
        }
        answer
    }

    pub(super) fn has(&self, kind: &str, symbol: &str) -> bool {
        self.symbols.get(kind).is_some_and(|symbols| symbols.contains(symbol) || symbols.contains("*"))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }
}

/// The channels of a comma list: whole, kind, symbol. What is no channel is left out.
fn channels(list: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    list.split(',').map(str::trim).filter_map(|channel| {
        let (kind, symbol) = channel.split_once('.')?;
        (!symbol.is_empty()).then_some((channel, kind, symbol))
    })
}

#[cfg(test)]
mod tests;
