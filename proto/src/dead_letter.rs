//! The record of a dead-letter topic: what could not be used, cut to a bounded size, with the reason.
//!
//! - Key and value are the original bytes, cut to [`KEY_MAX_BYTES`] and [`VALUE_MAX_BYTES`]; null stays null.
//! - The original headers come first, in their order, whole, as many as fit into [`HEADERS_MAX_BYTES`] (names and values
//!   together); from the first that does not fit on, all are left out.
//! - Then come ours, [`REASON`] to [`HEADERS_LENGTH`], all texts. A record that was a dead letter before has some names
//!   twice: the last one counts, as for Kafka's `lastHeader`.
//!
//! Late records are not dead letters: they go to their topic unchanged, with the header [`LATENESS_MS`] behind their own.

use std::borrow::Cow;

/// The longest key of a dead letter, in bytes.
pub const KEY_MAX_BYTES: usize = 1024;

/// The longest value of a dead letter, in bytes: far below a broker's message limit, and enough to see what was sent.
pub const VALUE_MAX_BYTES: usize = 64 * 1024;

/// The most bytes of original headers in a dead letter, names and values together.
pub const HEADERS_MAX_BYTES: usize = 16 * 1024;

/// The longest text of a reason, in bytes; ours are far shorter, a parser's might not be.
pub const MESSAGE_MAX_BYTES: usize = 1024;

/// Header: the reason as a stable code, such as `bad_price`.
pub const REASON: &str = "tape-dlq-reason";
/// Header: the reason as one readable line.
pub const MESSAGE: &str = "tape-dlq-message";
/// Header: the topic that the record comes from.
pub const TOPIC: &str = "tape-dlq-topic";
/// Header: the partition that the record comes from.
pub const PARTITION: &str = "tape-dlq-partition";
/// Header: the record's offset in that partition.
pub const OFFSET: &str = "tape-dlq-offset";
/// Header: the record's timestamp in milliseconds since the Unix epoch; absent when it has none.
pub const TIMESTAMP: &str = "tape-dlq-timestamp";
/// Header: the full length of the key in bytes, `-1` for a null key.
pub const KEY_LENGTH: &str = "tape-dlq-key-length";
/// Header: the full length of the value in bytes, `-1` for a null value.
pub const VALUE_LENGTH: &str = "tape-dlq-value-length";
/// Header: the full length of the original headers in bytes, names and values together.
pub const HEADERS_LENGTH: &str = "tape-dlq-headers-length";

/// Header of a record in the late topic: its lateness in milliseconds.
pub const LATENESS_MS: &str = "tape-lateness-ms";

/// A header: Kafka allows a null value and the same name twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The value, or null.
    pub value: Option<Cow<'a, [u8]>>,
}

impl<'a> Header<'a> {
    /// A header with a text of ours.
    #[must_use]
    pub fn text(name: &'static str, value: impl ToString) -> Self {
        Self { name: Cow::Borrowed(name), value: Some(Cow::Owned(value.to_string().into_bytes())) }
    }

    /// A header as it stands in a record.
    #[must_use]
    pub fn borrowed(name: &'a str, value: Option<&'a [u8]>) -> Self {
        Self { name: Cow::Borrowed(name), value: value.map(Cow::Borrowed) }
    }

    fn bytes(&self) -> usize {
        self.name.len() + self.value.as_ref().map_or(0, |value| value.len())
    }
}

/// A record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record's timestamp in milliseconds since the Unix epoch, if it has one.
    pub timestamp: Option<i64>,
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value, or null.
    pub value: Option<&'a [u8]>,
    /// All headers in their order.
    pub headers: Vec<Header<'a>>,
}

/// What to write into the dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// The key, cut, or null.
    pub key: Option<&'a [u8]>,
    /// The value, cut, or null.
    pub value: Option<&'a [u8]>,
    /// The original headers, as many as fit, then ours.
    pub headers: Vec<Header<'a>>,
}

impl<'a> DeadLetter<'a> {
    /// The dead letter of `record`: `code` is the reason's stable code, `message` its readable line.
    #[must_use]
    pub fn new(record: Record<'a>, code: &str, message: &str) -> Self {
        let Record { topic, partition, offset, timestamp, key, value, mut headers } = record;
        let headers_length: usize = headers.iter().map(Header::bytes).sum();
        headers.truncate(count_that_fit(&headers));
        headers.extend([
            Header::text(REASON, code),
            Header::text(MESSAGE, &message[..message.floor_char_boundary(MESSAGE_MAX_BYTES)]),
            Header::text(TOPIC, topic),
            Header::text(PARTITION, partition),
            Header::text(OFFSET, offset),
        ]);
        headers.extend(timestamp.map(|timestamp| Header::text(TIMESTAMP, timestamp)));
        headers.extend([
            length(KEY_LENGTH, key),
            length(VALUE_LENGTH, value),
            Header::text(HEADERS_LENGTH, headers_length),
        ]);
        Self { key: cut(key, KEY_MAX_BYTES), value: cut(value, VALUE_MAX_BYTES), headers }
    }
}

/// How many of the first headers fit into [`HEADERS_MAX_BYTES`].
fn count_that_fit(headers: &[Header<'_>]) -> usize {
    let mut total = 0;
    let fits = |header: &&Header<'_>| {
        total += header.bytes();
        total <= HEADERS_MAX_BYTES
    };
    headers.iter().take_while(fits).count()
}

fn length(name: &'static str, bytes: Option<&[u8]>) -> Header<'static> {
    match bytes {
        Some(bytes) => Header::text(name, bytes.len()),
        None => Header::text(name, "-1"),
    }
}

fn cut(bytes: Option<&[u8]>, max: usize) -> Option<&[u8]> {
    bytes.map(|bytes| &bytes[..bytes.len().min(max)])
}

#[cfg(test)]
mod tests;
