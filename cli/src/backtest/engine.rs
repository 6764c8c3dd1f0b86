//! A log of several partitions, computed in the order of its reading. No files, no clock.
//!
//! One record at a time: place it (partition, offset, append time), count it, hand it to its partition's task, and hand the
//! effects to the [`Sink`] before the next record is looked at.

use std::io;

use tape_analytics::{Alert, Effects, Outcome, Record, Reject, Row, Scope, Settings, Task};
use tape_processor::codec;
use tape_proto::partition::partition;
use tape_proto::trade::Trade;

use super::summary::Counts;

/// The most partitions; each costs a few hundred bytes, and a wrong number in a file must not take all memory.
pub(crate) const PARTITIONS_MAX: i32 = 10_000;

/// Where a record stands, as far as its source says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// From 0; `None`: by the symbol.
    pub(crate) partition: Option<i32>,
    /// From 0; `None`: the next one of the partition.
    pub(crate) offset: Option<i64>,
    /// The log's own time of the record, ms; `None`: no future guard.
    pub(crate) append_time: Option<i64>,
}

/// A record that is no trade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreadable<'a> {
    /// Its symbol, if that can be read.
    pub(crate) symbol: Option<&'a str>,
    /// Stable code of the reason.
    pub(crate) code: &'static str,
}

/// Where a record was put, and why it was not used, if so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Partition.
    pub(crate) partition: i32,
    /// Offset.
    pub(crate) offset: i64,
    /// `None`: it was used, or is late, or was unreadable to begin with.
    pub(crate) refusal: Option<Refusal>,
}

/// Why a readable record is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The logic refuses it.
    #[error(transparent)]
    Logic(#[from] Reject),
    /// A log has each offset once, in order.
    #[error(
        "the offset is below the next one of its partition, {next}; records of a partition stand in the order of their offsets"
    )]
    Order {
        /// The next offset of the partition.
        next: i64,
    },
    /// No log has so many.
    #[error("the partition is not below {PARTITIONS_MAX}")]
    Partition,
}

impl Refusal {
    /// The stable code of the reason.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Logic(reject) => reject.code(),
            Self::Order { .. } => "offset_order",
            Self::Partition => "partition_range",
        }
    }
}

/// Who takes what the records cause, in order.
pub(crate) trait Sink {
    /// A final row.
    fn row(&mut self, row: &Row) -> io::Result<()>;
    /// An alert.
    fn alert(&mut self, alert: &Alert) -> io::Result<()>;
}

/// The partitions of a log, with their tasks.
pub(crate) struct Engine {
    settings: Settings,
    /// Partitions that records without one are divided among.
    partitions: i32,
    lanes: Vec<Lane>,
    /// Reused from record to record.
    effects: Effects,
    counts: Counts,
}

struct Lane {
    task: Task,
    next_offset: i64,
}

impl Engine {
    /// A log without records. `settings` passed their check; `partitions` is 1 to [`PARTITIONS_MAX`].
    pub(crate) fn new(settings: Settings, partitions: i32) -> Self {
        Self {
            settings,
            partitions,
            lanes: Vec::new(),
            effects: Effects::default(),
            counts: Counts::default(),
        }
    }

    /// What has been read and emitted so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes a record that is a trade, and hands its effects to `sink`.
    pub(crate) fn accept(
        &mut self,
        place: Place,
        trade: &Trade<'_>,
        sink: &mut dyn Sink,
    ) -> io::Result<Placed> {
        self.counts.records += 1;
        let placed = self.place(place, Some(&trade.symbol));
        if let Some(refusal) = placed.refusal {
            self.counts.reject(refusal.code());
            return Ok(placed);
        }
        let record =
            Record { trade: codec::trade(trade), offset: placed.offset, append_time: place.append_time };
        let lane = &mut self.lanes[placed.partition as usize];
        match lane.task.step(&record, &mut self.effects) {
            Ok(Outcome::Counted { windows }) => {
                self.counts.late_partial += u64::from(windows < self.settings.panes());
            }
            Ok(Outcome::Late { .. }) => self.counts.late += 1,
            Err(reject) => {
                self.counts.reject(reject.code());
                return Ok(Placed { refusal: Some(reject.into()), ..placed });
            }
        }
        self.emit(sink)?;
        Ok(placed)
    }

    /// Counts a record that is no trade.
    pub(crate) fn refuse(&mut self, place: Place, unreadable: Unreadable<'_>) -> Placed {
        self.counts.records += 1;
        self.counts.reject(unreadable.code);
        Placed { refusal: None, ..self.place(place, unreadable.symbol) }
    }

    /// Closes what the live system closed because the partition was idle: everything due at `watermark`.
    pub(crate) fn close_idle(
        &mut self,
        partition: i32,
        watermark: i64,
        sink: &mut dyn Sink,
    ) -> io::Result<()> {
        let lane = self.lane(partition);
        if let Some(stream_time) = lane.task.meta().stream_time {
            let next_offset = lane.next_offset;
            let Self { settings, effects, lanes, .. } = self;
            let elapsed_ms = watermark - stream_time + settings.watermark_delay_ms;
            lanes[partition as usize].task.idle(elapsed_ms, next_offset, effects);
        }
        self.emit(sink)
    }

    /// Rows of all open windows, by partition.
    pub(crate) fn open_rows(&mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        for lane in &mut self.lanes {
            lane.task.open_rows(Scope::All, lane.next_offset, &mut rows);
        }
        rows
    }

    /// Closes every open window, partition by partition.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) -> io::Result<()> {
        for partition in 0..self.lanes.len() {
            let lane = &mut self.lanes[partition];
            lane.task.finish(lane.next_offset, &mut self.effects);
            self.emit(sink)?;
        }
        Ok(())
    }

    /// Finds partition and offset of a record, and moves the partition behind it.
    fn place(&mut self, place: Place, symbol: Option<&str>) -> Placed {
        let partition = match (place.partition, symbol) {
            (Some(partition), _) => partition,
            (None, _) if self.partitions == 1 => 0,
            (None, symbol) => symbol.map_or(0, |symbol| partition(symbol.as_bytes(), self.partitions)),
        };
        if !(0..PARTITIONS_MAX).contains(&partition) {
            let offset = place.offset.unwrap_or_default();
            return Placed { partition, offset, refusal: Some(Refusal::Partition) };
        }
        let lane = self.lane(partition);
        let next = lane.next_offset;
        let offset = place.offset.unwrap_or(next);
        if offset < next {
            return Placed { partition, offset, refusal: Some(Refusal::Order { next }) };
        }
        // The largest offset has no next one; it is no offset of any log either.
        lane.next_offset = offset.saturating_add(1);
        Placed { partition, offset, refusal: None }
    }

    fn lane(&mut self, partition: i32) -> &mut Lane {
        let at = partition as usize;
        while self.lanes.len() <= at {
            self.lanes.push(Lane { task: Task::new(self.settings.clone()), next_offset: 0 });
        }
        &mut self.lanes[at]
    }

    fn emit(&mut self, sink: &mut dyn Sink) -> io::Result<()> {
        for row in self.effects.rows.drain(..) {
            self.counts.rows += 1;
            sink.row(&row)?;
        }
        for alert in self.effects.alerts.drain(..) {
            self.counts.alert(alert.kind);
            sink.alert(&alert)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
