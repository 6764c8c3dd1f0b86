use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Plan, Progress, Refusal};

#[test]
fn plans() {
    #[track_caller]
    fn check(stored: Option<i64>, low: i64, high: i64, expected: Plan) {
        assert_eq!(Plan::of(stored, low, high), expected, "stored {stored:?}, changelog {low}..{high}");
    }
    // An empty store takes whatever there is.
    check(None, 0, 0, Plan::Fresh { from: 0 });
    check(None, 0, 900, Plan::Fresh { from: 0 });
    check(None, 900, 900, Plan::Fresh { from: 900 }); // emptied by `tape reset`
    check(None, 500, 900, Plan::Fresh { from: 500 });
    // A store within the changelog goes on.
    check(Some(0), 0, 0, Plan::Resume { from: 0 });
    check(Some(0), 0, 900, Plan::Resume { from: 0 });
    check(Some(400), 0, 900, Plan::Resume { from: 400 });
    check(Some(900), 0, 900, Plan::Resume { from: 900 });
    check(Some(500), 500, 900, Plan::Resume { from: 500 });
    check(Some(900), 900, 900, Plan::Resume { from: 900 });
    // A store older than the changelog's start has missed deletions.
    check(Some(499), 500, 900, Plan::Wipe { from: 500, stored: 499 });
    check(Some(0), 900, 900, Plan::Wipe { from: 900, stored: 0 });
    // A store ahead of the changelog: made anew, or records lost.
    check(Some(901), 0, 900, Plan::Refuse(Refusal::StoreAhead { stored: 901, high: 900 }));
    check(Some(1), 0, 0, Plan::Refuse(Refusal::StoreAhead { stored: 1, high: 0 }));
    check(Some(i64::MAX), 500, 900, Plan::Refuse(Refusal::StoreAhead { stored: i64::MAX, high: 900 }));
    // What no broker should say.
    check(None, -1, 0, Plan::Refuse(Refusal::ImpossibleRange { low: -1, high: 0 }));
    check(Some(5), 10, 9, Plan::Refuse(Refusal::ImpossibleRange { low: 10, high: 9 }));
}

#[test]
fn a_refusal_says_what_to_do() {
    let Plan::Refuse(refusal) = Plan::of(Some(901), 0, 900) else { panic!("not refused") };
    let text = refusal.to_string();
    assert!(text.contains("901") && text.contains("900") && text.contains("`tape reset`"), "{text}");
}

#[test]
fn progress_by_the_second() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut progress = Progress::new(100, 1100, start);
    assert_eq!(progress.to_string(), "1,000 of 1,000 records left");
    assert_eq!((progress.rate(), progress.eta(), progress.is_done()), (None, None, false));

    progress.advance(980, at(2000));
    assert_eq!(progress.to_string(), "120 of 1,000 records left, 440/s, 1 s to go");
    progress.advance(500, at(1000)); // neither position nor time goes back
    assert_eq!(progress.remaining(), 120);
    assert_eq!(progress.rate(), Some(440));

    progress.extend(2080);
    assert_eq!(progress.eta(), Some(Duration::from_secs(3)));
    progress.advance(2080, at(4000));
    assert!(progress.is_done());
    assert_eq!((progress.remaining(), progress.eta()), (0, Some(Duration::ZERO)));
}

#[test]
fn nothing_to_read_is_done_at_once() {
    let now = Instant::now();
    for (from, end) in [(5, 5), (5, 0), (0, 0)] {
        let progress = Progress::new(from, end, now);
        assert!(progress.is_done() && progress.total() == 0, "{from}..{end}");
    }
}

proptest! {
    #[test]
    fn a_plan_reads_inside_the_changelog(stored in proptest::option::of(0..50_i64), low in 0..50_i64, size in 0..50_i64) {
        let plan = Plan::of(stored, low, low + size);
        match plan.from() {
            Some(from) => prop_assert!((low..=low + size).contains(&from)),
            None => prop_assert!(stored.is_some_and(|stored| stored > low + size)),
        }
    }

    #[test]
    fn progress_never_panics(from: i64, end: i64, steps in proptest::collection::vec((any::<i64>(), 0..1_000_000_u64), 0..8)) {
        let start = Instant::now();
        let mut progress = Progress::new(from, end, start);
        let mut left = progress.remaining();
        for (position, millis) in steps {
            progress.advance(position, start + Duration::from_millis(millis));
            prop_assert!(progress.remaining() <= left);
            left = progress.remaining();
            let _ = progress.to_string();
        }
    }
}
