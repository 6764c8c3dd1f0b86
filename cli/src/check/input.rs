//! The input of a partition, computed anew and compared with what the changelog says.

use std::collections::BTreeMap;

use tape_kafka::{Part, Reader};
use tape_processor::codec;
use tape_processor::recompute::Recomputation;
use tape_service::{Config, Failure};

use super::changelog::advance;
use super::compare::{self, State, compare};
use super::report;
use crate::span::{self, Start};

/// Reads the input from its start to the committed offset.
pub(super) fn recompute(
    reader: &mut Reader,
    config: &Config,
    partition: i32,
    committed: i64,
    mut closings: BTreeMap<i64, i64>,
    state: &State,
) -> Result<report::Recomputation, Failure> {
    let part = Part::new(config.topics.raw_trades.as_str(), partition);
    let start = Start { part, from: 0, end: committed };
    let mut recomputation = Recomputation::new(codec::settings(&config.processing));
    let mut idle = 0;
    let bar = report::bar(&format!("{} ", start.part), 0, committed);
    let one = std::slice::from_ref(&start);
    if committed > 0 {
        span::assign(reader, one)?;
    }
    while committed > 0 && !span::is_done(reader, one) {
        span::poll(reader, &mut |record| {
            if record.offset < committed {
                idle += close(&mut recomputation, &mut closings, record.offset);
                recomputation.take(&record);
            }
        })?;
        advance(&bar, reader, &start);
    }
    reader.unassign(&start.part);
    bar.finish_and_clear();
    idle += close(&mut recomputation, &mut closings, committed);
    // The clock goes on behind the last row that it closed.
    if let Some(watermark) = compare::meta(state).and_then(|meta| meta.watermark) {
        idle += usize::from(recomputation.idle_until(watermark));
    }
    let records = recomputation.records();
    let known = compare::meta(state).unwrap_or_default();
    let expected = recomputation.state(&known).map_err(|error| Failure::Other(error.into()))?;
    Ok(report::Recomputation {
        committed,
        records,
        idle,
        entries: expected.len(),
        differences: compare(&expected, state),
    })
}

/// Closes what the clock closed before the record of `offset`; how often it was needed.
fn close(recomputation: &mut Recomputation, closings: &mut BTreeMap<i64, i64>, offset: i64) -> usize {
    let mut count = 0;
    while let Some(first) = closings.first_entry().filter(|first| *first.key() <= offset) {
        count += usize::from(recomputation.idle_until(first.remove()));
    }
    count
}
