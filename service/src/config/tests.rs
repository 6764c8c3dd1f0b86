//! What all configuration tests share: a machine that does not change, and loading with pairs.

mod layers;
mod mistakes;
mod names;
mod properties;
mod reference;
mod rules;
mod secrets;
mod values;

use super::machine::Machine;
use super::{ConfigErrors, Loaded, load_on};

fn machine() -> Machine {
    Machine { cores: 8, state_dir: "/var/lib/tape".into() }
}

fn load(env: &[(&str, &str)], toml: Option<&str>) -> Result<Loaded, ConfigErrors> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load_on(env, toml.map(Ok), &machine())
}

fn loaded(env: &[(&str, &str)]) -> Loaded {
    load(env, None).unwrap_or_else(|errors| panic!("{env:?}: {errors}"))
}

/// The lines of errors of an environment that must be refused.
fn refused(env: &[(&str, &str)]) -> Vec<String> {
    load(env, None).expect_err(&format!("{env:?} must be refused")).lines
}

fn assert_contains(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{line:?} lacks {part:?}");
    }
}
