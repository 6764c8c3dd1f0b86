//! What librdkafka calls back: log lines, errors of the client, rebalances, delivery reports.
//!
//! Invariants:
//! - A callback only writes down. **No decision is taken and no call into librdkafka is made in a callback**, with
//!   one exception: a consumer that is being closed answers its last rebalance itself, because nobody else will, and
//!   **only one**: to librdkafka any answer ends a closing membership, and a call into an ended one never returns.
//! - **A fault costs a handful of lines.** What every client of the process reports again and again while a broker is away
//!   (a failed connection) passes one limiter of the process; what the caller gets as an [`Error`] is not written a second
//!   time, but for LOG_LEVEL=debug.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{TopicPartitionList, types::RDKafkaRespErr};
use tape_service::logs::LogLimiter;
use tracing::{debug, error, info, warn};

use crate::error::{Error, Facts, Reaction};
use crate::part::Part;

/// One line about connections per this interval: librdkafka reports each failed attempt of each connection of each client,
/// dozens a second, and a broker that is away is one fact.
const OUTAGE_INTERVAL: Duration = Duration::from_secs(60);
/// One line of this interval about anything else that a client recovers from by itself.
const FLOOD_INTERVAL: Duration = Duration::from_secs(10);

/// Lines about connections of all clients of the process.
static CONNECTIONS: LogLimiter = LogLimiter::new(OUTAGE_INTERVAL);

/// Log lines and client errors of one client.
pub(crate) struct Journal {
    errors: LogLimiter,
    /// Why the connections fail, if they do. librdkafka tries again and again; to the caller it looks like a broker
    /// that does not answer.
    trouble: Mutex<Option<(RDKafkaErrorCode, String)>>,
    /// Counts every callback, so that a loop of polls can tell "nothing came" from "something was handled".
    served: AtomicU64,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { errors: LogLimiter::new(FLOOD_INTERVAL), trouble: Mutex::new(None), served: AtomicU64::new(0) }
    }

    /// How many callbacks came so far.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn line(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.count();
        if is_returned(facility) {
            debug!(target: "librdkafka", facility, "{line}");
            return;
        }
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                error!(target: "librdkafka", facility, "{line}");
            }
            // A broken connection is an error to librdkafka, but it goes on by itself: a warning to us.
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if is_flood(facility) => {
                if let Some(suppressed) = CONNECTIONS.allow() {
                    warn!(target: "librdkafka", facility, "{line}{suppressed}");
                }
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                warn!(target: "librdkafka", facility, "{line}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                info!(target: "librdkafka", facility, "{line}")
            }
            RDKafkaLogLevel::Debug => debug!(target: "librdkafka", facility, "{line}"),
        }
    }

    pub(crate) fn report(&self, error: &KafkaError, reason: &str) {
        self.count();
        let code = error.rdkafka_error_code();
        if let Some(code) = code {
            let mut known = self.known_trouble();
            // The first cause says more than "all brokers are down", and a refusal more than a broken connection.
            let keep = match &*known {
                Some((known, _)) => is_refusal(*known) || code == RDKafkaErrorCode::AllBrokersDown,
                None => false,
            };
            if !keep || is_refusal(code) {
                *known = Some((code, reason.to_owned()));
            }
        }
        self.note(code, reason);
    }

    /// The caller's deadline passed with this error. If the brokers have refused us meanwhile, that is the error, and
    /// a human must help; else a broken connection is named.
    pub(crate) fn at_deadline(&self, error: Error) -> Error {
        if let Some(refusal) = self.refusal(error.action()) {
            return refusal;
        }
        match &*self.known_trouble() {
            Some((_, reason)) => error.timed_out().with_hint(reason),
            None => error.timed_out(),
        }
    }

    /// The brokers refuse us: a log-in, a certificate.
    pub(crate) fn refusal(&self, action: &str) -> Option<Error> {
        let known = self.known_trouble();
        let (code, reason) = known.as_ref().filter(|(code, _)| is_refusal(*code))?;
        let facts = Facts { detail: reason.clone(), ..Facts::of(*code) };
        Some(Error::from_facts(action, &facts).with_reaction(Reaction::Config))
    }

    /// A broker has answered: what was wrong was wrong for a moment only.
    pub(crate) fn accepted(&self) {
        *self.known_trouble() = None;
    }

    fn known_trouble(&self) -> MutexGuard<'_, Option<(RDKafkaErrorCode, String)>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line about something that librdkafka will recover from by itself.
    pub(crate) fn note(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        use RDKafkaErrorCode as Code;
        let allowed = match code {
            // It follows a line that says why, and tells no more.
            Some(Code::AllBrokersDown) => None,
            // The caller gets it as its error.
            Some(Code::Fenced | Code::FencedInstanceId | Code::Fatal) => None,
            Some(Code::BrokerTransportFailure | Code::Resolve) => CONNECTIONS.allow(),
            _ => self.errors.allow(),
        };
        match (allowed, code) {
            (None, code) => debug!(target: "librdkafka", ?code, "{reason}"),
            (Some(suppressed), Some(code)) => warn!(target: "librdkafka", "{reason} ({code:?}){suppressed}"),
            (Some(suppressed), None) => warn!(target: "librdkafka", "{reason}{suppressed}"),
        }
    }
}

