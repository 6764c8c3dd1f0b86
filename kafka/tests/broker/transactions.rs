//! Transactions: all or nothing, offsets, fencing, acknowledged offsets, time.

use std::time::{Duration, Instant};

use tape_kafka::{Isolation, Outgoing, Reaction};

use crate::support::*;

#[test]
fn acknowledged_offsets_of_the_tracked_topic() {
    let parts = topic("acked", 3);
    let others = topic("not-tracked", 3);
    let producer = transactional(&unique("txn"), Some(&parts[0]));
    assert_eq!(producer.acked_offset(0), None);
    producer.begin().unwrap();
    for (partition, count) in [(0, 7), (2, 1)] {
        for number in 0..count {
            producer.send(&outgoing(&parts[partition], &number.to_string())).unwrap();
        }
    }
    (0..20).for_each(|number| producer.send(&outgoing(&others[1], &number.to_string())).unwrap());
    producer.commit(DEADLINE).unwrap();
    let acked: Vec<Option<i64>> = (0..3).map(|partition| producer.acked_offset(partition)).collect();
    assert_eq!(acked, [Some(6), None, Some(0)]);
    // A new transaction begins with nothing; the marker of the first has taken an offset.
    producer.begin().unwrap();
    assert_eq!(producer.acked_offset(0), None);
    producer.send(&outgoing(&parts[0], "7")).unwrap();
    producer.commit(DEADLINE).unwrap();
    assert_eq!(producer.acked_offset(0), Some(8));
    assert_eq!((producer.delivery_failures(), producer.first_failure().is_none()), (0, true));
}

#[test]
fn offsets_are_committed_with_the_transaction_or_not_at_all() {
    let parts = topic("input", 2);
    parts.iter().for_each(|part| write(part, 0..10));
    let group = unique("group");
    let mut consumer = clients().group_consumer(group_spec(&group, &parts)).unwrap();
    let starts: Vec<_> = assigned(&mut consumer).into_iter().map(|part| (part, 0)).collect();
    consumer.assign(&starts).unwrap();
    let producer = transactional(&unique("txn"), None);
    let admin = clients().admin().unwrap();
    let committed = || -> Vec<Option<i64>> {
        admin.committed(&group, &parts, DEADLINE).unwrap().into_iter().map(|(_, offset)| offset).collect()
    };

    producer.begin().unwrap();
    let offsets = [(parts[0].clone(), 4), (parts[1].clone(), 9)];
    producer.send_offsets(&offsets, &consumer.group_metadata().unwrap(), DEADLINE).unwrap();
    assert_eq!(committed(), [None, None]);
    producer.abort(DEADLINE).unwrap();
    assert_eq!(committed(), [None, None]);

    producer.begin().unwrap();
    producer.send_offsets(&offsets, &consumer.group_metadata().unwrap(), DEADLINE).unwrap();
    producer.commit(DEADLINE).unwrap();
    until("the offsets", || (committed() == [Some(4), Some(9)]).then_some(()));
    // The member itself sees the same, and the lag tool the rest.
    let own = consumer.committed(&parts, DEADLINE).unwrap();
    assert_eq!(own, [(parts[0].clone(), Some(4)), (parts[1].clone(), Some(9))]);
    let lag: Vec<i64> =
        admin.lag(&group, &parts[0].topic, DEADLINE).unwrap().iter().map(tape_kafka::Lag::records).collect();
    assert_eq!(lag, [6, 1]);
}

#[test]
fn a_second_producer_with_the_same_id_fences_the_first() {
    let parts = topic("fence", 1);
    let id = unique("txn");
    let first = transactional(&id, None);
    first.begin().unwrap();
    first.send(&outgoing(&parts[0], "1")).unwrap();
    until("the record in the log", || {
        (!read(&parts[0], Isolation::ReadUncommitted).is_empty()).then_some(())
    });

    let second = transactional(&id, None);
    let error = first.commit(DEADLINE).unwrap_err();
    assert_eq!(error.reaction, Reaction::Fenced, "{error}");
    assert!(error.to_string().contains(&id), "{error}");
    // It stays dead, for every call.
    assert_eq!(first.abort(DEADLINE).unwrap_err().reaction, Reaction::Fenced);
    assert_eq!(first.begin().unwrap_err().reaction, Reaction::Fenced);

    second.begin().unwrap();
    second.send(&outgoing(&parts[0], "2")).unwrap();
    second.commit(DEADLINE).unwrap();
    let numbers: Vec<u32> =
        read(&parts[0], Isolation::ReadCommitted).into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [2]);
}

