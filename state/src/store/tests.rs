//! The store against a model, through crashes and damage. A crash is a copy of the folder while the store is
//! open: what a killed process leaves, less the files still being written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use rocksdb::{DB, Options, WaitForCompactOptions};
use tempfile::TempDir;

use super::{OFFSET_KEY, Store, StoreError};
use crate::{Key, Shared, StateDir};

type State = BTreeMap<Vec<u8>, Vec<u8>>;

const PARTITION: i32 = 7;

fn shared() -> Shared {
    Shared::new(1 << 20, 1 << 20)
}

fn open(root: &Path) -> Store {
    Store::open(&StateDir::open(root).unwrap(), PARTITION, &shared()).unwrap()
}

fn content(store: &Store) -> Result<State, StoreError> {
    let mut state = State::new();
    store.scan(|key, value| {
        state.insert(key.to_vec(), value.to_vec());
        Ok::<(), StoreError>(())
    })?;
    Ok(state)
}

fn key(number: u8) -> Vec<u8> {
    let symbol = ["A", "AA", "B", "BTC-USD"][usize::from(number % 4)];
    let key = match number {
        0 => Key::Meta,
        1..=4 => Key::Symbol(symbol),
        _ => Key::Pane(symbol, i64::from(number) * 60_000),
    };
    let mut out = Vec::new();
    key.encode(&mut out).unwrap();
    out
}

/// Waits for RocksDB's threads, without flushing, and copies the store as it stands on disk into a new state
/// directory.
fn crashed_copy(store: &Store) -> TempDir {
    store.db.wait_for_compact(&WaitForCompactOptions::default()).unwrap();
    let copy = TempDir::new().unwrap();
    let task = copy.path().join(format!("task-{PARTITION}"));
    fs::create_dir(&task).unwrap();
    for file in fs::read_dir(store.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), task.join(file.file_name())).unwrap();
    }
    copy
}

#[derive(Debug, Clone)]
enum Step {
    Apply { changes: Vec<(u8, Option<u8>)>, offsets: i64 },
    Flush,
    FlushIfDue { seconds: u64 },
    Reopen,
    Crash,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let changes = proptest::collection::vec((0..12_u8, any::<Option<u8>>()), 0..6);
    prop_oneof![
        12 => (changes, 1..300_000_i64).prop_map(|(changes, offsets)| Step::Apply { changes, offsets }),
        2 => Just(Step::Flush),
        2 => (0..40_u64).prop_map(|seconds| Step::FlushIfDue { seconds }),
        1 => Just(Step::Reopen),
        2 => Just(Step::Crash),
        1 => Just(Step::Clear),
    ]
}

/// Every state since the last flush that is known to have ended; a crash may bring back any of them, with its
/// offset.
struct Model {
    history: Vec<(Option<i64>, State)>,
}

impl Model {
    fn now(&self) -> &(Option<i64>, State) {
        self.history.last().unwrap()
    }

    fn push(&mut self, offset: Option<i64>, state: State) {
        self.history.push((offset, state));
    }

    fn flushed(&mut self) {
        self.history = self.history.split_off(self.history.len() - 1);
    }

    /// The store came back with this content: it must be one of the history, and history goes on from there.
    fn came_back(&mut self, found: (Option<i64>, State)) {
        assert!(self.history.contains(&found), "{found:?} is not in {:?}", self.history);
        self.history = vec![found];
    }
}

