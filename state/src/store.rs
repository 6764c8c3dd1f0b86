//! One task's state on disk.
//!
//! # Layout
//! One RocksDB, one column family, no write-ahead log. The state stands under its keys (first byte 0 to 32);
//! the changelog offset stands beside it under a key that no state has. **One family means one write buffer,
//! and a write buffer becomes a table as a whole and in order**: after a crash the tables hold the batches up
//! to one of them, with that batch's offset. (Two families would need flushes that are atomic across both.)
//!
//! # Order of a commit
//! Kafka transaction committed → [`Store::apply`] (changes and next offset, one batch) → at leisure
//! [`Store::flush_if_due`]. What was applied and not flushed when the process dies is read again from the
//! changelog.
//!
//! # When something fails
//! Every error leaves the store as it was or unusable, never half changed. Drop it and do what [`StoreError`]
//! says; opening it again always gives a state that was applied once.

use std::path::Path;
use std::time::{Duration, Instant};

use rocksdb::{DB, ReadOptions, WriteBatch, WriteOptions, properties};

use crate::directory::{Claim, StateDir};
use crate::entry::Entry;
use crate::error::{CodecError, Moment, StoreError};
use crate::key::is_key_shaped;
use crate::options::{Shared, flush_options, range_options, scan_options, write_options};
use crate::value::MAX_VALUE_BYTES;

/// Longest time that applied changes stay in memory only, so that a crash of a quiet task replays little.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(30);

/// Most changelog offsets that stay in memory only, so that a crash of a busy task replays for a second or
/// two.
pub const FLUSH_RECORDS: u64 = 500_000;

/// Where the changelog offset stands: behind all keys of the state.
const OFFSET_KEY: &[u8] = &[0xff];
/// Where keys of the state start and, exclusive, end.
pub(crate) const STATE_FIRST: &[u8] = &[];
pub(crate) const STATE_END: &[u8] = OFFSET_KEY;

/// The open state of one task. Dropping it without [`Store::close`] flushes too, but says nothing of errors.
pub struct Store {
    // Order of fields: RocksDB must be closed before the claim lets others open it.
    db: DB,
    claim: Claim,
    shared: Shared,
    write: WriteOptions,
    next_offset: Option<i64>,
    unflushed: Unflushed,
}

/// What is in memory only.
#[derive(Debug, Default)]
struct Unflushed {
    records: u64,
    /// When [`Store::flush_if_due`] first saw it.
    since: Option<Instant>,
}

/// Figures of one store for metrics. Those of RocksDB are estimates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreMetrics {
    /// Keys, the changelog offset included; overwritten and deleted ones may count until they are compacted
    /// away.
    pub keys: u64,
    /// Table files, bytes.
    pub sst_bytes: u64,
    /// Write buffers, bytes.
    pub memtable_bytes: u64,
    /// Block cache in use, bytes; shared by all stores of the process.
    pub block_cache_bytes: u64,
    /// Work that compaction is behind with, bytes.
    pub pending_compaction_bytes: u64,
    /// Changelog offsets applied since the last flush was asked for.
    pub unflushed_records: u64,
    /// Flushes and compactions that failed since the store was opened.
    pub background_errors: u64,
    /// RocksDB makes writers wait for flushes or compactions.
    pub write_stopped: bool,
}

impl Store {
    /// Opens the task's store, or makes an empty one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the files are damaged as far as opening can tell; [`StoreError::Locked`]
    /// when somebody has it open; [`StoreError::Full`], [`StoreError::Io`].
    pub fn open(directory: &StateDir, partition: i32, shared: &Shared) -> Result<Self, StoreError> {
        let claim = directory.claim(partition)?;
        let db = DB::open(&shared.options(), &claim.path)
            .map_err(|error| StoreError::of_rocksdb(&claim.path, Moment::Open, &error))?;
        let mut store = Store {
            db,
            claim,
            shared: shared.clone(),
            write: write_options(),
            next_offset: None,
            unflushed: Unflushed::default(),
        };
        store.next_offset = read_offset(&store.db, &store.claim.path)?;
        Ok(store)
    }

