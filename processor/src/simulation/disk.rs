//! The disks of a history: what a store has applied, what of it is in tables, and what a crash leaves.
//!
//! A crash keeps some prefix of the batches since the last flush: a write buffer may have become a table at any time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use tape_state::{Entry, StoreError, StoreMetrics};

use super::fleet::{Sim, Ticket};
use crate::ports::{Changes, TaskStore};

/// Keys and values of a store.
pub(super) type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// State up to a changelog offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) content: Content,
    pub(super) next: Option<i64>,
}

#[derive(Clone, Debug)]
struct Batch {
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    next: i64,
}

/// The folder of one task.
#[derive(Debug, Default)]
pub(super) struct Folder {
    flushed: Snapshot,
    batches: Vec<Batch>,
    applied: Snapshot,
    is_open: bool,
    pub(super) is_damaged: bool,
}

/// The state folder of one process.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) folders: BTreeMap<i32, Folder>,
}

impl Folder {
    pub(super) fn applied(&self) -> &Snapshot {
        &self.applied
    }

    /// The process died: so many of the batches since the last flush are in tables, the rest is gone.
    pub(super) fn crash(&mut self, kept: usize) {
        for batch in self.batches.drain(..).take(kept) {
            self.flushed.apply(&batch);
        }
        self.applied = self.flushed.clone();
        self.is_open = false;
    }

    pub(super) fn unflushed(&self) -> usize {
        self.batches.len()
    }

    fn flush(&mut self) {
        self.batches.clear();
        self.flushed = self.applied.clone();
    }
}

impl Snapshot {
    fn apply(&mut self, batch: &Batch) {
        for (key, value) in &batch.changes {
            match value {
                Some(value) => self.content.insert(key.clone(), value.clone()),
                None => self.content.remove(key),
            };
        }
        self.next = Some(batch.next);
    }
}

/// An open store.
pub(super) struct SimStore {
    sim: Rc<Sim>,
    ticket: Ticket,
    partition: i32,
}

impl SimStore {
    pub(super) fn open(sim: &Rc<Sim>, ticket: Ticket, partition: i32) -> Result<Self, StoreError> {
        sim.point(ticket);
        let damaged = sim.hiccup() && sim.chance(3);
        if sim.hiccup() {
            return Err(failed("open"));
        }
        sim.folder(ticket, partition, |folder| {
            if damaged || folder.is_damaged {
                folder.is_damaged = true;
                return Err(StoreError::Corrupt {
                    path: PathBuf::new(),
                    detail: "checksum mismatch".to_owned(),
                });
            }
            if folder.is_open {
                return Err(StoreError::Locked { path: PathBuf::new(), detail: "open".to_owned() });
            }
            folder.is_open = true;
            Ok(())
        })?;
        Ok(SimStore { sim: Rc::clone(sim), ticket, partition })
    }

    fn folder<T>(&self, f: impl FnOnce(&mut Folder) -> T) -> T {
        self.sim.folder(self.ticket, self.partition, f)
    }
}

impl TaskStore for SimStore {
    fn changelog_offset(&self) -> Option<i64> {
        self.folder(|folder| folder.applied.next)
    }

    fn apply(&mut self, changes: Changes<'_, '_>, next_changelog_offset: i64) -> Result<(), StoreError> {
        self.sim.point(self.ticket);
        if self.sim.hiccup() {
            return Err(failed("write"));
        }
        let changes = changes.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
        let batch = Batch { changes, next: next_changelog_offset };
        self.folder(|folder| {
            assert!(folder.applied.next.unwrap_or(0) <= batch.next, "a store goes back");
            folder.applied.apply(&batch);
            folder.batches.push(batch);
        });
        self.sim.point(self.ticket);
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.folder(|folder| folder.applied.content.get(key).cloned()))
    }

    fn entries(&self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), StoreError> {
        self.sim.point(self.ticket);
        let content = self.folder(|folder| folder.applied.content.clone());
        for (key, value) in &content {
            visit(Entry::decode(key, value).expect("what a task wrote can be read"));
        }
        Ok(())
    }

    fn flush_if_due(&mut self, _now: Instant) -> Result<bool, StoreError> {
        if self.sim.hiccup() {
            return Err(failed("flush"));
        }
        let due = self.sim.chance(20);
        if due {
            self.folder(Folder::flush);
        }
        Ok(due)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.folder(|folder| {
            folder.applied = Snapshot::default();
            folder.flush();
        });
        Ok(())
    }

    fn close(self) -> Result<(), StoreError> {
        self.sim.point(self.ticket);
        Ok(())
    }

    fn metrics(&self) -> Result<StoreMetrics, StoreError> {
        Ok(StoreMetrics::default())
    }
}

impl Drop for SimStore {
    fn drop(&mut self) {
        // After a crash the folder belongs to the next life of the process.
        if self.sim.is_alive(self.ticket) {
            self.folder(|folder| {
                folder.flush();
                folder.is_open = false;
            });
        }
    }
}

fn failed(what: &str) -> StoreError {
    StoreError::Full { path: PathBuf::new(), detail: format!("{what}: no space left on device") }
}
