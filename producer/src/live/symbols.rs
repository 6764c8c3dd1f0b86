//! What is followed, and its change at run time: `SYMBOLS_FILE` is read again when it changes and on SIGHUP.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tape_service::{Config, Failure};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::source::{Venue, check_symbols};
use crate::venue::Plan;
use crate::{coinbase, massive};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A file of symbols holds no more than this.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// What is to be followed now.
///
/// # Errors
/// The file cannot be read, or the settings cannot be followed.
pub(super) fn plan(venue: Venue, config: &Config) -> Result<Plan, Failure> {
    let source = &config.source;
    let symbols = match &source.symbols_file {
        None => source.symbols.clone(),
        Some(file) => read(file).map_err(Failure::Config)?,
    };
    let plan = match venue {
        Venue::Massive => massive::subscription::plan(&source.massive_ws_url, &symbols, &source.channels),
        Venue::Coinbase => coinbase::subscription::plan(&source.coinbase_ws_url, &symbols),
    };
    plan.map_err(|error| Failure::Config(error.to_string()))
}

/// Symbols separated by commas, white space or line breaks; `#` begins a comment.
fn read(file: &Path) -> Result<Vec<String>, String> {
    let refuse = |why: String| format!("SYMBOLS_FILE={}: {why}", file.display());
    let length = std::fs::metadata(file).map_err(|error| refuse(error.to_string()))?.len();
    if length > FILE_MAX_BYTES {
        return Err(refuse(format!("{length} bytes; give at most {FILE_MAX_BYTES}")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let symbols = entries(&text);
    let plain = symbols.iter().map(|symbol| symbol.strip_suffix('*').unwrap_or(symbol));
    let spelled: Vec<String> = plain.filter(|symbol| !symbol.is_empty()).map(str::to_owned).collect();
    check_symbols(&spelled).map_err(|error| refuse(error.to_string()))?;
    Ok(symbols)
}

fn entries(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let words = lines.flat_map(|line| line.split(|c: char| c == ',' || c.is_whitespace()));
    let unique: BTreeSet<&str> = words.filter(|word| !word.is_empty()).collect();
    unique.into_iter().map(str::to_owned).collect()
}

/// Says when to look again.
pub(super) struct Watch {
    hangup: Signal,
    seen: Option<(SystemTime, u64)>,
}

impl Watch {
    /// Takes SIGHUP over from the system, which would end the process.
    pub(super) fn new(config: &Config) -> Result<Self, Failure> {
        let hangup = signal(SignalKind::hangup()).map_err(|error| Failure::Other(error.into()))?;
        Ok(Self { hangup, seen: stamp(config) })
    }

    /// Waits until the file has changed or SIGHUP came.
    pub(super) async fn changed(&mut self, config: &Config) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    if config.source.symbols_file.is_some() {
                        self.seen = stamp(config);
                        return;
                    }
                    warn!("SIGHUP: nothing to read again; symbols that change belong into SYMBOLS_FILE");
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let now = stamp(config);
                    if now.is_some() && now != self.seen {
                        self.seen = now;
                        return;
                    }
                }
            }
        }
    }
}

/// Tells two contents of the file apart; `None`: no file, or none that can be read now.
fn stamp(config: &Config) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(config.source.symbols_file.as_ref()?).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::entries;

    #[test]
    fn reads_symbols_however_they_are_separated() {
        let text = "AAPL, TSLA # two\n\n  BTC-USD\tAAPL,\r\n# nothing\n*";
        assert_eq!(entries(text), ["*", "AAPL", "BTC-USD", "TSLA"]);
        assert!(entries("# empty\n").is_empty());
    }
}
