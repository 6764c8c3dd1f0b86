//! Where the clock closed windows: rows with `closed_by = IDLE` say before which record, and up to which time at least.

use std::collections::BTreeMap;

use tape_kafka::{Isolation, Reader};
use tape_proto::messages::{ClosedBy, StockAggregate};
use tape_proto::{aggregate, partition::partition};
use tape_service::Failure;

use crate::span::{self, From};

/// Bits of a revision that hold the offset; the generation stands above them.
const OFFSET_MASK: i64 = (1 << 47) - 1;

/// For each partition of the input the watermark that was reached before the record of an offset.
#[derive(Debug, Default)]
pub(super) struct IdleClosings(BTreeMap<i32, BTreeMap<i64, i64>>);

impl IdleClosings {
    /// Those of one partition.
    pub(super) fn of(&self, partition: i32) -> BTreeMap<i64, i64> {
        self.0.get(&partition).cloned().unwrap_or_default()
    }

    fn add(&mut self, row: &StockAggregate, partitions: i32) {
        if row.is_final && row.closed_by() == ClosedBy::Idle {
            let of_partition = self.0.entry(partition(row.symbol.as_bytes(), partitions)).or_default();
            let watermark = of_partition.entry(row.revision & OFFSET_MASK).or_insert(row.window_end);
            *watermark = (*watermark).max(row.window_end);
        }
    }
}

/// Reads all rows that are left of a topic.
pub(super) fn read(reader: &mut Reader, topic: &str, partitions: i32) -> Result<IdleClosings, Failure> {
    let mut closings = IdleClosings::default();
    let mut starts = span::starts(reader, topic, None, From::Earliest, Isolation::ReadCommitted)?;
    starts.retain(|start| start.from < start.end);
    span::assign(reader, &starts)?;
    while !span::is_done(reader, &starts) {
        span::poll(reader, &mut |record| {
            if let Ok(row) = aggregate::decode(record.value.unwrap_or_default()) {
                closings.add(&row, partitions);
            }
        })?;
    }
    starts.iter().for_each(|start| reader.unassign(&start.part));
    Ok(closings)
}
