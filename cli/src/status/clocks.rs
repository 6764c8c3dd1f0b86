//! The clocks of tasks, from the newest meta record in the tail of each changelog partition.
//!
//! Read backwards in steps that grow, because a commit that moved no clock wrote no meta record.

use std::collections::BTreeMap;

use tape_kafka::{Isolation, Part, Reader};
use tape_service::Failure;
use tape_state::{Key, MetaValue};

use crate::span::{self, Start};
use crate::topics::ANSWER_TIMEOUT;

/// Offsets of the first step back; each further step is so many times as long.
const FIRST_STEP: i64 = 200;
const GROWTH: i64 = 8;

/// A changelog partition, and the clocks that its last commit left.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) low: i64,
    pub(super) end: i64,
    pub(super) meta: Option<MetaValue>,
}

/// Tails of all partitions of the changelog.
pub(super) fn tails(reader: &mut Reader, changelog: &str) -> Result<BTreeMap<i32, Tail>, Failure> {
    let mut tails = BTreeMap::new();
    for part in reader.partitions(changelog, ANSWER_TIMEOUT)? {
        let (low, end) = reader.watermarks(&part, Isolation::ReadCommitted, ANSWER_TIMEOUT)?;
        tails.insert(part.partition, Tail { low, end, meta: None });
    }
    let mut step = FIRST_STEP;
    loop {
        let missing = |tail: &Tail| tail.meta.is_none() && tail.end > tail.low;
        let starts: Vec<_> = tails
            .iter()
            .filter(|(_, tail)| missing(tail))
            .map(|(partition, tail)| Start {
                part: Part::new(changelog, *partition),
                from: (tail.end - step).max(tail.low),
                end: tail.end,
            })
            .collect();
        if starts.is_empty() {
            return Ok(tails);
        }
        read(reader, &starts, &mut tails)?;
        // What was read to its beginning has none.
        for start in &starts {
            if let Some(tail) = tails.get_mut(&start.part.partition)
                && start.from == tail.low
                && tail.meta.is_none()
            {
                tail.meta = Some(MetaValue::default());
            }
        }
        step = step.saturating_mul(GROWTH);
    }
}

fn read(reader: &mut Reader, starts: &[Start], tails: &mut BTreeMap<i32, Tail>) -> Result<(), Failure> {
    span::assign(reader, starts)?;
    while !span::is_done(reader, starts) {
        span::poll(reader, &mut |record| {
            let Some(tail) = tails.get_mut(&record.partition) else { return };
            let is_meta = record.key.is_some_and(|key| Key::decode(key) == Ok(Key::Meta));
            if is_meta && record.offset < tail.end {
                tail.meta = record.value.and_then(|value| MetaValue::decode(value).ok());
            }
        })?;
    }
    starts.iter().for_each(|start| reader.unassign(&start.part));
    Ok(())
}
