//! What the program itself says of a container's environment and arguments. `TAPE_BIN` names it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Settings by name, as the program understands them.
pub type Settings = BTreeMap<String, String>;

/// An answer of `tape config`.
pub struct Answer {
    /// Empty when the environment is refused.
    pub settings: Settings,
    /// Mistakes and warnings.
    pub complaints: Vec<String>,
}

fn binary() -> Result<PathBuf> {
    std::env::var_os("TAPE_BIN").map(PathBuf::from).context("TAPE_BIN must name the program `tape`")
}

/// The settings that hold in exactly this environment.
pub fn settings(environment: &BTreeMap<String, String>) -> Result<Answer> {
    let output = Command::new(binary()?).args(["config", "--json"]).env_clear().envs(environment).output()?;
    let complaints = lines(&output);
    let shown: Vec<Value> =
        if output.status.success() { serde_json::from_slice(&output.stdout)? } else { Vec::new() };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let settings = shown.iter().map(|setting| (text(&setting["name"]), text(&setting["value"]))).collect();
    Ok(Answer { settings, complaints })
}

/// What is wrong with the arguments: `--help` at their end runs nothing, but what stands before it is looked at.
pub fn arguments(arguments: &[String]) -> Result<Vec<String>> {
    let output = Command::new(binary()?).args(arguments).arg("--help").env_clear().output()?;
    Ok(if output.status.success() { Vec::new() } else { lines(&output) })
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect()
}
