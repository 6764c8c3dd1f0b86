//! Lines about waiting, for a person: the first at once, the next after ten seconds, then one a minute, and one when the wait
//! is over. Each worker and each thing that is waited for has its own.

use std::fmt;
use std::time::{Duration, Instant};

/// From the first line to the second.
const SECOND_LINE: Duration = Duration::from_secs(10);
/// Between all later ones.
const LATER_LINES: Duration = Duration::from_secs(60);
/// A wait is over when nobody has waited for so long.
const OVER_AFTER: Duration = Duration::from_secs(2);

/// What a worker can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    Kafka,
    Coordinator,
    Store,
}

/// What a worker waits for now.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    waits: Vec<(For, Wait)>,
}

#[derive(Debug)]
struct Wait {
    since: Instant,
    last: Instant,
    next_line: Instant,
}

/// How long a wait has lasted. Displays as nothing at its beginning, else as ` (for 70 s)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lasted(Duration);

impl Waits {
    /// Takes note of a wait; `Some` = a line is due.
    pub(crate) fn note(&mut self, what: For, now: Instant) -> Option<Lasted> {
        let Some((_, wait)) = self.waits.iter_mut().find(|(found, _)| *found == what) else {
            self.waits.push((what, Wait { since: now, last: now, next_line: now + SECOND_LINE }));
            return Some(Lasted(Duration::ZERO));
        };
        wait.last = now;
        if now < wait.next_line {
            return None;
        }
        wait.next_line = now + LATER_LINES;
        Some(Lasted(now.duration_since(wait.since)))
    }

    /// A wait that is over, and how long it took, in whole seconds.
    pub(crate) fn over(&mut self, now: Instant) -> Option<(For, Duration)> {
        let is_over = |(_, wait): &(For, Wait)| now.duration_since(wait.last) >= OVER_AFTER;
        let at = self.waits.iter().position(is_over)?;
        let (what, wait) = self.waits.swap_remove(at);
        Some((what, Duration::from_secs(now.duration_since(wait.since).as_secs())))
    }
}

impl fmt::Display for For {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            For::Kafka => "Kafka",
            For::Coordinator => "the transaction coordinator",
            For::Store => "the state store",
        })
    }
}

impl fmt::Display for Lasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => Ok(()),
            seconds => write!(f, " (for {seconds} s)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{For, Waits};

    #[test]
    fn a_long_wait_is_a_handful_of_lines() {
        let (start, mut waits) = (Instant::now(), Waits::default());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut lines = Vec::new();
        for ms in (0..150_000).step_by(200) {
            lines.extend(waits.note(For::Kafka, at(ms)).map(|lasted| lasted.to_string()));
            assert_eq!(waits.over(at(ms)), None);
        }
        assert_eq!(lines, ["", " (for 10 s)", " (for 70 s)", " (for 130 s)"]);
        assert_eq!(waits.over(at(151_000)), None);
        assert_eq!(waits.over(at(152_000)), Some((For::Kafka, Duration::from_secs(152))));
        assert_eq!(waits.over(at(160_000)), None);
    }

    #[test]
    fn each_thing_has_its_own_lines() {
        let (now, mut waits) = (Instant::now(), Waits::default());
        for what in [For::Kafka, For::Coordinator, For::Store] {
            assert!(waits.note(what, now).is_some(), "{what}");
            assert!(waits.note(what, now).is_none());
        }
    }
}