/// A store with its model; the folder is dropped after the store.
struct World {
    store: Option<Store>,
    root: TempDir,
    model: Model,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let store = Some(open(root.path()));
        World { root, store, model: Model { history: vec![(None, State::new())] }, now: Instant::now() }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Apply { changes, offsets } => self.apply(&changes, offsets),
            Step::Flush => {
                self.store().flush().unwrap();
                self.model.flushed();
            }
            Step::FlushIfDue { seconds } => {
                self.now += Duration::from_secs(seconds);
                let now = self.now;
                self.store().flush_if_due(now).unwrap();
            }
            Step::Reopen => {
                self.store.take().unwrap().close().unwrap();
                self.model.flushed();
                self.store = Some(open(self.root.path()));
            }
            Step::Crash => {
                let copy = crashed_copy(self.store());
                self.store = Some(open(copy.path()));
                self.root = copy;
                let found = (self.store().changelog_offset(), content(self.store()).unwrap());
                self.model.came_back(found);
            }
            Step::Clear => {
                self.store().clear().unwrap();
                self.model.push(None, State::new());
                self.model.flushed();
            }
        }
    }

    fn apply(&mut self, changes: &[(u8, Option<u8>)], offsets: i64) {
        let (offset, mut state) = self.model.now().clone();
        let offset = offset.unwrap_or(0) + offsets;
        let changes: Vec<(Vec<u8>, Option<Vec<u8>>)> = changes
            .iter()
            .map(|(number, value)| (key(*number), value.map(|value| vec![value; usize::from(value)])))
            .collect();
        for (key, value) in &changes {
            match value {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(key),
            };
        }
        let changes = changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        self.store().apply(changes, offset).unwrap();
        self.model.push(Some(offset), state);
    }

    fn check(&mut self) {
        let (offset, state) = self.model.now().clone();
        assert_eq!(self.store().changelog_offset(), offset);
        for number in 0..12 {
            assert_eq!(self.store().get(&key(number)).unwrap(), state.get(&key(number)).cloned());
        }
        assert_eq!(content(self.store()).unwrap(), state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_as_a_map_that_crashes_to_an_applied_batch(steps in proptest::collection::vec(step(), 1..24)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.check();
        }
    }
}

#[test]
fn a_flush_survives_a_crash_and_the_tail_comes_from_the_changelog() {
    let mut world = World::new();
    world.step(Step::Apply { changes: vec![(1, Some(1)), (5, Some(2))], offsets: 10 });
    world.step(Step::Flush);
    world.step(Step::Apply { changes: vec![(1, Some(9)), (5, None)], offsets: 5 });
    world.step(Step::Crash);
    assert_eq!(world.store().changelog_offset(), Some(10));
    assert_eq!(content(world.store()).unwrap().len(), 2);
}

#[test]
fn dropping_a_store_keeps_what_was_applied() {
    let root = TempDir::new().unwrap();
    let mut store = open(root.path());
    store.apply([(key(1).as_slice(), Some([1, 2].as_slice()))], 3).unwrap();
    drop(store);
    let store = open(root.path());
    assert_eq!(store.changelog_offset(), Some(3));
    assert_eq!(store.get(&key(1)).unwrap(), Some(vec![1, 2]));
}

#[test]
fn a_store_cannot_be_opened_while_a_tool_has_it() {
    let root = TempDir::new().unwrap();
    open(root.path()).close().unwrap();
    let directory = StateDir::open(root.path()).unwrap();
    let path = directory.task_path(PARTITION);
    let tool = DB::open(&Options::default(), &path).unwrap();
    let Err(error) = Store::open(&directory, PARTITION, &shared()) else { panic!("opened twice") };
    assert!(matches!(&error, StoreError::Locked { path: named, .. } if *named == path), "{error}");
    drop(tool);
    Store::open(&directory, PARTITION, &shared()).unwrap();
}

#[test]
fn what_we_did_not_write_is_damage() {
    #[track_caller]
    fn check(entries: &[(&[u8], &[u8])]) {
        let root = TempDir::new().unwrap();
        let directory = StateDir::open(root.path()).unwrap();
        let mut options = Options::default();
        options.create_if_missing(true);
        let other = DB::open(&options, directory.task_path(PARTITION)).unwrap();
        for (key, value) in entries {
            other.put(key, value).unwrap();
        }
        drop(other);
        assert!(matches!(Store::open(&directory, PARTITION, &shared()), Err(StoreError::Corrupt { .. })));
    }
    check(&[(b"\x01A", b"state without an offset")]);
    check(&[(OFFSET_KEY, b"short")]);
    check(&[(OFFSET_KEY, &(-1_i64).to_be_bytes())]);
}

