//! One member: parked until started, exact seeks, positions, offsets.

use tape_kafka::{CommitMode, Isolation, Kind, Outgoing, Part, Reaction};

use crate::support::*;

fn numbers(records: &[(i32, i64, u32)]) -> Vec<u32> {
    records.iter().map(|(_, _, number)| *number).collect()
}

#[test]
fn parked_partitions_deliver_nothing_until_started() {
    let parts = topic("parked", 3);
    for part in &parts {
        write(part, (0..200).map(|number| number + 1000 * part.partition.unsigned_abs()));
    }
    let mut consumer = only_member(&parts);
    silence(&mut consumer);

    consumer.start(&parts[1]).unwrap();
    assert_eq!(numbers(&consume(&mut consumer, 200)), Vec::from_iter(1000..1200));
    silence(&mut consumer);

    // What comes meanwhile stays parked too.
    write(&parts[0], 200..210);
    silence(&mut consumer);
    assert_eq!(consumer.position(&parts[0]), Some(0));
    consumer.start(&parts[0]).unwrap();
    assert_eq!(numbers(&consume(&mut consumer, 210)), Vec::from_iter(0..210));
    consumer.start(&parts[2]).unwrap();
    assert_eq!(numbers(&consume(&mut consumer, 200)), Vec::from_iter(2000..2200));
    silence(&mut consumer);
}

#[test]
fn a_seek_rewinds_exactly() {
    let parts = topic("seek", 2);
    write(&parts[0], 0..1000);
    write(&parts[1], 5000..6000);
    let mut consumer = only_member(&parts);
    consumer.start(&parts[0]).unwrap();
    // Back and forth, parked and started, with much fetched ahead each time.
    let mut next = 0;
    for target in [0, 500, 20, 999, 0, 1, 700, 3, 3, 900, 0] {
        let records = consume(&mut consumer, 100.min(1000 - next));
        assert_eq!(numbers(&records), Vec::from_iter((next as u32..).take(records.len())));
        consumer.seek(&parts[0], target, DEADLINE).unwrap();
        assert_eq!(consumer.position(&parts[0]), Some(target));
        next = usize::try_from(target).unwrap();
    }
    assert_eq!(numbers(&consume(&mut consumer, 1000)), Vec::from_iter(0..1000));
    silence(&mut consumer);

    consumer.seek(&parts[1], 990, DEADLINE).unwrap();
    consumer.start(&parts[1]).unwrap();
    assert_eq!(numbers(&consume(&mut consumer, 10)), Vec::from_iter(5990..6000));
    silence(&mut consumer);
}

#[test]
fn stop_and_start_lose_and_double_nothing() {
    let parts = topic("stop", 2);
    write(&parts[0], 0..2000);
    write(&parts[1], 0..2000);
    let mut consumer = only_member(&parts);
    let mut seen: [Vec<u32>; 2] = [Vec::new(), Vec::new()];
    consumer.start(&parts[1]).unwrap();
    for _ in 0..10 {
        consumer.start(&parts[0]).unwrap();
        for (partition, _, number) in consume(&mut consumer, 100) {
            seen[partition as usize].push(number);
        }
        consumer.stop(&parts[0], DEADLINE).unwrap();
        let at = i64::try_from(seen[0].len()).unwrap();
        assert_eq!(consumer.position(&parts[0]), Some(at));
        let others = consume(&mut consumer, 50.min(2000 - seen[1].len()));
        assert!(others.iter().all(|(partition, ..)| *partition == 1), "a stopped partition was handed out");
        seen[1].extend(numbers(&others));
    }
    consumer.start(&parts[0]).unwrap();
    let rest = 4000 - seen[0].len() - seen[1].len();
    for (partition, _, number) in consume(&mut consumer, rest) {
        seen[partition as usize].push(number);
    }
    assert_eq!(seen, [Vec::from_iter(0..2000), Vec::from_iter(0..2000)]);
    silence(&mut consumer);
}

#[test]
fn the_position_passes_transaction_markers() {
    let parts = topic("markers", 1);
    let part = &parts[0];
    let producer = transactional(&unique("txn"), None);
    let mut consumer = only_member(&parts);
    consumer.start(part).unwrap();
    for round in 0..3 {
        producer.begin().unwrap();
        for number in 0..10 {
            producer.send(&outgoing(part, &number.to_string())).unwrap();
        }
        producer.commit(DEADLINE).unwrap();
        assert_eq!(consume(&mut consumer, 10).len(), 10, "round {round}");
        let end = end_of(part, Isolation::ReadCommitted);
        assert_eq!(end, 11 * (round + 1), "ten records and a marker each");
        until("the marker", || {
            consumer.consume(10, TURN, &mut |record| panic!("{record:?}")).unwrap();
            (consumer.position(part) == Some(end)).then_some(())
        });
    }
    // A rewind to what was committed is not moved by what librdkafka has seen.
    consumer.seek(part, 5, DEADLINE).unwrap();
    assert_eq!(consumer.position(part), Some(5));
    assert_eq!(consume(&mut consumer, 1), [(0, 5, 5)]);
}

fn end_of(part: &Part, isolation: Isolation) -> i64 {
    let ends = clients().admin().unwrap().end_offsets(std::slice::from_ref(part), isolation, DEADLINE);
    ends.unwrap()[0].1
}

