//! Room on the file system that the state lies in.

use std::io;
use std::path::Path;

/// Size of a file system and what of it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Its size.
    pub bytes: u64,
    /// What users without privileges can still write.
    pub free_bytes: u64,
}

impl Disk {
    /// Asks the system, which has the answer in memory.
    ///
    /// # Errors
    /// No such folder, or a file system that does not say.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let found = rustix::fs::statvfs(folder)?;
        Ok(Self {
            bytes: found.f_blocks.saturating_mul(found.f_frsize),
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_free_than_there_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::of(folder.path()).expect("an answer");
        assert!(disk.bytes > 0 && disk.free_bytes <= disk.bytes, "{disk:?}");
        assert!(Disk::of(&folder.path().join("absent")).is_err());
    }
}
