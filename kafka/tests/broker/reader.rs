//! Readers: what each level sees, and positions.

use tape_kafka::{Isolation, Kind, Part, Reaction};

use crate::support::*;

#[test]
fn commits_are_seen_and_aborts_are_not() {
    let parts = topic("visible", 1);
    let part = &parts[0];
    let producer = transactional(&unique("txn"), None);
    for (numbers, commit) in [(0..5, true), (5..10, false), (10..15, true)] {
        producer.begin().unwrap();
        for number in numbers {
            producer.send(&outgoing(part, &number.to_string())).unwrap();
        }
        if commit {
            producer.commit(DEADLINE).unwrap();
        } else {
            // An abort drops what is not sent yet: for this test it must be in the log.
            until("the records of the transaction to abort", || {
                (read(part, Isolation::ReadUncommitted).len() == 10).then_some(())
            });
            producer.abort(DEADLINE).unwrap();
        }
    }
    let committed: Vec<u32> =
        read(part, Isolation::ReadCommitted).into_iter().map(|(_, number)| number).collect();
    assert_eq!(committed, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    let all: Vec<u32> =
        read(part, Isolation::ReadUncommitted).into_iter().map(|(_, number)| number).collect();
    assert_eq!(all, Vec::from_iter(0..15));
}

#[test]
fn transaction_markers_are_passed_by_position() {
    let parts = topic("pass", 2);
    let producer = transactional(&unique("txn"), None);
    producer.begin().unwrap();
    producer.send(&outgoing(&parts[0], "1")).unwrap();
    producer.commit(DEADLINE).unwrap();

    let mut reader = clients().reader(Isolation::ReadCommitted).unwrap();
    let (low, high) = reader.watermarks(&parts[0], Isolation::ReadUncommitted, DEADLINE).unwrap();
    assert_eq!((low, high), (0, 2), "a record and a marker");
    reader.assign(&[(parts[0].clone(), 0), (parts[1].clone(), 0)], DEADLINE).unwrap();
    assert!(!reader.caught_up(&parts[0], high));
    assert_eq!(read_to(&mut reader, &parts[0], high), [(0, 1)]);
    assert_eq!(reader.position(&parts[0]), Some(2));
    // Nothing but a marker comes: the position moves all the same.
    producer.begin().unwrap();
    producer.send(&outgoing(&parts[0], "2")).unwrap();
    until("the record in the log", || {
        (reader.watermarks(&parts[0], Isolation::ReadUncommitted, DEADLINE).unwrap().1 == 3).then_some(())
    });
    producer.abort(DEADLINE).unwrap();
    assert_eq!(read_to(&mut reader, &parts[0], 4), []);
    // An empty partition is caught up at 0.
    assert_eq!(read_to(&mut reader, &parts[1], 0), []);
}

#[test]
fn a_restore_waits_for_open_transactions() {
    let parts = topic("pending", 1);
    let part = &parts[0];
    write(part, 0..3);
    let producer = transactional(&unique("txn"), None);
    producer.begin().unwrap();
    producer.send(&outgoing(part, "3")).unwrap();
    let mut reader = clients().reader(Isolation::ReadCommitted).unwrap();
    let target = until("the record in the log", || {
        let high = reader.watermarks(part, Isolation::ReadUncommitted, DEADLINE).unwrap().1;
        (high == 4).then_some(high)
    });
    reader.assign(&[(part.clone(), 0)], DEADLINE).unwrap();
    assert_eq!(read_to(&mut reader, part, 3).len(), 3);
    for _ in 0..10 {
        assert_eq!(reader.poll(10, TURN, &mut |record| panic!("{record:?}")).unwrap(), 0);
        assert!(!reader.caught_up(part, target));
    }
    producer.commit(DEADLINE).unwrap();
    assert_eq!(read_to(&mut reader, part, target), [(3, 3)]);
}

#[test]
fn partitions_can_be_moved_added_and_dropped() {
    let parts = topic("move", 3);
    for part in &parts {
        write(part, 0..100);
    }
    let mut reader = clients().reader(Isolation::ReadCommitted).unwrap();
    assert_eq!(reader.partitions(&parts[0].topic, DEADLINE).unwrap(), parts);
    reader.assign(&[(parts[0].clone(), 50)], DEADLINE).unwrap();
    assert_eq!(read_to(&mut reader, &parts[0], 100).len(), 50);
    for offset in [90, 0, 99, 10] {
        reader.assign(&[(parts[0].clone(), offset)], DEADLINE).unwrap();
        assert_eq!(reader.position(&parts[0]), Some(offset));
        let records = read_to(&mut reader, &parts[0], 100);
        let expected: Vec<(i64, u32)> = (offset..100).map(|offset| (offset, offset as u32)).collect();
        assert_eq!(records, expected);
    }
    reader.assign(&[(parts[1].clone(), 98)], DEADLINE).unwrap();
    assert_eq!(read_to(&mut reader, &parts[1], 100), [(98, 98), (99, 99)]);
    reader.unassign(&parts[0]);
    write(&parts[0], 100..110);
    write(&parts[1], 100..101);
    assert_eq!(read_to(&mut reader, &parts[1], 101), [(100, 100)]);
    assert_eq!(reader.position(&parts[0]), None);
    assert!(!reader.caught_up(&parts[0], 0));
}

#[test]
fn an_offset_that_is_not_there_names_itself() {
    let parts = topic("range", 1);
    write(&parts[0], 0..10);
    let mut reader = clients().reader(Isolation::ReadCommitted).unwrap();
    reader.assign(&[(parts[0].clone(), 77)], DEADLINE).unwrap();
    let error = until("the error", || reader.poll(10, TURN, &mut |record| panic!("{record:?}")).err());
    assert!(
        matches!(&error.kind, Kind::OffsetOutOfRange { part, offset: 77, .. } if *part == parts[0]),
        "{error:?}"
    );
    let line = error.to_string();
    assert!(line.contains(&format!("{} at offset 77", parts[0])), "{line}");
    // It can be read on elsewhere.
    reader.assign(&[(parts[0].clone(), 8)], DEADLINE).unwrap();
    assert_eq!(read_to(&mut reader, &parts[0], 10), [(8, 8), (9, 9)]);
}

#[test]
fn missing_topics_and_partitions_are_configuration() {
    let parts = topic("there", 1);
    let mut reader = clients().reader(Isolation::ReadCommitted).unwrap();
    for part in [Part::new("not-there", 0), Part::new(&*parts[0].topic, 1)] {
        let error = reader.assign(&[(part, 0)], DEADLINE).unwrap_err();
        assert_eq!(error.reaction, Reaction::Config, "{error}");
        assert!(error.to_string().contains("`tape topics`"), "{error}");
    }
    let error = reader.partitions("not-there", DEADLINE).unwrap_err();
    assert_eq!(error.reaction, Reaction::Config, "{error}");
}
