//! What librdkafka reports beside records: which of it concerns the caller?
//!
//! librdkafka recovers by itself from everything that has to do with connections, leaders and coordinators; that is
//! logged (rate-limited) and passes. What it cannot recover from is returned.

use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::error::{Error, Facts, Reaction};
use crate::part::Part;
use crate::raw::{self, Consumer, Report};

/// Most callbacks that are served at once: a flood of log lines must not keep the caller.
pub(crate) const SERVE_MAX: usize = 1000;

/// An error of the client as a whole; its context has logged it already.
pub(crate) fn client_error(client: &Consumer, action: &str, error: &KafkaError) -> Result<(), Error> {
    if let Some(facts) = raw::fatal_error(client.client().native_client()) {
        return Err(Error::from_facts(action, &facts));
    }
    let error = Error::from_kafka(action, error);
    match error.reaction {
        Reaction::Config if !is_missing_topic(error.code()) => {
            Err(client.context().journal.refusal(action).unwrap_or(error))
        }
        Reaction::Fenced => Err(error),
        _ => Ok(()),
    }
}

/// Serves log lines and errors of a client without a group.
pub(crate) fn serve(client: &Consumer, action: &str) -> Result<(), Error> {
    for _ in 0..SERVE_MAX {
        let before = client.context().journal.served();
        match client.poll(Duration::ZERO) {
            Some(Err(error)) => client_error(client, action, &error)?,
            None if client.context().journal.served() == before => break,
            Some(Ok(_)) | None => {}
        }
    }
    Ok(())
}

/// What a fetcher reports about a partition: `None` = it goes on by itself (and a line was logged).
pub(crate) fn error(client: &Consumer, report: &Report<'_>) -> Option<Error> {
    let part = Part::new(report.topic.unwrap_or_default(), report.partition);
    if matches!(
        report.code,
        RDKafkaErrorCode::AutoOffsetReset
            | RDKafkaErrorCode::OffsetOutOfRange
            | RDKafkaErrorCode::LogTruncation
    ) {
        return Some(Error::out_of_range(part, report.offset, None, &report.text));
    }
    let facts = Facts { detail: report.text.clone().into_owned(), ..Facts::of(report.code) };
    let error = Error::from_facts(format!("read {part}"), &facts);
    if error.reaction == Reaction::Retry || is_missing_topic(error.code()) {
        client.context().journal.note(Some(report.code), &format!("{part}: {}", report.text));
        return None;
    }
    Some(error)
}

/// A topic that is missing may be missing for a moment only (a broker that has just started does not know it yet):
/// librdkafka goes on by itself when it is there.
fn is_missing_topic(code: Option<RDKafkaErrorCode>) -> bool {
    matches!(
        code,
        Some(
            RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
        )
    )
}
