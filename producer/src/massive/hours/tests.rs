use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use proptest::prelude::*;

use super::is_regular;

fn new_york() -> TimeZone {
    TimeZone::get("America/New_York").unwrap()
}

/// The same from the library itself.
fn expected(event_time: i64) -> bool {
    let time = new_york().to_datetime(Timestamp::from_millisecond(event_time).unwrap()).time();
    (Time::constant(9, 30, 0, 0)..Time::constant(16, 0, 0, 0)).contains(&time)
}

#[test]
fn the_edges_of_the_day_in_summer_and_winter() {
    // UTC − 4 and − 5 hours: half past nine is 13:30 and 14:30.
    for (open, close) in [
        ("2026-07-01T13:30:00Z", "2026-07-01T20:00:00Z"),
        ("2026-01-05T14:30:00Z", "2026-01-05T21:00:00Z"),
        ("1970-01-02T14:30:00Z", "1970-01-02T21:00:00Z"),
    ] {
        let [open, close] = [open, close].map(|time| time.parse::<Timestamp>().unwrap().as_millisecond());
        let found = [open - 1, open, close - 1, close].map(is_regular);
        assert_eq!(found, [false, true, true, false]);
    }
}

#[test]
fn the_days_around_each_change_of_the_clocks() {
    let from: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    let zone = new_york();
    let changes: Vec<_> = zone.following(from).take(14).collect();
    assert_eq!(zone.to_datetime(changes.last().unwrap().timestamp()).year(), 2030);
    for change in changes {
        let change = change.timestamp().as_millisecond();
        for minutes in -2 * 1_440..=2 * 1_440 {
            for milliseconds in [-1, 0, 1] {
                let time = change + minutes * 60_000 + milliseconds;
                assert_eq!(is_regular(time), expected(time), "{time}");
            }
        }
    }
}

#[test]
fn far_times_have_an_answer() {
    let noon = new_york().to_timestamp(civil::date(9999, 7, 1).at(12, 0, 0, 0)).unwrap();
    assert!(is_regular(noon.as_millisecond()));
    for time in [i64::MIN, -1, tape_proto::trade::EVENT_TIME_MAX, i64::MAX] {
        is_regular(time);
    }
}

proptest! {
    #[test]
    fn any_time_is_judged_as_the_time_zone_database_does(time in 0..253_300_000_000_000_i64) {
        prop_assert_eq!(is_regular(time), expected(time));
    }

    #[test]
    fn the_years_of_trading_too(time in 1_704_067_200_000..1_924_992_000_000_i64) {
        prop_assert_eq!(is_regular(time), expected(time));
    }
}
