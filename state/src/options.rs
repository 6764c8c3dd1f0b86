//! RocksDB's settings, and the one memory budget of a process.
//!
//! Why these: a store is written once per commit and read at start, so blocks need little cache; it is one of
//! many in the process, so every buffer is small or shared; nothing is in a write-ahead log, because the
//! changelog topic is one.

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, FlushOptions, LogLevel, MemtableFactory, Options,
    ReadOptions, WriteBufferManager, WriteOptions,
};

/// Memory for writes of one store before it becomes a file, bytes. A quiet store is flushed by time long
/// before.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// Write buffers of one store: one to write to, one being flushed. A restore that is faster than the disk
/// waits for it.
const WRITE_BUFFERS: i32 = 2;
/// Write buffers grow by this, bytes. The default (1 MiB) would hand every idle store more than it needs.
const ARENA_BLOCK_BYTES: usize = 256 << 10;
/// Threads for flushes and compactions of all stores of the process together.
const BACKGROUND_JOBS: i32 = 2;
/// Open files of one store. A store has a few tables; a process may have hundreds of stores and 1024 files.
pub const OPEN_FILES: i32 = 64;
/// Bits of the bloom filter for each key: 1 % of misses read a block.
const BLOOM_BITS: f64 = 10.0;
/// The catalogue is written anew at this size, bytes. A flush every 30 s adds half a megabyte a day.
const MANIFEST_BYTES: usize = 4 << 20;
/// The catalogue takes room ahead in steps of this, bytes. The default is 4 MiB for each store.
const MANIFEST_STEP_BYTES: usize = 64 << 10;
/// RocksDB's own log of a store: at most so many files of so many bytes.
const LOG_FILES: usize = 2;
const LOG_BYTES: usize = 1 << 20;
/// Files of level 0 at which RocksDB makes writers and flushes wait for compaction: never. Compaction gives
/// up for as long as the device is nearly full, and waiting for it would hold a worker for ever; writing on
/// ends in an error that says "no space".
const STALL_AT_LEVEL0_FILES: i32 = i32::MAX;
/// A scan reads ahead so far, bytes.
const READ_AHEAD_BYTES: usize = 1 << 20;

/// The memory that all stores of a process share: one cache of blocks, one budget of write buffers.
///
/// Clones are the same budget.
#[derive(Clone)]
pub struct Shared {
    cache: Cache,
    write_buffers: WriteBufferManager,
}

/// What of the shared memory is in use, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Blocks of tables, and the write buffers charged to the same limit.
    pub cache_bytes: u64,
    /// Write buffers alone.
    pub write_buffer_bytes: u64,
}

impl Shared {
    /// A budget of `cache_bytes` for blocks of tables and `write_buffer_bytes` for writes not yet in a table,
    /// for all stores together. 32 MiB each serve hundreds of tasks; an idle store takes a quarter of a
    /// megabyte of write buffer.
    ///
    /// The budget of write buffers is soft: when it is used up, the writing store flushes. Writing as fast as
    /// memory takes it, eight stores reached one and a half times their budget of 32 MiB; the hard limit is
    /// 16 MiB for each store. It never makes a writer wait for others to flush: one worker owns several
    /// stores, and would wait for itself.
    #[must_use]
    pub fn new(cache_bytes: usize, write_buffer_bytes: usize) -> Self {
        // Write buffers are charged to the cache, so that both together stay below one limit.
        let cache = Cache::new_lru_cache(cache_bytes.saturating_add(write_buffer_bytes));
        let may_stall = false;
        let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            write_buffer_bytes,
            may_stall,
            cache.clone(),
        );
        Shared { cache, write_buffers }
    }

    /// What is in use now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            cache_bytes: self.cache.get_usage() as u64,
            write_buffer_bytes: self.write_buffers.get_usage() as u64,
        }
    }

    /// Settings of one store.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        // Missing and truncated tables, a damaged catalogue and damaged table ends are found when the store
        // is opened; damaged blocks when it is scanned, which every start does anyway. Writes stop at the
        // first sign of damage.
        options.set_paranoid_checks(true);
        options.set_write_buffer_manager(&self.write_buffers);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_write_buffer_number(WRITE_BUFFERS);
        options.set_arena_block_size(ARENA_BLOCK_BYTES);
        // A buffer is written in commits and read at a start, never between: a list that is sorted when it becomes a table
        // takes a write for a fraction of what keeping it sorted costs.
        options.set_memtable_factory(MemtableFactory::Vector);
        options.set_allow_concurrent_memtable_write(false);
        options.set_level_zero_slowdown_writes_trigger(STALL_AT_LEVEL0_FILES);
        options.set_level_zero_stop_writes_trigger(STALL_AT_LEVEL0_FILES);
        options.set_max_background_jobs(BACKGROUND_JOBS);
        options.set_max_open_files(OPEN_FILES);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_block_based_table_factory(&self.table_options());
        options.set_max_manifest_file_size(MANIFEST_BYTES);
        options.set_manifest_preallocation_size(MANIFEST_STEP_BYTES);
        options.set_keep_log_file_num(LOG_FILES);
        options.set_max_log_file_size(LOG_BYTES);
        options.set_log_level(LogLevel::Warn);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options
    }

    fn table_options(&self) -> BlockBasedOptions {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        // Indexes and filters count towards the budget too.
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_bloom_filter(BLOOM_BITS, false);
        table
    }
}

/// Settings of a store that is only read, once: every table is opened at the start, because a processor at work may delete
/// one at any moment.
pub(crate) fn view_options() -> Options {
    let mut options = Options::default();
    options.set_paranoid_checks(true);
    options.set_max_open_files(-1);
    options
}

/// Writes skip RocksDB's log: what a crash takes comes back from the changelog.
pub(crate) fn write_options() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

/// A flush that the caller waits for, or only asks for.
pub(crate) fn flush_options(wait: bool) -> FlushOptions {
    let mut options = FlushOptions::default();
    options.set_wait(wait);
    options
}

/// Reads `from..to`, checking every block, past the cache: a scan happens once and would only push others
/// out.
pub(crate) fn scan_options(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    options.set_verify_checksums(true);
    options.fill_cache(false);
    options.set_readahead_size(READ_AHEAD_BYTES);
    options
}

/// Reads the few neighbours of `from..to`.
pub(crate) fn range_options(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    options
}
