//! PostgreSQL's own programs as child processes: found, asked for their version, run, ended.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tape_service::config::Config;
use tape_service::{Failure, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};

use super::broken;

/// Most bytes kept of what a program complains about: its end, where the reason stands.
const COMPLAINT_BYTES_MAX: usize = 4_000;
/// How long a program may take to end after SIGTERM: it tells the server first.
const TERM_TIMEOUT: Duration = Duration::from_secs(5);

/// Where `pg_dump` and `pg_restore` are looked for.
#[derive(Clone, Debug)]
pub struct Tools {
    search: OsString,
}

impl Tools {
    /// In `PATH`.
    pub fn from_path() -> Self {
        Self::within(std::env::var_os("PATH").unwrap_or_default())
    }

    /// In these folders, written as `PATH` is.
    pub fn within(search: impl Into<OsString>) -> Self {
        Self { search: search.into() }
    }

    /// Finds a program and asks for its version. `Failure::Config`: it is not there.
    pub(super) async fn find(&self, name: &'static str) -> Result<Program, Failure> {
        let missing = || {
            Failure::Config(format!(
                "{name} is not in PATH: install PostgreSQL's client programs, of the server's version or newer (package \
                 postgresql-client on Debian and Ubuntu, postgresql on RHEL, libpq on macOS)"
            ))
        };
        let path = std::env::split_paths(&self.search)
            .map(|folder| folder.join(name))
            .find(|file| is_program(file))
            .ok_or_else(missing)?;
        let asked = Command::new(&path).arg("--version").stdin(Stdio::null()).output().await;
        let said =
            asked.map_err(|error| Failure::Config(format!("{} cannot be run: {error}", path.display())))?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        // pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
        let version = said.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let Some(major) = major(&version) else {
            let said = said.lines().next().unwrap_or_default();
            return Err(Failure::Config(format!("{} does not say its version: `{said}`", path.display())));
        };
        Ok(Program { path, version, major })
    }
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// 15 of `15.18`, `15beta1`, `15`.
pub(super) fn major(version: &str) -> Option<u32> {
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

/// A program that is there.
pub(super) struct Program {
    pub(super) version: String,
    pub(super) major: u32,
    path: PathBuf,
}

/// How a program ended.
pub(super) enum Ended {
    /// It did its work.
    Done,
    /// It did not; what it said, on lines.
    Failed(String),
    /// We ended it, because the stop was requested.
    Stopped,
}

impl Program {
    /// Runs it with the configured connection, `input` on its standard input, until it ends or the stop is requested. It has
    /// ended when this returns; when this is dropped it is killed.
    pub(super) async fn run(
        &self,
        config: &Config,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        input: &[u8],
        shutdown: &Shutdown,
    ) -> Result<Ended, Failure> {
        let mut command = Command::new(&self.path);
        command.args(arguments);
        environment(&mut command, config);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        // Of its own group: a Ctrl-C is for us, and we end it.
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| self.unusable(&error))?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let working = async {
            let ((), complaint) = tokio::join!(feed(stdin, input), listen(stderr));
            Ok::<_, io::Error>((child.wait().await?, complaint))
        };
        let (status, complaint) = tokio::select! {
            ended = working => ended.map_err(|error| self.unusable(&error))?,
            () = shutdown.requested() => {
                end(&mut child).await;
                return Ok(Ended::Stopped);
            }
        };
        if status.success() {
            return Ok(Ended::Done);
        }
        Ok(Ended::Failed(if complaint.is_empty() { status.to_string() } else { complaint }))
    }

    /// What it prints.
    pub(super) async fn output(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Result<String, String>, Failure> {
        let output =
            Command::new(&self.path).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
        let output = output.await.map_err(|error| self.unusable(&error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
    }

    fn unusable(&self, error: &io::Error) -> Failure {
        broken(format!("{} cannot be run: {error}", self.path.display()))
    }
}

/// The connection, as libpq reads it; what the caller has set for other purposes is taken away.
fn environment(command: &mut Command, config: &Config) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    let db = &config.db;
    command
        .env("PGHOST", &db.host)
        .env("PGPORT", db.port.to_string())
        .env("PGDATABASE", &db.name)
        .env("PGUSER", &db.user)
        .env("PGAPPNAME", format!("{}-backup", config.app_id))
        .env("PGCONNECT_TIMEOUT", db.connect_timeout.as_secs().max(2).to_string());
    if let Some(password) = &db.password {
        command.env("PGPASSWORD", password.expose());
    }
}

/// A program that ends early reads no more; its exit code says why.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
    }
}

async fn listen(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        text.extend_from_slice(&buffer[..length]);
        let excess = text.len().saturating_sub(COMPLAINT_BYTES_MAX);
        text.drain(..excess);
    }
    String::from_utf8_lossy(&text).trim().to_owned()
}

async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout(TERM_TIMEOUT, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, expected) in
            [("15.18", Some(15)), ("17", Some(17)), ("19beta1", Some(19)), ("", None), ("devel", None)]
        {
            assert_eq!(major(text), expected, "{text}");
        }
    }
}
