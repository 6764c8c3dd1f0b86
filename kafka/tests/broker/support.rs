//! What the tests share: clients, topics of their own, reading and writing whole topics.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tape_kafka::{
    Clients, GroupConsumer, GroupEvent, GroupSpec, Isolation, Outgoing, Part, Producer, Reader, TopicSpec,
    TransactionalProducer, TxnSpec,
};
use tape_service::config::{
    Acks, Compression, Format, Kafka, Producer as Settings, Security, SecurityProtocol, Ssl,
};

/// Longest wait for anything; a test that needs it has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// One turn of a loop that waits for something.
pub(crate) const TURN: Duration = Duration::from_millis(20);

pub(crate) fn bootstrap_servers() -> String {
    std::env::var("KAFKA_BOOTSTRAP_SERVERS").expect(
        "KAFKA_BOOTSTRAP_SERVERS is not set: run this test through `make test`, which starts a broker",
    )
}

pub(crate) fn kafka(bootstrap_servers: &str) -> Kafka {
    Kafka {
        bootstrap_servers: bootstrap_servers.to_owned(),
        security: Security { protocol: SecurityProtocol::Plaintext, sasl: None, ssl: Ssl::default() },
        replication_factor: 1,
        partitions: 1,
        session_timeout: Duration::from_secs(6),
        transaction_timeout: Duration::from_secs(10),
    }
}

pub(crate) fn clients() -> Clients {
    Clients::new(&kafka(&bootstrap_servers()), "tape-kafka-test")
}

/// A name that no other test, and no earlier run, has used.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    format!("{prefix}-{}-{millis}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn spec(name: &str, partitions: i32, config: &[(&'static str, &str)]) -> TopicSpec {
    let config = config.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    TopicSpec { name: name.to_owned(), partitions, replication: 1, config }
}

/// A new topic with this many partitions.
pub(crate) fn topic(prefix: &str, partitions: i32) -> Vec<Part> {
    let name = unique(prefix);
    let created = clients().admin().unwrap().create(&[spec(&name, partitions, &[])], DEADLINE).unwrap();
    assert_eq!(created, [name.as_str()]);
    (0..partitions).map(|partition| Part::new(name.as_str(), partition)).collect()
}

pub(crate) fn settings(acks: Acks) -> Settings {
    Settings {
        acks,
        compression: Compression::Lz4,
        linger: Duration::from_millis(1),
        batch_size: 1 << 16,
        buffer_memory: 32 << 20,
        retries: 1000,
        spool_limit: 0,
        trade_format: Format::Json,
    }
}

pub(crate) fn producer() -> Producer {
    clients().producer(&settings(Acks::All)).unwrap()
}

pub(crate) fn outgoing<'a>(part: &'a Part, value: &'a str) -> Outgoing<'a> {
    Outgoing {
        topic: &part.topic,
        partition: Some(part.partition),
        value: Some(value.as_bytes()),
        ..Outgoing::default()
    }
}

/// Writes these numbers as text, and waits until they are there.
pub(crate) fn write(part: &Part, numbers: impl IntoIterator<Item = u32>) {
    let producer = producer();
    for number in numbers {
        producer.send(&outgoing(part, &number.to_string())).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

pub(crate) fn transactional(id: &str, tracked: Option<&Part>) -> TransactionalProducer {
    let spec = TxnSpec {
        transaction_timeout: Duration::from_secs(10),
        linger: Duration::from_millis(5),
        compression: Compression::Lz4,
        buffer_memory: 32 << 20,
        tracked_topic: tracked.map(|part| part.topic.to_string()),
    };
    let producer = clients().transactional_producer(id, spec).unwrap();
    producer.init(DEADLINE).unwrap();
    producer
}

/// Turns until `turn` gives something.
pub(crate) fn until<T>(what: &str, mut turn: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = turn() {
            return found;
        }
        assert!(Instant::now() < deadline, "not in {DEADLINE:?}: {what}");
    }
}

pub(crate) fn number(value: Option<&[u8]>) -> u32 {
    std::str::from_utf8(value.unwrap()).unwrap().parse().unwrap()
}

/// Everything in a partition, as this level sees it: offset and number of each record.
pub(crate) fn read(part: &Part, isolation: Isolation) -> Vec<(i64, u32)> {
    let mut reader = clients().reader(isolation).unwrap();
    let (low, high) = reader.watermarks(part, Isolation::ReadUncommitted, DEADLINE).unwrap();
    reader.assign(&[(part.clone(), low)], DEADLINE).unwrap();
    read_to(&mut reader, part, high)
}

pub(crate) fn read_to(reader: &mut Reader, part: &Part, target: i64) -> Vec<(i64, u32)> {
    let mut records = Vec::new();
    until(&format!("{part} read to {target}"), || {
        reader.poll(100, TURN, &mut |record| records.push((record.offset, number(record.value)))).unwrap();
        reader.caught_up(part, target).then_some(())
    });
    records
}

pub(crate) fn group_spec(group: &str, parts: &[Part]) -> GroupSpec {
    let mut topics: Vec<String> = parts.iter().map(|part| part.topic.to_string()).collect();
    topics.dedup();
    GroupSpec {
        group: group.to_owned(),
        instance_id: None,
        topics,
        session_timeout: Duration::from_secs(6),
        max_poll_interval: Duration::from_secs(60),
    }
}

/// A member that is alone in a new group and owns these partitions, parked at offset 0.
pub(crate) fn only_member(parts: &[Part]) -> GroupConsumer {
    let mut consumer = clients().group_consumer(group_spec(&unique("group"), parts)).unwrap();
    let assigned = assigned(&mut consumer);
    assert_eq!(assigned, parts);
    let starts: Vec<(Part, i64)> = parts.iter().map(|part| (part.clone(), 0)).collect();
    consumer.assign(&starts).unwrap();
    consumer
}

/// Waits for the first assignment that is not empty.
pub(crate) fn assigned(consumer: &mut GroupConsumer) -> Vec<Part> {
    until("an assignment", || {
        consumer.consume(1, TURN, &mut |record| panic!("{record:?} before the assignment")).unwrap();
        consumer.poll_events().unwrap().into_iter().find_map(|event| match event {
            GroupEvent::Assigned(mut parts) if !parts.is_empty() => {
                parts.sort();
                Some(parts)
            }
            GroupEvent::Assigned(_) => None,
            GroupEvent::Revoked(_) | GroupEvent::Lost(_) => panic!("{event:?}"),
        })
    })
}

/// Reads until `count` records were handed out: partition, offset and number of each.
pub(crate) fn consume(consumer: &mut GroupConsumer, count: usize) -> Vec<(i32, i64, u32)> {
    let mut records = Vec::new();
    until(&format!("{count} records"), || {
        let room = count - records.len();
        let mut push = |partition, offset, number| records.push((partition, offset, number));
        consumer
            .consume(room, TURN, &mut |record| push(record.partition, record.offset, number(record.value)))
            .unwrap();
        (records.len() == count).then_some(())
    });
    records
}

/// Reads for as long as a few turns take: there must be nothing.
pub(crate) fn silence(consumer: &mut GroupConsumer) {
    for _ in 0..25 {
        assert_eq!(consumer.poll_events().unwrap(), []);
        consumer.consume(100, TURN, &mut |record| panic!("{record:?}")).unwrap();
    }
}
