//! A store as it stands on disk, read beside a processor that may have it open.
//!
//! Nothing is locked and nothing is written. What is seen is what was **flushed**: one batch that was applied, with its
//! changelog offset, up to [`FLUSH_INTERVAL`](crate::FLUSH_INTERVAL) behind the processor that works on it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rocksdb::DB;

use crate::directory::{DirectoryError, check_version, task_name, task_of};
use crate::entry::Entry;
use crate::error::{Moment, StoreError};
use crate::options::{scan_options, view_options};
use crate::store::{STATE_END, STATE_FIRST, read_offset, visit_range};

/// A compaction may delete a table between reading the catalogue and opening the table: so often it is tried again.
const OPEN_TRIES: usize = 5;

/// A store that is only read.
pub struct View {
    db: DB,
    path: PathBuf,
    next_offset: Option<i64>,
}

impl View {
    /// Partitions that have a store in a state directory, ascending. A folder that does not exist has none.
    ///
    /// # Errors
    /// [`DirectoryError`]: of another layout, or not readable.
    pub fn partitions(directory: &Path) -> Result<Vec<i32>, DirectoryError> {
        let failed = |source| DirectoryError::Io { path: directory.to_owned(), action: "list it", source };
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        check_version(directory)?;
        let mut partitions = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            partitions.extend(name.to_str().and_then(task_of));
        }
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// Opens a partition's store as it stands now.
    ///
    /// # Errors
    /// As [`Store::open`](crate::Store::open), but never [`StoreError::Locked`]. A store that was made a moment ago and
    /// not yet flushed can look damaged.
    pub fn open(directory: &Path, partition: i32) -> Result<Self, StoreError> {
        let path = directory.join(task_name(partition));
        // RocksDB would make the folder.
        if !path.is_dir() {
            return Err(StoreError::Io { path, detail: "there is no such folder".to_owned() });
        }
        let mut tries = 0;
        let db = loop {
            tries += 1;
            match DB::open_for_read_only(&view_options(), &path, false) {
                Ok(db) => break db,
                Err(_) if tries < OPEN_TRIES => {}
                Err(error) => return Err(StoreError::of_rocksdb(&path, Moment::Open, &error)),
            }
        };
        let next_offset = read_offset(&db, &path)?;
        Ok(View { db, path, next_offset })
    }

    /// The folder of the store.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next changelog offset to read: everything below it is in the store. None: the store is empty.
    #[must_use]
    pub fn changelog_offset(&self) -> Option<i64> {
        self.next_offset
    }

    /// Visits all keys and values in order of the keys, checking every block of the tables. An error of `visit` ends
    /// the scan.
    ///
    /// # Errors
    /// What RocksDB ran into, with [`StoreError::Corrupt`] for a damaged block.
    pub fn scan<E: From<StoreError>>(
        &self,
        visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        visit_range(&self.db, &self.path, scan_options(STATE_FIRST, STATE_END), visit)
    }

    /// As [`View::scan`], decoded.
    ///
    /// # Errors
    /// As [`View::scan`]; [`StoreError::Corrupt`] or [`StoreError::Newer`] for an entry that does not decode.
    pub fn entries<E: From<StoreError>>(
        &self,
        mut visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan(|key, value| {
            visit(Entry::decode(key, value).map_err(|error| StoreError::of_codec(&self.path, error))?)
        })
    }
}

#[cfg(test)]
mod tests;
