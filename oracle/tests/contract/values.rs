//! The columns of one window: who counts for what, and rounding.

use tape_oracle::{Row, Trade};

use crate::scene::{Scene, UNIT, print, settings, units, without_price};

/// The only window of trades that share one pane, K = 1.
fn only_window(trades: Vec<Trade>) -> Row {
    let mut scene = Scene::new(settings(1));
    for trade in trades {
        scene.feed(trade);
    }
    let [row] = scene.finish() else { panic!("one window expected") };
    row.clone()
}

#[test]
fn averages_round_half_to_even() {
    // (prices in nanos, each of size 1; avg_price, vwap)
    let table: [(&[i64], i64); 7] = [
        (&[1, 2], 2),
        (&[2, 3], 2),
        (&[3, 4], 4),
        (&[1, 2, 2], 2),
        (&[1, 1, 2], 1),
        (&[2, 2, 3, 3], 2),
        (&[7], 7),
    ];
    for (prices, average) in table {
        let row = only_window(prices.iter().map(|price| print(0, *price, 1)).collect());
        assert_eq!((row.avg_price, row.vwap), (Some(average), Some(average)), "{prices:?}");
    }
}

#[test]
fn vwap_weighs_by_size_and_the_average_does_not() {
    let row = only_window(vec![print(0, 10 * UNIT, 3), print(1, 20 * UNIT, 1)]);
    assert_eq!(row.avg_price, Some(15 * UNIT));
    assert_eq!(row.vwap, Some(12_500_000_000));
    assert_eq!(row.bar_notional, units(50) * i128::from(UNIT));
    assert_eq!(row.bar_notional_size, units(4));
}

#[test]
fn a_bar_gives_its_own_open_high_low_and_vwap() {
    let bar = |time, [open, high, low, close, vwap]: [i64; 5]| Trade {
        open: open * UNIT,
        high: high * UNIT,
        low: low * UNIT,
        vwap: vwap * UNIT,
        ..print(time, close * UNIT, 2)
    };
    let row = only_window(vec![bar(4, [10, 15, 8, 12, 11]), bar(9, [12, 14, 7, 13, 12])]);
    assert_eq!(row.open_price, Some(10 * UNIT));
    assert_eq!(row.close_price, Some(13 * UNIT));
    assert_eq!(row.max_price, Some(15 * UNIT));
    assert_eq!(row.min_price, Some(7 * UNIT));
    assert_eq!(row.avg_price, Some(12_500_000_000), "the mean of the closes");
    assert_eq!(row.vwap, Some(11_500_000_000));
    assert_eq!((row.total_volume, row.trade_count), (units(4), 2));
}

#[test]
fn each_eligibility_enters_its_own_columns() {
    let price_only = Trade { sets_last: false, ..print(1, 30 * UNIT, 4) };
    let no_volume = Trade { counts_volume: false, ..print(2, 20 * UNIT, 8) };
    let nothing = Trade { counts_volume: false, ..without_price(print(3, 99 * UNIT, 16)) };
    let volume_only = without_price(print(4, 1, 32));
    let row = only_window(vec![print(0, 10 * UNIT, 2), price_only, no_volume, nothing, volume_only]);
    assert_eq!(row.trade_count, 5);
    assert_eq!(row.avg_price, Some(20 * UNIT), "10, 30, 20");
    assert_eq!((row.max_price, row.min_price), (Some(30 * UNIT), Some(10 * UNIT)));
    assert_eq!((row.open_price, row.close_price), (Some(10 * UNIT), Some(20 * UNIT)));
    assert_eq!(row.total_volume, units(2 + 4 + 32));
    assert_eq!(row.bar_notional_size, units(2 + 4));
    assert_eq!(row.bar_notional, units(2 * 10 + 4 * 30) * i128::from(UNIT));
    assert_eq!(row.vwap, Some(23_333_333_333), "140 / 6");
    assert_eq!(row.ma_5min, row.avg_price, "K = 1");
}

#[test]
fn a_window_without_prices_has_nulls_and_zeros() {
    let row = only_window(vec![without_price(print(0, UNIT, 5))]);
    assert_eq!((row.avg_price, row.max_price, row.min_price), (None, None, None));
    assert_eq!((row.open_price, row.close_price, row.vwap, row.ma_5min), (None, None, None, None));
    assert_eq!((row.total_volume, row.trade_count, row.side), (units(5), 1, 0));
    assert_eq!((row.bar_notional, row.bar_notional_size, row.bar_trades), (0, 0, 1));
}

#[test]
fn the_right_to_set_last_includes_the_right_to_set_a_price() {
    let row = only_window(vec![Trade { sets_price: false, ..print(0, UNIT, 1) }]);
    assert_eq!((row.avg_price, row.max_price, row.close_price), (Some(UNIT), Some(UNIT), Some(UNIT)));
    assert_eq!(row.bar_notional_size, units(1));
}

#[test]
fn no_vwap_without_size() {
    let row = only_window(vec![print(0, UNIT, 0)]);
    assert_eq!((row.avg_price, row.vwap, row.total_volume), (Some(UNIT), None, 0));
}

#[test]
fn first_and_last_go_by_event_time_then_by_order_in_the_log() {
    // (times in order of the log, place of the open, place of the close)
    let table: [(&[i64], usize, usize); 4] =
        [(&[5, 3, 4], 1, 0), (&[3, 3, 3], 0, 2), (&[7, 3, 7, 3], 1, 2), (&[9], 0, 0)];
    for (times, open, close) in table {
        let price = |place: usize| UNIT + i64::try_from(place).unwrap();
        let row = only_window(
            times.iter().enumerate().map(|(place, time)| print(*time, price(place), 1)).collect(),
        );
        assert_eq!(row.open_price, Some(price(open)), "{times:?}");
        assert_eq!(row.close_price, Some(price(close)), "{times:?}");
    }
}
