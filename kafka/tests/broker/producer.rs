//! The producer without transactions: order, partitions, counts, back-pressure.

use tape_kafka::{Isolation, Kind, Outgoing, Reaction};
use tape_service::config::Acks;

use crate::support::*;

#[test]
fn everything_arrives_in_order_and_is_counted() {
    for acks in [Acks::All, Acks::Leader] {
        let parts = topic("order", 1);
        let producer = clients().producer(&settings(acks)).unwrap();
        for number in 0..5000 {
            producer.send(&outgoing(&parts[0], &number.to_string())).unwrap();
        }
        producer.flush(DEADLINE).unwrap();
        assert_eq!((producer.delivered(), producer.delivery_failures(), producer.in_flight()), (5000, 0, 0));
        let numbers: Vec<u32> =
            read(&parts[0], Isolation::ReadCommitted).into_iter().map(|(_, number)| number).collect();
        assert_eq!(numbers, Vec::from_iter(0..5000), "{acks:?}");
    }
}

#[test]
fn keys_go_where_java_clients_put_them() {
    // Hashes from the tests of Apache Kafka's own murmur2.
    let hashes: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    let parts = topic("keys", 7);
    let producer = producer();
    for (key, _) in hashes {
        let record = Outgoing {
            topic: &parts[0].topic,
            key: Some(key.as_bytes()),
            value: Some(b"1"),
            ..Outgoing::default()
        };
        producer.send(&record).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
    let mut reader = clients().reader(Isolation::ReadCommitted).unwrap();
    let starts: Vec<_> = parts.iter().map(|part| (part.clone(), 0)).collect();
    reader.assign(&starts, DEADLINE).unwrap();
    let mut found = 0;
    until("all keys", || {
        reader
            .poll(10, TURN, &mut |record| {
                let key = std::str::from_utf8(record.key.unwrap()).unwrap();
                let hash = hashes.iter().find(|(name, _)| *name == key).unwrap().1;
                assert_eq!(record.partition, (hash & i32::MAX) % 7, "{key}");
                found += 1;
            })
            .unwrap();
        (found == hashes.len()).then_some(())
    });
}

#[test]
fn a_failure_is_kept_until_it_is_taken() {
    let parts = topic("refused", 1);
    let producer = producer();
    // The topic has one partition: this one will never exist.
    let record = Outgoing { partition: Some(9), ..outgoing(&parts[0], "1") };
    let error = match producer.send(&record) {
        Ok(()) => producer.flush(DEADLINE).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.reaction, Reaction::Config, "{error}");
    // It is forgotten then, and the producer works on.
    producer.send(&outgoing(&parts[0], "2")).unwrap();
    producer.flush(DEADLINE).unwrap();
    assert_eq!(producer.delivered(), 1);
    assert!(producer.take_failure().is_none());
}

#[test]
fn a_full_buffer_asks_the_caller_to_wait() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut settings = settings(Acks::All);
    settings.buffer_memory = 1 << 20;
    let producer = tape_kafka::Clients::new(&kafka(&address), "tape-kafka-test").producer(&settings).unwrap();
    let value = "x".repeat(100_000);
    let part = tape_kafka::Part::new("anything", 0);
    let mut sent = 0;
    let error = loop {
        match producer.send(&outgoing(&part, &value)) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((error.reaction, &error.kind), (Reaction::Retry, &Kind::QueueFull), "{error}");
    assert!((5..=11).contains(&sent), "{sent}");
    assert_eq!(producer.in_flight(), sent);
}
