//! The last record of a source in each partition: found by reading the ends of the log backwards.
//!
//! Each partition is read in steps from its end, each step a multiple of the one before, until a record of the source
//! turns up or the beginning is reached. So a source that wrote last is found at once, one that others have written behind
//! is found too, and no record is read twice.

use std::time::{Duration, Instant};

use tape_kafka::{Clients, Error, Isolation, Part, Reader, Record};
use tape_proto::trade::SOURCE_HEADER;

use crate::cursor::read_header;
use crate::run_id::Lineage;

/// How long one answer of a broker may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long reading may stand still before it counts as failed.
const STALL: Duration = Duration::from_secs(30);
/// Records that one call hands over at most.
const POLL_RECORDS: usize = 10_000;
const POLL_WAIT: Duration = Duration::from_millis(200);
/// Length of the first step in records, and by how much each further one is longer.
const STEP_FIRST: i64 = 16;
const STEP_FACTOR: i64 = 64;

/// What a partition has of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    /// In which second that run of the source began.
    pub(crate) begin: i64,
    /// Number of its last record.
    pub(crate) number: u64,
}

/// The ends of the log of each partition: the offset after the last record, partition 0 first.
pub(crate) fn ends(clients: &Clients, topic: &str) -> Result<Vec<i64>, Error> {
    let reader = clients.reader(Isolation::ReadUncommitted)?;
    let parts = reader.partitions(topic, ANSWER)?;
    parts.iter().map(|part| Ok(reader.watermarks(part, Isolation::ReadUncommitted, ANSWER)?.1)).collect()
}

/// The last record of the source in each partition, partition 0 first. `from` gives for each partition the offset below
/// which nothing counts; a partition beyond its end counts as a whole. `is_stopped` is asked now and then; true ends it
/// with what was found so far.
pub(crate) fn last_records(
    clients: &Clients,
    topic: &str,
    lineage: &Lineage,
    from: &[i64],
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<Option<Last>>, Error> {
    let mut reader = clients.reader(Isolation::ReadUncommitted)?;
    let parts = reader.partitions(topic, ANSWER)?;
    let mut found = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let (low, end) = reader.watermarks(part, Isolation::ReadUncommitted, ANSWER)?;
        let low = low.max(from.get(index).copied().unwrap_or(0));
        found.push(last_in(&mut reader, part, lineage, (low, end), is_stopped)?);
    }
    Ok(found)
}

fn last_in(
    reader: &mut Reader,
    part: &Part,
    lineage: &Lineage,
    (low, end): (i64, i64),
    is_stopped: &dyn Fn() -> bool,
) -> Result<Option<Last>, Error> {
    let (mut end, mut step) = (end, STEP_FIRST);
    while end > low && !is_stopped() {
        let begin = low.max(end.saturating_sub(step));
        let last = read(reader, part, lineage, (begin, end), is_stopped)?;
        if last.is_some() {
            return Ok(last);
        }
        end = begin;
        step = step.saturating_mul(STEP_FACTOR);
    }
    Ok(None)
}

/// The last record of the source between two offsets.
fn read(
    reader: &mut Reader,
    part: &Part,
    lineage: &Lineage,
    (begin, end): (i64, i64),
    is_stopped: &dyn Fn() -> bool,
) -> Result<Option<Last>, Error> {
    reader.assign(&[(part.clone(), begin)], ANSWER)?;
    let mut last = None;
    let mut moved = Instant::now();
    while !reader.caught_up(part, end) && !is_stopped() {
        let count = reader.poll(POLL_RECORDS, POLL_WAIT, &mut |record| {
            if record.offset < end {
                last = of_source(&record, lineage).or(last);
            }
        });
        match count {
            Ok(0) if moved.elapsed() < STALL => {}
            Ok(0) => reader.partitions(&part.topic, ANSWER).map(|_| moved = Instant::now())?,
            Ok(_) => moved = Instant::now(),
            Err(error) => {
                reader.unassign(part);
                return Err(error);
            }
        }
    }
    reader.unassign(part);
    Ok(last)
}

fn of_source(record: &Record<'_>, lineage: &Lineage) -> Option<Last> {
    let (_, value) = record.headers().find(|(name, _)| name == SOURCE_HEADER)?;
    let (id, number) = read_header(value?)?;
    Some(Last { begin: lineage.begin_of(id)?, number })
}
