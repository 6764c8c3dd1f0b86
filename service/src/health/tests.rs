//! What a role says about itself.

use std::time::{Duration, Instant};

use super::{Health, Verdict};

fn verdict(ok: bool, why: &str) -> Verdict {
    Verdict { ok, why: why.to_owned() }
}

#[test]
fn a_role_starts_alive_and_not_ready() {
    let health = Health::new("sink");
    assert_eq!(health.role(), "sink");
    assert_eq!((health.live(), health.ready()), (verdict(true, ""), verdict(false, "starting")));
    assert!(health.is_live() && !health.is_ready());
}

#[test]
fn clones_share_what_is_said() {
    let health = Health::new("sink");
    let other = health.clone();
    assert!(health.set_ready(true, ""), "changed");
    assert!(!health.set_ready(true, "still"), "not changed");
    assert!(other.is_ready());
    assert!(other.set_ready(false, "the database is away"));
    assert_eq!(health.ready(), verdict(false, "the database is away"));
    assert!(health.is_live());
}

#[test]
fn what_is_not_alive_is_not_ready() {
    let health = Health::new("processor");
    health.set_ready(true, "");
    health.set_live(false, "worker 1 ended");
    assert_eq!(health.live(), verdict(false, "worker 1 ended"));
    assert_eq!(health.ready(), verdict(false, "worker 1 ended"));
    health.set_live(true, "");
    assert!(health.is_ready());
}

#[test]
fn a_loop_that_stands_still_is_not_alive() {
    let health = Health::new("processor");
    let heartbeat = health.watch("worker 0", Duration::ZERO);
    let deadline = Instant::now() + Duration::from_secs(10);
    while health.is_live() {
        assert!(Instant::now() < deadline, "standing still was not noticed");
        std::hint::spin_loop();
    }
    let why = health.live().why;
    assert!(why.starts_with("worker 0 has not turned for "), "{why}");
    drop(heartbeat);
    assert!(health.is_live(), "a loop that ended is no longer watched");
}

#[test]
fn a_loop_that_turns_is_alive() {
    let health = Health::new("processor");
    let patient = health.watch("patient", Duration::from_secs(3600));
    let quick = health.watch("quick", Duration::from_millis(50));
    let deadline = Instant::now() + Duration::from_secs(10);
    while health.is_live() {
        assert!(Instant::now() < deadline, "standing still was not noticed");
        std::hint::spin_loop();
    }
    // A busy machine may take longer than the limit from a beat to the look at it.
    while !health.is_live() {
        assert!(Instant::now() < deadline, "turning again was not noticed");
        quick.beat();
        patient.beat();
    }
    assert!(format!("{health:?}").contains("processor"));
}
