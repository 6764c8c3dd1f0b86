//! Stream time, watermark, closing order, idle, END, revisions, and records that touch nothing.

use tape_oracle::{ClosedBy, Oracle, Settings, Trade, Verdict};

use crate::scene::{Scene, UNIT, print, settings, units, without_price};

/// (symbol, start, revision, closed by) of every final row.
fn closings(oracle: &Oracle) -> Vec<(&str, i64, i64, Option<ClosedBy>)> {
    oracle
        .rows
        .iter()
        .map(|row| (row.symbol.as_str(), row.window_start, row.revision, row.closed_by))
        .collect()
}

fn of(symbol: &str, trade: Trade) -> Trade {
    Trade { symbol: symbol.to_owned(), ..trade }
}

#[test]
fn a_window_closes_exactly_when_the_watermark_reaches_its_end() {
    let mut scene = Scene::new(settings(1));
    scene.prints(&[(5, 1, 1), (19, 1, 1)]);
    assert_eq!(scene.oracle.watermark(), Some(9));
    assert!(scene.oracle.rows.is_empty());
    scene.prints(&[(20, 1, 1)]);
    assert_eq!(scene.oracle.watermark(), Some(10));
    assert_eq!(closings(&scene.oracle), [("A", 0, 2, Some(ClosedBy::Record))]);
    assert!(scene.oracle.rows[0].is_final);
}

#[test]
fn windows_close_in_order_of_start_and_symbol_bytes() {
    let mut scene = Scene::new(settings(2));
    for symbol in ["b", "A", "AB", "B"] {
        scene.feed(of(symbol, print(5, UNIT, 1)));
    }
    scene.feed(of("A", print(15, UNIT, 1)));
    scene.feed(of("Z", print(1_000, UNIT, 1)));
    let order: Vec<_> = scene.oracle.rows.iter().map(|row| (row.window_start, row.symbol.as_str())).collect();
    let expected =
        [(-10, "A"), (-10, "AB"), (-10, "B"), (-10, "b"), (0, "A"), (0, "AB"), (0, "B"), (0, "b"), (10, "A")];
    assert_eq!(order, expected);
    assert!(scene.oracle.rows.iter().all(|row| row.revision == 5));
}

#[test]
fn time_never_goes_back() {
    let mut scene = Scene::new(settings(5));
    assert_eq!((scene.oracle.stream_time(), scene.oracle.watermark()), (None, None));
    // (event time, stream time, watermark)
    for (time, stream_time, watermark) in [(5, 5, -5), (3, 5, -5), (50, 50, 40), (0, 50, 40), (51, 51, 41)] {
        scene.feed(print(time, UNIT, 1));
        assert_eq!(
            (scene.oracle.stream_time(), scene.oracle.watermark()),
            (Some(stream_time), Some(watermark))
        );
    }
}

#[test]
fn idle_closes_without_moving_stream_time() {
    let mut scene = Scene::new(settings(2));
    scene.oracle.idle(1_000_000);
    assert_eq!(scene.oracle.watermark(), None, "without stream time nothing happens");

    scene.prints(&[(5, 1, 1), (17, 1, 1)]);
    scene.record(None, None);
    // Watermark 7. Elapsed times are counted from the last record, not added up.
    scene.oracle.idle(2);
    assert_eq!((scene.oracle.watermark(), scene.oracle.rows.len()), (Some(9), 0));
    scene.oracle.idle(3);
    scene.oracle.idle(1);
    assert_eq!((scene.oracle.stream_time(), scene.oracle.watermark()), (Some(17), Some(10)));
    scene.oracle.idle(14);
    assert_eq!(
        closings(&scene.oracle),
        [("A", -10, 3, Some(ClosedBy::Idle)), ("A", 0, 3, Some(ClosedBy::Idle))],
        "the next offset to read, behind the rejected record"
    );
    // The watermark, 21, is ahead of stream time now: 18 is newer than it and still late for [0, 20).
    assert_eq!(scene.feed(print(18, UNIT, 1)), Verdict::Counted { windows: 1 });
    assert_eq!((scene.oracle.stream_time(), scene.oracle.watermark()), (Some(18), Some(21)));
    scene.oracle.idle(i64::MAX);
    assert_eq!(scene.feed(print(19, UNIT, 1)), Verdict::Late);
    assert_eq!(scene.oracle.stream_time(), Some(19), "a late record is an accepted one");
}

#[test]
fn a_record_after_idle_closes_by_record() {
    let mut scene = Scene::new(settings(1));
    scene.prints(&[(5, 1, 1)]);
    scene.oracle.idle(14);
    assert!(scene.oracle.rows.is_empty());
    scene.prints(&[(20, 1, 1)]);
    assert_eq!(closings(&scene.oracle), [("A", 0, 1, Some(ClosedBy::Record))]);
}

