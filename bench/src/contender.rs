//! A process under measurement: started with a clean environment, heard on its standard output, killed when dropped.
//!
//! All but `tape` speak the same protocol, one line each: `start MS`, `running MS`, `restored MS RECORDS`, `first MS`,
//! `progress MS RECORDS`, `done MS`; MS is the wall clock in epoch milliseconds.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::database::now_ms;

/// How long a process may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(10);

/// How to start a process.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Folder of its log and of the list of pids.
    pub(crate) folder: PathBuf,
}

/// What a process has said so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// Epoch ms of each word's first time.
    pub(crate) at: BTreeMap<String, i64>,
    /// Records processed, of the last progress.
    pub(crate) records: u64,
    /// Records restored.
    pub(crate) restored: u64,
}

impl Heard {
    pub(crate) fn take(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let (Some(word), Some(at)) = (words.next(), words.next().and_then(|at| at.parse().ok())) else {
            return;
        };
        self.at.entry(word.to_owned()).or_insert(at);
        let count = words.next().and_then(|count| count.parse().ok());
        match (word, count) {
            ("progress", Some(count)) => self.records = count,
            ("restored", Some(count)) => self.restored = count,
            _ => {}
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.at.contains_key("done")
    }
}

/// A process under measurement.
pub(crate) struct Contender {
    pub(crate) recipe: Recipe,
    pub(crate) started: Instant,
    /// The same by the wall clock, epoch ms.
    pub(crate) started_ms: f64,
    child: Child,
    heard: Arc<Mutex<Heard>>,
}

impl Contender {
    pub(crate) fn start(recipe: Recipe) -> Result<Self> {
        fs::create_dir_all(&recipe.folder)?;
        let log = File::options().create(true).append(true).open(log_of(&recipe))?;
        let (started, started_ms) = (Instant::now(), now_ms()?);
        let mut child = Command::new(&recipe.program)
            .args(&recipe.args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&recipe.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", recipe.program.display()))?;
        // For whoever cleans up after a run that was killed itself.
        let mut pids = File::options().create(true).append(true).open(recipe.folder.join("pids"))?;
        writeln!(pids, "{}", child.id())?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let output = child.stdout.take().context("a pipe was asked for")?;
        let ear = Arc::clone(&heard);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lock(&ear).take(&line);
            }
        });
        Ok(Contender { recipe, started, started_ms, child, heard })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("kill {}", self.recipe.name))?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and the end of it.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw)
            && self.ended()?.is_none()
        {
            kill_process(pid, Signal::TERM)?;
        }
        let asked = Instant::now();
        while self.ended()?.is_none() {
            if asked.elapsed() > STOP_LIMIT {
                return self.kill();
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// An error with the end of its log.
    pub(crate) fn failure(&self, what: &str) -> anyhow::Error {
        let lines = last_lines(&log_of(&self.recipe), 8).join("\n    ");
        anyhow::anyhow!("{}: {what}\n    {lines}", self.recipe.name)
    }

    /// Runs it to its end, which must be a good one.
    pub(crate) fn run(recipe: Recipe) -> Result<()> {
        let mut contender = Contender::start(recipe)?;
        let status = contender.child.wait()?;
        if !status.success() {
            bail!(contender.failure(&status.to_string()));
        }
        Ok(())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.kill();
        }
    }
}

/// Where a process writes its log.
pub(crate) fn log_of(recipe: &Recipe) -> PathBuf {
    recipe.folder.join(format!("{}.log", recipe.name))
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(8_192)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::Heard;

    #[test]
    fn words_are_heard() {
        let mut heard = Heard::default();
        for line in
            ["start 5", "progress 7 100", "progress 8 250", "restored 6 9", "noise", "WARN x", "done 9"]
        {
            heard.take(line);
        }
        assert_eq!((heard.records, heard.restored, heard.at["progress"]), (250, 9, 7));
        assert!(heard.is_done());
    }
}
