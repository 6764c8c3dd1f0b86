use std::collections::BTreeMap;
use std::fs;

use super::View;
use crate::{Shared, StateDir, Store, StoreError};

fn content(view: &View) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    view.scan(|key, value| {
        found.insert(key.to_vec(), value.to_vec());
        Ok::<(), StoreError>(())
    })
    .unwrap();
    found
}

#[test]
fn sees_what_was_flushed_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(View::partitions(&folder.path().join("none")).unwrap().is_empty());
    let directory = StateDir::open(folder.path()).unwrap();
    let shared = Shared::new(1 << 20, 1 << 20);
    let mut store = Store::open(&directory, 7, &shared).unwrap();
    let symbol: &[u8] = &[1, b'A'];
    store.apply([(symbol, Some(&b"one"[..]))], 10).unwrap();
    store.flush().unwrap();
    store.apply([(symbol, Some(&b"two"[..]))], 20).unwrap();

    assert_eq!(View::partitions(folder.path()).unwrap(), [7]);
    let names = || {
        let entries = fs::read_dir(store.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    let view = View::open(folder.path(), 7).unwrap();
    assert_eq!(view.changelog_offset(), Some(10), "the store is open and has applied more");
    assert_eq!(content(&view), BTreeMap::from([(symbol.to_vec(), b"one".to_vec())]));
    assert_eq!(names(), before);

    store.flush().unwrap();
    assert_eq!(view.changelog_offset(), Some(10), "a view stays as it was opened");
    let later = View::open(folder.path(), 7).unwrap();
    assert_eq!(later.changelog_offset(), Some(20));
    assert_eq!(content(&later), BTreeMap::from([(symbol.to_vec(), b"two".to_vec())]));
    store.apply([(symbol, None)], 30).unwrap();
    store.close().unwrap();
    assert!(content(&View::open(folder.path(), 7).unwrap()).is_empty());
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    drop(StateDir::open(folder.path()).unwrap());
    let error = View::open(folder.path(), 3).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(!folder.path().join("task-3").exists());
}

#[test]
fn another_layout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(StateDir::open(folder.path()).unwrap());
    fs::write(folder.path().join("version"), "99\n").unwrap();
    assert!(View::partitions(folder.path()).is_err());
}