    /// Reads one value of a task's store without opening it for good: nothing in it is changed. None: no store, or no such
    /// value.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn peek(
        directory: &StateDir,
        partition: i32,
        shared: &Shared,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let claim = directory.claim(partition)?;
        // RocksDB would make the folder.
        if !claim.path.is_dir() {
            return Ok(None);
        }
        DB::open_for_read_only(&shared.options(), &claim.path, false)
            .and_then(|db| db.get(key))
            .map_err(|error| StoreError::of_rocksdb(&claim.path, Moment::Open, &error))
    }

    /// The folder of the task.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.claim.path
    }

    /// The next changelog offset to read: everything below it is applied. None: the store is empty.
    #[must_use]
    pub fn changelog_offset(&self) -> Option<i64> {
        self.next_offset
    }

    /// Applies changes (none: delete) in order and moves the changelog offset, all or nothing. Keys and
    /// values are those of the changelog records. `next_changelog_offset` never goes back; it may move
    /// without changes.
    ///
    /// A batch is in memory as a whole: a restore hands over some thousand records at a time.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a key or value that is not of this crate's shape, or an offset that goes
    /// back: nothing is written. Otherwise what an earlier flush or this write ran into.
    pub fn apply<'a>(
        &mut self,
        changes: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        next_changelog_offset: i64,
    ) -> Result<(), StoreError> {
        let before = self.next_offset.unwrap_or(0);
        if next_changelog_offset < before {
            return Err(self.refused(format!("changelog offset {next_changelog_offset} after {before}")));
        }
        let mut batch = WriteBatch::default();
        for (key, value) in changes {
            if !is_key_shaped(key) {
                return Err(self.refused(format!("a key of {} bytes that tape does not write", key.len())));
            }
            match value {
                Some(value) if value.len() > MAX_VALUE_BYTES => {
                    return Err(self.refused(format!(
                        "a value of {} bytes, {MAX_VALUE_BYTES} are the most",
                        value.len()
                    )));
                }
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        batch.put(OFFSET_KEY, next_changelog_offset.to_be_bytes());
        self.write(batch)?;
        self.next_offset = Some(next_changelog_offset);
        self.unflushed.records += (next_changelog_offset - before).unsigned_abs().max(1);
        Ok(())
    }

    /// Reads one value as it stands.
    ///
    /// # Errors
    /// What RocksDB ran into; [`StoreError::Corrupt`] for a damaged block.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_key_shaped(key) {
            return Ok(None);
        }
        self.db.get(key).map_err(|error| self.failed(&error))
    }

    /// Visits all keys and values in order of the keys, checking every block of the tables. An error of
    /// `visit` ends the scan.
    ///
    /// # Errors
    /// What RocksDB ran into, with [`StoreError::Corrupt`] for a damaged block; then entries may already have
    /// been visited.
    pub fn scan<E: From<StoreError>>(
        &self,
        visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        visit_range(&self.db, self.path(), scan_options(STATE_FIRST, STATE_END), visit)
    }

    /// As [`Store::scan`], decoded. Every start of a task reads its state this way, which also proves the
    /// tables whole.
    ///
    /// # Errors
    /// As [`Store::scan`]; [`StoreError::Corrupt`] or [`StoreError::Newer`] for an entry that does not
    /// decode.
    pub fn entries<E: From<StoreError>>(
        &self,
        mut visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.scan(|key, value| visit(self.decode(key, value)?))
    }

    /// Asks for a flush when [`FLUSH_INTERVAL`] or [`FLUSH_RECORDS`] is reached, and says whether it did.
    /// Does not wait for it: an error shows at a later call. To be called between commits, at least every few
    /// seconds, also when there is nothing to commit.
    ///
    /// # Errors
    /// What RocksDB ran into.
    pub fn flush_if_due(&mut self, now: Instant) -> Result<bool, StoreError> {
        if self.unflushed.records == 0 {
            return Ok(false);
        }
        let since = *self.unflushed.since.get_or_insert(now);
        let due =
            self.unflushed.records >= FLUSH_RECORDS || now.saturating_duration_since(since) >= FLUSH_INTERVAL;
        if due {
            self.start_flush(false)?;
        }
        Ok(due)
    }

    /// Brings everything applied to disk, and waits for it.
    ///
    /// # Errors
    /// What RocksDB ran into.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.start_flush(true)
    }

    /// Flushes and closes.
    ///
    /// # Errors
    /// What RocksDB ran into; the store is closed then, too, with a state that was applied once.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.flush()
    }

    /// Forgets everything, the changelog offset included; the store can be filled at once.
    ///
    /// # Errors
    /// What RocksDB ran into. Until it is flushed a crash brings the old content back, with the old offset.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.delete_range(STATE_FIRST, STATE_END);
        batch.delete(OFFSET_KEY);
        self.write(batch)?;
        self.next_offset = None;
        self.flush()
    }

    /// Figures for metrics. Cheap enough for every few seconds.
    ///
    /// # Errors
    /// What RocksDB ran into.
    pub fn metrics(&self) -> Result<StoreMetrics, StoreError> {
        let figure = |name| match self.db.property_int_value(name) {
            Ok(value) => Ok(value.unwrap_or(0)),
            Err(error) => Err(self.failed(&error)),
        };
        Ok(StoreMetrics {
            keys: figure(properties::ESTIMATE_NUM_KEYS)?,
            sst_bytes: figure(properties::TOTAL_SST_FILES_SIZE)?,
            memtable_bytes: figure(properties::CUR_SIZE_ALL_MEM_TABLES)?,
            block_cache_bytes: self.shared.usage().cache_bytes,
            pending_compaction_bytes: figure(properties::ESTIMATE_PENDING_COMPACTION_BYTES)?,
            unflushed_records: self.unflushed.records,
            background_errors: figure(properties::BACKGROUND_ERRORS)?,
            write_stopped: figure(properties::IS_WRITE_STOPPED)? != 0,
        })
    }

    fn decode<'a>(&self, key: &'a [u8], value: &[u8]) -> Result<Entry<'a>, StoreError> {
        Entry::decode(key, value).map_err(|error| StoreError::of_codec(self.path(), error))
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.db.write_opt(batch, &self.write).map_err(|error| self.failed(&error))
    }

    fn start_flush(&mut self, wait: bool) -> Result<(), StoreError> {
        self.db.flush_opt(&flush_options(wait)).map_err(|error| self.failed(&error))?;
        self.unflushed = Unflushed::default();
        Ok(())
    }

    fn failed(&self, error: &rocksdb::Error) -> StoreError {
        StoreError::of_rocksdb(self.path(), Moment::Use, error)
    }

    fn refused(&self, detail: String) -> StoreError {
        StoreError::Refused { path: self.path().to_owned(), detail }
    }
}

