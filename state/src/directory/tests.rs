use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::{DirectoryError, StateDir, StoreError};

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

#[test]
fn it_is_made_for_this_user_only() {
    let base = folder();
    let path = base.path().join("a/b/state");
    let directory = StateDir::open(&path).unwrap();
    assert_eq!(directory.path(), path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_to_string(path.join("version")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(path.join("lock")).unwrap(), format!("{}\n", std::process::id()));
    assert!(!path.join("version.tmp").exists());
}

#[test]
fn a_second_one_is_told_who_has_it() {
    let base = folder();
    let first = StateDir::open(base.path()).unwrap();
    let error = StateDir::open(base.path()).unwrap_err();
    assert!(matches!(error, DirectoryError::InUse { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "state directory {} is in use by process {}; stop it or set another STATE_DIR",
            base.path().display(),
            std::process::id()
        )
    );
    let clone = first.clone();
    drop(first);
    assert!(matches!(StateDir::open(base.path()), Err(DirectoryError::InUse { .. })));
    drop(clone);
    StateDir::open(base.path()).unwrap();
}

#[test]
fn the_pid_of_a_dead_process_is_no_lock() {
    let base = folder();
    fs::write(base.path().join("lock"), "4194304999\n").unwrap();
    StateDir::open(base.path()).unwrap();
    assert_eq!(fs::read_to_string(base.path().join("lock")).unwrap(), format!("{}\n", std::process::id()));
}

#[test]
fn another_layout_is_refused_and_left_alone() {
    #[track_caller]
    fn check(version: &[u8], found: &str) {
        let base = folder();
        fs::write(base.path().join("version"), version).unwrap();
        let error = StateDir::open(base.path()).unwrap_err();
        assert!(matches!(&error, DirectoryError::Layout { found: text, .. } if text == found), "{error}");
        assert!(error.to_string().contains("`tape reset`"), "{error}");
        assert_eq!(fs::read(base.path().join("version")).unwrap(), version);
        // The lock went with the failed attempt.
        fs::write(base.path().join("version"), "1").unwrap();
        StateDir::open(base.path()).unwrap();
    }
    check(b"2\n", "2");
    check(b"0", "0");
    check(b"", "");
    check(b"1\n1\n", "1\\n1");
    check(b"\xff", "\u{fffd}");
    check(&[b'7'; 100_000], &"7".repeat(128));
}

#[test]
fn what_cannot_be_a_folder_is_named() {
    let base = folder();
    let file = base.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = StateDir::open(&path).unwrap_err();
        assert!(matches!(error, DirectoryError::Io { .. }));
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()) && text.contains("set another STATE_DIR"), "{text}");
    }
    // A lock or a version that is a folder.
    for name in ["lock", "version"] {
        let state = base.path().join(name);
        fs::create_dir_all(state.join(name)).unwrap();
        assert!(matches!(StateDir::open(&state), Err(DirectoryError::Io { .. })), "{name}");
    }
}

#[test]
fn the_instance_id_is_made_once() {
    let base = folder();
    let directory = StateDir::open(base.path()).unwrap();
    let id = directory.instance_id(None).unwrap();
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(directory.instance_id(None).unwrap(), id);
    assert_eq!(directory.instance_id(Some("pod-3.eu_1")).unwrap(), "pod-3.eu_1");
    assert_eq!(directory.instance_id(None).unwrap(), id);
    drop(directory);
    assert_eq!(StateDir::open(base.path()).unwrap().instance_id(None).unwrap(), id);

    let other = folder();
    assert_ne!(StateDir::open(other.path()).unwrap().instance_id(None).unwrap(), id);
}

#[test]
fn an_unusable_instance_id_is_refused() {
    let base = folder();
    let directory = StateDir::open(base.path()).unwrap();
    for id in ["", " ", "a b", "a/b", "ä", "x\n", &"x".repeat(65)] {
        let error = directory.instance_id(Some(id)).unwrap_err();
        assert!(error.to_string().contains("INSTANCE_ID"), "{error}");
        fs::write(base.path().join("instance-id"), id).unwrap();
        if id != "x\n" {
            let error = directory.instance_id(None).unwrap_err().to_string();
            assert!(error.contains("instance-id") && error.contains("delete it"), "{error}");
        }
    }
    directory.instance_id(Some(&"x".repeat(64))).unwrap();
}

#[test]
fn tasks_are_found_by_their_folders() {
    let base = folder();
    let directory = StateDir::open(base.path()).unwrap();
    assert!(directory.tasks().unwrap().is_empty());
    for name in ["task-10", "task-2", "task-0", "task-2.corrupt-1", "task-x", "task-02", "task-", "other"] {
        fs::create_dir(base.path().join(name)).unwrap();
    }
    assert_eq!(directory.tasks().unwrap(), [0, 2, 10]);
    directory.delete_task(2).unwrap();
    directory.delete_task(2).unwrap();
    assert_eq!(directory.tasks().unwrap(), [0, 10]);
    assert!(base.path().join("task-2.corrupt-1").exists());
}

#[test]
fn the_newest_two_damaged_stores_are_kept() {
    let base = folder();
    let directory = StateDir::open(base.path()).unwrap();
    fs::create_dir(base.path().join("task-10.corrupt-7")).unwrap();
    for round in 1..=4 {
        fs::create_dir(base.path().join("task-1")).unwrap();
        fs::write(base.path().join("task-1/round"), round.to_string()).unwrap();
        let target = directory.set_aside(1).unwrap();
        assert_eq!(target, base.path().join(format!("task-1.corrupt-{round}")));
        assert_eq!(fs::read_to_string(target.join("round")).unwrap(), round.to_string());
        assert!(!base.path().join("task-1").exists());
    }
    assert_eq!(directory.set_aside_numbers(1).unwrap(), [3, 4]);
    assert_eq!(directory.set_aside_numbers(10).unwrap(), [7]);
    assert!(matches!(directory.set_aside(1), Err(StoreError::Io { .. })));
}

#[test]
fn a_task_has_one_store_at_a_time() {
    let base = folder();
    let directory = StateDir::open(base.path()).unwrap();
    let claim = directory.claim(3).unwrap();
    let other = directory.clone();
    assert!(matches!(other.claim(3), Err(StoreError::Locked { .. })));
    assert!(matches!(other.set_aside(3), Err(StoreError::Locked { .. })));
    assert!(matches!(other.delete_task(3), Err(StoreError::Locked { .. })));
    other.claim(4).unwrap();
    drop(claim);
    other.claim(3).unwrap();
}
