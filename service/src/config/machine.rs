//! What the configuration takes from the machine: cores, and where state belongs.

use std::path::PathBuf;
use std::thread;

/// Where a service of root, or of nobody in particular, keeps its state.
const SYSTEM_STATE_DIR: &str = "/var/lib/tape";
/// Below the state home of a user.
const FOLDER: &str = "tape";

/// Facts about this process's surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Cores that this process may use, at least 1.
    pub(crate) cores: usize,
    /// Default of `STATE_DIR`.
    pub(crate) state_dir: PathBuf,
}

impl Machine {
    /// This machine, seen with this environment.
    pub(crate) fn here(environment: &[(String, String)]) -> Self {
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            state_dir: state_dir(environment, rustix::process::geteuid().is_root()),
        }
    }
}

/// systemd's folder, else the user's state home, else the system's. Never a folder that is emptied at boot.
pub(crate) fn state_dir(environment: &[(String, String)], root: bool) -> PathBuf {
    let absolute = |name: &str| {
        let value = &environment.iter().find(|(given, _)| given == name)?.1;
        // systemd separates several folders by colons; the first one is the main one.
        let first = if name == "STATE_DIRECTORY" { value.split(':').next()? } else { value };
        first.starts_with('/').then(|| PathBuf::from(first))
    };
    if let Some(folder) = absolute("STATE_DIRECTORY") {
        return folder;
    }
    if let Some(home) = absolute("XDG_STATE_HOME") {
        return home.join(FOLDER);
    }
    match absolute("HOME") {
        Some(home) if !root => home.join(".local/state").join(FOLDER),
        _ => PathBuf::from(SYSTEM_STATE_DIR),
    }
}
