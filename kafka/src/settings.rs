//! The settings of every client, with the reason of each that is not librdkafka's default.
//!
//! Pure: nothing here talks to a broker. What a role may choose comes in as an argument; the rest is fixed here, so
//! that two clients of the project can never disagree about a partitioner or an isolation level.

use std::time::Duration;

use rdkafka::ClientConfig;
use tape_service::config::{Acks, Compression, Kafka, Producer, SecurityProtocol};

use crate::clients::{GroupSpec, Isolation, TxnSpec};
use crate::raw::millis;

/// A broker that is back is noticed after at most this; librdkafka's default is 10 s.
const RECONNECT_BACKOFF_MAX: Duration = Duration::from_millis(500);
/// First pause before a new connection.
const RECONNECT_BACKOFF: Duration = Duration::from_millis(50);
/// A connection that is not up after this is tried anew.
const CONNECTION_SETUP: Duration = Duration::from_secs(10);
/// How long a fetcher that is ahead of us pauses. librdkafka's default of 1 s costs three quarters of the
/// throughput; below 1 ms it would burn a core.
const FETCH_QUEUE_BACKOFF: Duration = Duration::from_millis(5);
/// How long the broker may hold a fetch that finds nothing. Other questions on the same connection (end offsets) wait
/// behind it, so the default of 500 ms would make each of them that slow on a quiet topic.
const FETCH_WAIT: Duration = Duration::from_millis(50);
/// After a failed fetch.
const FETCH_ERROR_BACKOFF: Duration = Duration::from_millis(100);
/// Most KiB that a consumer fetches ahead: per parked partition, and in sum over the started ones. The fetch that
/// crosses the line is kept, so a partition may overshoot by one fetch (1 MiB).
const FETCH_AHEAD_KIB: u32 = 4 * 1024;
/// Most records that a consumer fetches ahead.
const FETCH_AHEAD_RECORDS: u32 = 200_000;
/// A member reports to the group coordinator at least this often.
const HEARTBEAT_MAX: Duration = Duration::from_secs(3);
/// Back-to-back transactions wait this long for the markers of the one before; librdkafka's default is 100 ms.
const TXN_RETRY_BACKOFF: Duration = Duration::from_millis(2);
/// librdkafka takes this from `retry.backoff.ms` unless told otherwise; 2 ms would hammer brokers for metadata.
const METADATA_FAST_INTERVAL: Duration = Duration::from_millis(100);
/// Largest batch of the transactional producer in bytes.
const TXN_BATCH_BYTES: u32 = 1_000_000;
/// Most records of a batch.
const BATCH_RECORDS: u32 = 10_000;
/// Most records that wait for a broker, beside the limit in bytes.
const BUFFER_RECORDS: u32 = 500_000;

/// Settings that all clients share.
pub(crate) fn base(kafka: &Kafka, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("client.id", client_id)
        .set("reconnect.backoff.ms", ms(RECONNECT_BACKOFF))
        .set("reconnect.backoff.max.ms", ms(RECONNECT_BACKOFF_MAX))
        .set("socket.connection.setup.timeout.ms", ms(CONNECTION_SETUP))
        .set("socket.keepalive.enable", "true")
        // An idle connection that the broker closes is no news.
        .set("log.connection.close", "false")
        // A misspelt name must not become a topic, whatever the broker allows.
        .set("allow.auto.create.topics", "false")
        // Our own metrics say more, and the last push would hold up every close.
        .set("enable.metrics.push", "false")
        .set("statistics.interval.ms", "0");
    secure(&mut config, kafka);
    config
}

fn secure(config: &mut ClientConfig, kafka: &Kafka) {
    let security = &kafka.security;
    config.set("security.protocol", security.protocol.as_str());
    if let Some(sasl) = &security.sasl {
        config
            .set("sasl.mechanism", sasl.mechanism.as_str())
            .set("sasl.username", &sasl.username)
            .set("sasl.password", sasl.password.expose());
    }
    if !matches!(security.protocol, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl) {
        return;
    }
    let ssl = &security.ssl;
    // The TLS library inside the binary knows no directory of its own: `probe` looks where systems keep theirs.
    let authorities = ssl.ca_location.as_ref().map_or("probe".into(), |path| path.to_string_lossy());
    config.set("ssl.ca.location", authorities);
    if let Some(path) = &ssl.certificate_location {
        config.set("ssl.certificate.location", path.to_string_lossy());
    }
    if let Some(path) = &ssl.key_location {
        config.set("ssl.key.location", path.to_string_lossy());
    }
    if let Some(password) = &ssl.key_password {
        config.set("ssl.key.password", password.expose());
    }
}

