//! Smooth noise: a curve through random heights, one at each multiple of a period. A pure function of time, so that a price
//! has a past and a future without anybody having walked there.

use crate::hash::{pair, unit};

/// The curve's height at a time, −1 < x < 1. `time` and `period` in milliseconds.
pub(crate) fn curve(seed: u64, time: i64, period: i64) -> f64 {
    let step = time.div_euclid(period);
    let share = time.rem_euclid(period) as f64 / period as f64;
    let (before, after) = (height(seed, step), height(seed, step + 1));
    // Flat at both ends, so that the curve has no corners.
    let bend = share * share * (3.0 - 2.0 * share);
    before + (after - before) * bend
}

/// A random height for a step, −1 ≤ x < 1.
pub(crate) fn height(seed: u64, step: i64) -> f64 {
    2.0 * unit(pair(seed, step.cast_unsigned())) - 1.0
}
