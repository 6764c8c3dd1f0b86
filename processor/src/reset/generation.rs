//! The largest generation that an application has ever used, as far as there is a trace of it: in its changelog, in the
//! stores of this machine, and, should both be gone, in the last rows that it emitted.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use tape_analytics::generation_of;
use tape_kafka::{Admin, Clients, Isolation, Kind, Reader, Record};
use tape_proto::aggregate;
use tape_service::{Config, Failure};
use tape_state::{CodecError, Key, MetaValue, Shared, StateDir, Store};

use super::ASK_TIMEOUT;

/// Records read at a time.
const BATCH: usize = 10_000;
/// Wait for records.
const WAIT: Duration = Duration::from_millis(200);
/// Longest time without any progress.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// So many of the last offsets of each partition of rows are looked at. Transaction markers are among them.
const ROW_OFFSETS: i64 = 200;
/// Stores are only looked into.
const CACHE_BYTES: usize = 1 << 20;

/// The largest generation found.
pub(super) fn find(
    config: &Config,
    (clients, admin): (&Clients, &Admin),
    state: Option<&StateDir>,
    stores: &[i32],
) -> Result<Option<u32>, Failure> {
    let mut meta_key = Vec::new();
    Key::Meta.encode(&mut meta_key).map_err(|error| Failure::Other(error.into()))?;
    let mut largest = None;
    let mut reader = clients.reader(Isolation::ReadCommitted)?;
    let (changelog, rows) = (&config.topics.changelog, &config.topics.aggregates);
    if admin.partition_count(changelog, ASK_TIMEOUT)?.is_some() {
        read(&mut reader, changelog, i64::MAX, &mut |record| {
            if let (true, Some(value)) = (record.key == Some(&meta_key), record.value) {
                largest = largest.max(generation(value));
            }
        })?;
    }
    if admin.partition_count(rows, ASK_TIMEOUT)?.is_some() {
        read(&mut reader, rows, ROW_OFFSETS, &mut |record| {
            if let Some(row) = record.value.and_then(|value| aggregate::decode(value).ok()) {
                largest = largest.max(Some(generation_of(row.revision)));
            }
        })?;
    }
    let shared = Shared::new(CACHE_BYTES, CACHE_BYTES);
    for task in stores {
        let Some(state) = state else { break };
        match Store::peek(state, *task, &shared, &meta_key) {
            Ok(value) => largest = largest.max(value.and_then(|value| generation(&value))),
            // It is deleted anyway.
            Err(error) => {
                tracing::warn!(task, %error, "a local store cannot be read; its generation is not looked at")
            }
        }
    }
    Ok(largest)
}

/// The generation of a meta value; none when it is not one, or a newer version of tape wrote it.
fn generation(value: &[u8]) -> Option<u32> {
    match MetaValue::decode(value) {
        Ok(meta) => Some(meta.generation),
        Err(error @ CodecError::Newer { .. }) => {
            tracing::warn!(%error, "the generation of a newer version's state cannot be read");
            None
        }
        Err(_) => None,
    }
}

/// Reads the last `offsets` of each partition.
fn read(
    reader: &mut Reader,
    topic: &str,
    offsets: i64,
    take: &mut dyn FnMut(&Record<'_>),
) -> Result<(), Failure> {
    let mut ends = Vec::new();
    for part in reader.partitions(topic, ASK_TIMEOUT)? {
        let (low, end) = reader.watermarks(&part, Isolation::ReadCommitted, ASK_TIMEOUT)?;
        let from = end.saturating_sub(offsets).max(low);
        if from < end {
            reader.assign(&[(part.clone(), from)], ASK_TIMEOUT)?;
            ends.push((part, end));
        }
    }
    let mut progress = Instant::now();
    while !ends.iter().all(|(part, end)| reader.caught_up(part, *end)) {
        match reader.poll(BATCH, WAIT, &mut |record| take(&record)) {
            Ok(0) if progress.elapsed() < STUCK_AFTER => {}
            Ok(0) => {
                return Err(Failure::Other(anyhow!(
                    "topic {topic} cannot be read to its end within {STUCK_AFTER:?}"
                )));
            }
            Ok(_) => progress = Instant::now(),
            // Retention went on while we read: what is gone cannot be found any more.
            Err(error) if matches!(error.kind, Kind::OffsetOutOfRange { .. }) => break,
            Err(error) => return Err(error.into()),
        }
    }
    for (part, _) in &ends {
        reader.unassign(part);
    }
    Ok(())
}
