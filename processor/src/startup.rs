//! What must be true before a worker starts: topics with the right policies, and a changelog that fits the input.
//! Mistakes are reported together; nothing is touched but a missing changelog, which is the processor's own.

use std::time::Duration;

use tape_kafka::{Admin, Clients, Error, Reaction, TopicSpec, topics};
use tape_service::{Backoff, Config, Failure, Shutdown};

/// Wait for one answer of the broker.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks the topics, waiting for the broker as long as it takes. False: a stop was requested meanwhile.
pub(crate) fn check_topics(config: &Config, clients: &Clients, shutdown: &Shutdown) -> Result<bool, Failure> {
    let admin = clients.admin()?;
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    while !shutdown.is_requested() {
        match mistakes(config, &admin) {
            Ok(mistakes) if mistakes.is_empty() => return Ok(true),
            Ok(mistakes) => return Err(Failure::Config(mistakes.join("\n"))),
            Err(error) if error.reaction == Reaction::Config => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, servers = %config.kafka.bootstrap_servers, "waiting for Kafka");
                std::thread::sleep(backoff.pause());
            }
        }
    }
    Ok(false)
}

fn mistakes(config: &Config, admin: &Admin) -> Result<Vec<String>, Error> {
    let names = &config.topics;
    let Some(partitions) = admin.partition_count(&names.raw_trades, ASK_TIMEOUT)? else {
        return Ok(vec![format!(
            "topic {} does not exist; create it with `tape topics`, or name another one in KAFKA_TOPIC_RAW_TRADES",
            names.raw_trades
        )]);
    };
    let mut specs = topics::specs(config);
    specs.retain(|spec| spec.name != names.sink_dead_letters);
    for spec in &mut specs {
        // Users choose the number of partitions of everything but the changelog.
        spec.partitions = if spec.name == names.changelog { partitions } else { 0 };
    }
    if admin.partition_count(&names.changelog, ASK_TIMEOUT)?.is_none() {
        let changelog = TopicSpec { partitions, ..topics::changelog(config) };
        for topic in admin.create(&[changelog], ASK_TIMEOUT)? {
            tracing::info!(topic, partitions, "created the changelog");
        }
    }
    Ok(admin.verify(&specs, ASK_TIMEOUT)?.iter().map(ToString::to_string).collect())
}
