//! The folder of backups: names, one backup at a time, rotation.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tape_service::Failure;
use tracing::{info, warn};

use super::broken;
use super::manifest::{Manifest, path_beside, path_of_part};
use super::tool::major;
use crate::layout::{Edition, Server};

/// Held by the one backup that runs in a folder.
const LOCK: &str = ".tape-backup.lock";
/// Shape of the time in a name.
const TIME: &str = "dddddddd.dddddd.";

pub(super) struct Folder {
    path: PathBuf,
    /// Unlocked when it is closed, also by the end of the process.
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is not there, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let unusable = |error: io::Error| {
            let path = path.display();
            Failure::Config(format!(
                "the folder {path} cannot be used: {error}; name one that this user can write with --dir"
            ))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK));
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(broken(format!("another backup is running in the folder {}", path.display())));
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) => {
                warn!(folder = %path.display(), %error, "the folder cannot be locked: let no two backups run in it at a time");
            }
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// A new, empty file, readable by its owner only. `None`: there is one of this name.
    pub(super) fn create(&self, name: &str) -> Result<Option<Half>, Failure> {
        let path = self.path.join(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => Ok(Some(Half { path: Some(path) })),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(broken(format!("{} cannot be made: {error}", path.display()))),
        }
    }

    /// Deletes all complete backups of the database but the newest, and what interrupted ones left behind. Files that are
    /// not a backup of this database are left alone. What was deleted.
    pub(super) fn rotate(&self, database: &str, keep: NonZeroUsize) -> io::Result<Vec<PathBuf>> {
        let mut complete = Vec::new();
        let mut deleted = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let path = self.path.join(name);
            if let Some(time) = time_in(name, database, ".json.part") {
                info!(file = %path.display(), time, "removing what an interrupted backup left");
                fs::remove_file(&path)?;
                deleted.push(path);
                continue;
            }
            let Some(time) = time_in(name, database, ".dump") else { continue };
            match Manifest::read(&path_beside(&path)) {
                Ok(manifest) if manifest.database == database => complete.push((time.to_owned(), path)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    info!(file = %path.display(), "removing what an interrupted backup left");
                    fs::remove_file(&path)?;
                    deleted.push(path);
                }
                Err(error) => {
                    warn!(file = %path.display(), %error, "the manifest of this backup cannot be read; it is left alone");
                }
            }
        }
        complete.sort_unstable();
        complete.truncate(complete.len().saturating_sub(keep.get()));
        for (_, path) in complete {
            // The manifest first: what remains of an interruption is a dump without one.
            fs::remove_file(path_beside(&path))?;
            fs::remove_file(&path)?;
            deleted.push(path);
        }
        Ok(deleted)
    }
}

/// Files of a backup that is being made; they are removed unless it is completed.
pub(super) struct Half {
    path: Option<PathBuf>,
}

impl Half {
    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// They stay.
    pub(super) fn complete(mut self) -> PathBuf {
        self.path.take().unwrap_or_default()
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let Some(path) = &self.path else { return };
        for path in [path.clone(), path_of_part(path), path_beside(path)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!(file = %path.display(), %error, "half a backup could not be removed");
                }
                _ => {}
            }
        }
    }
}

/// `stockdb-20261128T020000Z-postgresql-15.dump`; `time` as in there.
pub(super) fn name(database: &str, time: &str, server: &Server) -> String {
    let edition = server.edition.as_str();
    let version = match (&server.timescale, server.edition) {
        (Some(version), Edition::Apache | Edition::Timescale) => version.clone(),
        _ => major(&server.postgres).map_or_else(|| server.postgres.clone(), |major| major.to_string()),
    };
    format!("{}-{time}-{edition}-{version}.dump", encoded(database))
}

/// A database's name without what is special in file names: `a/b` is `a%2Fb`.
fn encoded(database: &str) -> String {
    let mut text = String::with_capacity(database.len());
    for (at, byte) in database.bytes().enumerate() {
        match byte {
            b'.' if at == 0 => text.push_str("%2E"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// The time in the name of a backup of this database; `None` for every other file.
fn time_in<'a>(name: &'a str, database: &str, end: &str) -> Option<&'a str> {
    let rest = name.strip_suffix(end)?.strip_prefix(&encoded(database))?.strip_prefix('-')?;
    let (time, rest) = rest.split_at_checked(TIME.len())?;
    let is_time = time.bytes().zip(TIME.bytes()).enumerate().all(|(at, (byte, shape))| match (shape, at) {
        (b'd', _) => byte.is_ascii_digit(),
        (_, 8) => byte == b'T',
        _ => byte == b'Z',
    });
    let is_ours = rest.starts_with("-postgresql-") || rest.starts_with("-timescaledb-");
    (is_time && is_ours).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(edition: Edition, timescale: Option<&str>) -> Server {
        Server { edition, postgres: "15.18".to_owned(), timescale: timescale.map(str::to_owned) }
    }

    #[test]
    fn names_say_database_time_edition_and_version() {
        let time = "20261128T020000Z";
        let table = [
            ("stockdb", server(Edition::Plain, None), "stockdb-20261128T020000Z-postgresql-15.dump"),
            (
                "a/b c",
                server(Edition::Plain, Some("2.28.3")),
                "a%2Fb%20c-20261128T020000Z-postgresql-15.dump",
            ),
            (
                "..",
                server(Edition::Apache, Some("2.28.3")),
                "%2E.-20261128T020000Z-timescaledb-apache-2.28.3.dump",
            ),
            (
                "s-1",
                server(Edition::Timescale, Some("2.28.3")),
                "s-1-20261128T020000Z-timescaledb-2.28.3.dump",
            ),
        ];
        for (database, server, expected) in table {
            let name = name(database, time, &server);
            assert_eq!(name, expected);
            assert_eq!(time_in(&name, database, ".dump"), Some(time), "{name}");
        }
    }

    #[test]
    fn other_files_are_nobodys_backup() {
        for name in [
            "stockdb.dump",
            "stockdb-20261128T020000Z.dump",
            "stockdb-20261128T020000Z-mine.dump",
            "stockdb-20261128T020000Z-postgresql-15.json",
            "stockdb-2026112éT02000Z-postgresql-15.dump",
            "stockdb-x-20261128T020000Z-postgresql-15.dump",
            "stockdb-20261128T020000Z-20261128T020000Z-postgresql-15.dump",
            "other-20261128T020000Z-postgresql-15.dump",
        ] {
            assert_eq!(time_in(name, "stockdb", ".dump"), None, "{name}");
        }
    }
}
