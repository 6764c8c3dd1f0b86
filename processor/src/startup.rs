//! What must be true before a worker starts: topics with the right policies, and a changelog that fits the input.
//! Mistakes are reported together; nothing is touched but a missing changelog, which is the processor's own.

use std::time::Duration;

use tape_kafka::{Admin, Clients, Error, Reaction, TopicSpec, topics};
use tape_service::{Backoff, Config, Failure, Shutdown};

use crate::context::TopicIds;

/// Wait for one answer of the broker.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks the topics and finds out which they are, waiting for the broker as long as it takes. `None`: a stop was requested
/// meanwhile.
pub(crate) fn check_topics(
    config: &Config,
    clients: &Clients,
    shutdown: &Shutdown,
) -> Result<Option<TopicIds>, Failure> {
    let admin = clients.admin()?;
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    while !shutdown.is_requested() {
        match mistakes(config, &admin).and_then(|mistakes| Ok((mistakes, topic_ids(config, &admin)?))) {
            Ok((mistakes, ids)) if mistakes.is_empty() => return Ok(Some(ids)),
            Ok((mistakes, _)) => return Err(Failure::Config(mistakes.join("\n"))),
            Err(error) if error.reaction == Reaction::Config => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, servers = %config.kafka.bootstrap_servers, "waiting for Kafka");
                std::thread::sleep(backoff.pause());
            }
        }
    }
    Ok(None)
}

/// Which topics input and changelog are; one that does not exist has no id.
pub(crate) fn topic_ids(config: &Config, admin: &Admin) -> Result<TopicIds, Error> {
    let ask = |name: &str| match admin.partition_count(name, ASK_TIMEOUT)? {
        Some(_) => admin.topic_id(name, ASK_TIMEOUT),
        None => Ok(None),
    };
    Ok(TopicIds { input: ask(&config.topics.raw_trades)?, changelog: ask(&config.topics.changelog)? })
}

fn mistakes(config: &Config, admin: &Admin) -> Result<Vec<String>, Error> {
    let names = &config.topics;
    let Some(partitions) = admin.partition_count(&names.raw_trades, ASK_TIMEOUT)? else {
        return Ok(vec![missing(&names.raw_trades, "KAFKA_TOPIC_RAW_TRADES")]);
    };
    let (changelog, others): (Vec<_>, Vec<_>) = topics::specs(config)
        .into_iter()
        .filter(|spec| spec.name != names.sink_dead_letters)
        .partition(|spec| spec.name == names.changelog);
    let changelog: Vec<_> = changelog.into_iter().map(|spec| TopicSpec { partitions, ..spec }).collect();
    for topic in admin.create(&changelog, ASK_TIMEOUT)? {
        tracing::info!(topic, partitions, "created the changelog");
    }
    let mut mistakes = Vec::new();
    for spec in others {
        // Users choose the number of partitions of everything but the changelog.
        match admin.partition_count(&spec.name, ASK_TIMEOUT)? {
            None => mistakes.push(missing(&spec.name, "KAFKA_TOPIC_*")),
            Some(partitions) => {
                let found = admin.verify(&[TopicSpec { partitions, ..spec }], ASK_TIMEOUT)?;
                mistakes.extend(found.iter().map(ToString::to_string));
            }
        }
    }
    mistakes.extend(admin.verify(&changelog, ASK_TIMEOUT)?.iter().map(ToString::to_string));
    Ok(mistakes)
}

fn missing(topic: &str, setting: &str) -> String {
    format!("topic {topic} does not exist; create it with `tape topics`, or name another one in {setting}")
}
