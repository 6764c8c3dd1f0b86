//! Commit and restore, without the broker: changes to changelog entries, entries to the store, the store to memory.

use std::collections::BTreeMap;
use std::hint::black_box;

use tape_analytics::{Settings, Task};
use tape_processor::micro::{self, Changes};
use tape_state::{Shared, StateDir, Store};
use tempfile::TempDir;

use super::floor::Floor;
use crate::Work;
use crate::market::{MINUTE_MS, Swing};

/// Entries that a restore applies at a time.
const BATCH: usize = 10_000;
/// As the processor has it.
const MEMORY_BYTES: usize = 32 << 20;
const STORABLE: &str = "our own state can be stored";
const WORKS: &str = "the store works";

/// A store in a folder that goes with it.
struct Scratch {
    // Order of fields: the store is closed before its folder is deleted.
    store: Store,
    _folder: TempDir,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for scratch files");
        let directory = StateDir::open(folder.path()).expect("an empty folder");
        let store = Store::open(&directory, 0, &Shared::new(MEMORY_BYTES, MEMORY_BYTES)).expect(WORKS);
        Scratch { store, _folder: folder }
    }

    /// Applies changes behind those before.
    fn apply(&mut self, changes: &Changes) {
        let next = self.store.changelog_offset().unwrap_or(0) + changes.count() as i64;
        self.store.apply(changes.entries(), next).expect(WORKS);
    }
}

/// A commit in which each symbol has a pane that changed.
struct Stage {
    floor: Floor,
    changes: Changes,
}

pub(super) fn stage() -> Box<dyn Work> {
    Box::new(Stage::new())
}

impl Stage {
    fn new() -> Self {
        Stage { floor: Floor::new(Swing::Calm), changes: Changes::default() }
    }
}

impl Work for Stage {
    fn arrange(&mut self) {
        self.floor.pass_minute();
        self.floor.take_round();
    }

    fn run(&mut self) -> u64 {
        self.changes.stage(&mut self.floor.task, &self.floor.settings).expect(STORABLE);
        self.changes.count() as u64
    }
}

/// The same changes into the store.
struct Apply {
    stage: Stage,
    scratch: Scratch,
}

pub(super) fn apply() -> Box<dyn Work> {
    Box::new(Apply { stage: Stage::new(), scratch: Scratch::new() })
}

impl Work for Apply {
    fn arrange(&mut self) {
        self.stage.arrange();
        self.stage.run();
    }

    fn run(&mut self) -> u64 {
        self.scratch.apply(&self.stage.changes);
        self.stage.changes.count() as u64
    }
}

/// The whole state of a task, as the changelog has it.
fn records() -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut floor = Floor::new(Swing::Wild);
    let mut changes = Changes::default();
    let mut records = BTreeMap::new();
    for _ in 0..10 {
        floor.market.minute += MINUTE_MS;
        floor.take_round();
        changes.stage(&mut floor.task, &floor.settings).expect(STORABLE);
        for (key, value) in changes.entries() {
            match value {
                Some(value) => records.insert(key.to_vec(), value.to_vec()),
                None => records.remove(key),
            };
        }
    }
    records.into_iter().collect()
}

/// Records of the changelog into the store.
struct Replay {
    records: Vec<(Vec<u8>, Vec<u8>)>,
    pending: Changes,
    scratch: Scratch,
}

pub(super) fn replay() -> Box<dyn Work> {
    Box::new(Replay::new())
}

impl Replay {
    fn new() -> Self {
        Replay { records: records(), pending: Changes::default(), scratch: Scratch::new() }
    }
}

impl Work for Replay {
    fn run(&mut self) -> u64 {
        for batch in self.records.chunks(BATCH) {
            for (key, value) in batch {
                self.pending.take(key, value).expect("an entry of ours");
            }
            self.scratch.apply(&self.pending);
            self.pending.clear();
        }
        self.records.len() as u64
    }
}

/// The store into memory.
struct Load {
    replay: Replay,
    settings: Settings,
    /// Kept, so that the end of a task is not measured.
    task: Option<Task>,
}

pub(super) fn load() -> Box<dyn Work> {
    let mut replay = Replay::new();
    replay.run();
    replay.scratch.store.flush().expect(WORKS);
    Box::new(Load { replay, settings: Settings::default(), task: None })
}

impl Work for Load {
    fn arrange(&mut self) {
        self.task = None;
    }

    fn run(&mut self) -> u64 {
        let task = micro::load(&self.replay.scratch.store, &self.settings).expect(WORKS);
        self.task = Some(black_box(task));
        self.replay.records.len() as u64
    }
}