#[test]
fn open_transactions_bound_the_committed_end() {
    let parts = topic("ends", 1);
    let part = &parts[0];
    write(part, 0..4);
    let producer = transactional(&unique("txn"), Some(part));
    producer.begin().unwrap();
    producer.send(&outgoing(part, "4")).unwrap();
    until("the record in the log", || (end_of(part, Isolation::ReadUncommitted) == 5).then_some(()));
    assert_eq!(end_of(part, Isolation::ReadCommitted), 4);
    producer.commit(DEADLINE).unwrap();
    until("the commit", || (end_of(part, Isolation::ReadCommitted) == 6).then_some(()));
}

#[test]
fn offsets_committed_and_not() {
    let parts = topic("offsets", 2);
    write(&parts[0], 0..10);
    write(&parts[1], 0..10);
    let mut consumer = only_member(&parts);
    let none = consumer.committed(&parts, DEADLINE).unwrap();
    assert_eq!(none, [(parts[0].clone(), None), (parts[1].clone(), None)]);
    consumer.commit_offsets(&[(parts[1].clone(), 7)], CommitMode::Wait(DEADLINE)).unwrap();
    let answer = consumer.ask_committed(&parts[1], DEADLINE).recv_timeout(DEADLINE).unwrap();
    assert_eq!(answer.unwrap(), Some(7));
    let answer = consumer.ask_committed(&parts[0], DEADLINE).recv_timeout(DEADLINE).unwrap();
    assert_eq!(answer.unwrap(), None);
    // Nothing to commit is no mistake.
    consumer.commit_offsets(&[], CommitMode::Wait(DEADLINE)).unwrap();

    consumer.commit_offsets(&[(parts[0].clone(), 3)], CommitMode::Async).unwrap();
    until("the asynchronous commit", || {
        assert_eq!(consumer.poll_events().unwrap(), []);
        let committed = consumer.committed(&parts, DEADLINE).unwrap();
        (committed == [(parts[0].clone(), Some(3)), (parts[1].clone(), Some(7))]).then_some(())
    });
}

#[test]
fn an_offset_that_is_gone_is_an_error_and_not_a_jump() {
    let parts = topic("gone", 1);
    write(&parts[0], 0..10);
    let mut consumer = only_member(&parts);
    consumer.seek(&parts[0], 50, DEADLINE).unwrap();
    consumer.start(&parts[0]).unwrap();
    let error = until("the error", || consumer.consume(10, TURN, &mut |record| panic!("{record:?}")).err());
    assert!(
        matches!(&error.kind, Kind::OffsetOutOfRange { part, offset: 50, .. } if *part == parts[0]),
        "{error:?}"
    );
    // librdkafka has given the partition up: said at once, not after a time-out.
    let error = consumer.seek(&parts[0], 8, DEADLINE).unwrap_err();
    assert_eq!(error.kind, Kind::Usage, "{error}");
    silence(&mut consumer);
}

#[test]
fn calls_for_partitions_of_others_are_refused() {
    let parts = topic("foreign", 1);
    let mut consumer = only_member(&parts);
    let other = Part::new("no-such-topic", 0);
    for error in [
        consumer.start(&other).unwrap_err(),
        consumer.stop(&other, DEADLINE).unwrap_err(),
        consumer.seek(&other, 0, DEADLINE).unwrap_err(),
        consumer.assign(&[(parts[0].clone(), -3)]).unwrap_err(),
    ] {
        assert_eq!((error.reaction, &error.kind), (Reaction::Fatal, &Kind::Usage), "{error}");
    }
    assert!(consumer.assign(&[(parts[0].clone(), 0)]).is_err(), "assigned twice");
    assert_eq!(consumer.position(&other), None);
    consumer.unassign(std::slice::from_ref(&other)).unwrap();
}

#[test]
fn records_come_as_they_were_sent() {
    let parts = topic("records", 1);
    let part = &parts[0];
    let headers = [("a", Some(&b"1"[..])), ("none", None), ("empty", Some(&b""[..])), ("a", Some(&b"2"[..]))];
    let producer = producer();
    let bare = Outgoing { topic: &part.topic, partition: Some(0), ..Outgoing::default() };
    let all = [
        Outgoing { key: Some(b"k"), value: Some(b"v"), headers: &headers, timestamp: Some(1234), ..bare },
        Outgoing { key: None, value: None, ..bare },
        Outgoing { key: Some(b""), value: Some(b""), ..bare },
    ];
    all.iter().for_each(|record| producer.send(record).unwrap());
    producer.flush(DEADLINE).unwrap();

    let mut consumer = only_member(&parts);
    consumer.start(part).unwrap();
    let mut seen = 0;
    until("three records", || {
        consumer
            .consume(10, TURN, &mut |record| {
                let sent = &all[seen];
                assert_eq!((record.topic, record.partition, record.offset), (&*part.topic, 0, seen as i64));
                assert_eq!((record.key, record.value), (sent.key, sent.value), "{seen}");
                let found: Vec<_> =
                    record.headers().map(|(name, value)| (name.into_owned(), value)).collect();
                let wanted: Vec<_> =
                    sent.headers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
                assert_eq!(found, wanted);
                assert!(!record.log_append_time && record.append_time().is_none());
                if let Some(timestamp) = sent.timestamp {
                    assert_eq!(record.timestamp, Some(timestamp));
                }
                seen += 1;
            })
            .unwrap();
        (seen == all.len()).then_some(())
    });
}
