use std::path::Path;

use super::{CodecError, ErrorKind, Moment, Reaction, StoreError, reaction};

#[test]
fn rocksdb_errors_call_for_the_right_reaction() {
    #[track_caller]
    fn check(moment: Moment, kind: ErrorKind, detail: &str, expected: Reaction) {
        assert_eq!(reaction(moment, &kind, detail), expected, "{kind:?}: {detail}");
    }
    use ErrorKind::{Corruption, IOError, InvalidArgument, NotSupported, TimedOut};
    use Moment::{Open, Use};
    check(
        Use,
        Corruption,
        "Corruption: block checksum mismatch: stored = 1, computed = 2",
        Reaction::Restore,
    );
    check(Open, Corruption, "Corruption: CURRENT file does not end with newline", Reaction::Restore);
    check(
        Open,
        IOError,
        "IO error: No such file or directory: While opening a file: /s/MANIFEST-000005",
        Reaction::Restore,
    );
    check(
        Open,
        InvalidArgument,
        "Invalid argument: leveldb.X: does not match existing comparator",
        Reaction::Restore,
    );
    check(Open, NotSupported, "Not implemented: Compression type", Reaction::Restore);
    check(
        Use,
        IOError,
        "IO error: No space left on device: While appending to file: /s/000012.sst",
        Reaction::FreeSpace,
    );
    check(Use, Corruption, "Corruption: IO error: No space left on device", Reaction::FreeSpace);
    check(Use, IOError, "IO error: Disk quota exceeded: While appending", Reaction::FreeSpace);
    check(
        Open,
        IOError,
        "IO error: While lock file: /s/LOCK: Resource temporarily unavailable",
        Reaction::Wait,
    );
    check(
        Open,
        IOError,
        "IO error: lock hold by current process, acquire time 1: /s/LOCK: No locks",
        Reaction::Wait,
    );
    check(Open, IOError, "IO error: while open a file for lock: /s/LOCK: Permission denied", Reaction::Retry);
    check(Use, IOError, "IO error: Input/output error: While fsync: /s/000012.sst", Reaction::Retry);
    check(Use, InvalidArgument, "Invalid argument: something", Reaction::Retry);
    check(Use, TimedOut, "Operation timed out: ", Reaction::Retry);
}

#[test]
fn messages_name_the_thing_and_the_remedy() {
    let path = Path::new("/state/task-3");
    let newer = StoreError::of_codec(path, CodecError::Newer { found: 2, known: 1 }).to_string();
    assert_eq!(
        newer,
        "state store /state/task-3 was written by a newer version of tape (format 2, this one reads up to 1); \
         use that version or `tape reset`"
    );
    let malformed = StoreError::of_codec(path, CodecError::Malformed("empty value"));
    assert!(matches!(&malformed, StoreError::Corrupt { .. }));
    assert_eq!(
        malformed.to_string(),
        "state store /state/task-3 is damaged (not a record of tape: empty value); it can be restored from the changelog"
    );
}
