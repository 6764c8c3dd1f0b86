//! Everything that a fault can hit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tape_service::Shutdown;

use crate::fleet::Member;
use crate::proxy::Proxy;
use crate::schedule::Target;
use crate::servers::Servers;
use crate::watch::Watch;

/// Servers, networks and processes of a run.
pub(crate) struct World {
    pub(crate) started: Instant,
    pub(crate) servers: Servers,
    /// Between each process and the broker: processors, then sinks.
    pub(crate) to_kafka: Vec<Proxy>,
    /// Between each sink and the database.
    pub(crate) to_database: Vec<Proxy>,
    pub(crate) processors: Vec<Mutex<Member>>,
    pub(crate) sinks: Vec<Mutex<Member>>,
    /// Group 0 is the processors', group 1 the sinks'.
    pub(crate) watch: Watch,
    /// First part of every name of the run.
    pub(crate) prefix: String,
    pub(crate) stop: Shutdown,
    /// What must not happen, as it happens.
    pub(crate) troubles: Mutex<Vec<String>>,
}

/// Number of the processors' group.
pub(crate) const PROCESSORS: usize = 0;
/// Number of the sinks' group.
pub(crate) const SINKS: usize = 1;

impl World {
    /// A process of the run.
    pub(crate) fn member(&self, target: Target) -> Option<MutexGuard<'_, Member>> {
        let member = match target {
            Target::Processor(number) => self.processors.get(number),
            Target::Sink(number) => self.sinks.get(number),
            Target::Broker | Target::Database => None,
        };
        member.map(lock)
    }

    /// The network between a process and the broker.
    pub(crate) fn link(&self, target: Target) -> Option<&Proxy> {
        match target {
            Target::Processor(number) => self.to_kafka.get(number),
            Target::Sink(number) => self.to_kafka.get(self.processors.len() + number),
            Target::Broker | Target::Database => None,
        }
    }

    /// All processes.
    pub(crate) fn members(&self) -> impl Iterator<Item = (Target, &Mutex<Member>)> {
        let processors = self.processors.iter().enumerate();
        let sinks = self.sinks.iter().enumerate();
        processors
            .map(|(number, member)| (Target::Processor(number), member))
            .chain(sinks.map(|(number, member)| (Target::Sink(number), member)))
    }

    /// The group whose progress a fault of the target shows in, and the partitions that are hit.
    pub(crate) fn affected(&self, target: Target) -> (usize, Vec<i32>) {
        let (group, owner) = match target {
            Target::Processor(number) => (PROCESSORS, Some(number)),
            Target::Sink(number) => (SINKS, Some(number)),
            Target::Broker => (PROCESSORS, None),
            Target::Database => (SINKS, None),
        };
        let course = self.watch.course(group);
        let owned = match owner {
            Some(number) if group == PROCESSORS => {
                course.owners.get(&format!("{}-p{number}", self.prefix)).cloned().unwrap_or_default()
            }
            // The client ids of sinks do not tell them apart: all partitions count.
            _ => course.steps.keys().copied().collect(),
        };
        (group, owned)
    }

    /// Milliseconds since the start, as reports show them.
    pub(crate) fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.started).as_secs_f64()
    }

    /// Says it and keeps it: the run has failed.
    pub(crate) fn trouble(&self, text: String) {
        println!("{:8.1} s  TROUBLE: {text}", self.seconds(Instant::now()));
        lock(&self.troubles).push(text);
    }
}

/// A lock that does not care about panics elsewhere.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Small file systems for state folders, so that one can be full without the machine being full. Unmounted when dropped.
#[derive(Default)]
pub(crate) struct Disks(Vec<PathBuf>);

impl Disks {
    /// Mounts a file system of so many MiB there.
    pub(crate) fn mount(&mut self, folder: &Path, mebibytes: u32) -> Result<()> {
        fs::create_dir_all(folder)?;
        let size = format!("size={mebibytes}m,mode=0777");
        let folder_name = folder.display().to_string();
        if !as_root(&["mount", "-t", "tmpfs", "-o", &size, "tape-chaos", &folder_name])? {
            bail!(
                "no tmpfs could be mounted at {folder_name}, which the fault full-disk needs; run it as root or with \
                 passwordless sudo, or leave the fault out with --faults"
            );
        }
        self.0.push(folder.to_owned());
        Ok(())
    }

    /// Copies what is on them, which is gone with them.
    pub(crate) fn keep(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        for disk in &self.0 {
            let status = Command::new("cp").arg("-a").arg(disk).arg(folder).status().context("run cp")?;
            if !status.success() {
                bail!("{} could not be copied to {}", disk.display(), folder.display());
            }
        }
        Ok(())
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for folder in &self.0 {
            if !matches!(as_root(&["umount", "-l", &folder.display().to_string()]), Ok(true)) {
                eprintln!("warning: {} could not be unmounted; run umount {0}", folder.display());
            }
        }
    }
}

fn as_root(command: &[&str]) -> Result<bool> {
    let root = rustix::process::geteuid().is_root();
    let mut full: Vec<&str> = if root { Vec::new() } else { vec!["sudo", "-n"] };
    full.extend(command);
    let status = Command::new(full[0]).args(&full[1..]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    Ok(status.with_context(|| format!("run {}", full[0]))?.success())
}

/// Settings on top of others.
pub(crate) fn with(
    base: &BTreeMap<String, String>,
    settings: impl IntoIterator<Item = (&'static str, String)>,
) -> BTreeMap<String, String> {
    let mut all = base.clone();
    all.extend(settings.into_iter().map(|(name, value)| (name.to_owned(), value)));
    all
}
