//! `tape backup` and `tape restore`: a dump of the database whose rows are counted, and the way back.
//!
//! A backup is two files, written in this order:
//!
//! | file | holds |
//! |---|---|
//! | `stockdb-20261128T020000Z-postgresql-15.dump` | what `pg_dump --format=custom` wrote |
//! | `stockdb-20261128T020000Z-postgresql-15.json` | the [`Manifest`]: rows and checksum of each of our tables |
//!
//! Rows of dump and manifest are the same: one transaction exports its snapshot, `pg_dump` reads in it, and so do we. A dump
//! without a manifest is half of a backup that was interrupted; it is never restored, and the next rotation removes it.
//!
//! [`restore`] brings a dump into a database that has no tables of ours, counts the rows again, compares, then migrates.
//!
//! `pg_dump` and `pg_restore` get the connection through `PG…` variables of their environment, and none of the caller's: no
//! password on a command line, no service file that points elsewhere.

mod dump;
mod folder;
mod manifest;
mod restore;
mod session;
mod tables;
mod tool;

use tape_service::Failure;

pub use dump::{Backup, Options, backup};
pub use manifest::{Manifest, Windows};
pub use restore::{Restored, restore};
pub use tables::TableSum;
pub use tool::Tools;

/// Something that failed without being a mistake of the user.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(String);

fn broken(text: impl Into<String>) -> Failure {
    Failure::Other(Broken(text.into()).into())
}
