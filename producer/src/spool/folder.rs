//! The folder of a queue: its lock and the names of its segments.
//!
//! Only `<first number, 20 digits>.spool` is a segment. What is set aside is `<first number>-<1, 2, …>.damaged`; nobody
//! reads it again.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::SpoolError;

const NUMBER_DIGITS: usize = 20;

/// An open folder; nobody else has it open.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    handle: File,
    /// The lock goes with the handle, however the process ends.
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is missing, with access for this user only.
    pub(super) fn open(path: &Path) -> Result<Self, SpoolError> {
        if !path.is_dir() {
            make(path).map_err(SpoolError::io("make", path))?;
        }
        let lock_path = path.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(SpoolError::io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::Locked { dir: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(SpoolError::io("lock", &lock_path)(error)),
        }
        let handle = File::open(path).map_err(SpoolError::io("open", path))?;
        Ok(Self { path: path.to_owned(), handle, _lock: lock })
    }

    /// The numbers of the segments that lie here, in order.
    pub(super) fn numbers(&self) -> Result<Vec<u64>, SpoolError> {
        let list = || -> io::Result<Vec<u64>> {
            let mut numbers = Vec::new();
            for file in fs::read_dir(&self.path)? {
                numbers.extend(file?.file_name().to_str().and_then(number_of));
            }
            numbers.sort_unstable();
            Ok(numbers)
        };
        list().map_err(SpoolError::io("list", &self.path))
    }

    pub(super) fn file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:0NUMBER_DIGITS$}.spool"))
    }

    /// Makes the file of a new segment; its name survives a power loss.
    pub(super) fn create(&self, number: u64) -> Result<File, SpoolError> {
        let path = self.file(number);
        let file = File::create_new(&path).map_err(SpoolError::io("make", &path))?;
        self.sync().inspect_err(|_| {
            // So that the next attempt finds no file in its way; if this fails as well, that attempt says so.
            let _ = fs::remove_file(&path);
        })?;
        Ok(file)
    }

    /// Deletes a segment, if it is there.
    pub(super) fn remove(&self, number: u64) -> Result<(), SpoolError> {
        let path = self.file(number);
        unless_missing(fs::remove_file(&path)).map_err(SpoolError::io("delete", &path))
    }

    /// Takes a segment out of the queue and keeps its file, if it is there.
    pub(super) fn set_aside(&self, number: u64) -> Result<(), SpoolError> {
        let path = self.file(number);
        let name = |copy| self.path.join(format!("{number:0NUMBER_DIGITS$}-{copy}.damaged"));
        let free = (1u64..).map(name).find(|aside| !aside.exists()).unwrap_or_else(|| name(0));
        unless_missing(fs::rename(&path, free)).map_err(SpoolError::io("rename", &path))
    }

    /// Makes what was created, deleted and renamed survive a power loss.
    pub(super) fn sync(&self) -> Result<(), SpoolError> {
        self.handle.sync_all().map_err(SpoolError::io("sync", &self.path))
    }
}

fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // Its name has to survive as well.
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Somebody who deletes files of the queue is not to stop it for ever.
fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".spool")?;
    let is_number = digits.len() == NUMBER_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}