/// The offset on disk. State without an offset, or an offset that is none, was not written by us as it stands.
pub(crate) fn read_offset(db: &DB, path: &Path) -> Result<Option<i64>, StoreError> {
    let damaged = |what: &'static str| StoreError::of_codec(path, CodecError::Malformed(what));
    match db.get(OFFSET_KEY).map_err(|error| StoreError::of_rocksdb(path, Moment::Use, &error))? {
        Some(bytes) => match bytes.try_into().map(i64::from_be_bytes) {
            Ok(offset @ 0..) => Ok(Some(offset)),
            _ => Err(damaged("changelog offset")),
        },
        None => {
            visit_range(db, path, range_options(STATE_FIRST, STATE_END), |_, _| {
                Err(damaged("state without a changelog offset"))
            })?;
            Ok(None)
        }
    }
}

/// Hands the keys and values of a range to `visit`, in order.
pub(crate) fn visit_range<E: From<StoreError>>(
    db: &DB,
    path: &Path,
    options: ReadOptions,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut cursor = db.raw_iterator_opt(options);
    cursor.seek_to_first();
    while let Some((key, value)) = cursor.item() {
        visit(key, value)?;
        cursor.next();
    }
    // A cursor stops at the end and at an error alike.
    cursor.status().map_err(|error| StoreError::of_rocksdb(path, Moment::Use, &error))?;
    Ok(())
}

#[cfg(test)]
mod tests;
