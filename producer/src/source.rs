//! What a user may ask for: a checked description of a source, made from `replay:FILE,…` or `simulate` and options.

use std::path::PathBuf;
use std::str::FromStr;

use tape_proto::trade::SYMBOL_MAX_BYTES;

use crate::files::Layout;
use crate::pace::{Pace, RATE_MAX, SPEED_MAX, SPEED_MIN};
use crate::simulate::Market;

/// The most files of a replay: all are open at once, and systems allow a process about a thousand.
const FILES_MAX: usize = 500;

/// Everything that `tape produce` can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A source that can be read again from anywhere.
    Recorded(SourceSpec),
    /// A feed that is heard once; what to follow is in the settings.
    Live(Venue),
}

impl From<SourceSpec> for Source {
    fn from(spec: SourceSpec) -> Self {
        Self::Recorded(spec)
    }
}

/// Whose live feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Venue {
    /// Massive.com: US stocks and crypto; needs a key.
    Massive,
    /// Coinbase Exchange: trades of crypto; no key.
    Coinbase,
}

impl Venue {
    /// As `--source` spells it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "massive" => Some(Self::Massive),
            "coinbase" => Some(Self::Coinbase),
            _ => None,
        }
    }
}

/// Where trades come from, and how the producer begins.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSpec {
    /// The source.
    pub kind: SourceKind,
    /// Continue exactly after the last record of this source that `raw-trades` has. Otherwise a replay begins at its
    /// first record and a simulation two hours back, whatever was written before.
    pub resume: bool,
}

/// Where trades come from.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceKind {
    /// Files.
    Replay(Replay),
    /// The simulated market.
    Simulate(Market),
}

/// Trades from files, merged by time: see [`Merge`](crate::files::Merge).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replay {
    /// At least one.
    pub files: Vec<PathBuf>,
    /// How they are to be understood.
    pub layout: Layout,
    /// How fast they are written.
    pub pace: Pace,
    /// Where lines go that cannot be used; they are counted in any case.
    pub rejects: Option<PathBuf>,
}

/// A source that cannot be; the message names the option, its value and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

impl FromStr for SourceKind {
    type Err = SourceError;

    /// Reads `replay:FILE[,FILE…]` or `simulate`, everything else at its default. A file's name may hold commas if the
    /// whole text is the name of one file that exists.
    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text == "simulate" {
            return Ok(Self::Simulate(Market::default()));
        }
        match text.strip_prefix("replay:") {
            Some(files) if !files.is_empty() => {
                let files = match PathBuf::from(files) {
                    whole if whole.exists() => vec![whole],
                    _ => files.split(',').map(PathBuf::from).collect(),
                };
                Ok(Self::Replay(Replay { files, ..Replay::default() }))
            }
            _ => Err(SourceError(format!(
                "--source {text}: no such source: use massive, coinbase, replay:FILE (several files separated by commas) or simulate"
            ))),
        }
    }
}

impl SourceSpec {
    /// A source with everything at its default, from the beginning.
    pub fn new(kind: SourceKind) -> Self {
        Self { kind, resume: false }
    }

    /// Checks ranges and combinations; the files themselves are opened later.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), SourceError> {
        match &self.kind {
            SourceKind::Replay(replay) => replay.check(self.resume),
            SourceKind::Simulate(market) => market.check(),
        }
    }
}

impl Replay {
    fn check(&self, resume: bool) -> Result<(), SourceError> {
        let refuse = |text: String| Err(SourceError(text));
        if self.files.is_empty() || self.files.len() > FILES_MAX {
            return refuse(format!("replay: {} files; give 1 to {FILES_MAX}", self.files.len()));
        }
        if resume && self.files.iter().any(|file| file.as_os_str() == "-") {
            return refuse(
                "--resume: the standard input cannot be read again; write it to a file".to_owned(),
            );
        }
        match self.pace {
            Pace::Rate(rate) if !(1..=RATE_MAX).contains(&rate) => {
                refuse(format!("--rate {rate}: give 1 to {RATE_MAX} trades per second"))
            }
            Pace::Speed(speed) if !(SPEED_MIN..=SPEED_MAX).contains(&speed) => {
                refuse(format!("--speed {speed}: give {SPEED_MIN} to {SPEED_MAX}; 1 = as it happened"))
            }
            _ => check_symbols(self.layout.symbol.as_slice()),
        }
    }
}

/// Symbols as the contract spells them.
pub(crate) fn check_symbols(symbols: &[String]) -> Result<(), SourceError> {
    let is_symbol = |symbol: &String| {
        (1..=SYMBOL_MAX_BYTES).contains(&symbol.len())
            && symbol.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:/_".contains(&byte))
    };
    match symbols.iter().find(|symbol| !is_symbol(symbol)) {
        None => Ok(()),
        Some(symbol) => Err(SourceError(format!(
            "symbol {symbol:?}: give 1 to 32 of the characters A-Z a-z 0-9 . - : / _"
        ))),
    }
}

#[cfg(test)]
mod tests;
