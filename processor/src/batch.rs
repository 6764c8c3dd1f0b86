//! Buffers of one commit: what goes to the output topics, and what goes to changelog and disk.
//!
//! Both keep their bytes in one growing buffer that is reused, so a row costs no allocation of its own.

use std::ops::Range;

use tape_analytics::{Change, Settings, Task};
use tape_kafka::Outgoing;
use tape_proto::dead_letter::{DeadLetter, Header};
use tape_state::{CodecError, Key};

use crate::codec;
use crate::context::TopicIds;

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Aggregates,
    Alerts,
    Late,
    DeadLetters,
}

/// Names of the output topics.
#[derive(Clone, Debug)]
pub(crate) struct OutputTopics {
    pub(crate) aggregates: String,
    pub(crate) alerts: String,
    /// `None`: late records are only counted.
    pub(crate) late: Option<String>,
    pub(crate) dead_letters: String,
}

impl OutputTopics {
    fn name(&self, destination: Destination) -> Option<&str> {
        match destination {
            Destination::Aggregates => Some(&self.aggregates),
            Destination::Alerts => Some(&self.alerts),
            Destination::Late => self.late.as_deref(),
            Destination::DeadLetters => Some(&self.dead_letters),
        }
    }
}

/// A header with its value, both owned.
type OwnedHeader = (String, Option<Vec<u8>>);

#[derive(Debug)]
struct Output {
    to: Destination,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    /// Only dead letters and late records have headers, and those are rare.
    headers: Vec<OwnedHeader>,
}

/// Records for the output topics, in the order in which they must leave.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    outputs: Vec<Output>,
}

impl Outbox {
    /// Appends a record whose value is written by `encode`.
    pub(crate) fn push(&mut self, to: Destination, key: &str, encode: impl FnOnce(&mut Vec<u8>)) {
        let key = Some(self.append(key.as_bytes()));
        let start = self.bytes.len();
        encode(&mut self.bytes);
        let value = Some(start..self.bytes.len());
        self.outputs.push(Output { to, key, value, headers: Vec::new() });
    }

    /// Appends a record that could not be used.
    pub(crate) fn push_dead_letter(&mut self, letter: &DeadLetter<'_>) {
        self.push_copy(Destination::DeadLetters, letter.key, letter.value, &letter.headers);
    }

    /// Appends a copy of a record with these headers.
    pub(crate) fn push_copy(
        &mut self,
        to: Destination,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        let owned = |header: &Header<'_>| {
            (header.name.to_string(), header.value.as_ref().map(|value| value.to_vec()))
        };
        let key = key.map(|key| self.append(key));
        let value = value.map(|value| self.append(value));
        self.outputs.push(Output { to, key, value, headers: headers.iter().map(owned).collect() });
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// Hands each record to `send`, in order.
    pub(crate) fn send<E>(
        &self,
        topics: &OutputTopics,
        mut send: impl FnMut(&Outgoing<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for output in &self.outputs {
            let Some(topic) = topics.name(output.to) else { continue };
            let headers: Vec<(&str, Option<&[u8]>)> =
                output.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            let slice = |range: &Option<Range<usize>>| range.clone().map(|range| &self.bytes[range]);
            send(&Outgoing {
                topic,
                key: slice(&output.key),
                value: slice(&output.value),
                headers: &headers,
                ..Outgoing::default()
            })?;
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.outputs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    pub(crate) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.outputs.clear();
    }
}

/// Changes of one task's state, as keys and values of changelog and store.
#[derive(Debug, Default)]
pub(crate) struct StateBatch {
    /// Stand in every meta value.
    ids: TopicIds,
    bytes: Vec<u8>,
    entries: Vec<(Range<usize>, Option<Range<usize>>)>,
}

impl StateBatch {
    /// Empty; what is pushed belongs to these topics.
    pub(crate) fn new(ids: TopicIds) -> Self {
        StateBatch { ids, ..StateBatch::default() }
    }

    /// Replaces what is there by what changed in a task since the last commit.
    pub(crate) fn stage(&mut self, task: &mut Task, settings: &Settings) -> Result<(), CodecError> {
        self.clear();
        let mut result = Ok(());
        task.drain_changes(|change| {
            if result.is_ok() {
                result = self.push(&change, settings);
            }
        });
        result
    }

    /// Appends a change of the logic's state.
    pub(crate) fn push(&mut self, change: &Change<'_>, settings: &Settings) -> Result<(), CodecError> {
        let out = &mut self.bytes;
        let start = out.len();
        match change {
            Change::Meta(_) => Key::Meta.encode(out)?,
            Change::Symbol { symbol, .. } => Key::Symbol(symbol).encode(out)?,
            Change::Pane { symbol, start, .. } => Key::Pane(symbol, *start).encode(out)?,
        }
        let key = start..out.len();
        let kept = match change {
            Change::Meta(meta) => Some(codec::meta_value(meta, settings, self.ids).encode(out)?),
            Change::Symbol { facts, .. } => {
                facts.map(|facts| codec::symbol_value(facts).encode(out)).transpose()?
            }
            Change::Pane { pane, .. } => pane.map(|pane| codec::pane_value(pane).encode(out)).transpose()?,
        };
        let value = kept.map(|()| key.end..out.len());
        self.entries.push((key, value));
        Ok(())
    }

    /// Appends an entry as it stands in the changelog.
    pub(crate) fn push_raw(&mut self, key: &[u8], value: Option<&[u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let key = start..self.bytes.len();
        let value = value.map(|value| {
            self.bytes.extend_from_slice(value);
            key.end..self.bytes.len()
        });
        self.entries.push((key, value));
    }

    /// Keys and values, in order; a value of `None` deletes.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.entries
            .iter()
            .map(|(key, value)| (&self.bytes[key.clone()], value.clone().map(|value| &self.bytes[value])))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}
