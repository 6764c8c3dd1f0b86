use super::*;

fn check(pace: Pace, events: &[i64], expected: &[i64]) {
    let mut pacer = Pacer::new(pace);
    let due: Vec<_> = events.iter().map(|event| pacer.due(1000, *event)).collect();
    assert_eq!(due, expected, "{pace:?}");
}

#[test]
fn records_are_due_as_the_pace_says() {
    check(Pace::Unlimited, &[5, 900_000, 7], &[1000, 1000, 1000]);
    check(Pace::Rate(4), &[0, 0, 0, 0, 0], &[1000, 1250, 1500, 1750, 2000]);
    check(Pace::Rate(3000), &[0, 0, 0, 0], &[1000, 1000, 1000, 1001]);
    check(Pace::Speed(1.0), &[500, 600, 1500], &[1000, 1100, 2000]);
    check(Pace::Speed(10.0), &[500, 600, 1500], &[1000, 1010, 1100]);
    check(Pace::Speed(0.5), &[500, 600], &[1000, 1200]);
}

#[test]
fn records_out_of_order_wait_for_nobody() {
    check(Pace::Speed(1.0), &[500, 600, 200, 700], &[1000, 1100, 1100, 1200]);
}

#[test]
fn extreme_times_do_not_overflow() {
    let mut pacer = Pacer::new(Pace::Speed(SPEED_MIN));
    pacer.due(1000, 0);
    let late = pacer.due(1000, 253_402_300_799_999);
    assert!((late - 253_402_300_800_000_000).abs() < 100, "{late}");
    let mut pacer = Pacer::new(Pace::Rate(1));
    pacer.records = u64::MAX / 2;
    assert!(pacer.due(i64::MAX - 5, 0) > 0);
}
