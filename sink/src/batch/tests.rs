use super::*;
use crate::slot::Table;

const LIMITS: Limits = Limits { rows: 3, bytes: 1_000, linger: Duration::from_millis(200) };

fn slot(partition: i32) -> Slot {
    Slot { table: Table::Aggregates, partition }
}

fn entry(partition: i32, offset: i64, bytes: usize) -> Entry {
    let row = StockAggregate { symbol: format!("S{offset}"), revision: offset, ..StockAggregate::default() };
    let mut value = Vec::new();
    tape_proto::aggregate::encode(
        &StockAggregate { window_end: 1, ..row },
        tape_proto::output::OutputFormat::Protobuf,
        &mut value,
    );
    let mut entry = Entry::judge(crate::entry::Incoming {
        slot: slot(partition),
        topic: "t",
        offset,
        timestamp: None,
        append_time: None,
        key: None,
        value: Some(&value),
        headers: Vec::new(),
    });
    entry.bytes = bytes;
    entry
}

#[test]
fn due_by_rows_bytes_or_time() {
    let start = Instant::now();
    let check = |entries: &[usize], waited_ms: u64, due: bool| {
        let mut batch = Batch::default();
        for (offset, &bytes) in entries.iter().enumerate() {
            batch.push(entry(0, offset as i64, bytes), start);
        }
        let now = start + Duration::from_millis(waited_ms);
        assert_eq!(batch.is_due(&LIMITS, now), due, "{entries:?} after {waited_ms} ms");
    };
    check(&[], 10_000, false);
    check(&[1], 0, false);
    check(&[1, 1], 199, false);
    check(&[1, 1], 200, true);
    check(&[1, 1, 1], 0, true);
    check(&[999], 0, false);
    check(&[1_000], 0, true);
    check(&[400, 700], 0, true);
}

#[test]
fn room_shrinks_with_rows_and_ends_with_bytes() {
    let start = Instant::now();
    let mut batch = Batch::default();
    assert_eq!(batch.room(&LIMITS), 3);
    batch.push(entry(0, 0, 10), start);
    assert_eq!(batch.room(&LIMITS), 2);
    batch.push(entry(0, 1, 990), start);
    assert_eq!(batch.room(&LIMITS), 0);
}

#[test]
fn rows_of_one_key_are_one() {
    let start = Instant::now();
    let mut batch = Batch::default();
    for revision in 0..23 {
        let mut next = entry(0, 0, 1);
        next.offset = revision;
        batch.push(next, start);
        assert_eq!(batch.keys(), 1);
        assert!(!batch.is_due(&LIMITS, start), "after {revision}");
    }
    batch.push(entry(0, 0, 1), start);
    assert!(batch.is_due(&LIMITS, start), "memory is bounded even so");
    assert_eq!((batch.rows().len(), batch.room(&LIMITS)), (1, 0));
}

#[test]
fn ends_are_the_offsets_after_the_last_entries() {
    let mut batch = Batch::default();
    for (partition, offset) in [(0, 5), (1, 9), (0, 7), (1, 10)] {
        batch.push(entry(partition, offset, 1), Instant::now());
    }
    assert_eq!(batch.ends(), &BTreeMap::from([(slot(0), 8), (slot(1), 11)]));
    batch.remove(&BTreeSet::from([slot(1)]));
    assert_eq!(batch.ends(), &BTreeMap::from([(slot(0), 8)]));
    assert_eq!(batch.rows().len(), 2);
    batch.remove(&BTreeSet::from([slot(0)]));
    assert!(batch.is_empty() && batch.time_left(&LIMITS, Instant::now()).is_none());
}
