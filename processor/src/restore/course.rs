//! The course of one restore, as log, metrics and status tell it.
//!
//! A restore that is over within seconds is one line, its end. A longer one says how far it is every [`LINE_INTERVAL`],
//! each task for itself.

use std::time::{Duration, Instant};

use tape_state::Progress;

use crate::meters;

/// Between two lines of a restore.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// How far a restore is, and what it has read.
pub(crate) struct Course {
    partition: i32,
    progress: Progress,
    records: u64,
    bytes: u64,
    started: Instant,
    next_line: Instant,
}

impl Course {
    /// A restore that reads `from..end` of the changelog.
    pub(crate) fn new(partition: i32, from: i64, end: i64, now: Instant) -> Self {
        let progress = Progress::new(from, end, now);
        meters::restore(partition, &progress);
        let next_line = now + LINE_INTERVAL;
        Course { partition, progress, records: 0, bytes: 0, started: now, next_line }
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// A record was read.
    pub(crate) fn count(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.records += 1;
        self.bytes += (key.len() + value.map_or(0, <[u8]>::len)) as u64;
    }

    /// Everything below `position` is in the store.
    pub(crate) fn advance(&mut self, position: i64, now: Instant) {
        self.progress.advance(position, now);
        meters::restore(self.partition, &self.progress);
        if now >= self.next_line && !self.progress.is_done() {
            self.next_line = now + LINE_INTERVAL;
            tracing::info!(task = self.partition, progress = %self.progress, "restoring");
        }
    }

    /// The task runs.
    pub(crate) fn finish(&self, now: Instant) -> Summary {
        meters::restored(self.partition, self.records);
        let took = now.saturating_duration_since(self.started);
        let per_second = u128::from(self.records) * 1_000_000 / took.as_micros().max(1);
        Summary { records: self.records, bytes: self.bytes, took_ms: took.as_millis(), per_second }
    }
}

/// What a restore read, in the end.
pub(crate) struct Summary {
    pub(crate) records: u64,
    /// Of keys and values.
    pub(crate) bytes: u64,
    pub(crate) took_ms: u128,
    pub(crate) per_second: u128,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Course;

    #[test]
    fn sums_up_what_was_read() {
        let start = Instant::now();
        let mut course = Course::new(0, 100, 300, start);
        (0..50).for_each(|_| course.count(b"key", Some(b"value")));
        course.count(b"key", None);
        course.advance(300, start + Duration::from_millis(500));
        assert!(course.progress().is_done());
        let summary = course.finish(start + Duration::from_millis(500));
        assert_eq!((summary.records, summary.bytes), (51, 50 * 8 + 3));
        assert_eq!((summary.took_ms, summary.per_second), (500, 102));
    }
}
