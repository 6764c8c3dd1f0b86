//! What happens to one record of the input: decode, step, and its effects into the outbox.
//!
//! Bad data is an outcome, not an error: a record that cannot be used becomes a dead letter, a record that comes too late goes
//! to the late topic, both in the transaction of the records around it.

use std::time::Instant;

use tape_analytics::{Effects, Outcome, Record, Row};
use tape_kafka as kafka;
use tape_proto::dead_letter::{self, DeadLetter, Header};
use tape_proto::output::OutputFormat;
use tape_proto::{aggregate, alert, trade};

use crate::batch::{Destination, Outbox};
use crate::codec;
use crate::meters::Counts;
use crate::task::Running;

/// Where the effects of records go.
pub(crate) struct Intake<'a> {
    pub(crate) outbox: &'a mut Outbox,
    /// Reused between records.
    pub(crate) effects: &'a mut Effects,
    pub(crate) counts: &'a mut Counts,
    pub(crate) format: OutputFormat,
    /// Panes in a window: a record counted in fewer windows was partly late.
    pub(crate) panes: i64,
    /// The moment at which this batch of records was taken.
    pub(crate) now: Instant,
}

impl Intake<'_> {
    /// Takes one record. Offsets below the task's next one are left-overs from before a seek.
    pub(crate) fn take<S>(&mut self, task: &mut Running<S>, record: &kafka::Record<'_>) {
        if record.offset < task.next_offset {
            return;
        }
        task.next_offset = record.offset + 1;
        task.uncommitted = true;
        self.counts.records += 1;
        self.counts.append_time = record.append_time().or(self.counts.append_time);
        let decoded = match trade::decode(record.key, record.value) {
            Ok(decoded) => decoded,
            Err(reject) => return self.reject(task, record, reject.code(), &reject.to_string()),
        };
        let step =
            Record { trade: codec::trade(&decoded), offset: record.offset, append_time: record.timestamp };
        match task.logic.step(&step, self.effects) {
            Err(reject) => return self.reject(task, record, reject.code(), &reject.to_string()),
            Ok(Outcome::Late { lateness_ms }) => self.late(record, lateness_ms),
            Ok(Outcome::Counted { windows }) => self.counts.late_partial += u64::from(windows < self.panes),
        }
        task.quiet_since = self.now;
        task.recent.accepted();
        self.emit();
    }

    /// Moves the effects into the outbox.
    pub(crate) fn emit(&mut self) {
        for row in &self.effects.rows {
            push_row(self.outbox, row, self.format);
        }
        for alert in &self.effects.alerts {
            let message = codec::alert_message(alert);
            self.outbox
                .push(Destination::Alerts, &alert.symbol, |out| alert::encode(&message, self.format, out));
            self.counts.alert(alert.kind);
        }
        self.counts.final_rows += self.effects.rows.len() as u64;
        self.effects.rows.clear();
        self.effects.alerts.clear();
    }

    fn reject<S>(
        &mut self,
        task: &mut Running<S>,
        record: &kafka::Record<'_>,
        code: &'static str,
        message: &str,
    ) {
        task.recent.rejected();
        self.counts.rejected(code);
        let record = dead_letter::Record {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: headers(record),
        };
        self.outbox.push_dead_letter(&DeadLetter::new(record, code, message));
    }

    fn late(&mut self, record: &kafka::Record<'_>, lateness_ms: i64) {
        self.counts.late += 1;
        let mut headers = headers(record);
        headers.push(Header::text(dead_letter::LATENESS_MS, lateness_ms));
        self.outbox.push_copy(Destination::Late, record.key, record.value, &headers);
    }
}

/// Appends a row to the outbox.
pub(crate) fn push_row(outbox: &mut Outbox, row: &Row, format: OutputFormat) {
    let message = codec::row_message(row);
    outbox.push(Destination::Aggregates, &row.symbol, |out| aggregate::encode(&message, format, out));
}

fn headers<'a>(record: &kafka::Record<'a>) -> Vec<Header<'a>> {
    let owned = |(name, value): (std::borrow::Cow<'a, str>, Option<&'a [u8]>)| Header {
        name,
        value: value.map(Into::into),
    };
    record.headers().map(owned).collect()
}

/// Records that the share of rejected ones is judged by.
const RECENT: usize = 1_000;

/// What became of the last [`RECENT`] records: a broker whose clock is slow would reject a whole market, and somebody must
/// be told.
#[derive(Debug)]
pub(crate) struct RejectWindow {
    rejected: [bool; RECENT],
    next: usize,
    count: usize,
}

impl RejectWindow {
    pub(crate) fn new() -> Self {
        RejectWindow { rejected: [false; RECENT], next: 0, count: 0 }
    }

    fn push(&mut self, rejected: bool) {
        self.count -= usize::from(self.rejected[self.next]);
        self.count += usize::from(rejected);
        self.rejected[self.next] = rejected;
        self.next = (self.next + 1) % RECENT;
    }

    fn accepted(&mut self) {
        // The common case: nothing rejected for a long time.
        if self.count > 0 {
            self.push(false);
        }
    }

    fn rejected(&mut self) {
        self.push(true);
    }

    /// More than half of the last 1,000 records were rejected.
    pub(crate) fn is_degraded(&self) -> bool {
        self.count > RECENT / 2
    }
}

#[cfg(test)]
mod tests {
    use super::{RECENT, RejectWindow};

    #[test]
    fn degraded_means_more_than_half_of_the_last_thousand() {
        let mut window = RejectWindow::new();
        (0..500).for_each(|_| window.rejected());
        assert!(!window.is_degraded());
        window.rejected();
        assert!(window.is_degraded());
        (0..500).for_each(|_| window.accepted());
        assert!(!window.is_degraded(), "501 of the last 1000 less the two oldest");
        (0..2 * RECENT).for_each(|_| window.accepted());
        (0..501).for_each(|_| window.rejected());
        assert!(window.is_degraded());
    }
}
