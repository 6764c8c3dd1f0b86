//! What became of the records that were sent: failures, the first of them, and the acknowledged offsets of one topic.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::Message as _;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use crate::context::Journal;
use crate::error::Error;
use crate::part::Part;

/// Tag of a record whose acknowledged offset is kept.
pub(crate) const TRACKED: usize = 1;
/// Tag of all others.
pub(crate) const UNTRACKED: usize = 0;

/// Context of producers: keeps the delivery reports.
pub(crate) struct Deliveries {
    pub(crate) journal: Journal,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    failed: u64,
    first_failure: Option<Error>,
    /// What was acknowledged of each partition of the tracked topic.
    acked: HashMap<i32, Acked>,
}

#[derive(Default)]
struct Acked {
    /// Largest offset.
    offset: i64,
    /// Records, in the order in which they were sent.
    count: u64,
}

impl Deliveries {
    pub(crate) fn new() -> Self {
        Self { journal: Journal::new(), tally: Mutex::new(Tally::default()) }
    }

    /// Forgets failures and acknowledged offsets: a new transaction begins.
    pub(crate) fn restart(&self) {
        *self.tally() = Tally::default();
    }

    pub(crate) fn failed(&self) -> u64 {
        self.tally().failed
    }

    pub(crate) fn first_failure(&self) -> Option<Error> {
        self.tally().first_failure.clone()
    }

    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.tally().first_failure.take()
    }

    pub(crate) fn acked(&self, partition: i32) -> Option<i64> {
        Some(self.tally().acked.get(&partition)?.offset)
    }

    /// How many records of a partition of the tracked topic are acknowledged.
    pub(crate) fn acked_count(&self, partition: i32) -> u64 {
        self.tally().acked.get(&partition).map_or(0, |acked| acked.count)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.journal.line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.journal.report(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        match result {
            Ok(message) if tag == TRACKED => {
                let mut tally = self.tally();
                let acked = tally.acked.entry(message.partition()).or_default();
                acked.offset = acked.offset.max(message.offset());
                acked.count += 1;
            }
            Ok(_) => {}
            Err((error, message)) => {
                let mut tally = self.tally();
                tally.failed += 1;
                if tally.first_failure.is_none() {
                    let part = Part::new(message.topic(), message.partition());
                    tally.first_failure = Some(Error::from_kafka(format!("write to {part}"), error));
                }
            }
        }
    }
}
