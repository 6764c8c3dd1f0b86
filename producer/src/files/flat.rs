//! The vendor's flat files: all trades of a day, as Massive.com hands them out.
//!
//! | | stocks | crypto |
//! |---|---|---|
//! | known by the columns | [`STOCKS`] | [`CRYPTO`], and no `sip_timestamp` |
//! | symbol | `ticker` | `ticker` as the live feed spells it: `X:BTCUSD`, `X:BTC-USD` → `BTC-USD` |
//! | event time | `sip_timestamp`, ns rounded down to ms | `participant_timestamp`, the same |
//! | eligibility | by `conditions`, ids with commas between | all; `conditions` are sides |
//! | `correction` | see [`counts`] | none |
//!
//! The vendor sorts by ticker, so rows are sorted by time before the first is given, to the nanosecond.

use std::borrow::Cow;

use tape_proto::trade::{Fields, PriceEligibility, Trade, check};

use super::columns::{Column, Header, names};
use super::reject::{Reject, excerpt};
use super::{FileError, Layout};
use crate::massive::cluster::Cluster;
use crate::massive::conditions::Conditions;
use crate::massive::subscription;

/// What a file of stock trades has. Options have less, and conditions of their own.
const STOCKS: [&str; 8] = [
    "ticker",
    "conditions",
    "correction",
    "participant_timestamp",
    "price",
    "sequence_number",
    "sip_timestamp",
    "size",
];

/// What a file of crypto trades has.
const CRYPTO: [&str; 7] =
    ["ticker", "conditions", "exchange", "id", "participant_timestamp", "price", "size"];

/// The most conditions of one trade; the tapes carry four.
const CONDITIONS_MAX: usize = 64;

/// Digits of nanoseconds behind the millisecond.
const NANOS_DIGITS: usize = 6;

/// How the rows of a flat file become trades.
pub(super) struct Flat {
    market: Cluster,
    conditions: Conditions,
}

/// Of which market this header is a flat file, if it is one.
pub(super) fn market(line: &[u8]) -> Option<Cluster> {
    let names = names(line).ok()?;
    let count = |wanted: &str| names.iter().filter(|name| *name == wanted).count();
    let has = |wanted: &[&str]| wanted.iter().all(|name| count(name) == 1);
    match (has(&STOCKS), has(&CRYPTO) && count("sip_timestamp") == 0) {
        (true, _) => Some(Cluster::Stocks),
        (false, true) => Some(Cluster::Crypto),
        (false, false) => None,
    }
}

impl Flat {
    /// What to do with the file of this name that begins with this line; `None` = it is another kind of file.
    ///
    /// # Errors
    /// The table of sale conditions cannot be used.
    pub(super) fn read(
        file: &str,
        line: &[u8],
        layout: &Layout,
    ) -> Result<Option<(Self, Header)>, FileError> {
        let Some(market) = market(line).filter(|_| layout.columns.is_empty()) else { return Ok(None) };
        let conditions = match &layout.sale_conditions {
            None => Conditions::published(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| error.to_string())
                .and_then(|text| Conditions::parse(&text))
                .map_err(|detail| FileError::Conditions { file: path.display().to_string(), detail })?,
        };
        let header = Header::new(line, |name| column(market, name))
            .map_err(|detail| FileError::Header { file: file.to_owned(), detail })?;
        Ok(Some((Self { market, conditions }, header)))
    }

    /// Reads the trade of a row, cell by cell.
    pub(super) fn trade<'a>(&self, cell: impl Fn(Column) -> Option<&'a str>) -> Result<Trade<'a>, Reject> {
        counts(cell(Column::Correction).unwrap_or_default())?;
        let ticker = cell(Column::Symbol);
        let mut trade = check(&Fields {
            symbol: ticker,
            price: cell(Column::Price),
            size: cell(Column::Size),
            timestamp: cell(Column::Timestamp).map(milliseconds),
            ..Fields::default()
        })?;
        match self.market {
            Cluster::Stocks => {
                let conditions = cell(Column::Conditions).unwrap_or_default();
                (trade.price_eligibility, trade.volume_eligible) =
                    self.eligibility(conditions, trade.event_time)?;
            }
            Cluster::Crypto => trade.symbol = pair(ticker.unwrap_or_default())?.into(),
        }
        Ok(trade)
    }

    /// The symbol of a row as the live feed spells it; a ticker that it does not know as it stands.
    pub(super) fn symbol<'a>(&self, ticker: &'a str) -> Cow<'a, str> {
        match self.market {
            Cluster::Stocks => Cow::Borrowed(ticker),
            Cluster::Crypto => pair(ticker).map_or(Cow::Borrowed(ticker), Cow::Owned),
        }
    }

    fn eligibility(&self, conditions: &str, event_time: i64) -> Result<(PriceEligibility, bool), Reject> {
        let bad = || Reject::Conditions { text: excerpt(conditions) };
        let (mut ids, mut count) = ([0; CONDITIONS_MAX], 0);
        for id in conditions.split(',').map(str::trim_ascii).filter(|_| !conditions.is_empty()) {
            *ids.get_mut(count).ok_or_else(bad)? = id.parse().map_err(|_| bad())?;
            count += 1;
        }
        let found = self.conditions.eligibility(&ids[..count], event_time);
        Ok((found.price, found.volume))
    }
}

/// When the row of this time is to be given, in nanoseconds since the Unix epoch.
pub(super) fn nanoseconds(text: &str) -> Option<i64> {
    if is_digits(text) { text.parse().ok() } else { None }
}

fn column(market: Cluster, name: &str) -> Option<Column> {
    Some(match (name, market) {
        ("ticker", _) => Column::Symbol,
        ("price", _) => Column::Price,
        ("size", _) => Column::Size,
        ("conditions", Cluster::Stocks) => Column::Conditions,
        ("correction", Cluster::Stocks) => Column::Correction,
        ("sip_timestamp", Cluster::Stocks) | ("participant_timestamp", Cluster::Crypto) => Column::Timestamp,
        _ => return None,
    })
}

/// Whether a row with this correction is a trade: each trade counts once, as it stands in the end.
///
/// | correction | row | |
/// |---|---|---|
/// | empty, 0 | a trade | counts |
/// | 12 | what a trade was corrected to | counts |
/// | 1 | a trade that was corrected later | not: its correction counts |
/// | 7, 8 | a trade that was an error, was cancelled later | not |
/// | 10, 11 | the message that a trade is cancelled, is an error | not |
/// | others | not published | not |
fn counts(correction: &str) -> Result<(), Reject> {
    match correction {
        "" | "0" | "12" => Ok(()),
        "1" => Err(Reject::Corrected),
        "7" => Err(Reject::Erroneous),
        "8" => Err(Reject::Cancelled),
        "10" | "11" => Err(Reject::Cancel),
        other => Err(Reject::Correction { text: excerpt(other) }),
    }
}

/// Nanoseconds as milliseconds; what is no time stays as it is, for `check` to refuse.
fn milliseconds(text: &str) -> &str {
    match text.len().checked_sub(NANOS_DIGITS) {
        _ if !is_digits(text) => text,
        None | Some(0) => "0",
        Some(kept) => &text[..kept],
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn pair(ticker: &str) -> Result<String, Reject> {
    subscription::pair(ticker).ok_or_else(|| Reject::Ticker { text: excerpt(ticker) })
}

#[cfg(test)]
mod tests;