/// Codes that say "not with these settings" about the connection itself.
fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism
            | RDKafkaErrorCode::SSL
    )
}

/// Facilities of lines about what the caller's next call returns as an error: a transaction that failed, a client that is
/// dead.
fn is_returned(facility: &str) -> bool {
    matches!(facility, "TXNERR" | "FATAL" | "ADDOFFSETS" | "ADDPARTS" | "COMMITFAIL")
}

/// Facilities of the lines that repeat with each attempt to connect, or to get a producer id.
fn is_flood(facility: &str) -> bool {
    matches!(
        facility,
        "FAIL" | "ERROR" | "CONNECT" | "BROKERFAIL" | "REQTMOUT" | "SSL" | "SASL" | "RESOLVE" | "GETPID"
    )
}

/// A rebalance, as librdkafka announced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rebalance {
    /// These come to us.
    Assign(Vec<Part>),
    /// These must be given back.
    Revoke(Vec<Part>),
    /// These are gone already.
    Lose(Vec<Part>),
}

/// Context of consumers.
pub(crate) struct ConsumerEvents {
    pub(crate) journal: Journal,
    rebalances: Mutex<Vec<Rebalance>>,
    closing: AtomicBool,
    /// The one rebalance that a closing consumer answers has been answered.
    answered: AtomicBool,
    /// Rebalances may come: only the group consumer itself may poll.
    pub(crate) in_group: bool,
}

impl ConsumerEvents {
    pub(crate) fn new(in_group: bool) -> Self {
        Self {
            journal: Journal::new(),
            rebalances: Mutex::default(),
            closing: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            in_group,
        }
    }

    /// Takes the rebalances announced since the last call, in their order.
    pub(crate) fn take_rebalances(&self) -> Vec<Rebalance> {
        std::mem::take(&mut *self.rebalances.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on a rebalance is answered in the callback: nobody will read it any more. The close itself must be under way
    /// before the next poll.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }
}

impl ClientContext for ConsumerEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.journal.line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.journal.report(&error, reason);
    }
}

impl ConsumerContext for ConsumerEvents {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.journal.count();
        if self.closing.load(Ordering::SeqCst) {
            // Two can be waiting: an assignment that nobody has read, and the revocation of everything that the close brings.
            // Until one is answered the membership cannot end; afterwards it can at any moment, and the next answer
            // would wait for ever.
            if !self.answered.swap(true, Ordering::SeqCst) {
                // A dead client refuses it, and then nobody waits for it.
                let _ = consumer.incremental_unassign(list);
            }
            return;
        }
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let parts =
            list.elements().iter().map(|element| Part::new(element.topic(), element.partition())).collect();
        let rebalance = match (assigned, consumer.assignment_lost()) {
            (true, _) => Rebalance::Assign(parts),
            (false, false) => Rebalance::Revoke(parts),
            (false, true) => Rebalance::Lose(parts),
        };
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push(rebalance);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        self.journal.count();
        if let Err(error) = result {
            self.journal.note(error.rdkafka_error_code(), "an asynchronous commit of offsets failed");
        }
    }
}

#[cfg(test)]
mod tests;
