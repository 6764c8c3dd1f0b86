//! The configuration of the running process: its environment, and the file it was told to read.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::machine::Machine;
use super::names::CONFIG_FILE;
use super::{Config, Loaded, load_on, shown};
use crate::Failure;

/// Longest configuration file in bytes; all settings at their longest fit.
const FILE_MAX: u64 = 1024 * 1024;

impl Config {
    /// Reads this process's environment, and the file named by `flag` (the command line's `--config`) or else by
    /// `TAPE_CONFIG`. Every mistake is a [`Failure::Config`].
    pub fn from_process(flag: Option<&Path>) -> Result<Loaded, Failure> {
        let environment: Vec<_> = env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        let named = env::var_os(CONFIG_FILE).filter(|path| !path.is_empty());
        let file = match (flag, named.as_deref().map(Path::new)) {
            (Some(path), _) => Some(read_file("--config", path)),
            (None, Some(path)) => Some(read_file(CONFIG_FILE, path)),
            (None, None) => None,
        };
        let machine = Machine::here(&environment);
        let toml = file.as_ref().map(|text| text.as_deref().map_err(Clone::clone));
        Ok(load_on(environment, toml, &machine)?)
    }
}

/// Reads a configuration file that `name` (flag or variable) named. The error is a line for the list of mistakes.
pub(crate) fn read_file(name: &str, path: &Path) -> Result<String, String> {
    let refuse = |problem: String| format!("{name}={}: {problem}", shown(&path.to_string_lossy()));
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| refuse(format!("cannot read the configuration file ({error}): correct the path")))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(refuse(format!("longer than {FILE_MAX} bytes: name a file of settings")));
    }
    String::from_utf8(bytes).map_err(|_| refuse("not valid UTF-8: save it as UTF-8".to_owned()))
}
