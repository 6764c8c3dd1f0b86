//! The one row that says what the database was computed with, and its comparison with the configuration.
//!
//! Rows of another slide or window length would stand beside each other without a way to tell them apart, and
//! `get_golden_crosses` would join the wrong ones: so `migrate` refuses to change the row once there are rows, and a
//! sink with other values refuses to start.

use std::time::Duration;

use tape_service::Failure;
use tape_service::config::{Config, Processing};

use crate::{Connection, Error, Pool};

/// SQLSTATE of a missing table.
pub(crate) const UNDEFINED_TABLE: &str = "42P01";

/// Length and distance of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `SLIDE_DURATION`, whole milliseconds.
    pub slide: Duration,
    /// `WINDOW_DURATION`, whole milliseconds.
    pub window: Duration,
}

impl From<&Processing> for Settings {
    fn from(processing: &Processing) -> Self {
        Self { slide: processing.slide, window: processing.window }
    }
}

/// The stored row; `None` when the database was never migrated.
pub async fn read(connection: &Connection) -> Result<Option<Settings>, Error> {
    match connection.query_opt(READ, &[]).await.map_err(Error::from) {
        Ok(row) => Ok(row.map(|row| from_millis(row.get(0), row.get(1)))),
        Err(error) if error.sqlstate() == Some(UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Compares the stored row with the configuration of a role that writes rows.
pub fn check(stored: Option<Settings>, config: &Config, pool: &Pool) -> Result<(), Failure> {
    let Some(stored) = stored else {
        let target = pool.target();
        return Err(Failure::Config(format!(
            "the database {target} has no settings row: it was never migrated; run `tape migrate`"
        )));
    };
    match difference(stored, Settings::from(&config.processing), pool.target()) {
        Some(text) => Err(Failure::Config(text)),
        None => Ok(()),
    }
}

/// What `migrate` does with the row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It says what the configuration says.
    Keep,
    /// There is none, or nothing was computed with it yet.
    Write,
    /// Rows were computed with other values; the text names them and the remedy.
    Refuse(String),
}

pub(crate) fn decide(stored: Option<Settings>, wanted: Settings, has_rows: bool, target: &str) -> Decision {
    let Some(stored) = stored else { return Decision::Write };
    match difference(stored, wanted, target) {
        None => Decision::Keep,
        Some(_) if !has_rows => Decision::Write,
        Some(text) => Decision::Refuse(text),
    }
}

pub(crate) const READ: &str = "SELECT (extract(epoch FROM slide_duration) * 1000)::bigint, \
     (extract(epoch FROM window_duration) * 1000)::bigint FROM settings";

pub(crate) const WRITE: &str = "INSERT INTO settings (slide_duration, window_duration) \
     VALUES (make_interval(secs => $1), make_interval(secs => $2)) \
     ON CONFLICT (only_row) DO UPDATE SET slide_duration = excluded.slide_duration, \
     window_duration = excluded.window_duration, updated_at = now()";

pub(crate) fn from_millis(slide_ms: i64, window_ms: i64) -> Settings {
    let duration = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    Settings { slide: duration(slide_ms), window: duration(window_ms) }
}

/// One line for the first setting that differs, with both values and the remedy.
fn difference(stored: Settings, wanted: Settings, target: &str) -> Option<String> {
    let (name, stored, wanted) = if stored.slide != wanted.slide {
        ("SLIDE_DURATION", stored.slide, wanted.slide)
    } else if stored.window != wanted.window {
        ("WINDOW_DURATION", stored.window, wanted.window)
    } else {
        return None;
    };
    Some(format!(
        "{name} is {wanted:?}, but the rows of the database {target} were computed with {stored:?}; \
         set {name}={stored:?}, or point DB_NAME at a database of its own and run `tape migrate`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(slide_ms: u64, window_ms: u64) -> Settings {
        Settings { slide: Duration::from_millis(slide_ms), window: Duration::from_millis(window_ms) }
    }

    #[test]
    fn the_row_is_kept_written_or_refused() {
        let wanted = settings(60_000, 300_000);
        let refuse = |text: &str| Decision::Refuse(text.to_owned());
        let table = [
            (None, false, Decision::Write),
            (None, true, Decision::Write),
            (Some(settings(60_000, 300_000)), false, Decision::Keep),
            (Some(settings(60_000, 300_000)), true, Decision::Keep),
            (Some(settings(30_000, 300_000)), false, Decision::Write),
            (
                Some(settings(30_000, 300_000)),
                true,
                refuse(
                    "SLIDE_DURATION is 60s, but the rows of the database h:1/d were computed with 30s; set \
                     SLIDE_DURATION=30s, or point DB_NAME at a database of its own and run `tape migrate`",
                ),
            ),
            (
                Some(settings(60_000, 600_000)),
                true,
                refuse(
                    "WINDOW_DURATION is 300s, but the rows of the database h:1/d were computed with 600s; set \
                     WINDOW_DURATION=600s, or point DB_NAME at a database of its own and run `tape migrate`",
                ),
            ),
        ];
        for (stored, has_rows, expected) in table {
            assert_eq!(decide(stored, wanted, has_rows, "h:1/d"), expected);
        }
    }
}
