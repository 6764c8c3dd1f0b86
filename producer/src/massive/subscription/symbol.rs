//! One entry of `SYMBOLS`.

use super::{Kind, channel};
use crate::massive::cluster::Cluster;

/// In the place of a symbol: all of the cluster.
pub(crate) const ALL: &str = "*";

/// In front of crypto pairs in the vendor's REST interface.
const REST_CRYPTO: &str = "X:";

/// What crypto is paid with. None ends in another, so a REST ticker has one reading.
pub(super) const QUOTES: [&str; 16] = [
    "USDT", "USDC", "USD", "EUR", "GBP", "JPY", "AUD", "CAD", "CHF", "KRW", "BRL", "TRY", "MXN", "SGD",
    "BTC", "ETH",
];

/// A symbol as its cluster spells it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) cluster: Cluster,
    /// `AAPL`, `BTC-USD` or [`ALL`].
    pub(crate) symbol: String,
    /// What the channel in front carries, if there is one.
    pub(super) kind: Option<Kind>,
    /// It is subscribed otherwise than it was written.
    pub(super) old_spelling: bool,
}

/// Reads an entry; an error says what is wrong with it and what to write instead.
pub(crate) fn read(text: &str) -> Result<Entry, String> {
    let named = text.split_once('.').and_then(|(name, rest)| Some((channel(name)?, rest)));
    let (of, kind, rest) = match named {
        Some(((of, kind), rest)) => (Some(of), Some(kind), rest),
        None => (None, None, text),
    };
    let (cluster, symbol) = symbol(rest, of)?;
    if of == Some(Cluster::Crypto) && cluster == Cluster::Stocks {
        return Err(
            "has a channel of crypto and the symbol of a stock: write XT.BTC-USD or T.AAPL".to_owned()
        );
    }
    let rest_spelling = rest.starts_with(REST_CRYPTO) && symbol != ALL;
    let old_spelling = rest_spelling || of.is_some_and(|of| of != cluster);
    Ok(Entry { cluster, symbol, kind, old_spelling })
}

/// The pair that a ticker names, as the feed spells it.
pub(super) fn pair(ticker: &str) -> Option<String> {
    let (cluster, symbol) = symbol(ticker, Some(Cluster::Crypto)).ok()?;
    (cluster == Cluster::Crypto && symbol != ALL).then_some(symbol)
}

/// `of`: the cluster of the channel in front.
fn symbol(text: &str, of: Option<Cluster>) -> Result<(Cluster, String), String> {
    if text == ALL {
        return Ok((of.unwrap_or(Cluster::Stocks), ALL.to_owned()));
    }
    let (rest, crypto) = match text.strip_prefix(REST_CRYPTO) {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let pair = match rest.split_once('-') {
        Some((base, quote)) => {
            // The list tells a pair from BRK-B; whoever names a channel or a market of crypto means a pair.
            if !crypto && of != Some(Cluster::Crypto) && !QUOTES.contains(&quote) {
                return Err(format!(
                    "is no pair, as {quote} is not known as a currency: write XAS.{text} (or XT., XA.) if it is one, \
                     and the class of a stock with a dot, BRK.B"
                ));
            }
            (base, quote)
        }
        None if crypto && rest == ALL => return Ok((Cluster::Crypto, ALL.to_owned())),
        None if crypto => rest_pair(rest).ok_or_else(|| {
            "ends in no currency that is known: write base and quote currency with a dash, as in X:BTC-USD".to_owned()
        })?,
        None if is_stock(text) => return Ok((Cluster::Stocks, text.to_owned())),
        None if text.contains(':') => {
            return Err("is neither stock nor crypto: write a stock as AAPL, a pair as BTC-USD".to_owned());
        }
        None => {
            return Err("is no symbol: write a stock as AAPL or BRK.B, a pair as BTC-USD; case matters".to_owned());
        }
    };
    match pair {
        (base, quote) if is_currency(base) && is_currency(quote) => {
            Ok((Cluster::Crypto, format!("{base}-{quote}")))
        }
        _ => {
            Err("is no pair: write two currencies with a dash, in capital letters, as in BTC-USD".to_owned())
        }
    }
}

fn rest_pair(text: &str) -> Option<(&str, &str)> {
    QUOTES.iter().find_map(|&quote| Some((text.strip_suffix(quote)?, quote)))
}

/// `AAPL`, `BRK.B`, `BACpA`: a capital letter, then letters and digits, in parts with dots between.
fn is_stock(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.starts_with(|first: char| first.is_ascii_uppercase()) && text.split('.').all(is_part)
}

fn is_currency(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
