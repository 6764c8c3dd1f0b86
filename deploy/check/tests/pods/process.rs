//! A container as a process in namespaces of its own: `contain.sh` beside this file.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tape_manifests::manifests::root;

use super::spec::Spec;
use super::wait;

/// New mounts, process ids, names and shared memory; the first process takes all others with it. Whoever waits for a container is
/// killed with the test.
const NEW: [&str; 11] = [
    "setpriv",
    "--pdeathsig=KILL",
    "unshare",
    "--mount",
    "--propagation=private",
    "--pid",
    "--fork",
    "--kill-child",
    "--ipc",
    "--uts",
    "--",
];

/// Fails with what is missing: without namespaces the test would show nothing, and it must not pass.
pub(crate) fn must_have_namespaces() -> Result<()> {
    let said = Command::new(NEW[0]).args(&NEW[1..]).args(["mount", "-t", "tmpfs", "try", "/mnt"]).output();
    let said = said.context("setpriv of util-linux")?;
    ensure!(
        said.status.success(),
        "no namespaces: run this as root, where mounts and process ids can be unshared ({})",
        String::from_utf8_lossy(&said.stderr).trim()
    );
    Ok(())
}

/// A container that runs, or has run.
pub(crate) struct Process {
    child: Child,
    pub(crate) name: String,
    pub(crate) log: PathBuf,
    /// The command itself, in our own count of processes.
    pub(crate) pid: u32,
}

impl Process {
    pub(crate) fn start(spec: &Spec) -> Result<Self> {
        let name = format!("{}-{}", spec.pod, spec.container);
        let roots = spec.folder.join(format!("root-{}", spec.container));
        fs::create_dir_all(&roots)?;
        let program = std::env::var("TAPE_BIN").context("TAPE_BIN must name the program `tape`")?;
        let mut mounts = format!("ro\t{program}\t/usr/local/bin/tape\n");
        for mount in &spec.mounts {
            let how = if mount.read_only { "ro" } else { "rw" };
            mounts += &format!("{how}\t{}\t{}\n", mount.source.display(), mount.target);
        }
        let list = spec.folder.join(format!("mounts-{}", spec.container));
        fs::write(&list, mounts)?;
        let log = spec.folder.join(format!("log-{}", spec.container));
        let file = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(NEW[0])
            .args(&NEW[1..])
            .arg("sh")
            .arg(root().join("deploy/check/tests/pods/contain.sh"))
            .args([&roots, &list])
            .args([spec.working_dir.as_str(), if spec.read_only { "ro" } else { "rw" }, &spec.pod])
            .arg("--pdeathsig=KILL")
            .args(&spec.privileges)
            .args(&spec.command)
            .env_clear()
            .envs(&spec.environment)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let mut process = Process { child, name, log, pid: 0 };
        process.pid = process.find()?;
        Ok(process)
    }

    /// The child of `unshare`, once it is more than our script.
    fn find(&mut self) -> Result<u32> {
        let outer = self.child.id();
        let children = format!("/proc/{outer}/task/{outer}/children");
        wait::until(Duration::from_secs(10), "the container's first process", || {
            if let Some(code) = self.ended()? {
                // A short command has ended already; what it left behind tells.
                return Ok((code.code() == Some(0)).then_some(outer));
            }
            let Ok(text) = fs::read_to_string(&children) else { return Ok(None) };
            let Some(pid) = text.split_whitespace().next().and_then(|pid| pid.parse().ok()) else {
                return Ok(None);
            };
            let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let ours = ["unshare", "sh", "setpriv"].contains(&program.trim());
            Ok((!ours).then_some(pid))
        })
        .or_else(|error| if self.ended()?.is_some() { Ok(outer) } else { Err(error) })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        let status = wait::until(limit, &what, || self.ended());
        status.with_context(|| self.last_lines())
    }

    /// SIGTERM, and how long it took to the end.
    pub(crate) fn stop(&mut self, grace: Duration) -> Result<Duration> {
        let begin = Instant::now();
        signal(self.pid, "TERM")?;
        let status = self.wait(grace)?;
        let took = begin.elapsed();
        if status.code() != Some(0) {
            bail!(
                "{} ends with {:?}, signal {:?}: {}",
                self.name,
                status.code(),
                status.signal(),
                self.last_lines()
            );
        }
        Ok(took)
    }

    /// A line of `/proc/PID/status`.
    pub(crate) fn status(&self, name: &str) -> Result<String> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("no {name}"))?.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    pub(crate) fn last_lines(&self) -> String {
        last_lines(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.ended(), Ok(None)) {
            // What waits for the container takes it along.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status()?;
    ensure!(status.success(), "no process {pid}");
    Ok(())
}

/// The end of a log, for a message.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    format!("last lines of {}:\n{}", log.display(), lines[lines.len().saturating_sub(15)..].join("\n"))
}
