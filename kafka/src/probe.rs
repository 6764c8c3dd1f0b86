//! Questions to the brokers that any consumer may ask: partitions of a topic, ends of a log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;

use crate::clients::Isolation;
use crate::error::{Error, Reaction};
use crate::part::Part;
use crate::raw::{self, Consumer, LogEnd};
use crate::reports;

/// Pause before a question is asked again while a leader is being elected or a broker is away.
const AGAIN: Duration = Duration::from_millis(20);

/// How many partitions a topic has. Also makes librdkafka know the topic, which saves half a second at its assign.
pub(crate) fn partition_count(client: &Consumer, topic: &str, timeout: Duration) -> Result<i32, Error> {
    let action = || format!("ask for the partitions of topic {topic}");
    retry(client, timeout, |left| {
        let metadata =
            client.fetch_metadata(Some(topic), left).map_err(|error| Error::from_kafka(action(), &error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Err(Error::from_code(action(), RDKafkaErrorCode::UnknownTopicOrPartition));
        };
        if let Some(code) = found.error() {
            return Err(Error::from_code(action(), code.into()));
        }
        // A partition without a leader is being created, or its broker is away.
        let leaderless = found.partitions().iter().any(|partition| partition.leader() < 0);
        match i32::try_from(found.partitions().len()) {
            Ok(count) if count > 0 && !leaderless => Ok(count),
            _ => Err(Error::from_code(action(), RDKafkaErrorCode::LeaderNotAvailable)),
        }
    })
}

/// Is there a broker that answers? Asks about a topic, and takes any answer.
pub(crate) fn reach(client: &Consumer, topic: &str, timeout: Duration) -> Result<(), Error> {
    retry(client, timeout, |left| match client.fetch_metadata(Some(topic), left) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::from_kafka("reach a broker", &error)),
    })
}

/// One end of the log of each partition, freshly asked.
pub(crate) fn log_ends(
    client: &Arc<Consumer>,
    parts: &[Part],
    end: LogEnd,
    isolation: Isolation,
    timeout: Duration,
) -> Result<Vec<(Part, i64)>, Error> {
    let committed = isolation == Isolation::ReadCommitted;
    let names = || parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let action = || format!("ask for the end offsets of {}", names());
    retry(client, timeout, |left| {
        let asked = Instant::now();
        let answers = raw::list_offsets(client, parts, end, committed, left)
            .map_err(|facts| Error::from_facts(action(), &facts))?;
        let answer = |(part, answer): (&Part, Result<i64, RDKafkaErrorCode>)| match answer {
            Ok(offset) => Ok((part.clone(), offset)),
            Err(code) => {
                // librdkafka asks the leaders that it remembers, and does not forget them when they say no.
                let left = left.saturating_sub(asked.elapsed());
                let _ = client.fetch_metadata(Some(&part.topic), left);
                Err(Error::from_code(format!("ask for the end offsets of {part}"), code))
            }
        };
        parts.iter().zip(answers).map(answer).collect()
    })
}

/// First offset of the log, and the one after the last.
pub(crate) fn watermarks(
    client: &Arc<Consumer>,
    part: &Part,
    isolation: Isolation,
    timeout: Duration,
) -> Result<(i64, i64), Error> {
    let deadline = Instant::now() + timeout;
    let action = || format!("ask for the end offsets of {part}");
    // The first offset is the same at every isolation level, so the plain question does.
    let (low, _) = retry(client, timeout, |left| {
        client
            .fetch_watermarks(&part.topic, part.partition, left)
            .map_err(|error| Error::from_kafka(action(), &error))
    })?;
    let left = deadline.saturating_duration_since(Instant::now());
    let ends = log_ends(client, std::slice::from_ref(part), LogEnd::High, isolation, left)?;
    match ends.first() {
        Some((_, high)) => Ok((low, *high)),
        None => Err(Error::from_code(action(), RDKafkaErrorCode::UnknownPartition)),
    }
}

/// Repeats a question until it is answered or the time is over.
pub(crate) fn retry<T>(
    client: &Consumer,
    timeout: Duration,
    mut ask: impl FnMut(Duration) -> Result<T, Error>,
) -> Result<T, Error> {
    let journal = &client.context().journal;
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match ask(left) {
            Ok(answer) => {
                journal.accepted();
                return Ok(answer);
            }
            Err(error) if error.reaction != Reaction::Retry => return Err(error),
            Err(error) if Instant::now() + AGAIN >= deadline => {
                if !client.context().in_group {
                    reports::serve(client, error.action())?;
                }
                return Err(journal.at_deadline(error));
            }
            Err(_) => std::thread::sleep(AGAIN),
        }
    }
}
