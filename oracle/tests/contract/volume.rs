//! High-volume alerts: arming, void state, newest pane.

use crate::scene::{Scene, UNIT, check_alerts, print, settings, without_price};

const HIGH: &str = "HighVolume Neutral";

/// Feeds prints (time, size in units) at one price, so that no other alert is possible; the threshold is 100.
fn check(slides: i64, prints: &[(i64, i64)], expected: &[i64]) {
    let mut scene = Scene::new(settings(slides));
    for (time, size) in prints {
        scene.feed(print(*time, UNIT, *size));
    }
    let expected: Vec<_> = expected.iter().map(|time| (HIGH, *time)).collect();
    check_alerts(&scene, &expected);
}

#[test]
fn fires_above_the_threshold_once() {
    check(2, &[(0, 100)], &[]);
    check(2, &[(0, 101)], &[0]);
    check(2, &[(0, 100), (1, 1), (2, 1_000)], &[1]);
}

#[test]
fn is_armed_again_only_when_a_pane_opens_after_a_judgement_at_or_below() {
    // [0, 20) 101, [10, 30) 1, [20, 40) 201.
    check(2, &[(0, 101), (10, 1), (20, 200)], &[0]); // at 10: 102, still above
    check(2, &[(0, 101), (10, 1), (20, 1), (30, 100)], &[0, 30]); // at 20: 2
    check(2, &[(0, 101), (10, 1), (20, 1), (21, 200)], &[0]); // at 21 no pane opens
    check(2, &[(0, 101), (10, 1), (20, 1), (21, 200), (30, 1), (40, 1), (50, 200)], &[0, 50]);
    check(2, &[(0, 101), (10, 99), (20, 1), (30, 200)], &[0, 30]); // at 20: exactly 100
    check(2, &[(0, 101), (10, 99), (20, 2), (30, 200)], &[0]); // at 20: 101
}

#[test]
fn a_steady_flow_above_fires_once() {
    let flow: Vec<(i64, i64)> = (0..20).map(|minute| (minute * 10, 101)).collect();
    check(2, &flow, &[0]);
    // With one slide each window fires.
    check(1, &flow[..4], &[0, 10, 20, 30]);
}

#[test]
fn only_records_of_the_newest_pane_are_judged() {
    // The sizes of 9 count in the window of 10 and are noticed by the next record of the newest pane.
    check(2, &[(10, 1), (9, 500)], &[]);
    check(2, &[(10, 1), (9, 500), (10, 0)], &[10]);
    // They do not change what was last judged: 2 at 20, below, so 30 is armed again.
    check(2, &[(0, 101), (10, 1), (20, 1), (15, 500), (30, 200)], &[0, 30]);
}

#[test]
fn after_a_silence_of_a_window_it_is_armed() {
    // The latest pane starts at 0: void from 20 on.
    check(2, &[(5, 101), (19, 200)], &[5]);
    check(2, &[(5, 101), (20, 200)], &[5, 20]);
}

#[test]
fn the_alert_carries_close_and_average_or_null() {
    let mut scene = Scene::new(settings(2));
    scene.feed(print(3, 4 * UNIT, 1));
    scene.feed(print(2, 2 * UNIT, 100));
    let [alert] = scene.oracle.alerts.as_slice() else { panic!("one alert expected") };
    assert_eq!((alert.timestamp, alert.current_price, alert.window_avg), (2, Some(4 * UNIT), Some(3 * UNIT)));

    let mut scene = Scene::new(settings(2));
    scene.feed(without_price(print(3, 4 * UNIT, 101)));
    let [alert] = scene.oracle.alerts.as_slice() else { panic!("one alert expected") };
    assert_eq!((alert.current_price, alert.window_avg), (None, None));
}

#[test]
fn alerts_leave_in_order_cross_breakout_volume() {
    let mut scene = Scene::new(settings(2));
    scene.prints(&[(0, 100, 1), (10, 90, 1), (20, 120, 1), (35, 60, 1), (40, 300, 200)]);
    let alerts = scene.alerts();
    let last: Vec<_> =
        alerts[alerts.len() - 3..].iter().map(|(alert, time)| (alert.as_str(), *time)).collect();
    assert_eq!(last, [("GoldenCross Bullish", 30), ("Breakout Bullish", 40), (HIGH, 40)]);
}
