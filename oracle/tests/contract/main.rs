//! The oracle against examples computed by hand, rule by rule, and against a few laws.
//!
//! The tables use short times (slides of 10 ms) and prices in whole units so that a reader can follow them.

mod breakout;
mod laws;
mod scene;
mod sides;
mod time;
mod values;
mod volume;
mod windows;
