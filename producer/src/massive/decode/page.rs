//! Pages of the vendor's REST interface, which holds the same trades under other names.
//!
//! | record | row of `/v3/trades` |
//! |---|---|
//! | symbol | the ticker that was asked for |
//! | price | `price` |
//! | size | `decimal_size`, or `size` |
//! | event time | `sip_timestamp`, of crypto `participant_timestamp`; cut to milliseconds, as the feed does |
//! | eligibility | by `conditions`; crypto: all |
//!
//! What was taken back is no trade: a row whose `correction` says that it was corrected (1), erroneous (7) or cancelled (8), and
//! the rows that say so (10, 11). The corrected trade itself (12) is one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tape_proto::trade::Fields;

use super::text::{content, integer};
use super::{Decoder, Fault, Kind};
use crate::massive::cluster::Cluster;
use crate::venue::{Decoded, Identity, checked};

const NANOS_PER_MS: i64 = 1_000_000;

/// A trade of a page.
#[derive(Debug, PartialEq)]
pub(crate) struct Past<'p> {
    pub(crate) decoded: Decoded<'p>,
    /// The event time in nanoseconds.
    pub(crate) nanos: i64,
    /// 0 when there is none.
    pub(crate) sequence: i64,
}

#[derive(Deserialize)]
struct Page<'p> {
    status: Option<String>,
    #[serde(borrow)]
    results: Option<Vec<&'p RawValue>>,
    next_url: Option<String>,
}

#[derive(Deserialize)]
struct Row<'p> {
    #[serde(borrow)]
    price: Option<&'p RawValue>,
    #[serde(borrow)]
    size: Option<&'p RawValue>,
    #[serde(borrow)]
    decimal_size: Option<&'p RawValue>,
    #[serde(borrow)]
    sip_timestamp: Option<&'p RawValue>,
    #[serde(borrow)]
    participant_timestamp: Option<&'p RawValue>,
    #[serde(borrow)]
    sequence_number: Option<&'p RawValue>,
    #[serde(borrow)]
    conditions: Option<&'p RawValue>,
    #[serde(borrow)]
    exchange: Option<&'p RawValue>,
    #[serde(borrow)]
    id: Option<&'p RawValue>,
    #[serde(borrow)]
    trf_id: Option<&'p RawValue>,
    #[serde(borrow)]
    correction: Option<&'p RawValue>,
}

impl Decoder {
    /// Calls `each` for each row of a page of the symbol's trades: a trade, `Ok(None)` for one that was taken back, or one line that says
    /// what is wrong with it. Returns the address of the next page.
    ///
    /// # Errors
    /// This is no page; one line.
    pub(crate) fn page<'p>(
        &mut self,
        symbol: &'p str,
        body: &'p [u8],
        mut each: impl FnMut(Result<Option<Past<'p>>, String>),
    ) -> Result<Option<String>, String> {
        let page: Page<'p> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if page.status.as_deref() == Some("ERROR") {
            return Err("the page has the status ERROR".to_owned());
        }
        for row in page.results.unwrap_or_default() {
            each(self.row(symbol, row.get()).map_err(|fault| fault.message));
        }
        Ok(page.next_url)
    }

    fn row<'p>(&mut self, symbol: &'p str, text: &'p str) -> Result<Option<Past<'p>>, Fault> {
        let row: Row<'p> =
            serde_json::from_str(text).map_err(|error| Fault::new("bad_json", error.to_string()))?;
        if matches!(row.correction.and_then(whole), Some(1 | 7 | 8 | 10 | 11)) {
            return Ok(None);
        }
        let (kind, time) = match self.cluster {
            Cluster::Stocks => (Kind::T, row.sip_timestamp.or(row.participant_timestamp)),
            Cluster::Crypto => (Kind::Xt, row.participant_timestamp),
        };
        let nanos = time.and_then(whole).ok_or_else(|| Fault::new("bad_time", "the row has no time"))?;
        let text_of = |value: Option<&'p RawValue>| value.map(|value| content(value.get()));
        let (price, size) = (text_of(row.price), text_of(row.decimal_size.or(row.size)));
        let milliseconds = nanos.div_euclid(NANOS_PER_MS).to_string();
        let fields = Fields {
            price: price.as_deref(),
            size: size.as_deref(),
            timestamp: Some(&milliseconds),
            ..Fields::default()
        };
        let mut trade = checked(Some(Cow::Borrowed(symbol)), &fields)?;
        let mut unknown_conditions = 0;
        if kind == Kind::T
            && let Some(raw) = row.conditions
        {
            self.read_conditions(raw.get())?;
            let eligibility = self.conditions.eligibility(&self.ids, trade.event_time);
            trade.price_eligibility = eligibility.price;
            trade.volume_eligible = eligibility.volume;
            unknown_conditions = eligibility.unknown;
        }
        let raw = |value: Option<&'p RawValue>| value.map(RawValue::get);
        let exchange = raw(row.exchange);
        let identity = match (raw(row.id), raw(row.sequence_number)) {
            (Some(id), _) => Identity::by_id(kind, symbol, exchange, raw(row.trf_id), id),
            (None, Some(sequence)) => Identity::by_sequence(kind, symbol, trade.event_time, sequence),
            (None, None) => Identity::by_fields(kind, &trade, exchange, raw(row.conditions)),
        };
        let participant_time =
            row.participant_timestamp.and_then(whole).map(|nanos| nanos.div_euclid(NANOS_PER_MS));
        let raw = self.include_raw.then_some(text);
        let decoded =
            Decoded { kind: kind.name(), trade, identity, participant_time, unknown_conditions, raw };
        Ok(Some(Past { decoded, nanos, sequence: row.sequence_number.and_then(whole).unwrap_or(0) }))
    }
}

/// A whole number; nanoseconds have one digit more than most.
fn whole(raw: &RawValue) -> Option<i64> {
    let text = content(raw.get());
    text.parse().ok().or_else(|| integer(&text))
}

#[cfg(test)]
mod tests;
