//! Exact arithmetic on integers: division with the contract's rounding, and comparison with a band.

/// Basis points in one.
const ONE_IN_BPS: i128 = 10_000;

/// `sum / count` rounded to the nearest integer, ties to the even one; `sum` not negative, `count` above 0.
///
/// # Panics
/// When the quotient does not fit 64 bits, which no mean of 64-bit values can do.
pub(crate) fn mean(sum: i128, count: i128) -> i64 {
    assert!(sum >= 0 && count > 0, "a mean of sum {sum} over {count}");
    let (quotient, rest) = (sum / count, sum % count);
    // `rest` against what is missing to the next integer: twice the rest could overflow.
    let missing = count - rest;
    let rounds_up = rest > missing || (rest == missing && quotient % 2 == 1);
    i64::try_from(quotient + i128::from(rounds_up)).expect("a mean of 64-bit values fits 64 bits")
}

/// +1 when `value` is above `reference` by more than `bps` of it, −1 when below by more, else 0.
///
/// Decision: the contract spells the comparison out for "above" only; "below by more than the band" is read as
/// `value·10⁴ < reference·(10⁴ − bps)`, a share of the reference like above (and why bps must be under 10,000).
pub(crate) fn side(value: i64, reference: i64, bps: i64) -> i8 {
    let scaled = i128::from(value) * ONE_IN_BPS;
    let (reference, bps) = (i128::from(reference), i128::from(bps));
    if scaled > reference * (ONE_IN_BPS + bps) {
        1
    } else if scaled < reference * (ONE_IN_BPS - bps) {
        -1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{mean, side};

    #[test]
    fn mean_rounds_half_to_even() {
        // (sum, count, rounded)
        let table = [
            (0, 1, 0),
            (1, 2, 0),  // 0.5
            (3, 2, 2),  // 1.5
            (5, 2, 2),  // 2.5
            (7, 2, 4),  // 3.5
            (4, 3, 1),  // 1.33
            (5, 3, 2),  // 1.67
            (10, 4, 2), // 2.5
            (14, 4, 4), // 3.5
            (249, 100, 2),
            (251, 100, 3),
            (i128::from(i64::MAX) * 3, 3, i64::MAX),
            (i128::MAX, i128::MAX, 1),
            (i128::MAX / 2, i128::MAX, 0),     // just under one half
            (i128::MAX / 2 + 1, i128::MAX, 1), // just over
        ];
        for (sum, count, rounded) in table {
            assert_eq!(mean(sum, count), rounded, "{sum} / {count}");
        }
    }

    #[test]
    fn side_needs_more_than_the_band() {
        // (value, reference, bps, side)
        let table = [
            (10_005, 10_000, 5, 0),
            (10_006, 10_000, 5, 1),
            (9_995, 10_000, 5, 0),
            (9_994, 10_000, 5, -1),
            (10_000, 10_000, 0, 0),
            (10_001, 10_000, 0, 1),
            (9_999, 10_000, 0, -1),
            (1, 10_000, 9_999, 0),
            (19_999, 10_000, 9_999, 0),
            (20_000, 10_000, 9_999, 1),
            (9_000_000_000_000_000_000, 1, 9_999, 1),
        ];
        for (value, reference, bps, expected) in table {
            assert_eq!(side(value, reference, bps), expected, "{value} against {reference}, {bps} bps");
        }
    }
}
