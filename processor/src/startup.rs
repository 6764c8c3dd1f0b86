//! What must be true before a worker starts: topics with the right policies, and a changelog that fits the input.
//! Mistakes are reported together; nothing is touched but a missing changelog, which is the processor's own.

use std::time::Duration;

use tape_kafka::{Admin, Error, Reaction, TopicSpec, topics};
use tape_service::{Backoff, Config, Failure, Shutdown};

use crate::context::TopicIds;

/// Wait for one answer of the broker.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks the topics and finds out which they are, waiting for the broker as long as it takes. `None`: a stop was requested
/// meanwhile.
pub(crate) fn check_topics(
    config: &Config,
    admin: &Admin,
    shutdown: &Shutdown,
) -> Result<Option<TopicIds>, Failure> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    while !shutdown.is_requested() {
        match mistakes(config, admin).and_then(|mistakes| Ok((mistakes, topic_ids(config, admin)?))) {
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

/// Which topics input and changelog are; one that does not exist has no id and no partitions.
pub(crate) fn topic_ids(config: &Config, admin: &Admin) -> Result<TopicIds, Error> {
    let count = |name: &str| admin.partition_count(name, ASK_TIMEOUT);
    let id = |name: &str, count: Option<i32>| match count {
        Some(_) => admin.topic_id(name, ASK_TIMEOUT),
        None => Ok(None),
    };
    let (input, changelog) = (&config.topics.raw_trades, &config.topics.changelog);
    let partitions = count(input)?;
    Ok(TopicIds {
        input: id(input, partitions)?,
        changelog: id(changelog, count(changelog)?)?,
        partitions: partitions.and_then(|count| u32::try_from(count).ok()),
    })
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
