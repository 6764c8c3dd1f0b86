//! How much goes wrong in a history.

use super::dice::Dice;

/// How often what goes wrong: once in so many calls; 0 = never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// The process is killed.
    pub(super) crash: usize,
    /// It stands still.
    pub(super) stall: usize,
    /// The call fails.
    pub(super) hiccup: usize,
    /// The broker goes away.
    pub(super) outage: usize,
    /// Others go on inside the call.
    pub(super) slow: usize,
}

impl Weather {
    /// Some of it, or none, of each kind.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        Weather {
            crash: dice.pick(&[0, 150, 500, 2_000]),
            stall: dice.pick(&[0, 300, 1_500]),
            hiccup: dice.pick(&[0, 40, 150, 800]),
            outage: dice.pick(&[0, 800, 4_000]),
            slow: dice.pick(&[0, 5, 30]),
        }
    }
}
