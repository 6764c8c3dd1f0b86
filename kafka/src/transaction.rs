//! A transactional producer: outputs and input offsets, all or nothing.
//!
//! Order of calls: [`init`](TransactionalProducer::init) once (it fences every older producer with this id and aborts
//! what that one left open) → [`begin`](TransactionalProducer::begin) → [`send`](TransactionalProducer::send)… →
//! [`send_offsets`](TransactionalProducer::send_offsets) → [`commit`](TransactionalProducer::commit) or
//! [`abort`](TransactionalProducer::abort).
//!
//! Invariants:
//! - **A call that may be repeated is repeated, the same one**, until its deadline: another call meanwhile would be a
//!   conflict. So `Retry` comes out only when the deadline has passed, and then the caller owes the same call.
//! - The commit is librdkafka's own: the crate's version polls in steps of 100 ms first. A thread serves the delivery
//!   reports, so after a commit all of them have been counted.
//! - A drop does not abort: the next `init` with the same id does, or the broker after the transaction time-out.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer as _;

use crate::error::{Error, Facts, Reaction};
use crate::group::GroupMetadata;
use crate::lists::{names, offsets};
use crate::outbox::{Outbox, Outgoing};
use crate::part::Part;
use crate::raw;

/// Pause before a refused call is repeated.
const AGAIN: Duration = Duration::from_millis(5);
/// A commit that waits for its records looks so often whether the transaction has failed meanwhile; librdkafka would go on
/// waiting for them until the end of the time-out.
const LOOK: Duration = Duration::from_millis(500);
/// How long a send waits for room. A buffer that stays full for longer holds records that no broker takes; the
/// transaction will time out.
const PATIENCE: Duration = Duration::from_secs(10);

/// A transactional producer. One per worker thread.
pub struct TransactionalProducer {
    id: String,
    outbox: Outbox,
}

impl TransactionalProducer {
    pub(crate) fn new(
        config: &ClientConfig,
        transactional_id: &str,
        tracked_topic: Option<String>,
    ) -> Result<Self, Error> {
        let action = format!("make transactional producer {transactional_id}");
        Ok(Self { id: transactional_id.to_owned(), outbox: Outbox::new(config, &action, tracked_topic)? })
    }

    /// Takes the transactional id over: older producers with it are fenced, what they left open is aborted.
    pub fn init(&self, timeout: Duration) -> Result<(), Error> {
        let what = || format!("take over transactional id {}", self.id);
        self.repeat(timeout, |left| {
            self.outbox.producer.init_transactions(left).map_err(|error| Error::from_kafka(what(), &error))
        })
    }

    /// Begins a transaction; local. Forgets failures and acknowledged offsets of the one before.
    pub fn begin(&self) -> Result<(), Error> {
        let what = format!("begin a transaction of {}", self.id);
        self.outbox
            .producer
            .begin_transaction()
            .map_err(|error| self.explain(&Error::from_kafka(what, &error)))?;
        self.outbox.deliveries().restart();
        Ok(())
    }

    /// Puts a record into the transaction; waits for room in the buffer. `Abort` = the transaction has failed already,
    /// see [`first_failure`](Self::first_failure).
    pub fn send(&self, record: &Outgoing<'_>) -> Result<(), Error> {
        let error = match self.outbox.send(record, PATIENCE) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // Since `begin` worked, "wrong state" means that the transaction needs an abort, or that there is none.
        if error.code() == Some(RDKafkaErrorCode::State) {
            return Err(error.with_reaction(Reaction::Abort));
        }
        Err(error)
    }

    /// Puts the input offsets (next to read) of a group into the transaction.
    pub fn send_offsets(
        &self,
        parts: &[(Part, i64)],
        group: &GroupMetadata,
        timeout: Duration,
    ) -> Result<(), Error> {
        let what = || {
            format!(
                "put the offsets of {} into a transaction of {}",
                names(parts.iter().map(|(part, _)| part)),
                self.id
            )
        };
        let list = offsets(parts, what)?;
        self.repeat(timeout, |left| {
            raw::send_offsets(self.outbox.producer.client().native_client(), &list, &group.0, left)
                .map_err(|facts| Error::from_facts(what(), &facts))
        })
    }

    /// Waits until everything is acknowledged, then commits.
    pub fn commit(&self, timeout: Duration) -> Result<(), Error> {
        let what = || format!("commit a transaction of {}", self.id);
        self.repeat(timeout, |left| {
            raw::commit_transaction(self.outbox.producer.client().native_client(), left.min(LOOK))
                .map_err(|facts| self.with_cause(what(), facts))
        })
    }

    /// Drops what is not sent yet and aborts.
    pub fn abort(&self, timeout: Duration) -> Result<(), Error> {
        let what = || format!("abort a transaction of {}", self.id);
        self.repeat(timeout, |left| {
            self.outbox.producer.abort_transaction(left).map_err(|error| Error::from_kafka(what(), &error))
        })
    }

    /// Largest acknowledged offset of a partition of the tracked topic since `begin`; complete after a commit.
    pub fn acked_offset(&self, partition: i32) -> Option<i64> {
        self.outbox.deliveries().acked(partition)
    }

    /// Records that failed since `begin`.
    pub fn delivery_failures(&self) -> u64 {
        self.outbox.deliveries().failed()
    }

    /// The first failure since `begin`: the cause behind an `Abort`.
    pub fn first_failure(&self) -> Option<Error> {
        self.outbox.deliveries().first_failure()
    }

    fn repeat(&self, timeout: Duration, call: impl Fn(Duration) -> Result<(), Error>) -> Result<(), Error> {
        let journal = &self.outbox.deliveries().journal;
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match call(left) {
                Ok(()) => {
                    journal.accepted();
                    return Ok(());
                }
                Err(error) if error.reaction != Reaction::Retry => return Err(self.explain(&error)),
                Err(error) if Instant::now() + AGAIN >= deadline => return Err(journal.at_deadline(error)),
                Err(_) => std::thread::sleep(AGAIN),
            }
        }
    }

    /// If the client is dead, why it died; else the error itself.
    fn explain(&self, error: &Error) -> Error {
        match self.outbox.fatal() {
            Some(facts) => Error::from_facts(error.action().to_owned(), &facts),
            None => error.clone(),
        }
    }

    /// A commit fails because a record failed: that record's error says more (not authorized, too large).
    fn with_cause(&self, what: String, facts: Facts) -> Error {
        let error = Error::from_facts(what, &facts);
        match self.first_failure() {
            Some(cause) if error.reaction == Reaction::Abort && cause.reaction == Reaction::Config => {
                error.because(&cause)
            }
            _ => error,
        }
    }
}
