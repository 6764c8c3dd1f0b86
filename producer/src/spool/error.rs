//! What can go wrong with the disk queue.

use std::io;
use std::path::{Path, PathBuf};

use super::SOURCE_MAX_BYTES;
use super::record::{PAYLOAD_MAX_BYTES, VERSION};

/// Why the disk queue could not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The lock is held.
    #[error("the disk queue in {} is in use by another producer; each needs a folder of its own", dir.display())]
    Locked { dir: PathBuf },
    /// The system said no.
    #[error("disk queue: cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// A segment has another format; it was not touched.
    #[error("disk queue: {} has format {version}, this program knows format {VERSION}", path.display())]
    Version { path: PathBuf, version: u8 },
    /// Nothing was written.
    #[error("disk queue: an entry of {bytes} bytes is too large, at most {PAYLOAD_MAX_BYTES} are possible")]
    TooLarge { bytes: usize },
    /// Nothing was written.
    #[error("disk queue: a source id of {bytes} bytes is too long, at most {SOURCE_MAX_BYTES} are possible")]
    LongSource { bytes: usize },
    /// Nothing was written.
    #[error(
        "disk queue: it holds entries of source {held:?} and takes none of {pushed:?} before it is empty"
    )]
    OtherSource { held: String, pushed: String },
    /// Nothing was written.
    #[error("disk queue: entry {number} cannot follow entry {last}: numbers have to grow")]
    Order { last: u64, number: u64 },
    /// Entries were lost. The queue goes on behind them: the next call works.
    #[error("disk queue: {0}")]
    Damaged(Damage),
}

impl SpoolError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// True when there is no room on the disk, or none for this user.
    pub(super) fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

/// The rest of a segment that cannot be trusted. It is kept: as soon as the good entries before it are released, or at once
/// when there are none, the file's ending becomes `.damaged`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes of {} are lost, the entries {}: {flaw}", file.display(), range(*after, *before))]
pub(crate) struct Damage {
    pub(crate) file: PathBuf,
    /// Length of the rest.
    pub(crate) bytes: u64,
    /// Number of the last good entry before the rest; none when the queue begins with it.
    pub(crate) after: Option<u64>,
    /// Number of the first entry of the next segment, when there is one.
    pub(crate) before: Option<u64>,
    pub(crate) flaw: Flaw,
}

fn range(after: Option<u64>, before: Option<u64>) -> String {
    match (after, before) {
        (Some(after), Some(before)) => format!("between {after} and {before}"),
        (Some(after), None) => format!("after {after}"),
        (None, Some(before)) => format!("before {before}"),
        (None, None) => "of the whole queue".to_owned(),
    }
}

/// Why bytes of a segment cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("the length of a record does not fit its checksum")]
    Length,
    #[error("a record does not fit its checksum")]
    Payload,
    #[error("the file ends inside of a record")]
    Short,
    #[error("the file is missing")]
    Missing,
    #[error("the file does not begin as a segment does")]
    Header,
    #[error("a record is no entry")]
    Entry,
    #[error("the number of an entry does not fit the one before or the name of the file")]
    Order,
    #[error("its entries were numbered by another source than those before")]
    Source,
}
