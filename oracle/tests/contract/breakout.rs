//! Breakout alerts: band, prices, close, cooldown, void state.

use tape_oracle::{Settings, Trade};

use crate::scene::{Scene, UNIT, check_alerts, print, settings, without_price};

const UP: &str = "Breakout Bullish";
const DOWN: &str = "Breakout Bearish";

/// Feeds prints (time, price in units) of size 1 without any closing alert in the way and compares all alerts.
fn check(settings: Settings, prints: &[(i64, i64)], expected: &[(&str, i64)]) {
    let mut scene = Scene::new(settings);
    for (time, price) in prints {
        scene.feed(print(*time, price * UNIT, 0));
    }
    scene.oracle.alerts.retain(|alert| alert.kind == tape_oracle::AlertKind::Breakout);
    check_alerts(&scene, expected);
}

#[test]
fn the_band_of_the_average_has_to_be_left() {
    // Two prices around an average of 10 000 nanos; 5 bps of it are 5.
    for (second, expected) in
        [(10_005, vec![]), (10_006, vec![(UP, 1)]), (9_995, vec![]), (9_994, vec![(DOWN, 1)])]
    {
        let mut scene = Scene::new(settings(5));
        scene.feed(print(0, 20_000 - second, 1));
        scene.feed(print(1, second, 1));
        check_alerts(&scene, &expected);
    }
}

#[test]
fn the_alert_carries_price_and_average_with_the_record() {
    let mut scene = Scene::new(settings(5));
    scene.prints(&[(0, 100, 1), (1, 110, 1)]);
    let [alert] = scene.oracle.alerts.as_slice() else { panic!("one alert expected") };
    assert_eq!((alert.symbol.as_str(), alert.timestamp), ("A", 1));
    assert_eq!((alert.current_price, alert.window_avg), (Some(110 * UNIT), Some(105 * UNIT)));
}

#[test]
fn the_window_needs_enough_prices() {
    let few = |alert_min_trades| Settings { alert_min_trades, ..settings(5) };
    check(few(3), &[(0, 100), (1, 110), (2, 120)], &[(UP, 2)]);
    check(few(4), &[(0, 100), (1, 110), (2, 120)], &[]);
    // A print without a price does not count, one that may not set last does.
    for (trade, expected) in [
        (without_price(print(1, UNIT, 0)), vec![]),
        (Trade { sets_last: false, ..print(1, 110 * UNIT, 0) }, vec![(UP, 2)]),
    ] {
        let mut scene = Scene::new(few(3));
        scene.feed(print(0, 100 * UNIT, 0));
        scene.feed(trade);
        scene.feed(print(2, 120 * UNIT, 0));
        check_alerts(&scene, &expected);
    }
}

#[test]
fn only_the_record_that_becomes_the_close_is_judged() {
    // Older than the close: not judged. Equally old and later in the log: judged.
    check(settings(5), &[(10, 100), (9, 200)], &[]);
    check(settings(5), &[(10, 100), (10, 200)], &[(UP, 10)]);
    // Not eligible for last: not judged.
    let mut scene = Scene::new(settings(5));
    scene.prints(&[(0, 100, 0)]);
    scene.feed(Trade { sets_last: false, ..print(1, 200 * UNIT, 0) });
    check_alerts(&scene, &[]);
}

#[test]
fn a_record_of_an_older_pane_can_become_the_close() {
    let mut scene = Scene::new(settings(5));
    scene.prints(&[(0, 100, 0)]);
    scene.feed(Trade { sets_last: false, ..print(20, 100 * UNIT, 0) });
    scene.prints(&[(11, 200, 0)]);
    check_alerts(&scene, &[(UP, 11)]);
}

#[test]
fn an_older_record_outside_the_newest_window_is_not_judged() {
    let mut scene = Scene::new(Settings { watermark_delay_ms: 1_000, ..settings(2) });
    scene.feed(without_price(print(40, UNIT, 0)));
    // The newest window is [30, 50).
    scene.prints(&[(28, 100, 0), (29, 200, 0), (30, 100, 0), (31, 200, 0)]);
    check_alerts(&scene, &[(UP, 31)]);
}

