//! Our own rules. Each says what is wrong with an overlay, one line a mistake; none = all is well.

pub mod environment;
pub mod kafka;
pub mod network;
pub mod pods;
pub mod references;
pub mod selectors;

use crate::Manifests;

/// A rule.
pub type Rule = fn(&Manifests) -> Vec<String>;

/// All rules by name.
pub const ALL: [(&str, Rule); 6] = [
    ("pods", pods::mistakes),
    ("selectors", selectors::mistakes),
    ("references", references::mistakes),
    ("environment", environment::mistakes),
    ("kafka", kafka::mistakes),
    ("network", network::mistakes),
];
