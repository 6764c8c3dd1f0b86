//! From the settings to what is subscribed where.
//!
//! `CHANNELS` says which kind of record is taken, `SYMBOLS` of what:
//!
//! | entry of `SYMBOLS` | with `CHANNELS=A` | with `CHANNELS=T` |
//! |---|---|---|
//! | `AAPL`, `BRK.B` | `A.AAPL`, `A.BRK.B` | `T.AAPL`, `T.BRK.B` |
//! | `BTC-USD`, in the vendor's REST spelling `X:BTCUSD` | `XAS.BTC-USD` | `XT.BTC-USD` |
//! | `*`: every stock; `X:*`: every crypto pair | `A.*`; `XAS.*` | `T.*`; `XT.*` |
//! | with the channel in front: `T.AAPL`, `XT.BTC-USD`, `XT.*` | as it stands | as it stands |
//! | the same with the REST spelling: `A.X:BTCUSD` | `XAS.BTC-USD` | `XAS.BTC-USD` |
//!
//! A kind that `CHANNELS` names for one cluster only holds for both: `T` is `T` and `XT`. A channel is split from its symbol at the
//! first dot, so the share of AT&T is `T`, and `T.A` are trades of Agilent.
//!
//! Invariant: one symbol is fed by one channel; its volume would count twice otherwise. `T.*` feeds every stock.

pub(crate) mod symbol;

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::Cluster;
use crate::venue::{FeedPlan, Plan, PlanError};
use symbol::Entry;

/// What a channel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Trades,
    Seconds,
    Minutes,
}

/// The vendor's names.
const CHANNELS: [(&str, Cluster, Kind); 6] = [
    ("T", Cluster::Stocks, Kind::Trades),
    ("A", Cluster::Stocks, Kind::Seconds),
    ("AM", Cluster::Stocks, Kind::Minutes),
    ("XT", Cluster::Crypto, Kind::Trades),
    ("XAS", Cluster::Crypto, Kind::Seconds),
    ("XA", Cluster::Crypto, Kind::Minutes),
];

fn channel(name: &str) -> Option<(Cluster, Kind)> {
    CHANNELS.iter().find(|channel| channel.0 == name).map(|&(_, cluster, kind)| (cluster, kind))
}

fn channel_name(cluster: Cluster, kind: Kind) -> &'static str {
    CHANNELS.iter().find(|channel| (channel.1, channel.2) == (cluster, kind)).map_or("", |channel| channel.0)
}

/// A crypto ticker of the vendor's files as the feed spells it: `X:BTCUSD` and `X:BTC-USD` are `BTC-USD`; `None` = it is no
/// pair, or of a quote currency that is not known.
pub(crate) fn pair(ticker: &str) -> Option<String> {
    symbol::pair(ticker)
}

/// Reads `MASSIVE_WS_URL`, `SYMBOLS` and `CHANNELS`.
///
/// # Errors
/// The first mistake; see [`PlanError`].
pub(crate) fn plan(url: &str, symbols: &[String], channels: &[String]) -> Result<Plan, PlanError> {
    if symbols.is_empty() {
        let remedy = "SYMBOLS is empty: give at least one, such as AAPL or BTC-USD; * is every stock";
        return Err(PlanError(remedy.to_owned()));
    }
    let address = Address::read(url)?;
    let default_kind = default_kinds(channels)?;
    let mut notes = Vec::new();
    let mut clusters: BTreeMap<Cluster, Symbols> = BTreeMap::new();
    for text in symbols {
        let Entry { cluster, symbol, kind, old_spelling } =
            symbol::read(text).map_err(|problem| PlanError(format!("SYMBOLS: {text:?} {problem}")))?;
        let kind = kind.unwrap_or_else(|| default_kind(cluster));
        if old_spelling {
            notes.push(format!("SYMBOLS: {text} is read as {}.{symbol}", channel_name(cluster, kind)));
        }
        clusters.entry(cluster).or_default().entry(symbol).or_default().insert(kind);
    }
    address.check(&clusters)?;
    let mut feeds = Vec::new();
    for (cluster, symbols) in clusters {
        let channels = one_channel_each(cluster, &symbols, &mut notes)?;
        let (name, index) = (cluster.name(), cluster as usize);
        feeds.push(FeedPlan { name, index, url: address.of(cluster), channels });
    }
    Ok(Plan { feeds, notes })
}

/// What is asked for of each symbol of a cluster; `*` is all of them.
type Symbols = BTreeMap<String, BTreeSet<Kind>>;

