//! One consumed record, judged: a row, an alert, or a refused record with its dead letter.
//!
//! The original key, value and headers of a row stay beside it until the batch is written: should the database refuse the
//! row, they go to the dead-letter topic as they were. [`VALUE_BYTES_MAX`] bounds them.

use tape_proto::dead_letter::{self, Header};
use tape_proto::messages::{BreakoutAlert, StockAggregate};
use tape_proto::{aggregate, alert};

use crate::letter::{Letter, Refusal};
use crate::slot::{Slot, Table};

/// Longest value that is read as a row. Ours have a few hundred bytes; the cap is that of dead letters, so that a row
/// refused later can be kept whole.
pub(crate) const VALUE_BYTES_MAX: usize = dead_letter::VALUE_MAX_BYTES;

/// Longest key of a row; a symbol has 32 bytes.
pub(crate) const KEY_BYTES_MAX: usize = dead_letter::KEY_MAX_BYTES;

/// Instants that a row may name, in milliseconds since the epoch: windows of the contract's event times (up to
/// 9999-12-31) and a whole era on either side; what lies outside does not fit the client's time type.
const TIME_MS_MAX: i64 = 2 * 253_402_300_799_999;

/// What an entry holds besides its bytes; counts against the batch's limit.
const OVERHEAD_BYTES: usize = 512;

/// A record as it came, borrowed from the consumer.
#[derive(Clone, Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) slot: Slot,
    pub(crate) topic: &'a str,
    pub(crate) offset: i64,
    /// Milliseconds since the epoch.
    pub(crate) timestamp: Option<i64>,
    /// `timestamp`, if the broker set it.
    pub(crate) append_time: Option<i64>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Vec<Header<'a>>,
}

/// One record of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) slot: Slot,
    pub(crate) offset: i64,
    /// When the broker appended it, milliseconds since the epoch.
    pub(crate) append_time: Option<i64>,
    pub(crate) content: Content,
    pub(crate) bytes: usize,
}

/// What a record turned out to be.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Row(Box<StockAggregate>, Raw),
    Alert(Box<BreakoutAlert>, Raw),
    /// Goes to the dead-letter topic; `delivered` once the brokers acknowledged it.
    Refused {
        letter: Box<Letter>,
        delivered: bool,
    },
}

/// The original bytes of a row, for the case that the database refuses it.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    timestamp: Option<i64>,
    key: Option<Box<[u8]>>,
    value: Box<[u8]>,
    headers: Vec<Header<'static>>,
}

impl Entry {
    /// Judges a record. Nothing fails: what cannot be read becomes a dead letter.
    pub(crate) fn judge(incoming: Incoming<'_>) -> Self {
        let (slot, offset, append_time) = (incoming.slot, incoming.offset, incoming.append_time);
        let content = match decode(&incoming) {
            Ok(Message::Row(row)) => Content::Row(row, Raw::of(&incoming)),
            Ok(Message::Alert(alert)) => Content::Alert(alert, Raw::of(&incoming)),
            Err(refusal) => refused(Letter::new(incoming.into(), &refusal)),
        };
        let bytes = content.bytes();
        Self { slot, offset, append_time, content, bytes }
    }

    /// Turns a row that the database refused into a dead letter.
    pub(crate) fn refuse(&mut self, topic: &str, refusal: &Refusal) {
        let raw = match &self.content {
            Content::Row(_, raw) | Content::Alert(_, raw) => raw,
            Content::Refused { .. } => return,
        };
        let record = dead_letter::Record {
            topic,
            partition: self.slot.partition,
            offset: self.offset,
            timestamp: raw.timestamp,
            key: raw.key.as_deref(),
            value: Some(&raw.value),
            headers: raw.headers.clone(),
        };
        self.content = refused(Letter::new(record, refusal));
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.content, Content::Refused { .. })
    }
}

impl Content {
    fn bytes(&self) -> usize {
        OVERHEAD_BYTES
            + match self {
                Self::Row(_, raw) | Self::Alert(_, raw) => raw.bytes(),
                Self::Refused { letter, .. } => letter.bytes(),
            }
    }
}

impl Raw {
    /// Headers beyond a dead letter's cap are left out: they would be cut anyhow.
    fn of(incoming: &Incoming<'_>) -> Self {
        let mut room = dead_letter::HEADERS_MAX_BYTES;
        let fits = |header: &&Header<'_>| {
            let bytes = header.name.len() + header.value.as_ref().map_or(0, |value| value.len());
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        Self {
            timestamp: incoming.timestamp,
            key: incoming.key.map(Box::from),
            value: incoming.value.map(Box::from).unwrap_or_default(),
            headers: incoming.headers.iter().take_while(fits).map(owned).collect(),
        }
    }

    fn bytes(&self) -> usize {
        self.key.as_ref().map_or(0, |key| key.len()) + self.value.len()
    }
}

impl<'a> From<Incoming<'a>> for dead_letter::Record<'a> {
    fn from(incoming: Incoming<'a>) -> Self {
        Self {
            topic: incoming.topic,
            partition: incoming.slot.partition,
            offset: incoming.offset,
            timestamp: incoming.timestamp,
            key: incoming.key,
            value: incoming.value,
            headers: incoming.headers,
        }
    }
}

enum Message {
    Row(Box<StockAggregate>),
    Alert(Box<BreakoutAlert>),
}

fn decode(incoming: &Incoming<'_>) -> Result<Message, Refusal> {
    let value = incoming.value.ok_or_else(|| Refusal::undecodable("the value is null"))?;
    too_long("value", value.len(), VALUE_BYTES_MAX)?;
    too_long("key", incoming.key.map_or(0, <[u8]>::len), KEY_BYTES_MAX)?;
    match incoming.slot.table {
        Table::Aggregates => {
            let row = aggregate::decode(value).map_err(Refusal::undecodable)?;
            in_range("window_start", row.window_start)?;
            in_range("window_end", row.window_end)?;
            Ok(Message::Row(Box::new(row)))
        }
        Table::Alerts => {
            let alert = alert::decode(value).map_err(Refusal::undecodable)?;
            in_range("timestamp", alert.timestamp)?;
            Ok(Message::Alert(Box::new(alert)))
        }
    }
}

fn too_long(what: &str, bytes: usize, bytes_max: usize) -> Result<(), Refusal> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(Refusal::undecodable(format!("a {what} of {bytes} bytes, where ours have at most {bytes_max}")))
}

fn in_range(column: &str, ms: i64) -> Result<(), Refusal> {
    if ms.unsigned_abs() <= TIME_MS_MAX.unsigned_abs() {
        return Ok(());
    }
    Err(Refusal::undecodable(format!("{column} is {ms} ms since the epoch, beyond {TIME_MS_MAX}")))
}

fn refused(letter: Letter) -> Content {
    Content::Refused { letter: Box::new(letter), delivered: false }
}

fn owned(header: &Header<'_>) -> Header<'static> {
    Header {
        name: header.name.clone().into_owned().into(),
        value: header.value.as_ref().map(|value| value.clone().into_owned().into()),
    }
}

#[cfg(test)]
mod tests;
