//! Brokers, their security, and topic names.

use super::Kind::{Duration, Name, Path, Servers, Text, Topic, Whole, Word};
use super::Preset::{Absent, Derived, Is};
use super::{MINUTE, SECOND, Setting, aliased, open, secret};

/// The protocol carries the number of copies in 16 bits.
const REPLICAS_MAX: u64 = 32_767;
/// More would be a store folder and a task each; nobody needs them for one market.
const PARTITIONS_MAX: u64 = 10_000;

const NAMED: Setting = open("", Topic { optional: false }, Absent, "");

const fn topic(name: &'static str, default: super::Preset, doc: &'static str) -> Setting {
    Setting { name, default, doc, ..NAMED }
}

pub(super) static SETTINGS: &[Setting] = &[
    aliased(
        open(
            "KAFKA_BOOTSTRAP_SERVERS",
            Servers,
            Is("localhost:9092"),
            "Brokers to ask first; one that answers is enough.",
        ),
        "KAFKA_BOOTSTRAP",
    ),
    open(
        "APP_ID",
        Name,
        Is("tape"),
        "Prefix of consumer groups, of the changelog topic and of transactional ids. Two pipelines on one cluster need \
         two.",
    ),
    open(
        "KAFKA_PARTITIONS",
        Whole { min: 1, max: PARTITIONS_MAX, unit: "" },
        Is("3"),
        "Partitions of the topics that `tape topics` creates. An existing topic keeps its own number.",
    ),
    open(
        "KAFKA_REPLICATION_FACTOR",
        Whole { min: 1, max: REPLICAS_MAX, unit: "" },
        Is("1"),
        "Copies of each partition of the topics that `tape topics` creates; 3 where data matter.",
    ),
    open(
        "KAFKA_SESSION_TIMEOUT",
        Duration { min: SECOND, max: 30 * MINUTE },
        Is("45s"),
        "How long the group keeps the partitions of a silent member for its return: longer than a restart takes. The \
         broker has limits of its own (6 s and 30 m unless changed there).",
    ),
    open(
        "KAFKA_TRANSACTION_TIMEOUT",
        Duration { min: SECOND, max: 15 * MINUTE },
        Is("10s"),
        "After how long the broker gives up the transaction of a dead processor; until then readers of the output \
         wait. Longer than `COMMIT_INTERVAL`.",
    ),
    open(
        "KAFKA_SECURITY_PROTOCOL",
        Word(&["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]),
        Is("plaintext"),
        "Encryption (`ssl`) and log-in (`sasl`) of all Kafka connections.",
    ),
    open(
        "KAFKA_SASL_MECHANISM",
        Word(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
        Absent,
        "How the password is proven. Required by `sasl_plaintext` and `sasl_ssl`.",
    ),
    open(
        "KAFKA_SASL_USERNAME",
        Text("a user name"),
        Absent,
        "User to log in as. Required by `sasl_plaintext` and `sasl_ssl`.",
    ),
    secret(
        "KAFKA_SASL_PASSWORD",
        "the password",
        "Password to log in with. Required by `sasl_plaintext` and `sasl_ssl`.",
    ),
    open(
        "KAFKA_SSL_CA_LOCATION",
        Path,
        Absent,
        "PEM file of the certificate authorities to trust; without it, the system's.",
    ),
    open(
        "KAFKA_SSL_CERTIFICATE_LOCATION",
        Path,
        Absent,
        "PEM file of our own certificate, where brokers ask for one; with `KAFKA_SSL_KEY_LOCATION`.",
    ),
    open("KAFKA_SSL_KEY_LOCATION", Path, Absent, "PEM file of our private key."),
    secret("KAFKA_SSL_KEY_PASSWORD", "the password", "Password of our private key, if it has one."),
];

pub(super) static TOPICS: &[Setting] = &[
    aliased(
        topic(
            "KAFKA_TOPIC_RAW_TRADES",
            Is("raw-trades"),
            "Trades and bars, as the producer writes and the processor reads them.",
        ),
        "KAFKA_TOPIC",
    ),
    topic("KAFKA_TOPIC_AGGREGATES", Is("stock-aggregates"), "Rows of windows."),
    topic("KAFKA_TOPIC_ALERTS", Is("breakout-alerts"), "Alerts."),
    open(
        "KAFKA_TOPIC_LATE",
        Topic { optional: true },
        Is("raw-trades-late"),
        "Records that came after all their windows were closed, unchanged. Empty: they are only counted.",
    ),
    topic(
        "KAFKA_TOPIC_DEAD_LETTERS",
        Is("raw-trades-dlq"),
        "Records that could not be used, with the reason.",
    ),
    topic(
        "KAFKA_TOPIC_CHANGELOG",
        Derived("`APP_ID` followed by `-changelog`"),
        "The processor's state, from which a lost disk is rebuilt.",
    ),
    topic(
        "KAFKA_TOPIC_SINK_DEAD_LETTERS",
        Derived("`APP_ID` followed by `-sink-dlq`"),
        "Rows and alerts that the database refused, with the reason.",
    ),
];
