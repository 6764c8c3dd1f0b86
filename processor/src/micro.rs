//! Parts of a commit and of a restore that need neither broker nor worker, for the micro-benchmarks and for nobody else.

use tape_analytics::{Settings, Task};
use tape_state::{CodecError, Entry, Store, StoreError};

use crate::batch::StateBatch;
use crate::restore;

/// Changes of a task on their way to changelog and store.
#[derive(Default)]
pub struct Changes(StateBatch);

impl Changes {
    /// What a commit does before its first record leaves; replaces what was there.
    pub fn stage(&mut self, task: &mut Task, settings: &Settings) -> Result<(), CodecError> {
        self.0.stage(task, settings)
    }

    /// What a restore does with a record of the changelog that is no tombstone.
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), CodecError> {
        Entry::decode(key, value)?;
        self.0.push_raw(key, Some(value));
        Ok(())
    }

    /// Keys and values, as [`Store::apply`] takes them.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.entries()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The end of a restore: from the store to memory.
pub fn load(store: &Store, settings: &Settings) -> Result<Task, StoreError> {
    restore::load(store, settings).map(|(task, _)| task)
}
