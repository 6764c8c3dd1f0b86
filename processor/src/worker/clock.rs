//! Where a worker's time goes: each stretch between two looks at the clock belongs to one activity.

use std::time::{Duration, Instant};

/// The sums are handed over so often.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What a worker does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// Waits for records, and they come.
    Poll,
    /// Takes records, closes windows.
    Process,
    Commit,
    Restore,
    /// Waits for records, and none come.
    Idle,
    /// Deals with a turn that failed, and the pause after it.
    Recover,
    /// The group's events, flushes, reports.
    Other,
}

/// Their names, by their numbers.
const NAMES: [&str; 7] = ["poll", "process", "commit", "restore", "idle", "recover", "other"];

/// Sums of the time of each activity.
#[derive(Debug)]
pub(super) struct Clock {
    activity: Activity,
    since: Instant,
    spent: [Duration; NAMES.len()],
    next_report: Instant,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self { activity: Activity::Other, since: now, spent: Default::default(), next_report: now }
    }

    /// From now on the time is this activity's. Returns whose it was.
    pub(super) fn enter(&mut self, activity: Activity, now: Instant) -> Activity {
        self.spent[self.activity as usize] += now.saturating_duration_since(self.since);
        self.since = now;
        std::mem::replace(&mut self.activity, activity)
    }

    /// What has been going on since the last look turns out to be this.
    pub(super) fn was(&mut self, activity: Activity) {
        self.activity = activity;
    }

    /// Whole seconds since the last time, by activity, once a second; parts of seconds are kept for the next time.
    pub(super) fn report(&mut self, now: Instant, mut tell: impl FnMut(&'static str, u64)) {
        if now < self.next_report {
            return;
        }
        self.next_report = now + REPORT_INTERVAL;
        self.enter(self.activity, now);
        for (name, spent) in NAMES.iter().zip(&mut self.spent) {
            tell(name, spent.as_secs());
            *spent = Duration::from_nanos(spent.subsec_nanos().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_belongs_to_one_activity_and_no_part_of_a_second_is_lost() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let (mut clock, mut sums) = (Clock::new(start), [0; NAMES.len()]);
        for turn in 0..100 {
            let begin = turn * 1_000;
            clock.enter(Activity::Poll, at(begin));
            if turn % 2 == 0 {
                clock.was(Activity::Idle);
            }
            clock.enter(Activity::Process, at(begin + 300));
            let before = clock.enter(Activity::Commit, at(begin + 900));
            assert_eq!(before, Activity::Process);
            clock.enter(before, at(begin + 950));
            clock.report(at(begin + 1_000), |name, seconds| {
                sums[NAMES.iter().position(|known| *known == name).expect("a known name")] += seconds;
            });
        }
        // 0.3 s of 50 turns each; 0.65 s and 0.05 s of 100.
        assert_eq!(sums, [15, 65, 5, 0, 15, 0, 0]);
    }

    #[test]
    fn names_stand_at_their_numbers() {
        let all = [Activity::Poll, Activity::Commit, Activity::Idle, Activity::Other];
        assert_eq!(all.map(|activity| NAMES[activity as usize]), ["poll", "commit", "idle", "other"]);
    }
}
