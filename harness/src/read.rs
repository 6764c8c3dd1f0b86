//! A topic, read to its end as a read_committed reader sees it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tape_kafka::{Clients, Isolation, Part, Record};

/// Wait for one answer of the broker.
const ASK: Duration = Duration::from_secs(20);

/// Longest wait for more records of a topic whose end was not reached.
const STALL: Duration = Duration::from_secs(60);

/// Hands out every committed record of a topic, each partition in order, and counts them.
///
/// # Errors
/// What the broker said, that nothing more comes for a minute, or the first error of `each`.
pub fn read_topic(
    clients: &Clients,
    topic: &str,
    each: &mut dyn FnMut(Record<'_>) -> Result<()>,
) -> Result<u64> {
    let mut reader = clients.reader(Isolation::ReadCommitted)?;
    let mut ends: Vec<(Part, i64)> = Vec::new();
    for part in reader.partitions(topic, ASK)? {
        let (low, high) = reader.watermarks(&part, Isolation::ReadCommitted, ASK)?;
        if high > low {
            reader.assign(&[(part.clone(), low)], ASK)?;
            ends.push((part, high));
        }
    }
    let (mut failure, mut moved, mut found) = (Ok(()), Instant::now(), 0);
    while !ends.iter().all(|(part, end)| reader.caught_up(part, *end)) {
        let count = reader.poll(10_000, Duration::from_millis(100), &mut |record| {
            if failure.is_ok() {
                let (partition, offset) = (record.partition, record.offset);
                failure = each(record).with_context(|| format!("{topic}[{partition}] offset {offset}"));
            }
        })?;
        found += count as u64;
        if count > 0 {
            moved = Instant::now();
        }
        if moved.elapsed() > STALL {
            bail!("{topic} could not be read to its end");
        }
    }
    failure.map(|()| found)
}
