//! Regular trading hours of the US exchanges: half past nine to four on the New York clock.
//!
//! Weekends and holidays are hours like any other: nothing is traded then, so nobody asks. On a day that ends early, trades after
//! one o'clock count as regular.

use std::ops::Range;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// In seconds of the New York day.
const REGULAR: Range<i64> = 34_200..57_600;

/// From which second since the Unix epoch on New York's clock differs from UTC by how many seconds: all changes from the
/// year before the epoch to the year 9999, because a search among them takes a tenth of a conversion.
static OFFSETS: LazyLock<Vec<(i64, i64)>> = LazyLock::new(|| {
    let zone = TimeZone::get("America/New_York").expect("the time zone database is built in");
    let before_epoch = Timestamp::from_second(-366 * 86_400).expect("a year before the epoch is a time");
    let changes = zone.following(before_epoch);
    changes.map(|change| (change.timestamp().as_second(), change.offset().seconds().into())).collect()
});

/// Whether the New York clock stood at 09:30 or later and before 16:00; `event_time` in milliseconds since the Unix epoch,
/// not before it.
pub(crate) fn is_regular(event_time: i64) -> bool {
    let second = event_time.div_euclid(1_000);
    let changes = OFFSETS.partition_point(|(from, _)| *from <= second);
    let offset = changes.checked_sub(1).map_or(0, |last| OFFSETS[last].1);
    REGULAR.contains(&(second + offset).rem_euclid(86_400))
}

#[cfg(test)]
mod tests;
