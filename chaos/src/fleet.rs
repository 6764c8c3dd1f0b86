//! The processes under test, each looked after as Kubernetes would: one that ends by itself is started again, at once at
//! first, then after a growing pause.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Longest pause before a process that keeps ending is started again.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A process that lived for so long is well again.
const WELL_AFTER: Duration = Duration::from_secs(20);
/// How long a process may take to stop after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Time between two looks at a process that is to end.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// How to start a process.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Where its log goes.
    pub(crate) log: PathBuf,
    /// A processor's state.
    pub(crate) state: Option<PathBuf>,
}

/// An end that nobody asked for, or a stop in order that was none.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    pub(crate) at: Instant,
    pub(crate) name: String,
    pub(crate) how: String,
    pub(crate) code: Option<i32>,
    pub(crate) last_lines: Vec<String>,
}

/// A process and its fate.
pub(crate) struct Member {
    pub(crate) recipe: Recipe,
    child: Option<Child>,
    /// A fault keeps it down.
    held: bool,
    pub(crate) started: Instant,
    pause: Duration,
    restart_at: Option<Instant>,
    exits: Vec<Exit>,
}

impl Member {
    /// Starts it.
    pub(crate) fn start(recipe: Recipe) -> Result<Self> {
        let (pause, started) = (Duration::ZERO, Instant::now());
        let mut member =
            Member { recipe, child: None, held: false, started, pause, restart_at: None, exits: Vec::new() };
        member.spawn()?;
        Ok(member)
    }

    /// Its pid, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// SIGKILL; it stays down until [`Member::release`].
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.held = true;
        if let Some(mut child) = self.child.take() {
            child.kill().with_context(|| format!("kill {}", self.recipe.name))?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM; it stays down until [`Member::release`]. Call [`Member::has_stopped`] until it has.
    pub(crate) fn terminate(&mut self) -> Result<()> {
        self.held = true;
        self.signal(Signal::TERM)
    }

    /// Whether it has stopped; one that does not stop in time is killed, and that counts as an exit that nobody wants.
    pub(crate) fn has_stopped(&mut self, asked: Instant) -> Result<bool> {
        let Some(child) = &mut self.child else { return Ok(true) };
        if let Some(status) = child.try_wait()? {
            self.child = None;
            if !status.success() {
                self.record(&format!("SIGTERM was answered with {status}"), status.code());
            }
            return Ok(true);
        }
        if asked.elapsed() > STOP_LIMIT {
            self.record(&format!("did not stop within {} s of SIGTERM", STOP_LIMIT.as_secs()), None);
            self.kill()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) fn freeze(&mut self, frozen: bool) -> Result<()> {
        self.signal(if frozen { Signal::STOP } else { Signal::CONT })
    }

    /// Starts it again after a fault.
    pub(crate) fn release(&mut self) -> Result<()> {
        self.held = false;
        self.pause = Duration::ZERO;
        self.restart_at = None;
        if self.child.is_none() { self.spawn() } else { Ok(()) }
    }

    /// Notices that it has ended, and starts it again when it is time. The exits since the last call.
    pub(crate) fn tend(&mut self, now: Instant) -> Result<Vec<Exit>> {
        if !self.held
            && let Some(child) = &mut self.child
            && let Some(status) = child.try_wait()?
        {
            self.child = None;
            self.ended(status, now);
        }
        if !self.held && self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            self.spawn()?;
        }
        Ok(std::mem::take(&mut self.exits))
    }

    fn ended(&mut self, status: ExitStatus, now: Instant) {
        self.record(&format!("ended by itself: {status}"), status.code());
        if self.started.elapsed() > WELL_AFTER {
            self.pause = Duration::ZERO;
        }
        self.restart_at = Some(now + self.pause);
        self.pause = (self.pause * 2).clamp(Duration::from_secs(1), PAUSE_MAX);
    }

    fn record(&mut self, how: &str, code: Option<i32>) {
        self.exits.push(Exit {
            at: Instant::now(),
            name: self.recipe.name.clone(),
            how: how.to_owned(),
            code,
            last_lines: last_lines(&self.recipe.log, 6),
        });
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { bail!("{} has no pid", self.recipe.name) };
        kill_process(pid, signal).with_context(|| format!("send {signal:?} to {}", self.recipe.name))
    }

    fn spawn(&mut self) -> Result<()> {
        let recipe = &self.recipe;
        let log = File::options().create(true).append(true).open(&recipe.log)?;
        let child = Command::new(&recipe.program)
            .args(&recipe.args)
            .env_clear()
            .envs(&recipe.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C is for us alone.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}", recipe.program.display()))?;
        // For whoever cleans up after a run that was killed itself.
        let mut pids = File::options().create(true).append(true).open(recipe.log.with_file_name("pids"))?;
        writeln!(pids, "{}", child.id())?;
        self.child = Some(child);
        self.started = Instant::now();
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Also one that is frozen.
        let _ = self.kill();
    }
}

/// The end of a file.
pub(crate) fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(8_192)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use super::{Member, Recipe};

    fn member(script: &str) -> Member {
        let recipe = Recipe {
            name: "test".to_owned(),
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), script.to_owned()],
            environment: BTreeMap::new(),
            log: std::env::temp_dir().join(format!("tape-chaos-test-{}", std::process::id())),
            state: None,
        };
        Member::start(recipe).expect("started")
    }

    fn until(what: &str, mut condition: impl FnMut() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(30), "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_process_that_ends_is_started_again() {
        let mut member = member("exit 3");
        let mut exits = Vec::new();
        until("two exits", || {
            exits.extend(member.tend(Instant::now()).expect("tended"));
            exits.len() >= 2
        });
        assert!(exits.iter().all(|exit| exit.code == Some(3)));
    }

    #[test]
    fn a_process_that_is_held_stays_down() {
        let mut member = member("exec sleep 100");
        member.kill().expect("killed");
        assert!(member.tend(Instant::now()).expect("tended").is_empty() && member.pid().is_none());
        member.release().expect("released");
        assert!(member.pid().is_some());
        member.freeze(true).expect("frozen");
        member.freeze(false).expect("well again");
        member.terminate().expect("asked");
        let asked = Instant::now();
        until("the stop", || member.has_stopped(asked).expect("asked"));
        let exits = member.tend(Instant::now()).expect("tended");
        assert_eq!(exits.len(), 1, "a stop by a signal is none in order: {exits:?}");
    }
}
