//! From the settings to the products that are subscribed: the pairs of `SYMBOLS`, as they are spelled there. A channel in front
//! (`XT.BTC-USD`) and the other vendor's REST spelling (`X:BTCUSD`) are read, too. `CHANNELS` has no say: this venue has trades.

use std::collections::BTreeSet;

use crate::massive::cluster::Cluster;
use crate::massive::subscription::symbol;
use crate::venue::{FeedPlan, Plan, PlanError};

/// Name of the one feed.
const NAME: &str = "coinbase";

/// Reads `COINBASE_WS_URL` and `SYMBOLS`.
///
/// # Errors
/// The first mistake; see [`PlanError`]. Stocks are none, unless nothing else is there.
pub(crate) fn plan(url: &str, symbols: &[String]) -> Result<Plan, PlanError> {
    let (mut channels, mut others) = (BTreeSet::new(), Vec::new());
    for text in symbols {
        let entry =
            symbol::read(text).map_err(|problem| PlanError(format!("SYMBOLS: {text:?} {problem}")))?;
        match entry.cluster {
            Cluster::Stocks => others.push(text.as_str()),
            Cluster::Crypto if entry.symbol == symbol::ALL => {
                return Err(PlanError(format!(
                    "SYMBOLS: {text:?} is not to be had from coinbase: name the pairs, such as BTC-USD,ETH-USD"
                )));
            }
            Cluster::Crypto => drop(channels.insert(entry.symbol)),
        }
    }
    let others = others.join(", ");
    if channels.is_empty() {
        return Err(PlanError(format!(
            "SYMBOLS={others:?}: no crypto pair, and coinbase has nothing else: give at least one, such as BTC-USD"
        )));
    }
    let notes = if others.is_empty() { vec![] } else { vec![format!("SYMBOLS: not on coinbase: {others}")] };
    let feed = FeedPlan { name: NAME, index: 0, url: url.to_owned(), channels };
    Ok(Plan { feeds: vec![feed], notes })
}

#[cfg(test)]
mod tests;
