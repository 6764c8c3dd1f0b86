//! The state directory of a process.
//!
//! ```text
//! STATE_DIR/
//!   lock                 held as long as the process lives; holds its pid
//!   version              "1": the layout of this folder
//!   instance-id          made at the first start, kept
//!   task-0/ task-1/ …    one RocksDB per task (partition)
//!   task-1.corrupt-1/    a damaged store that was set aside
//! ```
//!
//! Invariants: one process at a time has the directory (an advisory lock of the system, gone with the process
//! however it ends; never share a volume between machines). One [`Store`](crate::Store) at a time has a task.
//! Files appear whole or not at all: written under a temporary name, synced, renamed. Nothing is touched
//! before the lock is held and the version is known.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::StoreError;

/// Layout of the state directory that this program reads and writes.
pub const LAYOUT_VERSION: u32 = 1;

/// Damaged stores kept of each task for a look at what happened; older ones are deleted, or a bad disk would
/// fill it.
const MAX_SET_ASIDE: usize = 2;

/// Longest file that is read here; a pid, a version and an id are all shorter.
const MAX_FILE_BYTES: u64 = 128;

/// Longest instance id: it becomes part of transactional ids, which brokers log.
const MAX_INSTANCE_ID_BYTES: usize = 64;

const LOCK: &str = "lock";
const VERSION: &str = "version";
const INSTANCE_ID: &str = "instance-id";

/// Why the state directory cannot be used. All of them are for a person: the start fails.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error("state directory {} is in use by process {holder}; stop it or set another STATE_DIR", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The pid of the other process, or `unknown` while it is starting.
        holder: String,
    },
    /// It was written in another layout.
    #[error(
        "state directory {} has layout version {found}, this version of tape needs {LAYOUT_VERSION}; use the version that wrote it, \
         set another STATE_DIR, or `tape reset`",
        path.display()
    )]
    Layout {
        /// The directory.
        path: PathBuf,
        /// What stands in its version file.
        found: String,
    },
    /// The system refused.
    #[error("state directory {}: cannot {action}: {source}; make it a folder that this user can write or set another STATE_DIR", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Not usable as an instance id.
    #[error("instance id {id:?} from {origin} is not usable: 1-64 characters of A-Z a-z 0-9 . _ - are")]
    InstanceId {
        /// The id, cut to a readable length.
        id: String,
        /// Where it stands: the setting, or the file to correct or delete.
        origin: String,
    },
}

/// The locked state directory. Clones share the lock; it is released with the last of them and of the stores
/// opened in it.
#[derive(Debug, Clone)]
pub struct StateDir {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Tasks whose store is open.
    claimed: Mutex<BTreeSet<i32>>,
    /// Never read again: holding it is the point.
    _lock: File,
}

