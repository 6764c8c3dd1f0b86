//! The servers of a run, started, stopped and hurt by the scripts of `deploy/local`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Where the scripts are: Cargo starts a test in the folder of its crate, our scripts start a program in the repository. A
/// compiled-in path may be that of another checkout with the same target folder.
const SCRIPTS: [&str; 2] = ["deploy/local", "../deploy/local"];

/// `kill` (SIGKILL) or `start` for the broker of the test run; its port and its data stay.
pub fn kafka(action: &str) {
    let folder = std::env::var_os("LOCAL_SERVERS");
    let folder = folder.expect("LOCAL_SERVERS is not set: run it through `make test`");
    script("kafka.sh", action, Path::new(&folder), &[]).expect("the script runs");
}

/// Runs a script on the servers in `folder`. What it says goes to a log beside the folder.
///
/// # Errors
/// It cannot be run, or fails: then the log is named.
pub fn script(script: &str, action: &str, folder: &Path, environment: &[(&str, &str)]) -> Result<()> {
    let log = folder.with_extension("log");
    let open = || File::options().create(true).append(true).open(&log);
    let scripts = SCRIPTS.into_iter().find(|folder| Path::new(folder).is_dir());
    let scripts = scripts.context("deploy/local is not here: start it in the repository")?;
    let status = Command::new(Path::new(scripts).join(script))
        .arg(action)
        .arg(folder)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(open()?)
        .stderr(open()?)
        .status()
        .with_context(|| format!("run {script}"))?;
    if !status.success() {
        bail!("{script} {action}: {status}; see {}", log.display());
    }
    Ok(())
}

/// The settings that reach the servers in `folder`.
///
/// # Errors
/// They were not started yet.
pub fn settings(folder: &Path) -> Result<BTreeMap<String, String>> {
    let path = folder.join("env");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    Ok(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
