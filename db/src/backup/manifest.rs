//! What stands beside a dump: where it comes from, and what must be in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tape_service::Failure;

use super::tables::{TABLES, TableSum};
use crate::settings::{Settings, from_millis};

/// The shape that this program writes and reads.
const FORMAT: u32 = 1;

/// A backup's description, `….json` beside `….dump`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Shape of this file.
    pub format: u32,
    /// Name of the database.
    pub database: String,
    /// When the snapshot was taken, by the server's clock: `2026-11-28T02:00:00Z`.
    pub taken_at: String,
    /// Version of the tape that made it.
    pub tape: String,
    /// Version of the schema.
    pub schema: i32,
    /// `postgresql`, `timescaledb-apache` or `timescaledb`.
    pub edition: String,
    /// Version of PostgreSQL.
    pub postgres: String,
    /// Version of TimescaleDB in the database; a restore needs the same.
    pub timescale: Option<String>,
    /// Version of pg_dump; a restore needs this pg_restore or a newer one.
    pub pg_dump: String,
    /// Windows that the rows were computed with.
    pub windows: Option<Windows>,
    /// Length of the dump.
    pub bytes: u64,
    /// Our tables.
    pub tables: Vec<TableSum>,
}

/// Length and distance of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// `SLIDE_DURATION`.
    pub slide_ms: i64,
    /// `WINDOW_DURATION`.
    pub window_ms: i64,
}

impl From<Settings> for Windows {
    fn from(settings: Settings) -> Self {
        let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self { slide_ms: ms(settings.slide), window_ms: ms(settings.window) }
    }
}

impl From<Windows> for Settings {
    fn from(windows: Windows) -> Self {
        from_millis(windows.slide_ms, windows.window_ms)
    }
}

impl Manifest {
    /// The shape of new ones.
    pub(super) fn format() -> u32 {
        FORMAT
    }

    /// Rows of all tables.
    pub fn rows(&self) -> i64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Rows of one table.
    pub(super) fn rows_of(&self, name: &str) -> i64 {
        self.tables.iter().filter(|table| table.name == name).map(|table| table.rows).sum()
    }

    /// The manifest of a dump that is whole. `Failure::Config`: it has none, or one that does not fit.
    pub(super) fn of(dump: &Path) -> Result<Self, Failure> {
        let refuse = |text: String| Err(Failure::Config(format!("{}: {text}", dump.display())));
        let bytes = match dump.metadata() {
            Ok(found) if found.is_file() => found.len(),
            Ok(_) => return refuse("is no file".to_owned()),
            Err(error) => return refuse(format!("cannot be read: {error}")),
        };
        let beside = path_beside(dump);
        let manifest = match Self::read(&beside) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let name = beside.display();
                return refuse(format!(
                    "there is no manifest {name}: the backup was never completed, or moved without it"
                ));
            }
            Err(error) => {
                return refuse(format!("the manifest {} cannot be used: {error}", beside.display()));
            }
        };
        if manifest.bytes != bytes {
            let says = manifest.bytes;
            return refuse(format!(
                "is {bytes} bytes long and its manifest says {says}: it is not whole; take another backup"
            ));
        }
        if let Some(strange) = manifest.tables.iter().find(|table| !TABLES.contains(&table.name.as_str())) {
            return refuse(format!(
                "the manifest names the table {:?}, which tape does not know",
                strange.name
            ));
        }
        Ok(manifest)
    }

    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read(path)?;
        let format: Format = serde_json::from_slice(&text)?;
        if format.format != FORMAT {
            let text = format!("its format is {}, this tape knows {FORMAT}", format.format);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(serde_json::from_slice(&text)?)
    }

    /// Writes it beside its dump, whole or not at all.
    pub(super) fn write(&self, dump: &Path) -> io::Result<()> {
        let path = path_beside(dump);
        let part = path_of_part(dump);
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        let folder = dump.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// What is read first: the rest may differ in another format.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

pub(super) fn path_beside(dump: &Path) -> PathBuf {
    dump.with_extension("json")
}

pub(super) fn path_of_part(dump: &Path) -> PathBuf {
    dump.with_extension("json.part")
}