#[test]
fn offsets_of_a_member_that_left_are_refused() {
    let parts = topic("zombie", 1);
    write(&parts[0], 0..10);
    let group = unique("group");
    let mut consumer = clients().group_consumer(group_spec(&group, &parts)).unwrap();
    assigned(&mut consumer);
    consumer.assign(&[(parts[0].clone(), 0)]).unwrap();
    let stale = consumer.group_metadata().unwrap();
    assert!(consumer.close(DEADLINE));

    let producer = transactional(&unique("txn"), None);
    producer.begin().unwrap();
    producer.send(&outgoing(&parts[0], "99")).unwrap();
    let outcome = producer
        .send_offsets(&[(parts[0].clone(), 5)], &stale, DEADLINE)
        .and_then(|()| producer.commit(DEADLINE));
    let error = outcome.unwrap_err();
    assert_eq!(error.reaction, Reaction::Abort, "{error}");
    producer.abort(DEADLINE).unwrap();
    let admin = clients().admin().unwrap();
    assert_eq!(admin.committed(&group, &parts, DEADLINE).unwrap(), [(parts[0].clone(), None)]);
    // The producer lives on.
    producer.begin().unwrap();
    producer.send(&outgoing(&parts[0], "100")).unwrap();
    producer.commit(DEADLINE).unwrap();
}

#[test]
fn a_transaction_that_timed_out_is_fenced_and_a_new_producer_goes_on() {
    let parts = topic("slow", 1);
    let id = unique("txn");
    let spec = tape_kafka::TxnSpec {
        transaction_timeout: Duration::from_secs(1),
        linger: Duration::ZERO,
        compression: tape_service::config::Compression::None,
        buffer_memory: 1 << 20,
        tracked_topic: None,
    };
    let producer = clients().transactional_producer(&id, spec.clone()).unwrap();
    producer.init(DEADLINE).unwrap();
    producer.begin().unwrap();
    producer.send(&outgoing(&parts[0], "1")).unwrap();
    // The broker looks for such transactions every 10 s; readers are free again then.
    until("the broker's abort", || {
        let admin = clients().admin().unwrap();
        let all = admin.end_offsets(&parts, Isolation::ReadUncommitted, DEADLINE).unwrap()[0].1;
        (all == 2).then_some(())
    });
    let error = producer.commit(DEADLINE).unwrap_err();
    assert!(matches!(error.reaction, Reaction::Fenced | Reaction::Fatal | Reaction::Abort), "{error}");
    drop(producer);
    let producer = clients().transactional_producer(&id, spec).unwrap();
    producer.init(DEADLINE).unwrap();
    producer.begin().unwrap();
    producer.send(&outgoing(&parts[0], "2")).unwrap();
    producer.commit(DEADLINE).unwrap();
    let numbers: Vec<u32> =
        read(&parts[0], Isolation::ReadCommitted).into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [2]);
}

#[test]
fn an_abort_does_not_wait_for_what_is_not_sent() {
    let parts = topic("abort", 1);
    let producer = transactional(&unique("txn"), None);
    for _ in 0..3 {
        producer.begin().unwrap();
        for number in 0..20_000 {
            producer.send(&outgoing(&parts[0], &number.to_string())).unwrap();
        }
        let begin = Instant::now();
        producer.abort(DEADLINE).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
    producer.begin().unwrap();
    producer.send(&outgoing(&parts[0], "1")).unwrap();
    producer.commit(DEADLINE).unwrap();
    let numbers: Vec<u32> =
        read(&parts[0], Isolation::ReadCommitted).into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [1]);
}

#[test]
fn a_commit_does_not_cost_a_tenth_of_a_second() {
    let parts = topic("quick", 1);
    let mut consumer = only_member(&parts);
    let producer = transactional(&unique("txn"), None);
    let mut quickest = Duration::MAX;
    for number in 0..30 {
        consumer.poll_events().unwrap();
        let begin = Instant::now();
        producer.begin().unwrap();
        producer.send(&outgoing(&parts[0], &number.to_string())).unwrap();
        let offsets = [(parts[0].clone(), 0)];
        producer.send_offsets(&offsets, &consumer.group_metadata().unwrap(), DEADLINE).unwrap();
        producer.commit(DEADLINE).unwrap();
        quickest = quickest.min(begin.elapsed());
    }
    // Both traps (polling in steps of 100 ms, waiting 100 ms for the markers before) cost every transaction that much.
    assert!(quickest < Duration::from_millis(80), "{quickest:?}");
}

#[test]
fn a_record_that_is_too_large_is_configuration() {
    let parts = topic("large", 1);
    let producer = transactional(&unique("txn"), None);
    producer.begin().unwrap();
    let value = vec![b'x'; 2 << 20];
    let large = Outgoing { topic: &parts[0].topic, value: Some(&value), ..Outgoing::default() };
    let error = producer.send(&large).unwrap_err();
    assert_eq!(error.reaction, Reaction::Config, "{error}");
    producer.abort(DEADLINE).unwrap();
    // Without a transaction there is nothing to put a record into.
    let error = producer.send(&outgoing(&parts[0], "1")).unwrap_err();
    assert_eq!(error.reaction, Reaction::Abort, "{error}");
}
