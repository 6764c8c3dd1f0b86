use std::fs::{self, File};
use std::path::PathBuf;

use tempfile::TempDir;

use super::error::Damage;
use super::queue::Full;
use super::*;

mod damage;
mod model;

/// Small enough that a few entries need several segments and writes.
const SMALL: Sizes = Sizes { segment: 600, unwritten: 200 };
const SOURCE: &str = "live-1";
const ROOMY: u64 = 1 << 30;

fn small(dir: &Path) -> (Spool, Found) {
    Spool::open_sized(dir, ROOMY, SMALL).unwrap()
}

fn value(number: u64) -> Vec<u8> {
    vec![number as u8; 40 + (number % 7) as usize]
}

fn push(spool: &mut Spool, number: u64) -> Result<Pushed, SpoolError> {
    spool.push(SOURCE, Entry { number, key: b"AAPL", value: &value(number) })
}

fn fill(spool: &mut Spool, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        assert_eq!(push(spool, number).unwrap(), Pushed::Yes, "{number}");
    }
}

/// Reads to the end; every entry is as [`fill`] pushed it.
fn drain(spool: &mut Spool) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(entry) = spool.next().unwrap() {
        assert_eq!((entry.key, entry.value), (&b"AAPL"[..], &value(entry.number)[..]));
        numbers.push(entry.number);
    }
    numbers
}

fn range(numbers: std::ops::Range<u64>) -> Vec<u64> {
    numbers.collect()
}

/// The files of this ending, in order.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    paths.sort();
    paths
}

fn on_disk(dir: &Path) -> u64 {
    files(dir, "spool").iter().map(|path| path.metadata().unwrap().len()).sum()
}

#[test]
fn a_new_queue_is_empty_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a/b");
    let (mut spool, found) = Spool::open(&path, ROOMY).unwrap();
    assert_eq!(found, Found::default());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert!(spool.is_empty());
    assert_eq!((spool.len(), spool.bytes(), spool.next().unwrap()), (0, 0, None));
    spool.rewind();
    spool.release(u64::MAX).unwrap();
    spool.sync().unwrap();
}

#[test]
fn entries_come_back_in_order_before_and_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = small(dir.path());
    fill(&mut spool, 10..60);
    assert_eq!(drain(&mut spool), range(10..60));
    fill(&mut spool, 60..65);
    assert_eq!(drain(&mut spool), range(60..65));
    spool.sync().unwrap();
    assert_eq!(spool.bytes(), on_disk(dir.path()));
    assert!(files(dir.path(), "spool").len() > 5);
    drop(spool);

    let (mut spool, found) = small(dir.path());
    assert_eq!((found.entries, found.numbers), (55, Some((10, 64))));
    assert_eq!((found.bytes, found.source.as_deref()), (on_disk(dir.path()), Some(SOURCE)));
    assert_eq!((found.cut_bytes, found.damages), (0, vec![]));
    assert_eq!((spool.len(), spool.bytes()), (55, on_disk(dir.path())));
    fill(&mut spool, 65..100);
    assert_eq!(drain(&mut spool), range(10..100));
    spool.rewind();
    assert_eq!(drain(&mut spool), range(10..100));
}

#[test]
fn an_entry_can_be_read_while_it_is_only_in_memory() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = Spool::open(dir.path(), ROOMY).unwrap();
    for number in 0..1000 {
        fill(&mut spool, [number]);
        assert_eq!(drain(&mut spool), [number]);
    }
    assert_eq!(on_disk(dir.path()), 0);
    spool.sync().unwrap();
    fill(&mut spool, [1000]);
    spool.rewind();
    assert_eq!(drain(&mut spool), range(0..1001));
    drop(spool);
    assert_eq!(Spool::open(dir.path(), ROOMY).unwrap().1.entries, 1001);
}

#[test]
fn releasing_deletes_whole_segments_and_counts_single_entries() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = small(dir.path());
    fill(&mut spool, (0..50).map(|number| number * 10));
    spool.sync().unwrap();
    spool.release(123).unwrap();
    assert_eq!(spool.len(), 37);
    let first: u64 = files(dir.path(), "spool")[0].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert!(first > 0 && first <= 120, "{first}");
    assert_eq!(spool.bytes(), on_disk(dir.path()));
    spool.release(5).unwrap();
    let expected: Vec<_> = (13..50).map(|number| number * 10).collect();
    assert_eq!(drain(&mut spool), expected);
    spool.rewind();
    assert_eq!(drain(&mut spool), expected);
    spool.release(489).unwrap();
    assert_eq!((spool.len(), spool.is_empty()), (1, false));
    spool.rewind();
    assert_eq!(drain(&mut spool), [490]);
    spool.release(490).unwrap();
    assert_eq!((spool.len(), spool.is_empty(), spool.bytes()), (0, true, 0));
    assert!(files(dir.path(), "spool").is_empty());
}

