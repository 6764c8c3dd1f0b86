//! How long a commit waits for more records.
//!
//! Who is at the end of the input waits for results: they are committed at once, or when `COMMIT_INTERVAL` has passed since the
//! commit before. Without results nobody sees when a commit comes, and it waits a little longer. Who is far behind waits for
//! nothing, and dear is then what a commit costs by itself: a transaction, a changelog record for each pane touched since the
//! last one. So with a backlog the wait doubles from commit to commit. It starts small again after each start and each recovery:
//! the first results after a crash come soon.

use std::time::{Duration, Instant};

/// The longest wait: about so much work is done again after a crash.
const LONGEST: Duration = Duration::from_secs(3);
/// A commit that shows nothing waits so long: as long as Kafka Streams waits by default. Each one costs the broker a transaction.
const QUIET: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    wait: Duration,
    /// When the last commit was over.
    last: Option<Instant>,
}

impl Pace {
    /// `interval`: the wait at the end of the input.
    pub(super) fn new(interval: Duration) -> Self {
        Pace { interval, wait: interval, last: None }
    }

    /// When records taken since `since` are committed at the end of the input.
    pub(super) fn due(&self, since: Instant, has_results: bool) -> Instant {
        match has_results {
            true => self.last.map_or(since, |last| last + self.interval),
            false => since + self.interval.max(QUIET),
        }
    }

    /// The same while there is a backlog.
    pub(super) fn due_with_backlog(&self, since: Instant) -> Instant {
        since + self.wait
    }

    /// After a commit.
    pub(super) fn committed(&mut self, now: Instant, backlog: bool) {
        self.last = Some(now);
        if backlog {
            self.wait = (self.wait * 2).min(LONGEST).max(self.interval);
        } else {
            self.reset();
        }
    }

    pub(super) fn reset(&mut self) {
        self.wait = self.interval;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;

    #[test]
    fn results_are_committed_at_once_when_the_last_commit_is_old_enough() {
        let (now, millis) = (Instant::now(), Duration::from_millis);
        let due = |interval, since, last: Option<u64>, has_results| {
            let at = |ms| now + millis(ms);
            let mut pace = Pace::new(millis(interval));
            last.into_iter().for_each(|last| pace.committed(at(last), false));
            (pace.due(at(since), has_results) - now).as_millis()
        };
        for (interval, since, last, with, without) in [
            // After a start and after a pause.
            (20, 1_000, None, 1_000, 1_100),
            (20, 1_000, Some(300), 320, 1_100),
            // While trades come in.
            (20, 1_001, Some(1_000), 1_020, 1_101),
            (500, 1_001, Some(1_000), 1_500, 1_501),
        ] {
            assert_eq!(
                (due(interval, since, last, true), due(interval, since, last, false)),
                (with, without)
            );
        }
    }

    #[test]
    fn the_wait_doubles_with_a_backlog_and_falls_back_without() {
        let (now, millis) = (Instant::now(), Duration::from_millis);
        let mut pace = Pace::new(millis(100));
        let mut waits = Vec::new();
        for backlog in [true, true, true, true, true, true, false, true, true] {
            waits.push(pace.wait);
            pace.committed(now, backlog);
        }
        let expected = [100, 200, 400, 800, 1_600, 3_000, 3_000, 100, 200].map(millis);
        assert_eq!(waits, expected);
        pace.reset();
        assert_eq!(pace.wait, millis(100));
        let mut slow = Pace::new(millis(60_000));
        slow.committed(now, true);
        assert_eq!(slow.wait, millis(60_000), "never shorter than the interval");
    }
}
