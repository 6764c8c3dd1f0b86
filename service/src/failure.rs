//! How a role ends badly: with a mistake that the user must correct, or with anything else.

use thiserror::Error;

/// Exit code of a wrong configuration (`EX_USAGE` of sysexits).
const EXIT_CONFIG: u8 = 64;
/// Exit code of everything else.
const EXIT_OTHER: u8 = 1;

/// Why a role stopped.
#[derive(Debug, Error)]
pub enum Failure {
    /// The user must change something before a new start can work; one line a mistake, each with name, value
    /// and remedy. Exit code 64.
    #[error("{0}")]
    Config(String),
    /// Anything else, with its causes. Exit code 1.
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl Failure {
    /// What the process should return to the system: 64 or 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => EXIT_CONFIG,
            Self::Other(_) => EXIT_OTHER,
        }
    }
}

impl From<anyhow::Error> for Failure {
    /// A `Failure` that was wrapped on its way keeps its kind.
    fn from(error: anyhow::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Other)
    }
}

#[cfg(test)]
mod tests;
