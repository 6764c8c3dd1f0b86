//! Errors, named by what the caller does about them.

use std::path::{Path, PathBuf};

use rocksdb::ErrorKind;

/// Bytes that are not a key or a value of this crate, or a key or value that cannot be written as bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Nothing that tape wrote. On disk that is damage; in the changelog topic somebody else wrote to it.
    #[error("not a record of tape: {0}")]
    Malformed(&'static str),
    /// A later version of tape wrote it. Restoring does not help: the changelog holds the same bytes.
    #[error(
        "written by a newer version of tape (format {found}, this one reads up to {known}); use that version or `tape reset`"
    )]
    Newer {
        /// The version byte in front of the value.
        found: u8,
        /// The newest version byte this program reads.
        known: u8,
    },
    /// A key or value outside the limits of the contract; the caller has a fault.
    #[error("cannot be stored: {0}")]
    Unstorable(&'static str),
}

/// What went wrong with a task's store. The variant is the reaction.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The files are damaged. Drop the store, call [`StateDir::set_aside`](crate::StateDir::set_aside), open
    /// again and restore from the changelog.
    #[error("state store {} is damaged ({detail}); it can be restored from the changelog", path.display())]
    Corrupt {
        /// The folder of the task.
        path: PathBuf,
        /// What was found, in RocksDB's words or ours.
        detail: String,
    },
    /// No room for a write. Drop the store (which may take a second), wait for space, open again and resume
    /// from its offset: nothing that was committed is lost.
    #[error("state store {}: no space left ({detail}); free space on its device", path.display())]
    Full {
        /// The folder of the task.
        path: PathBuf,
        /// What was found, in RocksDB's words.
        detail: String,
    },
    /// The device or the file system refused. Drop the store and try again with a backoff.
    #[error("state store {} cannot be read or written: {detail}", path.display())]
    Io {
        /// The folder of the task.
        path: PathBuf,
        /// What was found, in RocksDB's words.
        detail: String,
    },
    /// Somebody has this task's store open: another worker of this process, or a tool. Try again later.
    #[error("state store {} is in use ({detail}); close it there first", path.display())]
    Locked {
        /// The folder of the task.
        path: PathBuf,
        /// Who holds it, as far as it is known.
        detail: String,
    },
    /// A value of a newer version of tape. Stop; the message has the remedy.
    #[error("state store {} was {error}", path.display())]
    Newer {
        /// The folder of the task.
        path: PathBuf,
        /// The versions, with the remedy.
        error: CodecError,
    },
    /// The caller asked for something that may not be: nothing was written. Stop.
    #[error("state store {} refused a change: {detail}", path.display())]
    Refused {
        /// The folder of the task.
        path: PathBuf,
        /// What was asked for.
        detail: String,
    },
}

impl StoreError {
    /// The error for a stored entry that does not decode.
    pub(crate) fn of_codec(path: &Path, error: CodecError) -> Self {
        let path = path.to_owned();
        match error {
            CodecError::Newer { .. } => StoreError::Newer { path, error },
            CodecError::Malformed(_) | CodecError::Unstorable(_) => {
                StoreError::Corrupt { path, detail: error.to_string() }
            }
        }
    }

    /// The error for what RocksDB reported, in `moment`.
    pub(crate) fn of_rocksdb(path: &Path, moment: Moment, error: &rocksdb::Error) -> Self {
        let path = path.to_owned();
        let detail = error.to_string().replace(['\n', '\r'], " ");
        match reaction(moment, &error.kind(), &detail) {
            Reaction::Restore => StoreError::Corrupt { path, detail },
            Reaction::FreeSpace => StoreError::Full { path, detail },
            Reaction::Wait => StoreError::Locked { path, detail },
            Reaction::Retry => StoreError::Io { path, detail },
        }
    }
}

/// When RocksDB reported an error: opening judges more of them as damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Open,
    Use,
}

/// What an error of RocksDB calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaction {
    Restore,
    FreeSpace,
    Wait,
    Retry,
}

/// The reaction to an error. The binding hands over RocksDB's status as text only, hence the words;
/// they are its status codes and the C library's messages.
fn reaction(moment: Moment, kind: &ErrorKind, detail: &str) -> Reaction {
    match kind {
        // A full device while a table is written can surface wrapped in a corruption: nothing is damaged
        // then.
        _ if detail.contains("No space left on device") || detail.contains("Disk quota exceeded") => {
            Reaction::FreeSpace
        }
        ErrorKind::Corruption => Reaction::Restore,
        ErrorKind::IOError
            if detail.contains("While lock file") || detail.contains("lock hold by current process") =>
        {
            Reaction::Wait
        }
        // A file that the store's own catalogue names is not there. Only folder and files of the store are
        // asked for.
        ErrorKind::IOError if detail.contains("No such file or directory") => Reaction::Restore,
        // Files that this RocksDB cannot make sense of: another comparator, format or compression.
        ErrorKind::InvalidArgument | ErrorKind::NotSupported if moment == Moment::Open => Reaction::Restore,
        _ => Reaction::Retry,
    }
}

#[cfg(test)]
mod tests;
