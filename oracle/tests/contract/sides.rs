//! `ma_5min`, `side`, and the crosses that follow from it.

use tape_oracle::{AlertKind, Settings, Signal};

use crate::scene::{Scene, UNIT, check_alerts, print, settings, without_price};

/// One final row: (start, average in units, `ma_5min` in units, side).
type Expected = (i64, Option<i64>, Option<i64>, i8);

fn check_rows(scene: &mut Scene, expected: &[Expected]) {
    let units = |nanos: Option<i64>| nanos.map(|nanos| nanos / UNIT);
    let rows: Vec<Expected> = scene
        .finish()
        .iter()
        .map(|row| (row.window_start, units(row.avg_price), units(row.ma_5min), row.side))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_moving_average_skips_windows_that_do_not_exist_or_have_no_price() {
    let mut scene = Scene::new(settings(3));
    scene.prints(&[(0, 10, 1), (40, 40, 1)]);
    scene.feed(without_price(print(75, 7 * UNIT, 1)));
    check_rows(
        &mut scene,
        &[
            (-20, Some(10), Some(10), 0),
            (-10, Some(10), Some(10), 0),
            (0, Some(10), Some(10), 0),
            (20, Some(40), Some(25), 1), // windows 20 and 0; 10 does not exist
            (30, Some(40), Some(40), 1), // windows 30 and 20; inside the band: side of 20
            (40, Some(40), Some(40), 1), // inside the band: side of 30
            (50, None, Some(40), 1),     // without a price: side of 40
            (60, None, Some(40), 1),     // 40 is still within K
            (70, None, None, 1),         // 70, 60, 50: none has a price
        ],
    );
}

#[test]
fn the_side_ends_where_the_window_before_does_not_exist() {
    let mut scene = Scene::new(settings(2));
    scene.prints(&[(0, 10, 1), (10, 20, 1), (40, 20, 1)]);
    check_rows(
        &mut scene,
        &[
            (-10, Some(10), Some(10), 0),
            (0, Some(15), Some(12), 1),
            (10, Some(20), Some(17), 1),
            (30, Some(20), Some(20), 0), // 20 does not exist: no average to compare with, no side to inherit
            (40, Some(20), Some(20), 0),
        ],
    );
}

#[test]
fn the_mean_of_rounded_averages_is_rounded_again() {
    // Windows of K = 2: averages 1, 1.5 → 2, 2: means 1, 1.5 → 2, 2.
    let mut scene = Scene::new(settings(2));
    scene.feed(print(0, 1, 1));
    scene.feed(print(10, 2, 1));
    let means: Vec<_> = scene.finish().iter().map(|row| (row.avg_price, row.ma_5min)).collect();
    assert_eq!(means, [(Some(1), Some(1)), (Some(2), Some(2)), (Some(2), Some(2))]);
}

#[test]
fn golden_and_death_crosses() {
    let mut scene = Scene::new(settings(2));
    scene.prints(&[(0, 100, 1), (10, 90, 1), (20, 120, 1), (30, 60, 1)]);
    scene.oracle.alerts.clear();
    check_rows(
        &mut scene,
        &[
            (-10, Some(100), Some(100), 0),
            (0, Some(95), Some(97), -1), // from 0 to −1 is no cross
            (10, Some(105), Some(100), 1),
            (20, Some(90), Some(97), -1),
            (30, Some(60), Some(75), -1),
        ],
    );
    check_alerts(&scene, &[("GoldenCross Bullish", 30), ("DeathCross Bearish", 40)]);
    let golden = &scene.oracle.alerts[0];
    assert_eq!((golden.kind, golden.signal), (AlertKind::GoldenCross, Signal::Bullish));
    assert_eq!((golden.current_price, golden.window_avg), (Some(105 * UNIT), Some(100 * UNIT)));
}

#[test]
fn a_cross_may_bridge_windows_that_inherit_but_no_gap() {
    // (prices, alerts): inside the band, the side is carried until it turns.
    let bridged = [(0, 100, 1), (10, 90, 1), (20, 90, 1), (30, 90, 1), (40, 120, 1), (60, 120, 1)];
    let gap = [(0, 100, 1), (10, 90, 1), (40, 120, 1), (50, 130, 1)];
    let crosses = |prints: &[(i64, i64, i64)]| {
        let mut scene = Scene::new(Settings { alert_cooldown_ms: i64::MAX, ..settings(2) });
        scene.prints(prints);
        scene.finish();
        let crosses = scene.alerts().into_iter().filter(|(alert, _)| alert.contains("Cross"));
        crosses.collect::<Vec<_>>()
    };
    assert_eq!(crosses(&bridged), [("GoldenCross Bullish".to_owned(), 50)]);
    assert_eq!(crosses(&gap), []);
}

#[test]
fn too_few_prices_inherit() {
    let few = Settings { alert_min_trades: 2, ..settings(2) };
    let mut scene = Scene::new(few);
    scene.prints(&[(0, 100, 1), (10, 150, 1), (20, 110, 1)]);
    scene.feed(without_price(print(20, UNIT, 1)));
    check_rows(
        &mut scene,
        &[
            (-10, Some(100), Some(100), 0),
            (0, Some(125), Some(112), 1),
            (10, Some(130), Some(127), 1),
            (20, Some(110), Some(120), 1), // below, but only one price: the print without one does not count
        ],
    );
}

#[test]
fn the_band_has_to_be_left() {
    // Two averages around a mean of 50 000 nanos; 2 bps of it are 10.
    for (second, side) in [(50_010, 0), (50_011, 1), (50_000, 0), (49_990, 0), (49_989, -1)] {
        let first = 100_000 - second;
        let mut scene = Scene::new(settings(2));
        scene.feed(print(0, first, 1));
        scene.feed(print(10, 2 * second - first, 1));
        let row = &scene.finish()[1];
        assert_eq!((row.avg_price, row.ma_5min, row.side), (Some(second), Some(50_000), side));
    }
}

#[test]
fn open_rows_refer_to_open_and_closed_windows() {
    let mut scene = Scene::new(settings(2));
    // The watermark stands at 20: [-10, 10) and [0, 20) are closed; [10, 30) to [30, 50) are open.
    scene.prints(&[(0, 100, 1), (10, 90, 1), (20, 120, 1), (30, 60, 1)]);
    let open: Vec<_> = scene
        .oracle
        .open_rows()
        .iter()
        .map(|row| {
            (row.window_start, row.ma_5min.map(|nanos| nanos / UNIT), row.side, row.is_final, row.revision)
        })
        .collect();
    assert_eq!(
        open,
        [(10, Some(100), 1, false, 4), (20, Some(97), -1, false, 4), (30, Some(75), -1, false, 4)]
    );
    assert!(scene.oracle.open_rows().iter().all(|row| row.closed_by.is_none()));
    assert_eq!(scene.oracle.rows.len(), 2);
}
