//! How long a commit waits for more records.
//!
//! Who is at the end of the input waits for results: a commit as soon as there is one, each `COMMIT_INTERVAL` at most. Who is far behind waits for none, and
//! dear is then what a commit costs by itself: a transaction, a changelog record for each pane touched since the last one. So
//! with a backlog the wait doubles from commit to commit. It starts small again after each start and each recovery: the first
//! results after a crash come soon.

use std::time::Duration;

/// The longest wait: about so much work is done again after a crash.
const LONGEST: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    wait: Duration,
}

impl Pace {
    /// `interval`: the wait at the end of the input.
    pub(super) fn new(interval: Duration) -> Self {
        Pace { interval, wait: interval }
    }

    /// From the first record that is not committed to the commit.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// After a commit.
    pub(super) fn committed(&mut self, backlog: bool) {
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
    use std::time::Duration;

    use super::Pace;

    #[test]
    fn the_wait_doubles_with_a_backlog_and_falls_back_without() {
        let millis = Duration::from_millis;
        let mut pace = Pace::new(millis(100));
        let mut waits = Vec::new();
        for backlog in [true, true, true, true, true, true, false, true, true] {
            waits.push(pace.wait());
            pace.committed(backlog);
        }
        let expected = [100, 200, 400, 800, 1_600, 3_000, 3_000, 100, 200].map(millis);
        assert_eq!(waits, expected);
        pace.reset();
        assert_eq!(pace.wait(), millis(100));
        let mut slow = Pace::new(millis(60_000));
        slow.committed(true);
        assert_eq!(slow.wait(), millis(60_000), "never shorter than the interval");
    }
}
