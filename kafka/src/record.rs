//! A record as it was read: borrowed from the client's memory, valid during the call that hands it out.

use std::borrow::Cow;

use crate::raw::MessageHeaders;

/// A record as it was read. Nothing in it is copied.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition number.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// The record's timestamp in epoch milliseconds; `None` only on topics of the oldest message format.
    pub timestamp: Option<i64>,
    /// True when the broker set the timestamp on arrival, false when the producer did.
    pub log_append_time: bool,
    /// Key; `None` = null.
    pub key: Option<&'a [u8]>,
    /// Value; `None` = null (a tombstone).
    pub value: Option<&'a [u8]>,
    headers: Source<'a>,
}

impl<'a> Record<'a> {
    /// A record that no broker sent, without headers: for tests and in-memory drivers.
    pub fn detached(
        topic: &'a str,
        partition: i32,
        offset: i64,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
    ) -> Self {
        let headers = Source::Given(&[]);
        Self { topic, partition, offset, timestamp: None, log_append_time: false, key, value, headers }
    }

    /// The same record with these headers.
    pub fn with_headers(self, headers: &'a [(&'a str, Option<&'a [u8]>)]) -> Self {
        Self { headers: Source::Given(headers), ..self }
    }

    /// The same record with a timestamp in epoch milliseconds, set by the broker or by the producer.
    pub fn with_timestamp(self, timestamp: i64, log_append_time: bool) -> Self {
        Self { timestamp: Some(timestamp), log_append_time, ..self }
    }

    /// When the broker wrote the record, in epoch milliseconds; `None` when the producer set the timestamp.
    pub fn append_time(&self) -> Option<i64> {
        self.timestamp.filter(|_| self.log_append_time)
    }

    /// The headers in their order; parsed only when asked for. Names that are no UTF-8 are given lossily.
    pub fn headers(&self) -> Headers<'a> {
        Headers { source: self.headers, next: 0 }
    }

    /// The value of the last header of this name: `None` = no such header, `Some(None)` = null.
    pub fn header(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.headers().filter(|(found, _)| found == name).last().map(|(_, value)| value)
    }

    /// A record with headers in the client's memory.
    pub(crate) fn native(bare: Self, headers: MessageHeaders<'a>) -> Self {
        Self { headers: Source::Native(headers), ..bare }
    }
}

/// Where the headers are.
#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Given(&'a [(&'a str, Option<&'a [u8]>)]),
    Native(MessageHeaders<'a>),
}

/// The headers of a [`Record`]: name and value, a null value is `None`.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    source: Source<'a>,
    next: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (Cow<'a, str>, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let header = match self.source {
            Source::Given(list) => list.get(self.next).map(|(name, value)| (Cow::Borrowed(*name), *value)),
            Source::Native(headers) => headers.get(self.next),
        }?;
        self.next += 1;
        Some(header)
    }
}

#[cfg(test)]
mod tests;