#[test]
fn after_a_restart_only_the_first_segment_repeats_what_was_released() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = small(dir.path());
    fill(&mut spool, 0..50);
    spool.release(20).unwrap();
    drop(spool);
    let (mut spool, found) = small(dir.path());
    let (first, last) = found.numbers.unwrap();
    assert!((14..=21).contains(&first), "{first}");
    assert_eq!((last, found.entries), (49, 50 - first));
    // What the caller knows from Kafka.
    spool.release(20).unwrap();
    assert_eq!(spool.len(), 29);
    assert_eq!(drain(&mut spool), range(21..50));
}

#[test]
fn an_empty_queue_takes_another_source_and_its_numbers() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = small(dir.path());
    fill(&mut spool, 100..120);
    let refused = spool.push("live-2", Entry { number: 120, key: b"", value: b"" });
    assert!(matches!(refused, Err(SpoolError::OtherSource { .. })));
    for number in [0, 118, 119] {
        assert!(matches!(push(&mut spool, number), Err(SpoolError::Order { last: 119, .. })));
    }
    assert_eq!(spool.len(), 20);
    assert_eq!(drain(&mut spool), range(100..120));
    spool.release(119).unwrap();
    let long = "x".repeat(SOURCE_MAX_BYTES + 1);
    let entry = Entry { number: 0, key: b"BTC-USD", value: b"1" };
    assert!(matches!(spool.push(&long, entry), Err(SpoolError::LongSource { .. })));
    assert_eq!(spool.push(&long[1..], entry).unwrap(), Pushed::Yes);
    assert_eq!(spool.next().unwrap(), Some(entry));
    drop(spool);
    assert_eq!(small(dir.path()).1.source.as_deref(), Some(&long[1..]));
}

#[test]
fn the_largest_entry_passes_and_a_larger_one_is_refused() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = Spool::open(dir.path(), ROOMY).unwrap();
    let bytes = vec![7; record::PAYLOAD_MAX_BYTES];
    let (key, rest) = bytes.split_at(bytes.len() / 2);
    let value = &rest[12..];
    for number in 0..5 {
        assert_eq!(spool.push(SOURCE, Entry { number, key, value }).unwrap(), Pushed::Yes);
    }
    let larger = spool.push(SOURCE, Entry { number: 5, key, value: &rest[11..] });
    assert!(matches!(larger, Err(SpoolError::TooLarge { .. })));
    drop(spool);
    let (mut spool, found) = Spool::open(dir.path(), ROOMY).unwrap();
    assert_eq!((found.entries, files(dir.path(), "spool").len()), (5, 5));
    for number in 0..5 {
        assert_eq!(spool.next().unwrap(), Some(Entry { number, key, value }));
    }
}

#[test]
fn the_limit_holds_until_something_is_released() {
    let dir = TempDir::new().unwrap();
    let limit = 2_000;
    let (mut spool, _) = Spool::open_sized(dir.path(), limit, SMALL).unwrap();
    let taken = (0..).find(|&number| push(&mut spool, number).unwrap() == Pushed::Full(Full::Limit)).unwrap();
    assert!(taken > 20);
    assert_eq!(push(&mut spool, taken).unwrap(), Pushed::Full(Full::Limit));
    spool.sync().unwrap();
    assert!(on_disk(dir.path()) <= limit && on_disk(dir.path()) > limit - 100);
    assert_eq!(drain(&mut spool), range(0..taken));
    spool.release(10).unwrap();
    fill(&mut spool, [taken + 5]);
    assert_eq!(drain(&mut spool), [taken + 5]);
    drop(spool);
    // A smaller limit than what is there refuses and loses nothing.
    let (mut spool, found) = Spool::open_sized(dir.path(), 10, SMALL).unwrap();
    assert_eq!(push(&mut spool, taken + 6).unwrap(), Pushed::Full(Full::Limit));
    assert_eq!(drain(&mut spool).len() as u64, found.entries);
}

#[test]
fn a_second_process_is_refused() {
    let dir = TempDir::new().unwrap();
    let (spool, _) = small(dir.path());
    let error = Spool::open(dir.path(), ROOMY).unwrap_err();
    assert!(matches!(error, SpoolError::Locked { .. }));
    assert!(error.to_string().contains("in use by another producer"), "{error}");
    drop(spool);
    small(dir.path());
}

/// `/dev/full` answers every write as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_and_what_was_taken_stays() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = small(dir.path());
    fill(&mut spool, 0..3);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let disk = std::mem::replace(&mut spool.queue.writer.as_mut().unwrap().file, full);
    let taken = (3..).find(|&number| push(&mut spool, number).unwrap() == Pushed::Full(Full::Disk)).unwrap();
    assert_eq!(push(&mut spool, taken).unwrap(), Pushed::Full(Full::Disk));
    assert!(spool.sync().unwrap_err().is_disk_full());
    assert_eq!(drain(&mut spool), range(0..taken));
    // Space again: the next sync finds it.
    spool.queue.writer.as_mut().unwrap().file = disk;
    assert_eq!(push(&mut spool, taken).unwrap(), Pushed::Full(Full::Disk));
    spool.sync().unwrap();
    fill(&mut spool, taken + 1..taken + 20);
    spool.rewind();
    let expected: Vec<_> = (0..taken + 20).filter(|&number| number != taken).collect();
    assert_eq!(drain(&mut spool), expected);
    drop(spool);
    assert_eq!(drain(&mut small(dir.path()).0), expected);
}