/// A closed store with several tables and every state that was applied to it.
fn closed_store() -> (TempDir, Vec<(Option<i64>, State)>) {
    let mut world = World::new();
    for round in 0..3_u8 {
        let changes = (0..12).map(|number| (number, Some(200 + round * 10 + number))).collect();
        world.step(Step::Apply { changes, offsets: 1000 });
        world.store().flush().unwrap();
    }
    let World { root, store, model, .. } = world;
    store.unwrap().close().unwrap();
    (root, model.history)
}

fn files(root: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root.join(format!("task-{PARTITION}")))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| wanted(path.file_name().unwrap().to_str().unwrap()))
        .collect();
    found.sort();
    found
}

/// Opens and reads everything, as a start does.
fn read_all(directory: &StateDir) -> Result<(Option<i64>, State), StoreError> {
    let store = Store::open(directory, PARTITION, &shared())?;
    Ok((store.changelog_offset(), content(&store)?))
}

#[test]
fn damage_is_found_and_set_aside() {
    #[track_caller]
    fn check(name: &str, damage: impl Fn(&Path)) {
        let (root, _) = closed_store();
        damage(root.path());
        let directory = StateDir::open(root.path()).unwrap();
        let error = read_all(&directory).expect_err(name);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{name}: {error}");

        let aside = directory.set_aside(PARTITION).unwrap();
        assert!(aside.ends_with("task-7.corrupt-1") && aside.join("LOCK").exists(), "{name}");
        assert_eq!(read_all(&directory).unwrap(), (None, State::new()), "{name}");
    }
    let is_table = |name: &str| name.ends_with(".sst");
    let is_catalogue = |name: &str| name.starts_with("MANIFEST");
    check("a flipped bit in a table's first block", |root| {
        let table = files(root, is_table).pop().unwrap();
        let mut bytes = fs::read(&table).unwrap();
        bytes[20] ^= 1;
        fs::write(table, bytes).unwrap();
    });
    check("a table of zeros", |root| {
        let table = files(root, is_table).remove(0);
        let length = fs::metadata(&table).unwrap().len();
        fs::write(table, vec![0; usize::try_from(length).unwrap()]).unwrap();
    });
    check("a truncated table", |root| {
        let table = files(root, is_table).remove(0);
        let bytes = fs::read(&table).unwrap();
        fs::write(table, &bytes[..bytes.len() / 2]).unwrap();
    });
    check("a missing table", |root| fs::remove_file(files(root, is_table).remove(0)).unwrap());
    check("a missing catalogue", |root| fs::remove_file(files(root, is_catalogue).remove(0)).unwrap());
    check("a catalogue of noise", |root| {
        fs::write(files(root, is_catalogue).remove(0), [0x5a; 4096]).unwrap()
    });
    check("an empty pointer to the catalogue", |root| {
        fs::write(files(root, |name| name == "CURRENT").remove(0), "").unwrap()
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// One byte anywhere in tables or catalogue: the store says so, or holds a state that was applied once.
    #[test]
    fn a_damaged_byte_never_gives_a_wrong_state(file in any::<Index>(), at in any::<Index>(), with in 1..=255_u8) {
        let (root, history) = closed_store();
        let files = files(root.path(), |name| name.ends_with(".sst") || name.starts_with("MANIFEST") || name == "CURRENT");
        let path = file.get(&files);
        let mut bytes = fs::read(path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        fs::write(path, bytes).unwrap();
        match read_all(&StateDir::open(root.path()).unwrap()) {
            Ok(found) => prop_assert!(history.contains(&found), "byte {} of {}: {:?}", at, path.display(), found.0),
            Err(error) => prop_assert!(matches!(error, StoreError::Corrupt { .. }), "byte {} of {}: {}", at, path.display(), error),
        }
    }
}
