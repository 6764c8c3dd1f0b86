//! Stops the sink when it would divert the stream: more than [`REFUSED_MAX`] of the last [`WINDOW`] records refused is
//! no bad record any more but a wrong schema, a wrong topic or a producer of another version.

use std::collections::VecDeque;

/// Records looked back on.
pub(crate) const WINDOW: usize = 1_000;
/// Most refused records among them.
pub(crate) const REFUSED_MAX: usize = 500;

/// The verdicts on the last [`WINDOW`] records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    verdicts: VecDeque<bool>,
    refused: usize,
}

impl Breaker {
    /// The breaker after these further verdicts (true = refused), in the order of records; `None` when it trips on
    /// the way. The old one stays as it is: a batch that is tried again is judged again.
    pub(crate) fn after(&self, verdicts: impl IntoIterator<Item = bool>) -> Option<Self> {
        let mut next = self.clone();
        for refused in verdicts {
            if next.verdicts.len() == WINDOW && next.verdicts.pop_front() == Some(true) {
                next.refused -= 1;
            }
            next.verdicts.push_back(refused);
            next.refused += usize::from(refused);
            if next.refused > REFUSED_MAX {
                return None;
            }
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trips_at_more_than_half_of_the_window() {
        let check = |runs: &[(bool, usize)], trips: bool| {
            let verdicts = runs.iter().flat_map(|&(refused, times)| std::iter::repeat_n(refused, times));
            assert_eq!(Breaker::default().after(verdicts).is_none(), trips, "{runs:?}");
        };
        check(&[], false);
        check(&[(true, 500)], false);
        check(&[(true, 501)], true);
        check(&[(true, 500), (false, 499), (true, 1)], true);
        check(&[(true, 500), (false, 500), (true, 1)], false);
        check(&[(false, 10_000), (true, 500), (false, 500), (true, 500), (false, 1)], false);
        check(&[(false, 10_000), (true, 501)], true);
    }

    #[test]
    fn a_repeated_batch_is_counted_once() {
        let breaker = Breaker::default();
        for _ in 0..5 {
            assert!(breaker.after([true; 300]).is_some());
        }
        let breaker = breaker.after([true; 300]).unwrap();
        assert!(breaker.after([true; 201]).is_none());
    }
}
