//! Configuration: environment over file over defaults, read twice.
//!
//! 1. `raw.rs` collects which text was given for which setting (`settings.rs` has the table of all of them).
//! 2. `check.rs` makes each text a value with limits, and fills in what was not given.
//! 3. `rules.rs` judges what joins several settings.
//! 4. Without any mistake, `assemble.rs` builds the types of `types.rs`.
//!
//! Invariant: **all mistakes are reported together**, one line each, with name, value, what is allowed and the
//! remedy; nothing is started before.
//! Invariant: **no secret in any message, in [`Loaded::values`], or in `Debug`**. Values of unknown names are not
//! shown either: a misspelt name may hide a password.
//! Invariant: no global state; the configuration is a value that is passed down.

mod assemble;
mod check;
mod file;
mod machine;
mod names;
mod origin;
mod parse;
mod process;
mod raw;
mod reference;
mod rules;
mod secret;
pub mod settings;
mod types;

pub use origin::{ConfigErrors, Effective, Origin};
pub use reference::reference_markdown;
pub use secret::Secret;
pub use types::{
    Acks, Compression, Config, Database, Format, Grafana, Guarantee, Http, Kafka, Log, LogFormat, OutputMode,
    Processing, Producer, Sasl, SaslMechanism, Security, SecurityProtocol, Source, Ssl, Topics,
};

use machine::Machine;

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked settings.
    pub config: Config,
    /// Lines worth a warning in the log, secrets masked.
    pub warnings: Vec<String>,
    /// Every setting in the order of the table, secrets masked.
    pub values: Vec<Effective>,
}

impl Config {
    /// Reads environment pairs over the text of a file over defaults. Touches the machine only for files of secrets
    /// (`<NAME>_FILE`), the number of cores and the user's id.
    pub fn load(
        env: impl IntoIterator<Item = (String, String)>,
        toml: Option<&str>,
    ) -> Result<Loaded, ConfigErrors> {
        let environment: Vec<_> = env.into_iter().collect();
        let machine = Machine::here(&environment);
        load_on(environment, toml.map(Ok), &machine)
    }
}

/// [`Config::load`] on a given machine. `toml` may be the line that says why the file cannot be read.
fn load_on(
    environment: Vec<(String, String)>,
    toml: Option<Result<&str, String>>,
    machine: &Machine,
) -> Result<Loaded, ConfigErrors> {
    let raw = raw::collect(environment, toml);
    let whole = raw.whole;
    let mut values = check::check(raw, machine);
    if whole {
        rules::judge(&mut values);
    }
    if !values.errors.is_empty() {
        return Err(ConfigErrors { lines: values.errors });
    }
    Ok(Loaded { config: assemble::assemble(&values), values: values.effective(), warnings: values.warnings })
}

/// Longest part of a value or name that a message shows, in characters.
const SHOWN_MAX: usize = 100;

/// A value for a message: in quotes, on one line, not too long; masked when it looks like an address with a user
/// (and perhaps a password) in it.
fn shown(text: &str) -> String {
    if text.contains('@') { format!("\"{}\"", secret::MASK) } else { format!("\"{}\"", escaped(text)) }
}

/// A name for a message: on one line, not too long.
fn escaped(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_MAX).collect();
    let rest = if short.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", short.escape_debug())
}

#[cfg(test)]
mod tests;
