//! Division of non-negative integers, rounded half to even.

/// `numerator / denominator`, rounded half to even. Both non-negative, the denominator positive.
pub(crate) fn div_half_even(numerator: i128, denominator: i128) -> i128 {
    debug_assert!(numerator >= 0 && denominator > 0);
    // 128-bit division is several times dearer than 64-bit; sums of a window nearly always fit.
    if let (Ok(small_numerator), Ok(small_denominator)) =
        (u64::try_from(numerator), u64::try_from(denominator))
    {
        let (quotient, rest) = (small_numerator / small_denominator, small_numerator % small_denominator);
        return i128::from(quotient)
            + i128::from(rounds_up(quotient & 1 == 1, rest, small_denominator - rest));
    }
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    quotient + i128::from(rounds_up(quotient & 1 == 1, rest, denominator - rest))
}

fn rounds_up<T: Ord>(odd: bool, rest: T, missing: T) -> bool {
    rest > missing || (rest == missing && odd)
}

/// The average of `count` prices, or `None` when there are none.
pub(crate) fn average(sum: i128, count: u64) -> Option<i64> {
    (count > 0).then(|| as_price(div_half_even(sum, i128::from(count))))
}

/// An average of prices is between the smallest and the largest of them, so it fits where they fit.
pub(crate) fn as_price(value: i128) -> i64 {
    i64::try_from(value).expect("invariant: a mean of 64-bit prices fits 64 bits")
}

#[cfg(test)]
mod tests {
    use super::div_half_even;

    #[test]
    fn rounds_half_to_even() {
        for (numerator, denominator, want) in [
            (0, 1, 0),
            (1, 2, 0),
            (3, 2, 2),
            (5, 2, 2),
            (7, 2, 4),
            (10, 3, 3),
            (11, 3, 4),
            (i128::MAX, 1, i128::MAX),
            (i128::MAX, 2, i128::MAX / 2 + 1),
            ((1 << 100) + 1, 2, 1 << 99),
            (3 * (1 << 100), 1 << 101, 2),
            (u64::MAX.into(), u64::MAX.into(), 1),
        ] {
            assert_eq!(div_half_even(numerator, denominator), want, "{numerator} / {denominator}");
        }
    }
}
