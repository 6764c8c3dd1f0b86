//! A producer without transactions, for trades, dead letters of the sink, and the at-least-once processor.
//!
//! Invariants:
//! - **Nothing is given up while a broker is away**: the buffer fills, then [`Producer::send`] waits, then it says
//!   `QueueFull` and the same record may be sent again.
//! - With `acks=all` it is idempotent: a retry writes nothing twice and records of a key keep their order. With
//!   fewer acks the order is kept by having one request in flight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;

pub use crate::outbox::Outgoing;

use crate::error::{Error, Kind};
use crate::outbox::Outbox;

/// How long a send waits for room before it asks the caller, who may have been told to stop.
const PATIENCE: Duration = Duration::from_secs(1);
/// One step of a flush; between two we look at the deadline. As in the outbox, a smaller one would burn a core.
const FLUSH_STEP: Duration = Duration::from_millis(10);

/// A producer without transactions. Sending is thread-safe.
pub struct Producer {
    outbox: Outbox,
    sent: AtomicU64,
}

impl Producer {
    pub(crate) fn new(config: &ClientConfig, tracked_topic: Option<String>) -> Result<Self, Error> {
        Ok(Self { outbox: Outbox::new(config, "make a producer", tracked_topic)?, sent: AtomicU64::new(0) })
    }

    /// Puts a record into the buffer. Waits up to 1 s for room; then [`Kind::QueueFull`](crate::Kind::QueueFull)
    /// (`Retry`): nothing was taken, send the same record again. That it was written is known after
    /// [`flush`](Self::flush).
    pub fn send(&self, record: &Outgoing<'_>) -> Result<(), Error> {
        self.outbox.send(record, PATIENCE)?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// [`send`](Self::send) without a wait: false = the buffer is full, nothing was taken.
    pub fn offer(&self, record: &Outgoing<'_>) -> Result<bool, Error> {
        match self.outbox.send(record, Duration::ZERO) {
            Ok(()) => {}
            Err(error) if matches!(error.kind, Kind::QueueFull) => return Ok(false),
            Err(error) => return Err(error),
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    /// How many records of a partition of the tracked topic are acknowledged
    /// ([`Clients::tracking_producer`](crate::Clients::tracking_producer)). As a partition keeps the order in which records were
    /// sent, these are the first ones.
    pub fn acknowledged(&self, partition: i32) -> u64 {
        self.outbox.deliveries().acked_count(partition)
    }

    /// Waits until everything sent so far is acknowledged. [`Kind::Timeout`](crate::Kind::Timeout) (`Retry`) = some of
    /// it is still on its way. If a record failed since the last call, its error (and it is forgotten).
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        while self.in_flight() > 0 {
            match self.outbox.producer.flush(FLUSH_STEP) {
                Ok(()) | Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) => {}
                Err(error) => return Err(Error::from_kafka("flush", &error)),
            }
            if let Some(facts) = self.outbox.fatal() {
                return Err(Error::from_facts("flush", &facts));
            }
            if self.in_flight() > 0 && Instant::now() >= deadline {
                let left = format!("{} records are not acknowledged after {timeout:?}", self.in_flight());
                return Err(self.outbox.deliveries().journal.at_deadline(Error::timeout("flush", left)));
            }
        }
        self.take_failure().map_or(Ok(()), Err)
    }

    /// Records that were taken by `send` and are neither in flight nor failed: exact after a flush, a moment's view
    /// while records fly.
    pub fn delivered(&self) -> u64 {
        let open = u64::try_from(self.in_flight()).unwrap_or(0) + self.delivery_failures();
        self.sent.load(Ordering::Relaxed).saturating_sub(open)
    }

    /// Records that were refused or given up.
    pub fn delivery_failures(&self) -> u64 {
        self.outbox.deliveries().failed()
    }

    /// The first failure since the last call of this or of `flush`.
    pub fn take_failure(&self) -> Option<Error> {
        self.outbox.deliveries().take_failure()
    }

    /// Records that are neither acknowledged nor failed.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.outbox.producer.in_flight_count()).unwrap_or(0)
    }
}
