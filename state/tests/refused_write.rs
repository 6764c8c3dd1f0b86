//! A device that refuses writes ends in an error, not in a wait without an end, and costs nothing that was
//! flushed before.
//!
//! The device is played by the system's limit on file sizes, which the child process is started under.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tape_state::{Key, Shared, StateDir, Store, StoreError};
use tempfile::TempDir;

/// Tells the child process that it is one, and where to write.
const CHILD: &str = "TAPE_STATE_TEST_CHILD";
/// The shell counts the limit in units of 512 or 1024 bytes: 256 or 512 KiB.
const FILE_LIMIT: &str = "512";
/// Values of 1 KiB that lz4 cannot shorten: a table of 2 MiB.
const VALUES: i64 = 2048;
const DEADLINE: Duration = Duration::from_secs(30);

fn open(root: &Path) -> Store {
    let directory = StateDir::open(root).expect("a free state directory");
    Store::open(&directory, 0, &Shared::new(1 << 20, 8 << 20)).expect("a whole store")
}

fn key(start: i64) -> Vec<u8> {
    let mut out = Vec::new();
    Key::Pane("FULL", start).encode(&mut out).expect("in range");
    out
}

fn noise(seed: i64) -> Vec<u8> {
    let mut word = seed.unsigned_abs() + 1;
    let mut next = || {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word.to_le_bytes()
    };
    (0..128).flat_map(|_| next()).collect()
}

/// The entry of the child process. As a test of its own, without the limit, it checks that nothing is
/// refused.
#[test]
fn writer() {
    let (root, limited) = match std::env::var_os(CHILD) {
        Some(path) => (path.into(), true),
        None => (TempDir::new().expect("a temporary folder").keep(), false),
    };
    let mut store = open(&root);
    store.apply([(key(0).as_slice(), Some(b"first".as_slice()))], 1).expect("an apply");
    store.flush().expect("a flush of a small table");
    let entries: Vec<_> = (0..VALUES).map(|start| (key(start), noise(start))).collect();
    store
        .apply(entries.iter().map(|(key, value)| (key.as_slice(), Some(value.as_slice()))), 2)
        .expect("in memory");

    let start = Instant::now();
    if limited {
        let refused = store.flush().expect_err("a table beyond the limit");
        assert!(matches!(&refused, StoreError::Io { .. }), "{refused}");
        assert!(
            store.flush().is_err() && store.apply([], 3).is_err(),
            "once refused, refused until opened anew"
        );
        assert!(store.metrics().expect("metrics").background_errors > 0);
        store.close().expect_err("still refused");
    } else {
        store.close().expect("no limit");
        std::fs::remove_dir_all(root).expect("a cleanup");
    }
    assert!(start.elapsed() < DEADLINE, "it took {:?}", start.elapsed());
}

#[test]
fn a_refused_write_ends_in_an_error_and_costs_nothing_flushed() {
    let root = TempDir::new().expect("a temporary folder");
    // The signal is ignored so that the write fails instead of ending the process.
    let script = format!(r#"trap "" XFSZ; ulimit -f {FILE_LIMIT}; exec "$0" writer --exact --nocapture"#);
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().expect("this test"))
        .env(CHILD, root.path())
        .output()
        .expect("a child process");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let mut store = open(root.path());
    assert_eq!(store.changelog_offset(), Some(1));
    assert_eq!(store.get(&key(0)).expect("a get"), Some(b"first".to_vec()));
    assert_eq!(store.get(&key(1)).expect("a get"), None);
    store.apply([(key(1).as_slice(), Some(b"second".as_slice()))], 2).expect("an apply");
    store.close().expect("a close");
}
