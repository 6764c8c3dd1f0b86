//! How far a feed is behind our clock.

/// Trades that are looked at: the middle of so many is not moved by one with a wrong time.
const BLOCK: usize = 15;

/// The clock minus the event time when a trade is read, in milliseconds; 0 until one came.
#[derive(Debug, Default)]
pub(super) struct Lag {
    block: Vec<i64>,
    last: Option<i64>,
    least: Option<i64>,
}

impl Lag {
    pub(super) fn add(&mut self, lag: i64) {
        self.block.push(lag);
        if self.block.len() == BLOCK {
            self.last = middle(&mut self.block);
            self.least = self.least.map_or(self.last, |least| self.last.map(|last| least.min(last)));
            self.block.clear();
        }
    }

    /// That of the last trades.
    pub(super) fn last(&self) -> i64 {
        self.last.or_else(|| middle(&mut self.block.clone())).unwrap_or(0)
    }

    /// The least of all times.
    pub(super) fn least(&self) -> i64 {
        self.least.unwrap_or_else(|| self.last())
    }
}

fn middle(lags: &mut [i64]) -> Option<i64> {
    lags.sort_unstable();
    lags.get(lags.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::Lag;

    #[test]
    fn is_the_middle_of_the_last_trades() {
        let mut lag = Lag::default();
        assert_eq!((lag.last(), lag.least()), (0, 0));
        for one in [900_100, -1_000_000_000, 900_300] {
            lag.add(one);
        }
        assert_eq!((lag.last(), lag.least()), (900_100, 900_100));
        for one in 3..15 {
            lag.add(900_000 + one);
        }
        (0..15).for_each(|_| lag.add(950_000));
        assert_eq!((lag.last(), lag.least()), (950_000, 900_009));
    }
}
