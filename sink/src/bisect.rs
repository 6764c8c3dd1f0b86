//! Finds the rows that the database refuses, without a word about databases.
//!
//! Ask [`Bisect::next`] for a range, try it, answer [`Bisect::good`] or [`Bisect::bad`]; when there is no range left, all
//! rows that fail alone were named by `bad`. With k culprits among n rows at most 2·k·(log2 n + 1) + 1 ranges
//! are tried; every row that is no culprit was part of exactly one range that was good.
//!
//! Invariant: ranges come in ascending order and never overlap one that was good, so the caller may keep what a good
//! range did.

use std::ops::Range;

/// The search over `0..n`.
#[derive(Debug)]
pub(crate) struct Bisect {
    /// Ranges not decided yet, the next one last.
    todo: Vec<Range<usize>>,
}

impl Bisect {
    /// Starts with the whole of `0..rows`, which is not known to be bad.
    pub(crate) fn new(rows: usize) -> Self {
        Self { todo: (rows > 0).then_some(0..rows).into_iter().collect() }
    }

    /// The range to try next; the same one until it is answered. `None` when every row is decided.
    pub(crate) fn next(&self) -> Option<Range<usize>> {
        self.todo.last().cloned()
    }

    /// The range that `next` gave was accepted.
    pub(crate) fn good(&mut self) {
        self.todo.pop();
    }

    /// The range that `next` gave was refused: a single row is a culprit and returned, more are halved.
    pub(crate) fn bad(&mut self) -> Option<usize> {
        let range = self.todo.pop()?;
        if range.len() == 1 {
            return Some(range.start);
        }
        let middle = range.start + range.len() / 2;
        self.todo.push(middle..range.end);
        self.todo.push(range.start..middle);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Runs the search against a set of bad rows; gives the culprits, the good ranges and the number of tries.
    fn search(rows: usize, bad: &BTreeSet<usize>) -> (Vec<usize>, Vec<Range<usize>>, usize) {
        let mut bisect = Bisect::new(rows);
        let (mut good, mut culprits, mut tries) = (Vec::new(), Vec::new(), 0);
        while let Some(range) = bisect.next() {
            tries += 1;
            if bad.range(range.clone()).next().is_some() {
                culprits.extend(bisect.bad());
            } else {
                good.push(range);
                bisect.good();
            }
        }
        (culprits, good, tries)
    }

    #[test]
    fn small_cases() {
        let check = |rows: usize, bad: &[usize], tries_max: usize| {
            let (culprits, _, tries) = search(rows, &bad.iter().copied().collect());
            assert_eq!(culprits, bad, "{rows} rows");
            assert!(tries <= tries_max, "{tries} tries for {rows} rows with {bad:?}");
        };
        check(0, &[], 0);
        check(1, &[], 1);
        check(1, &[0], 1);
        check(2, &[1], 3);
        check(1_024, &[], 1);
        check(1_024, &[1_023], 21);
        check(3, &[0, 1, 2], 5);
    }

    proptest! {
        /// All culprits are found, each other row is written exactly once and in order, in a logarithmic number of
        /// tries.
        #[test]
        fn finds_all_culprits_in_log_steps(
            (rows, bad) in (1_usize..3_000)
                .prop_flat_map(|rows| (Just(rows), proptest::collection::btree_set(0..rows, 0..20)))
        ) {
            let (culprits, good, tries) = search(rows, &bad);
            prop_assert_eq!(&culprits, &bad.iter().copied().collect::<Vec<_>>());
            let written: Vec<usize> = good.into_iter().flatten().collect();
            let expected: Vec<usize> = (0..rows).filter(|row| !bad.contains(row)).collect();
            prop_assert_eq!(written, expected);
            let depth = (rows as f64).log2().ceil() as usize + 1;
            prop_assert!(tries <= 2 * bad.len() * depth + 1, "{} tries", tries);
        }
    }
}