/// The kind of a cluster's symbols that name none.
fn default_kinds(channels: &[String]) -> Result<impl Fn(Cluster) -> Kind, PlanError> {
    let refuse = |problem: String| Err(PlanError(format!("CHANNELS={:?}: {problem}", channels.join(","))));
    let (mut stocks, mut crypto) = (None, None);
    for name in channels {
        let Some((cluster, kind)) = channel(name) else {
            return refuse(format!("{name} is none that this feed takes: give T, A, AM, XT, XAS or XA"));
        };
        let chosen = match cluster {
            Cluster::Stocks => &mut stocks,
            Cluster::Crypto => &mut crypto,
        };
        let first = *chosen.get_or_insert(kind);
        if first != kind {
            let first = channel_name(cluster, first);
            return refuse(format!(
                "{first} and {name} would count each symbol's volume twice: keep one of them"
            ));
        }
    }
    let Some((stocks, crypto)) = stocks.or(crypto).zip(crypto.or(stocks)) else {
        return refuse(
            "nothing to take: give T for trades, A for second bars or AM for minute bars".to_owned(),
        );
    };
    Ok(move |cluster| match cluster {
        Cluster::Stocks => stocks,
        Cluster::Crypto => crypto,
    })
}

/// The channels of a cluster, if no symbol is fed by two.
fn one_channel_each(
    cluster: Cluster,
    symbols: &Symbols,
    notes: &mut Vec<String>,
) -> Result<BTreeSet<String>, PlanError> {
    let spelled = |symbol: &str, kind: Kind| format!("{}.{symbol}", channel_name(cluster, kind));
    let twice = |symbol: &str, one: String, other: String| {
        Err(PlanError(format!(
            "SYMBOLS: {one} and {other} would count the volume of {symbol} twice: keep one of them"
        )))
    };
    let all = symbols.get(symbol::ALL).and_then(|kinds| kinds.first());
    let mut channels = BTreeSet::new();
    for (symbol, kinds) in symbols {
        for &kind in kinds {
            let other = kinds.first().filter(|&&first| first != kind);
            match (other, all) {
                (Some(&other), _) => return twice(symbol, spelled(symbol, other), spelled(symbol, kind)),
                (None, Some(&all)) if all != kind => {
                    return twice(symbol, spelled(symbol::ALL, all), spelled(symbol, kind));
                }
                _ => channels.insert(spelled(symbol, kind)),
            };
        }
    }
    if let Some(&all) = all
        && channels.len() > 1
    {
        let all = spelled(symbol::ALL, all);
        channels.remove(&all);
        let held: Vec<String> =
            std::mem::replace(&mut channels, BTreeSet::from([all.clone()])).into_iter().collect();
        notes.push(format!("SYMBOLS: {all} holds {}", held.join(", ")));
    }
    Ok(channels)
}

/// `MASSIVE_WS_URL` without its cluster.
struct Address {
    base: String,
    /// The vendor's hosts whose records come 15 minutes late are called so.
    delayed: bool,
}

impl Address {
    /// What the vendor calls a cluster. As the last part of the path it is replaced.
    const CLUSTERS: [&str; 6] = ["stocks", "crypto", "options", "forex", "indices", "futures"];

    fn read(url: &str) -> Result<Self, PlanError> {
        let refuse = |problem: &str| Err(PlanError(format!("MASSIVE_WS_URL{problem}")));
        let Some(rest) = url.strip_prefix("wss://").or_else(|| url.strip_prefix("ws://")) else {
            return refuse(&format!("={url:?}: not a WebSocket address: begin it with wss:// or ws://"));
        };
        if rest.contains('@') {
            return refuse(" holds a user or a password: take it out; the key goes into MASSIVE_API_KEY");
        }
        if rest.is_empty() || rest.starts_with(['/', ':']) || rest.contains(['?', '#']) {
            return refuse(&format!(
                "={url:?}: give scheme, host and path only, such as ws://127.0.0.1:8080/stocks"
            ));
        }
        let base = url.trim_end_matches('/');
        let base = match base.rsplit_once('/') {
            Some((before, last)) if Self::CLUSTERS.contains(&last) && !before.ends_with('/') => before,
            _ => base,
        };
        Ok(Self { base: base.to_owned(), delayed: rest.to_ascii_lowercase().starts_with("delayed") })
    }

    /// Delayed stocks beside crypto, which is never delayed: the newest record says how late the others are.
    fn check(&self, clusters: &BTreeMap<Cluster, Symbols>) -> Result<(), PlanError> {
        let refuse = |problem: &str| {
            let url = self.of(Cluster::Stocks);
            Err(PlanError(format!("MASSIVE_WS_URL={url:?} is delayed, and SYMBOLS {problem}")))
        };
        match (clusters.contains_key(&Cluster::Stocks), clusters.contains_key(&Cluster::Crypto)) {
            (true, true) if self.delayed => refuse(
                "holds crypto, which comes in real time: beside it each stock would be 15 minutes late. Take the \
                 crypto symbols out, or use a real-time host",
            ),
            (false, true) if self.delayed => {
                refuse("holds crypto only, which comes in real time only: use a real-time host")
            }
            _ => Ok(()),
        }
    }

    fn of(&self, cluster: Cluster) -> String {
        format!("{}/{}", self.base, cluster.name())
    }
}

#[cfg(test)]
mod tests;
