//! A topic, read to its end as a read_committed reader sees it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tape_kafka::{Isolation, Part, Record};

use crate::rig::{ASK, Rig};

/// Longest wait for more records of a topic whose end was not reached.
const STALL: Duration = Duration::from_secs(60);

/// Hands out every committed record of a topic, each partition in order, and counts them.
pub(crate) fn all(rig: &Rig, topic: &str, each: &mut dyn FnMut(Record<'_>) -> Result<()>) -> Result<u64> {
    let mut reader = rig.clients.reader(Isolation::ReadCommitted)?;
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
                failure = each(record);
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