/// Settings that all consumers share.
fn consumer(config: &mut ClientConfig, isolation: Isolation) {
    config
        .set("isolation.level", isolation.as_str())
        // Offsets belong to the transaction, or to the caller.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A deleted offset is an error; where to begin without one is the caller's decision.
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("fetch.queue.backoff.ms", ms(FETCH_QUEUE_BACKOFF))
        .set("fetch.error.backoff.ms", ms(FETCH_ERROR_BACKOFF))
        .set("fetch.wait.max.ms", ms(FETCH_WAIT))
        .set("queued.max.messages.kbytes", FETCH_AHEAD_KIB.to_string())
        .set("queued.min.messages", FETCH_AHEAD_RECORDS.to_string());
}

/// A member of a group.
pub(crate) fn group(mut config: ClientConfig, spec: &GroupSpec) -> ClientConfig {
    consumer(&mut config, Isolation::ReadCommitted);
    config
        .set("group.id", &spec.group)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", ms(spec.session_timeout))
        .set("heartbeat.interval.ms", ms(HEARTBEAT_MAX.min(spec.session_timeout / 3)))
        // librdkafka refuses a poll interval below the session time-out.
        .set("max.poll.interval.ms", ms(spec.max_poll_interval.max(spec.session_timeout)))
        // Batch calls move librdkafka's position wrongly on end-of-partition marks (issue 4844).
        .set("enable.partition.eof", "false");
    if let Some(instance) = &spec.instance_id {
        config.set("group.instance.id", instance);
    }
    config
}

/// A reader without a group.
pub(crate) fn reader(mut config: ClientConfig, isolation: Isolation) -> ClientConfig {
    consumer(&mut config, isolation);
    config.set("enable.partition.eof", "true");
    config
}

/// A client that only asks for the committed offsets of a group. Not read_committed: that would wait for open
/// transactions.
pub(crate) fn observer(mut config: ClientConfig, group: &str) -> ClientConfig {
    consumer(&mut config, Isolation::ReadUncommitted);
    config.set("group.id", group);
    config
}

/// Settings that all producers share.
fn any_producer(config: &mut ClientConfig, compression: Compression, linger: Duration, buffer_memory: usize) {
    config
        // The same partition as every Java client; the default puts only every tenth key where they do.
        .set("partitioner", "murmur2_random")
        .set("compression.type", compression.as_str())
        .set("linger.ms", ms(linger))
        .set("batch.num.messages", BATCH_RECORDS.to_string())
        .set("queue.buffering.max.messages", BUFFER_RECORDS.to_string())
        .set("queue.buffering.max.kbytes", (buffer_memory / 1024).clamp(1, i32::MAX as usize).to_string());
}

/// A transactional producer.
pub(crate) fn transactional(
    mut config: ClientConfig,
    transactional_id: &str,
    spec: &TxnSpec,
) -> ClientConfig {
    any_producer(&mut config, spec.compression, spec.linger, spec.buffer_memory);
    config
        .set("transactional.id", transactional_id)
        .set("transaction.timeout.ms", ms(spec.transaction_timeout))
        .set("enable.idempotence", "true")
        .set("batch.size", TXN_BATCH_BYTES.to_string())
        .set("retry.backoff.ms", ms(TXN_RETRY_BACKOFF))
        .set("topic.metadata.refresh.fast.interval.ms", ms(METADATA_FAST_INTERVAL));
    config
}

/// A producer without transactions.
pub(crate) fn producer(mut config: ClientConfig, settings: &Producer) -> ClientConfig {
    any_producer(&mut config, settings.compression, settings.linger, settings.buffer_memory);
    config
        .set("acks", settings.acks.as_str())
        .set("retries", settings.retries.to_string())
        .set("batch.size", settings.batch_size.to_string())
        // What arrived is only counted, and that needs no report of each record.
        .set("delivery.report.only.error", "true")
        // Nothing is given up while a broker is away: the buffer fills and the sender waits.
        .set("message.timeout.ms", "0");
    if settings.acks == Acks::All {
        config.set("enable.idempotence", "true");
    } else {
        // Without idempotence only one request in flight keeps the order of a key over a retry.
        config.set("enable.idempotence", "false").set("max.in.flight.requests.per.connection", "1");
    }
    config
}

fn ms(duration: Duration) -> String {
    millis(duration).to_string()
}

#[cfg(test)]
mod tests;
