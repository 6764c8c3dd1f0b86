//! What a store owes its user, through the public interface.

use std::time::{Duration, Instant};

use tape_state::{
    ClosedWindow, CodecError, Entry, FLUSH_INTERVAL, FLUSH_RECORDS, Key, MAX_VALUE_BYTES, MetaValue,
    PaneValue, Plan, Shared, StateDir, Store, StoreError, SymbolValue,
};
use tempfile::TempDir;

/// A state directory with one open store. The folder is dropped last.
struct Fixture {
    store: Store,
    directory: StateDir,
    shared: Shared,
    root: TempDir,
}

fn fixture() -> Fixture {
    let root = TempDir::new().expect("a temporary folder");
    let directory = StateDir::open(root.path().join("state")).expect("a new state directory");
    let shared = Shared::new(4 << 20, 4 << 20);
    let store = Store::open(&directory, 0, &shared).expect("a new store");
    Fixture { directory, shared, store, root }
}

fn key(key: Key<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    key.encode(&mut out).expect("a key within the limits");
    out
}

fn pane(records: u64) -> Vec<u8> {
    let mut out = Vec::new();
    PaneValue { records, ..PaneValue::default() }.encode(&mut out).expect("a value within the limits");
    out
}

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
    (key, Some(value))
}

/// The entries that a visit of the store shows, in words.
fn shown(visit: impl FnOnce(&mut dyn FnMut(Entry<'_>))) -> Vec<String> {
    let mut lines = Vec::new();
    visit(&mut |entry| {
        lines.push(match entry {
            Entry::Meta(meta) => format!("meta {:?}", meta.stream_time),
            Entry::Symbol(symbol, value) => format!("{symbol} {} closed", value.closed.len()),
            Entry::Pane(symbol, start, value) => format!("{symbol} {start} {}", value.records),
        });
    });
    lines
}

fn all(store: &Store) -> Vec<String> {
    shown(|show| {
        store
            .entries(|entry| {
                show(entry);
                Ok::<(), StoreError>(())
            })
            .expect("a whole store");
    })
}

/// A task's state with three symbols.
fn filled() -> Fixture {
    let mut fixture = fixture();
    let (mut meta, mut symbol) = (Vec::new(), Vec::new());
    MetaValue { stream_time: Some(5), ..MetaValue::default() }.encode(&mut meta).expect("in range");
    SymbolValue { closed: vec![ClosedWindow { start: 0, avg: None, side: 1 }], ..SymbolValue::default() }
        .encode(&mut symbol)
        .expect("in range");
    let keys = [
        key(Key::Pane("AA", 60_000)),
        key(Key::Pane("A", 60_000)),
        key(Key::Symbol("A")),
        key(Key::Pane("A", 0)),
        key(Key::Meta),
        key(Key::Symbol("B")),
    ];
    let values = [pane(1), pane(2), symbol.clone(), pane(3), meta, symbol];
    let changes = keys.iter().zip(&values).map(|(key, value)| put(key, value));
    fixture.store.apply(changes, 7).expect("an apply");
    fixture
}

#[test]
fn a_new_store_is_empty() {
    let Fixture { root: _root, store, .. } = fixture();
    assert_eq!(store.changelog_offset(), None);
    assert!(all(&store).is_empty());
    assert_eq!(store.get(&key(Key::Meta)).expect("a get"), None);
    assert_eq!(Plan::of(store.changelog_offset(), 0, 10), Plan::Fresh { from: 0 });
}

#[test]
fn entries_come_in_order_of_keys() {
    let Fixture { root: _root, store, .. } = filled();
    assert_eq!(all(&store), ["meta Some(5)", "A 1 closed", "A 0 3", "A 60000 2", "B 1 closed", "AA 60000 1"]);
}

#[test]
fn the_last_change_of_a_batch_wins() {
    let Fixture { root: _root, mut store, .. } = fixture();
    let (name, first, last) = (key(Key::Pane("A", 0)), pane(1), pane(2));
    store.apply([put(&name, &first), (&name, None), put(&name, &last)], 1).expect("an apply");
    assert_eq!(store.get(&name).expect("a get"), Some(last.clone()));
    store.apply([put(&name, &last), (&name, None)], 2).expect("an apply");
    assert_eq!(store.get(&name).expect("a get"), None);
    assert!(all(&store).is_empty());
    assert_eq!(store.changelog_offset(), Some(2));
}

#[test]
fn everything_is_there_after_closing() {
    let Fixture { root: _root, directory, shared, store } = filled();
    let before = all(&store);
    store.close().expect("a close");
    let store = Store::open(&directory, 0, &shared).expect("an open");
    assert_eq!(store.changelog_offset(), Some(7));
    assert_eq!(all(&store), before);
    assert_eq!(Plan::of(store.changelog_offset(), 0, 10), Plan::Resume { from: 7 });
}

#[test]
fn the_offset_moves_without_changes_and_never_back() {
    let Fixture { root: _root, mut store, .. } = filled();
    store.apply([], 9).expect("an apply");
    store.apply([], 9).expect("an apply");
    let name = key(Key::Meta);
    assert!(matches!(store.apply([(name.as_slice(), None)], 8), Err(StoreError::Refused { .. })));
    assert!(store.get(&name).expect("a get").is_some(), "a refused batch changes nothing");
    assert_eq!(store.changelog_offset(), Some(9));
    let Fixture { root: _new_root, store: mut new, .. } = fixture();
    assert!(matches!(new.apply([], -1), Err(StoreError::Refused { .. })));
    new.apply([], 0).expect("an apply");
    assert_eq!(new.changelog_offset(), Some(0));
}

#[test]
fn what_tape_does_not_write_is_refused() {
    let Fixture { root: _root, mut store, .. } = filled();
    let before = all(&store);
    let good = key(Key::Meta);
    let huge = vec![1; MAX_VALUE_BYTES + 1];
    let foreign: [(&[u8], &[u8]); 5] = [
        (b"", b"x"),
        (b"\xff", b"\0\0\0\0\0\0\0\x63"),
        (b"\x01AB", b"x"),
        (&[7; 300], b"x"),
        (b"\x01A", &huge),
    ];
    for (bad, value) in foreign {
        let refused = store.apply([(good.as_slice(), None), put(bad, value)], 99);
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    }
    assert_eq!((all(&store), store.changelog_offset()), (before, Some(7)));
    assert_eq!(store.get(b"\xff").expect("a get"), None, "the offset is not part of the state");
    assert_eq!(store.get(b"").expect("a get"), None);
}

#[test]
fn an_entry_that_does_not_decode_ends_the_scan() {
    let Fixture { root: _root, mut store, .. } = filled();
    let name = key(Key::Pane("A", 0));
    store.apply([put(&name, &[1, 2])], 8).expect("an apply");
    let scan = |store: &Store| store.entries(|_| Ok::<(), StoreError>(()));
    assert!(matches!(scan(&store), Err(StoreError::Corrupt { .. })));
    store.apply([put(&name, &[2, 2])], 9).expect("an apply");
    let Err(error @ StoreError::Newer { .. }) = scan(&store) else { panic!("read a newer value") };
    assert!(error.to_string().contains("use that version or `tape reset`"), "{error}");
    assert_eq!(Entry::decode(&name, &[]), Err(CodecError::Malformed("empty value")));
}

#[test]
fn the_visitors_error_ends_the_scan() {
    #[derive(Debug)]
    enum Mine {
        Enough,
        Store,
    }
    impl From<StoreError> for Mine {
        fn from(_: StoreError) -> Self {
            Mine::Store
        }
    }
    let Fixture { root: _root, store, .. } = filled();
    let mut seen = 0;
    let result = store.scan(|_, _| {
        seen += 1;
        if seen == 3 { Err(Mine::Enough) } else { Ok(()) }
    });
    assert!(matches!(result, Err(Mine::Enough)), "{result:?}");
    assert_eq!(seen, 3);
}

#[test]
fn flushes_are_due_by_time_and_by_count() {
    let Fixture { root: _root, mut store, .. } = fixture();
    let start = Instant::now();
    let due = |store: &mut Store, after: Duration| store.flush_if_due(start + after).expect("a flush");
    let moment = Duration::from_millis(1);
    // By time, from the first look at something unflushed.
    assert!(!due(&mut store, FLUSH_INTERVAL * 10));
    store.apply([], 1).expect("an apply");
    assert!(!due(&mut store, FLUSH_INTERVAL * 10));
    assert!(!due(&mut store, FLUSH_INTERVAL * 11 - moment));
    assert!(due(&mut store, FLUSH_INTERVAL * 11));
    assert!(!due(&mut store, FLUSH_INTERVAL * 30), "nothing new");
    // By count.
    let records = i64::try_from(FLUSH_RECORDS).expect("a small number");
    store.apply([], records).expect("an apply");
    assert!(!due(&mut store, FLUSH_INTERVAL * 30));
    store.apply([], records + 1).expect("an apply");
    assert!(due(&mut store, FLUSH_INTERVAL * 30));
    assert_eq!(store.metrics().expect("metrics").unflushed_records, 0);
    // A clock that goes back is no reason.
    store.apply([], records + 2).expect("an apply");
    assert!(!due(&mut store, FLUSH_INTERVAL * 31));
    assert!(!due(&mut store, FLUSH_INTERVAL * 2));
}

#[test]
fn clear_forgets_everything_and_the_store_goes_on() {
    let Fixture { root: _root, directory, shared, mut store } = filled();
    store.flush().expect("a flush");
    store.clear().expect("a clear");
    assert!(all(&store).is_empty());
    assert_eq!(store.changelog_offset(), None);
    let (name, value) = (key(Key::Pane("A", 0)), pane(9));
    store.apply([put(&name, &value)], 3).expect("an apply below the old offset");
    assert_eq!(all(&store), ["A 0 9"]);
    store.close().expect("a close");
    let store = Store::open(&directory, 0, &shared).expect("an open");
    assert_eq!((all(&store), store.changelog_offset()), (vec!["A 0 9".to_owned()], Some(3)));
}

#[test]
fn a_task_has_one_store_and_tasks_are_apart() {
    let Fixture { root: _root, directory, shared, store } = filled();
    let Err(error) = Store::open(&directory, 0, &shared) else { panic!("opened twice") };
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    let other = Store::open(&directory, 1, &shared).expect("another task");
    assert!(all(&other).is_empty());
    assert_eq!(directory.tasks().expect("a list"), [0, 1]);
    assert!(matches!(directory.delete_task(0), Err(StoreError::Locked { .. })));
    drop(store);
    directory.delete_task(0).expect("a deletion");
    assert_eq!(directory.tasks().expect("a list"), [1]);
    // A store keeps the directory locked by itself.
    let path = directory.path().to_owned();
    drop(directory);
    assert!(StateDir::open(&path).is_err());
    drop(other);
    StateDir::open(&path).expect("free again");
}

#[test]
fn bulk_restores_fit_the_shared_memory() {
    let Fixture { root: _root, mut store, shared, .. } = fixture();
    let value = pane(1);
    let value = value.repeat(20);
    let now = Instant::now();
    for batch in 0..100_i64 {
        let keys: Vec<Vec<u8>> = (0..2000).map(|i| key(Key::Pane("BTC-USD", batch * 2000 + i))).collect();
        store.apply(keys.iter().map(|key| put(key, &value)), (batch + 1) * 2000).expect("an apply");
        store.flush_if_due(now).expect("a flush");
        // The budget (4 MiB) is soft; two write buffers of 8 MiB, each with the batch that fills it, are the
        // store's own limit.
        let used = shared.usage().write_buffer_bytes;
        assert!(used <= 24 << 20, "{used} bytes of write buffers at batch {batch}");
    }
    let mut entries = 0;
    store
        .scan(|_, _| {
            entries += 1;
            Ok::<(), StoreError>(())
        })
        .expect("a whole store");
    assert_eq!(entries, 200_000);
    store.flush().expect("a flush");
    let metrics = store.metrics().expect("metrics");
    assert!(metrics.sst_bytes > 0 && metrics.keys >= 200_000, "{metrics:?}");
    assert!(!metrics.write_stopped && metrics.background_errors == 0, "{metrics:?}");
    assert!(metrics.block_cache_bytes <= 32 << 20, "{metrics:?}");
}

#[test]
fn a_store_may_move_to_another_thread() {
    let Fixture { root: _root, store, .. } = filled();
    let entries = std::thread::spawn(move || all(&store).len()).join().expect("a thread that ends well");
    assert_eq!(entries, 6);
}
