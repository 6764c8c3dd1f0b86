//! What stands in the topics, read to the end.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use anyhow::{Context, Result, bail};
use tape_harness::{outputs, read_topic};
use tape_kafka::{Clients, Record};
use tape_oracle::{Alert, Row};
use tape_proto::{aggregate, alert, dead_letter};

/// Everything in the topics that tells whether a run was right.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// Final rows in order, by symbol.
    pub(crate) rows: BTreeMap<String, Vec<Row>>,
    /// Alerts in order, by symbol.
    pub(crate) alerts: BTreeMap<String, Vec<Alert>>,
    /// How often each (partition, offset) of the input became a dead letter.
    pub(crate) dead_letters: BTreeMap<(i32, i64), usize>,
    /// How often each late record, by its [`late_mark`], is there.
    pub(crate) late: BTreeMap<u64, usize>,
    /// Rows that are not final.
    pub(crate) updates: usize,
}

/// A record of the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Key and value.
    pub(crate) mark: u64,
    /// When the broker wrote it, epoch ms.
    pub(crate) append_time: i64,
}

/// Recognises a record by key and value.
pub(crate) fn mark(key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, value).hash(&mut hasher);
    hasher.finish()
}

/// Recognises a late record by key, value and lateness.
pub(crate) fn late_mark(key: Option<&[u8]>, value: Option<&[u8]>, lateness_ms: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (mark(key, value), lateness_ms).hash(&mut hasher);
    hasher.finish()
}

/// The input by partition. An offset that is missing is an error: nothing in this topic is transactional.
pub(crate) fn read_input(clients: &Clients, topic: &str) -> Result<Vec<Vec<Line>>> {
    let mut lines: Vec<Vec<Line>> = Vec::new();
    let mut hole = None;
    read_topic(clients, topic, &mut |record| {
        let partition = usize::try_from(record.partition).unwrap_or(0);
        lines.resize_with(lines.len().max(partition + 1), Vec::new);
        if i64::try_from(lines[partition].len()) != Ok(record.offset) {
            hole.get_or_insert((record.partition, record.offset));
        }
        let append_time = record.timestamp.unwrap_or(0);
        lines[partition].push(Line { mark: mark(record.key, record.value), append_time });
        Ok(())
    })?;
    if let Some((partition, offset)) = hole {
        bail!("{topic}[{partition}] has a hole before offset {offset}");
    }
    Ok(lines)
}

/// All outputs, as a read_committed reader sees them.
pub(crate) fn read_outputs(clients: &Clients, names: &tape_service::config::Topics) -> Result<Outputs> {
    let mut found = Outputs::default();
    read_topic(clients, &names.aggregates, &mut |record| {
        let message = aggregate::decode(record.value.unwrap_or_default())?;
        if message.is_final {
            found.rows.entry(message.symbol.clone()).or_default().push(outputs::row(&message));
        } else {
            found.updates += 1;
        }
        Ok(())
    })?;
    read_topic(clients, &names.alerts, &mut |record| {
        let message = alert::decode(record.value.unwrap_or_default())?;
        found.alerts.entry(message.symbol.clone()).or_default().push(outputs::alert(&message));
        Ok(())
    })?;
    read_topic(clients, &names.dead_letters, &mut |record| {
        let partition = number(&record, dead_letter::PARTITION)?.try_into()?;
        let offset = number(&record, dead_letter::OFFSET)?;
        *found.dead_letters.entry((partition, offset)).or_default() += 1;
        Ok(())
    })?;
    read_topic(clients, names.late.as_deref().context("a run needs a late topic")?, &mut |record| {
        let lateness = number(&record, dead_letter::LATENESS_MS)?;
        *found.late.entry(late_mark(record.key, record.value, lateness)).or_default() += 1;
        Ok(())
    })?;
    Ok(found)
}

fn number(record: &Record<'_>, header: &str) -> Result<i64> {
    let value = record.header(header).flatten();
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    let number = text.and_then(|text| text.parse().ok());
    number.with_context(|| {
        format!("{}[{}] offset {}: no number in {header}", record.topic, record.partition, record.offset)
    })
}
