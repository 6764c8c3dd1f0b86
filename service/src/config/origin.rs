//! Where a setting's value came from, and what was wrong with the others.

use std::fmt;

use crate::Failure;

/// Who gave a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The environment.
    Environment,
    /// The configuration file.
    File,
    /// Nobody: the default of the table.
    Default,
    /// Nobody: it follows from other settings or from the machine.
    Derived,
}

impl Origin {
    /// True when a person gave the value.
    pub fn is_given(self) -> bool {
        matches!(self, Self::Environment | Self::File)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "environment",
            Self::File => "file",
            Self::Default => "default",
            Self::Derived => "derived",
        })
    }
}

/// The value that a setting has in the end. Displays as one line of `tape config`: `NAME = value (source)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The setting's name.
    pub name: &'static str,
    /// Its text; `***` for a secret, empty when absent.
    pub value: String,
    /// Who gave it.
    pub source: Origin,
    /// The other name that was used to give it: an alias or `<NAME>_FILE`.
    pub via: Option<String>,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({}", self.name, self.value, self.source)?;
        match &self.via {
            Some(via) => write!(f, ", {via})"),
            None => f.write_str(")"),
        }
    }
}

/// All mistakes of a configuration. Displays one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// Name, value, what is allowed, remedy; secrets masked; never empty.
    pub lines: Vec<String>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors.to_string())
    }
}
