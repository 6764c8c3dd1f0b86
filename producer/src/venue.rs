//! What the venues of live feeds have in common: which connections they need, and what becomes of a frame.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tape_proto::trade::{Fields, Reject, Trade, check};

/// What follows from the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// At least one, no two with the same index.
    pub(crate) feeds: Vec<FeedPlan>,
    /// What was read otherwise than it was written, for the log.
    pub(crate) notes: Vec<String>,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedPlan {
    /// Name in logs and labels of metrics.
    pub(crate) name: &'static str,
    /// Which of the venue's decoders reads it.
    pub(crate) index: usize,
    pub(crate) url: String,
    /// As the venue spells them (`T.AAPL`, `BTC-USD`); at least one.
    pub(crate) channels: BTreeSet<String>,
}

/// Settings that cannot be followed; the message names the setting, its value and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PlanError(pub(crate) String);

/// Reads the frames of one feed.
pub(crate) trait Decode: Send {
    /// Calls `each` for each element, in the order of the frame.
    fn decode<'f>(&mut self, frame: &'f [u8], each: &mut dyn FnMut(Element<'f>));
}

/// One element of a frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Element<'f> {
    /// A trade or a bar.
    Trade(Decoded<'f>),
    /// An answer of the session, which reads those itself.
    Status,
    /// An event that is no trade here, by its name if we know it, else `other`: few labels, whatever comes.
    Ignored(&'static str),
    /// The venue numbers its trades, and so many before this place never came.
    Missing { symbol: String, count: u64 },
    /// Something that is no event.
    Bad {
        /// A code of [`Reject`], or a word of the venue's decoder: few, whatever comes.
        reason: &'static str,
        /// One line.
        message: String,
        /// All of it, up to the first byte that is not UTF-8.
        text: &'f str,
    },
}

/// A trade or a bar that the contract accepts.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded<'f> {
    /// The venue's name of the event.
    pub(crate) kind: &'static str,
    pub(crate) trade: Trade<'f>,
    pub(crate) identity: Identity,
    /// When the exchange reported the trade, at or before the event time; milliseconds since the Unix epoch.
    pub(crate) participant_time: Option<i64>,
    /// Number of its conditions without a known rule.
    pub(crate) unknown_conditions: usize,
    /// The element as it came, if the decoder includes it.
    pub(crate) raw: Option<&'f str>,
}

/// A hash that is equal for two deliveries of one trade, also of another connection or run, and differs for two trades of a venue:
/// among ten million of them a pair is equal by chance with a probability of 3e-6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity(pub(crate) u64);

/// Why an element is no event.
pub(crate) struct Fault {
    reason: &'static str,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The element that has it.
    pub(crate) fn of(self, text: &str) -> Element<'_> {
        Element::Bad { reason: self.reason, message: self.message, text }
    }
}

impl From<Reject> for Fault {
    fn from(reject: Reject) -> Self {
        Self::new(reject.code(), reject.to_string())
    }
}

/// The trade of these fields and the symbol, which outlives their texts.
///
/// # Errors
/// What the contract does not accept.
pub(crate) fn checked<'f>(symbol: Option<Cow<'f, str>>, fields: &Fields<'_>) -> Result<Trade<'f>, Reject> {
    let fields = Fields { symbol: symbol.as_deref(), ..*fields };
    let Trade { price, size, event_time, open, high, low, vwap, price_eligibility, volume_eligible, .. } =
        check(&fields)?;
    let symbol = symbol.unwrap_or_default();
    Ok(Trade { symbol, price, size, event_time, open, high, low, vwap, price_eligibility, volume_eligible })
}
