//! Closing never hangs, whatever state the client is in.

use std::thread;
use std::time::{Duration, Instant};

use tape_kafka::{Clients, GroupConsumer, GroupEvent, GroupSpec, Isolation, Part, TxnSpec};
use tape_service::config::{Acks, Compression};

use crate::support::*;

/// Groups that meet the same moment, since what went wrong in it was a race.
const PAIRS: usize = 32;

/// A port of this machine on which nothing listens.
fn nowhere() -> Clients {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    Clients::new(&kafka(&address.to_string()), "tape-kafka-test")
}

fn closes(consumer: GroupConsumer) {
    assert!(consumer.close(Duration::from_secs(20)), "still closing");
}

#[test]
fn with_partitions_parked_and_started() {
    let parts = topic("close", 2);
    write(&parts[0], 0..1000);
    let mut consumer = only_member(&parts);
    consumer.start(&parts[0]).unwrap();
    consume(&mut consumer, 10);
    closes(consumer);
}

#[test]
fn with_an_assignment_that_was_never_answered() {
    let parts = topic("unanswered", 2);
    let mut consumer = clients().group_consumer(group_spec(&unique("group"), &parts)).unwrap();
    assigned(&mut consumer);
    closes(consumer);
}

#[test]
fn with_a_revocation_that_was_never_answered() {
    let parts = topic("unrevoked", 2);
    let group = unique("group");
    let mut first = clients().group_consumer(group_spec(&group, &parts)).unwrap();
    let all = assigned(&mut first);
    first.assign(&[(all[0].clone(), 0), (all[1].clone(), 0)]).unwrap();
    let mut second = clients().group_consumer(group_spec(&group, &parts)).unwrap();
    until("a revocation", || {
        second.poll_events().unwrap();
        first.consume(1, TURN, &mut |_| ()).unwrap();
        let events = first.poll_events().unwrap();
        events
            .iter()
            .any(|event| matches!(event, GroupEvent::Revoked(parts) if !parts.is_empty()))
            .then_some(())
    });
    closes(first);
    closes(second);
}

/// The assignment that ends a rebalance waits unread while the close brings a revocation of everything: two to answer,
/// and after the first the membership can end. A static member does not wait for the broker's leave, so it ends at once.
#[test]
fn with_a_rebalance_that_nobody_has_read() {
    let parts = topic("unread", 2);
    thread::scope(|scope| {
        for _ in 0..PAIRS {
            scope.spawn(|| close_with_an_unread_assignment(&parts));
        }
    });
}

fn close_with_an_unread_assignment(parts: &[Part]) {
    let group = unique("group");
    let member = |instance: &str| {
        let spec = GroupSpec { instance_id: Some(instance.to_owned()), ..group_spec(&group, parts) };
        clients().group_consumer(spec).unwrap()
    };
    let mut first = member("first");
    let all = assigned(&mut first);
    first.assign(&[(all[0].clone(), 0), (all[1].clone(), 0)]).unwrap();
    let mut second = member("second");
    let (mut revoked, mut done) = (false, false);
    until("the second has its share", || {
        // The first hands over what it must, and joins again; what comes then it does not read.
        let events = if done { Vec::new() } else { first.poll_events().unwrap() };
        for event in events {
            match event {
                GroupEvent::Revoked(parts) if !parts.is_empty() => {
                    first.unassign(&parts).unwrap();
                    revoked = true;
                }
                _ => done = revoked,
            }
        }
        let events = second.poll_events().unwrap();
        second.consume(1, TURN, &mut |_| ()).unwrap();
        events
            .iter()
            .any(|event| matches!(event, GroupEvent::Assigned(parts) if parts.len() == 1))
            .then_some(())
    });
    // Its own answer of the coordinator came at the same time, or comes while the second looks for records.
    second.consume(1, 10 * TURN, &mut |_| ()).unwrap();
    closes(first);
    closes(second);
}

#[test]
fn at_once_and_without_a_poll() {
    let parts = topic("at-once", 1);
    for _ in 0..5 {
        closes(clients().group_consumer(group_spec(&unique("group"), &parts)).unwrap());
    }
}

#[test]
fn without_a_broker() {
    let begin = Instant::now();
    let parts = [Part::new("nowhere", 0)];
    let mut consumer = nowhere().group_consumer(group_spec("nobody", &parts)).unwrap();
    consumer.consume(1, TURN, &mut |_| ()).unwrap();
    consumer.poll_events().unwrap();
    consumer.close(Duration::from_secs(2));

    let mut reader = nowhere().reader(Isolation::ReadCommitted).unwrap();
    let error = reader.assign(&[(parts[0].clone(), 0)], Duration::from_secs(1)).unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("onnect"), "{error}");
    drop(reader);

    let producer = nowhere().producer(&settings(Acks::All)).unwrap();
    producer.send(&outgoing(&parts[0], "1")).unwrap();
    assert!(producer.flush(Duration::from_millis(200)).unwrap_err().is_timeout());
    assert_eq!(producer.in_flight(), 1);
    drop(producer);

    let spec = TxnSpec {
        transaction_timeout: Duration::from_secs(10),
        linger: Duration::ZERO,
        compression: Compression::None,
        buffer_memory: 1 << 20,
        tracked_topic: None,
    };
    let producer = nowhere().transactional_producer("nobody", spec).unwrap();
    let error = producer.init(Duration::from_millis(200)).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    drop(producer);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[test]
fn a_transaction_that_is_open() {
    let parts = topic("open", 1);
    let id = unique("txn");
    let producer = transactional(&id, None);
    producer.begin().unwrap();
    for number in 0..1000 {
        producer.send(&outgoing(&parts[0], &number.to_string())).unwrap();
    }
    let begin = Instant::now();
    drop(producer);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    // The successor with the same id ends it at once: readers go on.
    transactional(&id, None);
    assert_eq!(read(&parts[0], Isolation::ReadCommitted), []);
}