impl StateDir {
    /// Creates the directory where needed (for this user only), locks it and checks its version.
    ///
    /// # Errors
    /// [`DirectoryError`]: in use, of another layout, or not writable.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DirectoryError> {
        let path = path.as_ref();
        let failed = |action| failed(path, action);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create it"))?;
        let lock = lock(path)?;
        if !check_version(path)? {
            write_whole(path, VERSION, &format!("{LAYOUT_VERSION}\n"))
                .map_err(failed("write its version"))?;
        }
        Ok(StateDir {
            inner: Arc::new(Inner { path: path.to_owned(), claimed: Mutex::default(), _lock: lock }),
        })
    }

    /// Locks the directory whatever its layout, to start over in it; `None` = there is no such directory. Nothing but
    /// [`StateDir::tasks`] and [`StateDir::delete_stores`] may follow.
    ///
    /// # Errors
    /// [`DirectoryError`]: in use, or not writable.
    pub fn open_to_reset(path: impl AsRef<Path>) -> Result<Option<Self>, DirectoryError> {
        let path = path.as_ref();
        if !path.try_exists().map_err(failed(path, "look for it"))? {
            return Ok(None);
        }
        let lock = lock(path)?;
        Ok(Some(StateDir {
            inner: Arc::new(Inner { path: path.to_owned(), claimed: Mutex::default(), _lock: lock }),
        }))
    }

    /// Deletes the stores of all tasks, and says that the directory is of the present layout. Stores that were set aside
    /// stay.
    ///
    /// # Errors
    /// [`DirectoryError::Io`].
    pub fn delete_stores(&self) -> Result<(), DirectoryError> {
        let path = &self.inner.path;
        for task in self.tasks()? {
            match fs::remove_dir_all(self.task_path(task)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(failed(path, "delete its stores")(error));
                }
                _ => {}
            }
        }
        sync_folder(path).map_err(failed(path, "delete its stores"))?;
        write_whole(path, VERSION, &format!("{LAYOUT_VERSION}\n")).map_err(failed(path, "write its version"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The folder of a task, whether it exists or not.
    #[must_use]
    pub fn task_path(&self, partition: i32) -> PathBuf {
        self.inner.path.join(task_name(partition))
    }

    /// Who this instance is to Kafka, for good: `configured`, or an id made at the first start and kept here.
    ///
    /// A configured id is used as it is and not kept.
    ///
    /// # Errors
    /// [`DirectoryError::InstanceId`] when it has other characters than Kafka takes; [`DirectoryError::Io`].
    pub fn instance_id(&self, configured: Option<&str>) -> Result<String, DirectoryError> {
        if let Some(id) = configured {
            return checked_instance_id(id, || "INSTANCE_ID".to_owned());
        }
        let path = self.inner.path.join(INSTANCE_ID);
        let failed = |action| failed(&self.inner.path, action);
        if let Some(kept) = read_short(&path).map_err(failed("read its instance id"))? {
            return checked_instance_id(kept.trim_end(), || {
                format!("the file {} (delete it for a new one)", path.display())
            });
        }
        // The standard library seeds its hashers from the system's random numbers: 64 bits of them are plenty
        // here.
        let id = format!("{:016x}", RandomState::new().build_hasher().finish());
        write_whole(&self.inner.path, INSTANCE_ID, &format!("{id}\n"))
            .map_err(failed("keep its instance id"))?;
        Ok(id)
    }

    /// Tasks that have a folder here, ascending.
    ///
    /// # Errors
    /// [`DirectoryError::Io`].
    pub fn tasks(&self) -> Result<Vec<i32>, DirectoryError> {
        let names = self.names().map_err(failed(&self.inner.path, "list it"))?;
        let mut tasks: Vec<i32> = names.iter().filter_map(|name| task_of(name)).collect();
        tasks.sort_unstable();
        Ok(tasks)
    }

    /// Moves a damaged store out of the way and returns where to: `task-3.corrupt-1`, then `-2`, and so on.
    /// The newest two of a task are kept, older ones deleted.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while a store of this process has the task open; [`StoreError::Io`].
    pub fn set_aside(&self, partition: i32) -> Result<PathBuf, StoreError> {
        let claim = self.claim(partition)?;
        let io_failed =
            |source: io::Error| StoreError::Io { path: claim.path.clone(), detail: source.to_string() };
        let mut aside = self.set_aside_numbers(partition).map_err(io_failed)?;
        let number = aside.last().map_or(1, |last| last.saturating_add(1));
        let target = self.inner.path.join(format!("{}.corrupt-{number}", task_name(partition)));
        fs::rename(&claim.path, &target).map_err(io_failed)?;
        sync_folder(&self.inner.path).map_err(io_failed)?;
        aside.push(number);
        for old in &aside[..aside.len().saturating_sub(MAX_SET_ASIDE)] {
            fs::remove_dir_all(self.inner.path.join(format!("{}.corrupt-{old}", task_name(partition))))
                .map_err(io_failed)?;
        }
        Ok(target)
    }

    /// Deletes a task's store; nothing happens when there is none.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while a store of this process has the task open; [`StoreError::Io`].
    pub fn delete_task(&self, partition: i32) -> Result<(), StoreError> {
        let claim = self.claim(partition)?;
        let failed =
            |source: io::Error| StoreError::Io { path: claim.path.clone(), detail: source.to_string() };
        match fs::remove_dir_all(&claim.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(()) => sync_folder(&self.inner.path).map_err(failed),
        }
    }

    /// Takes the task for one store.
    pub(crate) fn claim(&self, partition: i32) -> Result<Claim, StoreError> {
        let path = self.task_path(partition);
        let mut claimed = self.inner.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if claimed.insert(partition) {
            Ok(Claim { directory: self.clone(), partition, path })
        } else {
            Err(StoreError::Locked { path, detail: "another worker of this process has it".to_owned() })
        }
    }

    /// Numbers of the stores of a task that were set aside, ascending.
    fn set_aside_numbers(&self, partition: i32) -> io::Result<Vec<u64>> {
        let prefix = format!("{}.corrupt-", task_name(partition));
        let names = self.names()?;
        let mut numbers: Vec<u64> =
            names.iter().filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.inner.path)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }
}

