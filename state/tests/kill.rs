//! A process killed with SIGKILL while it writes leaves the state at one applied batch, with that batch's
//! offset, and no lock.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tape_state::{
    DirectoryError, Entry, FLUSH_INTERVAL, Key, PaneValue, Shared, StateDir, Store, StoreError,
};
use tempfile::TempDir;

/// Tells the child process that it is one, and where to write.
const CHILD: &str = "TAPE_STATE_TEST_CHILD";
/// Panes written round and round, each with the number of the batch.
const PANES: i64 = 500;
/// Bounds a child that is not killed, and a parent that waits in vain.
const DEADLINE: Duration = Duration::from_secs(60);

/// Batch n puts n into panes n and n+1 (round the ring) and deletes pane n+2, and ends at changelog offset 10
/// n.
fn expected(batch: i64) -> Vec<(i64, u64)> {
    let mut panes = std::collections::BTreeMap::new();
    for n in 1..=batch {
        panes.insert(n % PANES, n.unsigned_abs());
        panes.insert((n + 1) % PANES, n.unsigned_abs());
        panes.remove(&((n + 2) % PANES));
    }
    panes.into_iter().collect()
}

fn apply(store: &mut Store, batch: i64) {
    let key = |n: i64| {
        let mut out = Vec::new();
        Key::Pane("KILL", n % PANES).encode(&mut out).expect("in range");
        out
    };
    let mut value = Vec::new();
    PaneValue { records: batch.unsigned_abs(), ..PaneValue::default() }.encode(&mut value).expect("in range");
    let keys = [key(batch), key(batch + 1), key(batch + 2)];
    let values = [Some(value.as_slice()), Some(value.as_slice()), None];
    store.apply(keys.iter().map(Vec::as_slice).zip(values), batch * 10).expect("an apply");
}

/// The entry of the child process. As a test of its own it checks that an undisturbed run gives what is
/// expected.
#[test]
fn writer() {
    let Some(path) = std::env::var_os(CHILD) else {
        let root = TempDir::new().expect("a temporary folder");
        let mut store = open(root.path());
        (1..=2000).for_each(|batch| apply(&mut store, batch));
        assert_eq!((panes(&store), store.changelog_offset()), (expected(2000), Some(20_000)));
        return;
    };
    let mut store = open(Path::new(&path));
    let first = store.changelog_offset().unwrap_or(0) / 10 + 1;
    let start = Instant::now();
    let mut clock = start;
    for batch in first.. {
        apply(&mut store, batch);
        if batch % 700 == 0 {
            store.flush().expect("a flush");
            writeln!(std::io::stdout(), "\nflushed {batch}").expect("a reader");
        } else if batch % 300 == 0 {
            // A flush that is not waited for, so that the kill also comes in the middle of one.
            clock += FLUSH_INTERVAL;
            store.flush_if_due(clock).expect("a flush");
        }
        assert!(start.elapsed() < DEADLINE, "nobody killed this process");
    }
}

fn open(root: &Path) -> Store {
    let directory = StateDir::open(root).expect("a free state directory");
    Store::open(&directory, 0, &Shared::new(1 << 20, 1 << 20)).expect("a whole store")
}

fn panes(store: &Store) -> Vec<(i64, u64)> {
    let mut panes = Vec::new();
    store
        .entries(|entry| {
            match entry {
                Entry::Pane("KILL", start, value) => panes.push((start, value.records)),
                other => panic!("{other:?}"),
            }
            Ok::<(), StoreError>(())
        })
        .expect("a whole store");
    panes
}

fn start(root: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["writer", "--exact", "--nocapture"])
        .env(CHILD, root)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child process")
}

#[test]
fn a_killed_writer_leaves_an_applied_batch() {
    let root = TempDir::new().expect("a temporary folder");
    let mut reached = 0;
    for round in 1..=5_u32 {
        let mut child = start(root.path());
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let flushed = lines
            .map(|line| line.expect("text"))
            .filter_map(|line| line.strip_prefix("flushed ")?.parse::<i64>().ok())
            .nth(2)
            .expect("three flushes before the child ends");
        // The child is alive and has the lock.
        let refused = StateDir::open(root.path()).expect_err("the child has it");
        assert!(
            matches!(&refused, DirectoryError::InUse { holder, .. } if *holder == child.id().to_string()),
            "{refused}"
        );
        child.kill().expect("a kill");
        child.wait().expect("an end");

        let store = open(root.path());
        let offset = store.changelog_offset().expect("flushed batches");
        let batch = offset / 10;
        assert!(
            offset % 10 == 0 && batch >= flushed && batch > reached,
            "round {round}: {batch} after {flushed}"
        );
        assert_eq!(panes(&store), expected(batch), "round {round}, batch {batch}");
        reached = batch;
    }
}