#[test]
fn the_other_side_waits_for_the_cooldown_and_the_same_side_for_the_other() {
    let up = [(0, 100), (1, 110)];
    let then =
        |more: &[(i64, i64)], expected: &[(&str, i64)]| check(settings(5), &[&up, more].concat(), expected);
    then(&[(2, 200)], &[(UP, 1)]);
    then(&[(40, 200)], &[(UP, 1)]); // same side, long after
    then(&[(20, 50)], &[(UP, 1)]); // 19 ms
    then(&[(21, 50)], &[(UP, 1), (DOWN, 21)]); // 20 ms
    then(&[(20, 50), (21, 50)], &[(UP, 1), (DOWN, 21)]);
    then(&[(21, 50), (40, 500)], &[(UP, 1), (DOWN, 21)]);
    then(&[(21, 50), (41, 500)], &[(UP, 1), (DOWN, 21), (UP, 41)]);
    // Back inside the band in between changes nothing.
    then(&[(2, 105), (3, 200)], &[(UP, 1)]);
}

#[test]
fn after_a_silence_of_a_window_the_state_is_void() {
    // The latest pane starts at 20, so a record from 70 on starts afresh.
    check(settings(5), &[(20, 100), (21, 50), (69, 10), (71, 5)], &[(DOWN, 21)]);
    check(settings(5), &[(20, 100), (21, 50), (70, 10), (71, 5)], &[(DOWN, 21), (DOWN, 71)]);
    // The cooldown of a void alert is void too.
    let cooldown = |alert_cooldown_ms| Settings { alert_cooldown_ms, ..settings(5) };
    check(cooldown(1_000), &[(20, 100), (21, 50), (70, 10), (71, 50)], &[(DOWN, 21), (UP, 71)]);
    check(cooldown(1_000), &[(20, 100), (21, 50), (69, 10), (71, 50)], &[(DOWN, 21)]);
}

#[test]
fn a_record_that_is_not_judged_voids_too() {
    let mut scene = Scene::new(settings(5));
    scene.prints(&[(20, 100, 0), (21, 50, 0)]);
    scene.feed(without_price(print(70, UNIT, 0)));
    scene.prints(&[(71, 10, 0), (72, 5, 0)]);
    check_alerts(&scene, &[(DOWN, 21), (DOWN, 72)]);
}

#[test]
fn a_rejected_record_does_not_void() {
    let mut scene = Scene::new(settings(5));
    scene.prints(&[(20, 100, 0), (21, 50, 0)]);
    scene.record(Some(print(90, UNIT, 0)), Some(0));
    scene.prints(&[(65, 10, 0), (66, 5, 0)]);
    check_alerts(&scene, &[(DOWN, 21)]);
}

#[test]
fn with_one_slide_every_pane_starts_afresh() {
    check(settings(1), &[(0, 100), (1, 110), (10, 100), (11, 110), (12, 120)], &[(UP, 1), (UP, 11)]);
}

#[test]
fn idle_closing_deletes_the_state_with_the_last_live_pane() {
    // (elapsed idle time, alerts): the watermark reaches 70 = 20 + D with 59, and 69 with 58.
    for (elapsed, expected) in [(58, vec![(DOWN, 21)]), (59, vec![(DOWN, 21), (DOWN, 72)])] {
        let mut scene = Scene::new(settings(5));
        scene.prints(&[(20, 100, 0), (21, 50, 0)]);
        scene.oracle.idle(elapsed);
        scene.prints(&[(65, 10, 0), (72, 5, 0)]);
        check_alerts(&scene, &expected);
    }
}

#[test]
fn a_closed_newest_window_is_not_judged() {
    // Watermark 70: the newest window of a record at 65, [20, 70), has closed; 4 others have not.
    let mut scene = Scene::new(settings(5));
    scene.prints(&[(20, 100, 0)]);
    scene.oracle.idle(60);
    scene.prints(&[(65, 10, 0), (66, 500, 500)]);
    check_alerts(&scene, &[]);
}
