//! The local state of the processor: what a task remembers, on disk and in the changelog topic.
//!
//! A **task** is one partition of the input. Its state is one ordered keyspace of small values:
//!
//! | key | bytes | value |
//! |---|---|---|
//! | [`Key::Meta`] | `[0]` | [`MetaValue`]: stream time, watermark, window |
//! | [`Key::Symbol`] | `[length, symbol…]` | [`SymbolValue`]: closed averages, alert state |
//! | [`Key::Pane`] | `[length, symbol…, start as 8 bytes, big endian]` | [`PaneValue`]: the sums of one pane |
//!
//! **The same bytes stand in the changelog topic and in RocksDB**, so restoring a task is copying records,
//! and a tool that reads one reads the other. The length in front keeps `A` and `AA` apart and puts all keys
//! of one symbol side by side.
//!
//! # Invariants
//! - The disk holds committed state only: the processor calls [`Store::apply`] after the transaction committed.
//! - The changelog offset stands in the same write batch as the state up to it. A store that was not closed holds the
//!   state at one applied batch, never half of one, and its offset says which; the rest comes back from the changelog.
//! - Every damage that a checksum can see ends as [`StoreError::Corrupt`], never as a wrong value or a panic: the store
//!   is set aside ([`StateDir::set_aside`]) and restored.
//! - Bytes of a newer version are refused, never guessed at.
//!
//! # Order of use
//! [`StateDir::open`] once per process (it holds the lock) → [`Shared::new`] (one memory budget) → for each
//! task [`Store::open`] → [`Plan::of`] its offset and the changelog's → [`Store::apply`] in bulk with
//! [`Progress`] → [`Store::entries`] into memory → `apply` per commit, [`Store::flush_if_due`] between →
//! [`Store::close`]. A tool that only looks, also beside a running processor, uses [`View`].
//!
//! This crate knows no other crate of the workspace, no clock (time is an argument) and no Kafka; nobody else
//! knows RocksDB.

mod directory;
mod disk;
mod entry;
mod error;
mod key;
mod options;
mod restore;
mod store;
mod value;
mod view;

pub use directory::{DirectoryError, LAYOUT_VERSION, StateDir};
pub use disk::Disk;
pub use entry::Entry;
pub use error::{CodecError, StoreError};
pub use key::{Key, MAX_KEY_BYTES, MAX_SYMBOL_BYTES};
pub use options::{OPEN_FILES, Shared, Usage};
pub use restore::{Plan, Progress, Refusal};
pub use store::{FLUSH_INTERVAL, FLUSH_RECORDS, Store, StoreMetrics};
pub use value::{
    ClosedWindow, LastBreakout, MAX_CLOSED_WINDOWS, MAX_VALUE_BYTES, META_VERSION, MetaValue, PaneValue,
    Print, SymbolValue, VALUE_VERSION,
};
pub use view::View;
