use std::path::PathBuf;

use rdkafka::config::ClientConfig;
use tape_service::Secret;
use tape_service::config::{Format, Sasl, SaslMechanism, Security, Ssl};

use super::*;

fn kafka(protocol: SecurityProtocol) -> Kafka {
    let sasl = protocol.uses_sasl().then(|| Sasl {
        mechanism: SaslMechanism::ScramSha512,
        username: "tape".into(),
        password: Secret::new("hunter2"),
    });
    Kafka {
        bootstrap_servers: "one:9092,two:9092".into(),
        security: Security { protocol, sasl, ssl: Ssl::default() },
        replication_factor: 1,
        partitions: 3,
        session_timeout: Duration::from_secs(45),
        transaction_timeout: Duration::from_secs(10),
    }
}

fn plaintext() -> ClientConfig {
    base(&kafka(SecurityProtocol::Plaintext), "tape-test")
}

fn check(config: &ClientConfig, expected: &[(&str, Option<&str>)]) {
    for (name, value) in expected {
        assert_eq!(config.get(name), *value, "{name}");
    }
    // librdkafka knows every name and accepts every value.
    config.create_native_config().unwrap();
}

#[test]
fn log_in_and_encryption() {
    check(
        &plaintext(),
        &[
            ("bootstrap.servers", Some("one:9092,two:9092")),
            ("client.id", Some("tape-test")),
            ("security.protocol", Some("plaintext")),
            ("sasl.username", None),
            ("ssl.ca.location", None),
            ("reconnect.backoff.max.ms", Some("500")),
            ("allow.auto.create.topics", Some("false")),
        ],
    );
    check(
        &base(&kafka(SecurityProtocol::SaslSsl), "tape-test"),
        &[
            ("security.protocol", Some("sasl_ssl")),
            ("sasl.mechanism", Some("SCRAM-SHA-512")),
            ("sasl.username", Some("tape")),
            ("sasl.password", Some("hunter2")),
            ("ssl.ca.location", Some("probe")),
        ],
    );
    let mut mutual = kafka(SecurityProtocol::Ssl);
    mutual.security.ssl = Ssl {
        ca_location: Some(PathBuf::from("/ca.pem")),
        certificate_location: Some(PathBuf::from("/cert.pem")),
        key_location: Some(PathBuf::from("/key.pem")),
        key_password: Some(Secret::new("hunter2")),
    };
    check(
        &base(&mutual, "tape-test"),
        &[
            ("security.protocol", Some("ssl")),
            ("ssl.ca.location", Some("/ca.pem")),
            ("ssl.certificate.location", Some("/cert.pem")),
            ("ssl.key.location", Some("/key.pem")),
            ("ssl.key.password", Some("hunter2")),
        ],
    );
    // `Clients` shows its settings in `Debug`.
    for config in [base(&mutual, "tape-test"), base(&kafka(SecurityProtocol::SaslSsl), "tape-test")] {
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

#[test]
fn members_of_a_group() {
    let mut spec = GroupSpec {
        group: "tape-processor".into(),
        instance_id: Some("tape-a-0".into()),
        topics: vec!["raw-trades".into()],
        session_timeout: Duration::from_secs(45),
        max_poll_interval: Duration::from_secs(300),
    };
    check(
        &group(plaintext(), &spec),
        &[
            ("group.id", Some("tape-processor")),
            ("group.instance.id", Some("tape-a-0")),
            ("partition.assignment.strategy", Some("cooperative-sticky")),
            ("isolation.level", Some("read_committed")),
            ("enable.auto.commit", Some("false")),
            ("enable.auto.offset.store", Some("false")),
            ("enable.partition.eof", Some("false")),
            ("auto.offset.reset", Some("error")),
            ("session.timeout.ms", Some("45000")),
            ("heartbeat.interval.ms", Some("3000")),
            ("max.poll.interval.ms", Some("300000")),
            ("fetch.queue.backoff.ms", Some("5")),
        ],
    );
    spec.instance_id = None;
    spec.session_timeout = Duration::from_secs(6);
    spec.max_poll_interval = Duration::from_secs(1);
    check(
        &group(plaintext(), &spec),
        &[
            ("group.instance.id", None),
            ("heartbeat.interval.ms", Some("2000")),
            ("max.poll.interval.ms", Some("6000")),
        ],
    );
}

#[test]
fn readers() {
    for (isolation, word) in
        [(Isolation::ReadCommitted, "read_committed"), (Isolation::ReadUncommitted, "read_uncommitted")]
    {
        check(
            &reader(plaintext(), isolation),
            &[("isolation.level", Some(word)), ("enable.partition.eof", Some("true")), ("group.id", None)],
        );
    }
}

#[test]
fn producers() {
    let spec = TxnSpec {
        transaction_timeout: Duration::from_secs(10),
        linger: Duration::from_millis(5),
        compression: Compression::Lz4,
        buffer_memory: 64 << 20,
        tracked_topic: None,
    };
    check(
        &transactional(plaintext(), "tape-a-0", &spec),
        &[
            ("transactional.id", Some("tape-a-0")),
            ("transaction.timeout.ms", Some("10000")),
            ("partitioner", Some("murmur2_random")),
            ("retry.backoff.ms", Some("2")),
            ("topic.metadata.refresh.fast.interval.ms", Some("100")),
            ("linger.ms", Some("5")),
            ("compression.type", Some("lz4")),
            ("queue.buffering.max.kbytes", Some("65536")),
        ],
    );
    for (acks, idempotence, in_flight) in
        [(Acks::All, "true", None), (Acks::Leader, "false", Some("1")), (Acks::None, "false", Some("1"))]
    {
        let settings = Producer {
            acks,
            compression: Compression::Snappy,
            linger: Duration::from_millis(10),
            batch_size: 32768,
            buffer_memory: 32 << 20,
            retries: 1000,
            spool_limit: 0,
            trade_format: Format::Json,
        };
        check(
            &producer(plaintext(), &settings),
            &[
                ("acks", Some(acks.as_str())),
                ("enable.idempotence", Some(idempotence)),
                ("max.in.flight.requests.per.connection", in_flight),
                ("partitioner", Some("murmur2_random")),
                ("message.timeout.ms", Some("0")),
                ("batch.size", Some("32768")),
            ],
        );
    }
}

#[test]
fn a_wait_that_is_not_zero_does_not_become_zero() {
    let table = [
        (Duration::ZERO, 0),
        (Duration::from_nanos(1), 1),
        (Duration::from_micros(1500), 2),
        (Duration::from_secs(2), 2000),
        (Duration::MAX, i32::MAX),
    ];
    for (duration, expected) in table {
        assert_eq!(millis(duration), expected, "{duration:?}");
    }
}
