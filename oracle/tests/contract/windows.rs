//! Which windows a trade is in, what is in their bars, and what of it is late.

use tape_oracle::{Row, Verdict};

use crate::scene::{Scene, UNIT, print, settings, units};

/// (start, trades, trades of the bar) of every row.
fn counts(rows: &[Row]) -> Vec<(i64, u64, u64)> {
    rows.iter().map(|row| (row.window_start, row.trade_count, row.bar_trades)).collect()
}

#[test]
fn bounds_are_half_open() {
    let mut scene = Scene::new(settings(5));
    scene.prints(&[(99, 1, 1), (100, 1, 1)]);
    assert_eq!(
        counts(scene.finish()),
        [(50, 1, 1), (60, 2, 1), (70, 2, 0), (80, 2, 0), (90, 2, 0), (100, 1, 0)],
        "99 is in 50 to 90, 100 in 60 to 100"
    );
}

#[test]
fn windows_may_start_before_the_epoch() {
    let mut scene = Scene::new(settings(3));
    assert_eq!(scene.feed(print(0, UNIT, 1)), Verdict::Counted { windows: 3 });
    assert_eq!(counts(scene.finish()), [(-20, 1, 1), (-10, 1, 0), (0, 1, 0)]);
}

#[test]
fn a_single_slide_gives_tumbling_windows() {
    let mut scene = Scene::new(settings(1));
    scene.prints(&[(9, 1, 1), (10, 2, 1), (19, 3, 1)]);
    assert_eq!(counts(scene.finish()), [(0, 1, 1), (10, 2, 2)]);
}

#[test]
fn the_longest_window_has_1440_slides() {
    let mut scene = Scene::new(settings(1_440));
    assert_eq!(scene.feed(print(20_000, UNIT, 1)), Verdict::Counted { windows: 1_440 });
    assert_eq!(scene.finish().len(), 1_440);
}

#[test]
fn late_records_count_in_their_open_windows_only() {
    // After a record at 100 the watermark stands at 90: windows from 50 on are open.
    let table = [
        (100, Verdict::Counted { windows: 5 }),
        (90, Verdict::Counted { windows: 5 }),
        (89, Verdict::Counted { windows: 4 }),
        (80, Verdict::Counted { windows: 4 }),
        (62, Verdict::Counted { windows: 2 }),
        (50, Verdict::Counted { windows: 1 }),
        (49, Verdict::Late),
        (0, Verdict::Late),
    ];
    for (time, verdict) in table {
        let mut scene = Scene::new(settings(5));
        scene.prints(&[(100, 1, 1)]);
        assert_eq!(scene.feed(print(time, UNIT, 1)), verdict, "at {time}");
        assert_eq!((scene.oracle.stream_time(), scene.oracle.watermark()), (Some(100), Some(90)));
    }
}

#[test]
fn a_partly_late_record_is_in_no_bar_and_makes_no_closed_window_exist() {
    let mut scene = Scene::new(settings(5));
    scene.prints(&[(100, 1, 1), (62, 2, 7)]);
    let rows = scene.finish();
    assert_eq!(counts(rows), [(50, 1, 0), (60, 2, 1), (70, 1, 0), (80, 1, 0), (90, 1, 0), (100, 1, 0)]);
    assert_eq!(rows.iter().map(|row| row.bar_volume).sum::<i128>(), units(1));
    assert_eq!(rows[0].close_price, Some(2 * UNIT));
}

#[test]
fn a_bar_is_the_newest_pane_as_it_stands_at_the_close() {
    let mut scene = Scene::new(settings(2));
    // 25 closes [-10, 10); 9 is then late for that window, whose bar is its pane, but still counts in [0, 20).
    scene.prints(&[(1, 5, 1), (3, 4, 2), (2, 6, 4), (25, 9, 1), (9, 8, 8)]);
    let rows = scene.finish();
    let bar = &rows[0];
    assert_eq!((bar.window_start, bar.window_end), (-10, 10));
    assert_eq!((bar.bar_open, bar.bar_close), (Some(5 * UNIT), Some(4 * UNIT)));
    assert_eq!((bar.bar_high, bar.bar_low), (Some(6 * UNIT), Some(4 * UNIT)));
    assert_eq!((bar.bar_volume, bar.bar_trades, bar.bar_notional_size), (units(7), 3, units(7)));
    assert_eq!(bar.bar_notional, units(5 + 2 * 4 + 4 * 6) * i128::from(UNIT));
    let next = &rows[1];
    assert_eq!((next.window_start, next.trade_count, next.total_volume), (0, 4, units(15)));
    assert_eq!((next.bar_open, next.bar_high, next.bar_low, next.bar_close), (None, None, None, None));
    assert_eq!((next.bar_volume, next.bar_trades, next.bar_notional, next.bar_notional_size), (0, 0, 0, 0));
}