/// A task taken by one store; given back when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    directory: StateDir,
    partition: i32,
    pub(crate) path: PathBuf,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.directory.inner.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.remove(&self.partition);
    }
}

/// True when the directory has this program's layout, false when it has none yet.
pub(crate) fn check_version(path: &Path) -> Result<bool, DirectoryError> {
    match read_short(&path.join(VERSION)).map_err(failed(path, "read its version"))? {
        Some(found) if found.trim() == LAYOUT_VERSION.to_string() => Ok(true),
        Some(found) => Err(DirectoryError::Layout {
            path: path.to_owned(),
            found: found.trim().escape_debug().to_string(),
        }),
        None => Ok(false),
    }
}

pub(crate) fn task_name(partition: i32) -> String {
    format!("task-{partition}")
}

/// The partition in the name of a task's folder; none for other names, also for ones that we would not write.
pub(crate) fn task_of(name: &str) -> Option<i32> {
    let partition = name.strip_prefix("task-")?.parse().ok()?;
    (task_name(partition) == name).then_some(partition)
}

/// Turns the system's answer to `action` into an error.
fn failed(path: &Path, action: &'static str) -> impl Fn(io::Error) -> DirectoryError + Copy {
    move |source| DirectoryError::Io { path: path.to_owned(), action, source }
}

/// Takes the lock and leaves our pid in its file, for the message of the next one who tries.
fn lock(path: &Path) -> Result<File, DirectoryError> {
    let failed = failed(path, "lock it");
    let file = path.join(LOCK);
    // Not truncated on opening: the pid in it may be another's, and is needed then.
    let mut lock =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = read_short(&file).ok().flatten().unwrap_or_default();
            let holder = match holder.trim() {
                "" => "unknown".to_owned(),
                pid => pid.escape_debug().to_string(),
            };
            return Err(DirectoryError::InUse { path: path.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    lock.set_len(0).map_err(failed)?;
    lock.write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(failed)?;
    Ok(lock)
}

/// The text of a short file; none when it does not exist. Bytes that are no text come back as replacement
/// characters.
fn read_short(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Writes a file so that it exists whole or not at all, also after a power cut.
fn write_whole(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.tmp"));
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn checked_instance_id(id: &str, origin: impl FnOnce() -> String) -> Result<String, DirectoryError> {
    let usable = (1..=MAX_INSTANCE_ID_BYTES).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if usable {
        Ok(id.to_owned())
    } else {
        Err(DirectoryError::InstanceId {
            id: id.chars().take(MAX_INSTANCE_ID_BYTES).collect(),
            origin: origin(),
        })
    }
}

#[cfg(test)]
mod tests;