#[test]
fn the_end_closes_what_is_open_in_order() {
    let mut scene = Scene::new(settings(2));
    scene.feed(of("B", print(5, UNIT, 1)));
    scene.feed(of("A", print(15, UNIT, 1)));
    scene.record(None, None);
    scene.oracle.finish();
    let end = Some(ClosedBy::End);
    assert_eq!(
        closings(&scene.oracle),
        [("B", -10, 3, end), ("A", 0, 3, end), ("B", 0, 3, end), ("A", 10, 3, end)]
    );
    assert_eq!((scene.oracle.stream_time(), scene.oracle.watermark()), (Some(15), Some(5)));
    assert!(scene.oracle.open_rows().is_empty());
    scene.oracle.finish();
    assert_eq!(scene.oracle.rows.len(), 4);
}

#[test]
fn the_end_of_nothing_is_nothing() {
    let mut scene = Scene::new(settings(2));
    scene.record(None, None);
    assert!(scene.finish().is_empty());
}

#[test]
fn the_future_guard_compares_with_the_records_own_timestamp() {
    // (event time, append time, rejected)
    for (time, append, rejected) in [(110, Some(100), false), (111, Some(100), true), (111, None, false)] {
        let mut scene = Scene::new(settings(5));
        scene.prints(&[(50, 1, 1)]);
        let verdict = scene.record(Some(print(time, UNIT, 1)), append);
        assert_eq!(verdict == Verdict::RejectedFuture, rejected, "{time} against {append:?}");
        assert_eq!(scene.oracle.stream_time(), Some(if rejected { 50 } else { time }));
    }
}

#[test]
fn a_sum_of_a_pane_may_reach_its_limit_and_not_exceed_it() {
    let limit = i128::MAX / 5;
    let sized = |vwap: i64, size: i128| Trade { price: vwap, vwap, size, ..print(0, 1, 0) };
    let volume = |size| without_price(sized(1, size));
    let no_volume = |trade| Trade { counts_volume: false, ..trade };
    let one_more = Verdict::RejectedSum;
    let fine = Verdict::Counted { windows: 5 };
    // (held, next, verdict of next)
    let table = [
        (volume(limit), volume(1), one_more),
        (volume(limit - 1), volume(1), fine),
        (volume(limit), volume(0), fine),
        (volume(limit), no_volume(sized(1, 1)), fine),
        (volume(limit), Trade { event_time: 10, ..volume(1) }, fine),
        (volume(limit), of("B", volume(1)), fine),
        (sized(1, limit), sized(1, 1), one_more),
        (sized(2, limit / 2), sized(1, 1), fine), // the limit is odd: exactly reached
        (sized(2, limit / 2), sized(2, 1), one_more),
        (sized(2, limit / 2), volume(1), fine),
        (sized(2, limit / 2), no_volume(sized(2, 1)), fine),
        (volume(0), sized(i64::MAX, i128::MAX), one_more), // the product does not fit
    ];
    assert_eq!(limit % 2, 1);
    for (place, (held, next, verdict)) in table.into_iter().enumerate() {
        let mut scene = Scene::new(settings(5));
        assert_eq!(scene.feed(held), fine, "line {place}");
        let state = (scene.oracle.stream_time(), scene.oracle.open_rows());
        assert_eq!(scene.feed(Trade { event_time: next.event_time + 9, ..next }), verdict, "line {place}");
        if verdict == one_more {
            let mut rows = scene.oracle.open_rows();
            rows.iter_mut().for_each(|row| row.revision -= 1);
            assert_eq!((scene.oracle.stream_time(), rows), state, "line {place}: touches no state");
        }
    }
}

#[test]
fn partly_late_trades_count_for_the_limit_of_their_pane() {
    let mut scene = Scene::new(settings(5));
    scene.prints(&[(100, 1, 1)]);
    let late = |size| without_price(Trade { size, ..print(60, 1, 0) });
    assert_eq!(scene.feed(late(i128::MAX / 5)), Verdict::Counted { windows: 2 });
    assert_eq!(scene.feed(late(1)), Verdict::RejectedSum);
    scene.prints(&[(120, 1, 1)]);
    assert_eq!(scene.feed(late(1)), Verdict::Late, "its pane is gone");
}

#[test]
fn a_rejected_record_takes_its_offset_and_nothing_else() {
    let mut scene = Scene::new(settings(1));
    scene.prints(&[(5, 1, 1)]);
    assert_eq!(scene.record(None, Some(0)), Verdict::RejectedDecode);
    assert_eq!(scene.record(Some(print(500, UNIT, 1)), Some(0)), Verdict::RejectedFuture);
    scene.oracle.finish();
    assert_eq!(closings(&scene.oracle), [("A", 0, 3, Some(ClosedBy::End))]);
    assert_eq!(scene.oracle.rows[0].total_volume, units(1));
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let defaults = Settings::default();
    assert_eq!(
        (defaults.window_ms, defaults.slide_ms, defaults.watermark_delay_ms),
        (300_000, 60_000, 60_000)
    );
    assert_eq!((defaults.max_future_ms, defaults.alert_cooldown_ms), (10_000, 60_000));
    assert_eq!((defaults.breakout_band_bps, defaults.cross_band_bps, defaults.alert_min_trades), (5, 2, 20));
    assert_eq!(defaults.high_volume_threshold, units(1_000_000));
}
