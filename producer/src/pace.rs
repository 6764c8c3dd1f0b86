//! How fast a replay runs. Time is an argument.

/// How fast a replay runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Pace {
    /// As fast as the brokers take it.
    #[default]
    Unlimited,
    /// So many records per second of the wall clock, 1 to [`RATE_MAX`].
    Rate(u32),
    /// So many times as fast as the trades happened, [`SPEED_MIN`] to [`SPEED_MAX`]; 1 = as they happened. Trades out of
    /// order do not wait for each other.
    Speed(f64),
}

/// The highest [`Pace::Rate`]: above what one producer writes; more is [`Pace::Unlimited`].
pub const RATE_MAX: u32 = 10_000_000;
/// The lowest [`Pace::Speed`].
pub const SPEED_MIN: f64 = 0.001;
/// The highest [`Pace::Speed`]: a day in less than a tenth of a second; more is [`Pace::Unlimited`].
pub const SPEED_MAX: f64 = 1_000_000.0;

/// Says when each record of a replay is due.
///
/// Invariant: due times never fall.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    /// Wall clock and event time at the first record.
    begun: Option<(i64, i64)>,
    records: u64,
    due: i64,
}

impl Pacer {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, begun: None, records: 0, due: i64::MIN }
    }

    /// When the next record is due, in milliseconds of the clock that `now` is read from. Call it once for each record.
    pub(crate) fn due(&mut self, now: i64, event_time: i64) -> i64 {
        let (first, first_event) = *self.begun.get_or_insert((now, event_time));
        let wait = match self.pace {
            Pace::Unlimited => return now,
            // 128 bits: the product cannot overflow.
            Pace::Rate(rate) => (i128::from(self.records) * 1000 / i128::from(rate.max(1))) as i64,
            Pace::Speed(speed) => ((event_time - first_event) as f64 / speed) as i64,
        };
        self.records += 1;
        self.due = self.due.max(first.saturating_add(wait.max(0)));
        self.due
    }
}

#[cfg(test)]
mod tests;
