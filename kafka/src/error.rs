//! Errors, named by what the caller must do ([`Reaction`]).
//!
//! The order of questions to an error of librdkafka: is it fatal? → does the transaction require an abort? →
//! may the call be repeated? → else it depends on its code alone. A code that only a human can help against
//! (not authorized, unknown topic, unsupported feature) is [`Reaction::Config`] whatever the answers, unless the
//! call may be repeated. The tables below are the whole decision; `tests.rs` walks through them.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tape_service::Failure;

use crate::part::Part;

mod codes;

use codes::{Class, class, remedy};

/// What the caller must do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// Nothing is lost: repeat the **same** call. Inside a transaction no other call is allowed meanwhile.
    Retry,
    /// Abort the transaction (without one: drop the work since the last commit) and rewind to the committed
    /// offsets. Behind it may stand a lost partition: the group's events tell.
    Abort,
    /// This client is dead: a newer instance with our id exists, or our transaction timed out. Ask the group;
    /// still the owner → new producer with the same id, init, rewind; else give the work up.
    Fenced,
    /// This client is dead: drop it, make a new one with the same id, init, rewind.
    Fatal,
    /// A human must change something: stop, after aborting an open transaction. The message names the remedy.
    Config,
}

/// What kind of thing went wrong, for the few that a caller tells apart by more than [`Reaction`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// librdkafka or the broker said no.
    Client,
    /// The caller's deadline passed before an answer came.
    Timeout,
    /// The producer's buffer stayed full for the whole wait.
    QueueFull,
    /// An offset lies outside of the partition's log: retention deleted it, or the topic was made anew.
    OffsetOutOfRange {
        /// Where.
        part: Part,
        /// The offset that was asked for.
        offset: i64,
        /// First offset of the log, if known.
        low: Option<i64>,
        /// Offset after the last one of the log, if known.
        high: Option<i64>,
    },
    /// A call that cannot be right, e.g. for a partition that was never assigned.
    Usage,
}

/// An error of a Kafka client: one readable line with the action, the cause and, where there is one, the remedy.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{words}")]
pub struct Error {
    /// What the caller must do.
    pub reaction: Reaction,
    /// What kind of thing went wrong.
    pub kind: Kind,
    code: Option<RDKafkaErrorCode>,
    // Boxed, so that a `Result` stays small.
    words: Box<Words>,
}

/// What is shown: `action: detail; remedy`.
#[derive(Clone, Debug)]
struct Words {
    action: String,
    detail: String,
    remedy: Option<&'static str>,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.detail)?;
        match self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// An error that no broker made: for tests and in-memory drivers, as [`Record::detached`](crate::Record::detached).
    pub fn detached(reaction: Reaction, action: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::plain(reaction, Kind::Client, action, detail)
    }

    /// The name of librdkafka's code, such as `Fenced` or `TopicAuthorizationFailed`; for metrics and tests.
    pub fn code_name(&self) -> Option<String> {
        self.code.map(|code| format!("{code:?}"))
    }

    /// True when the caller's deadline passed.
    pub fn is_timeout(&self) -> bool {
        self.kind == Kind::Timeout
    }

    /// An error of librdkafka that carries its own answers.
    pub(crate) fn from_facts(action: impl Into<String>, facts: &Facts) -> Self {
        let kind = if facts.code == RDKafkaErrorCode::OperationTimedOut && reaction(facts) == Reaction::Retry
        {
            Kind::Timeout
        } else {
            Kind::Client
        };
        let words = Words { action: action.into(), detail: facts.text(), remedy: remedy(facts.code) };
        Self { reaction: reaction(facts), kind, code: Some(facts.code), words: Box::new(words) }
    }

    /// An error that is only a code.
    pub(crate) fn from_code(action: impl Into<String>, code: RDKafkaErrorCode) -> Self {
        Self::from_facts(action, &Facts::of(code))
    }

    /// An error of the rdkafka crate.
    pub(crate) fn from_kafka(action: impl Into<String>, error: &KafkaError) -> Self {
        match error {
            KafkaError::Transaction(inner) => Self::from_facts(
                action,
                &Facts {
                    code: inner.code(),
                    detail: inner.string(),
                    fatal: inner.is_fatal(),
                    requires_abort: inner.txn_requires_abort(),
                    retriable: inner.is_retriable(),
                },
            ),
            KafkaError::AdminOp(code) => Self::from_code(action, *code),
            KafkaError::MessageConsumptionFatal(code) => {
                Self::from_facts(action, &Facts { fatal: true, ..Facts::of(*code) })
            }
            KafkaError::ClientConfig(_, problem, key, _) => Self::config(action, format!("{key}: {problem}")),
            KafkaError::ClientCreation(problem) => Self::config(action, problem.clone()),
            other => match other.rdkafka_error_code() {
                Some(code) => Self::from_code(action, code),
                None => Self::plain(Reaction::Fatal, Kind::Client, action, other.to_string()),
            },
        }
    }

    /// The deadline passed.
    pub(crate) fn timeout(action: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::plain(Reaction::Retry, Kind::Timeout, action, detail)
    }

    /// The producer's buffer stayed full.
    pub(crate) fn queue_full(action: impl Into<String>) -> Self {
        Self::plain(Reaction::Retry, Kind::QueueFull, action, "the buffer of unsent records stayed full")
    }

    /// A mistake that only a human can correct.
    pub(crate) fn config(action: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::plain(Reaction::Config, Kind::Client, action, detail)
    }

    /// A call that cannot be right.
    pub(crate) fn usage(action: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::plain(Reaction::Fatal, Kind::Usage, action, detail)
    }

    /// `offset` is not in the log of `part`.
    pub(crate) fn out_of_range(part: Part, offset: i64, bounds: Option<(i64, i64)>, detail: &str) -> Self {
        let log = match bounds {
            Some((low, high)) => format!("the log holds {low} to {high}"),
            None => detail.to_owned(),
        };
        let action = format!("read {part} at offset {offset}");
        let (low, high) = bounds.unzip();
        let mut error = Self::plain(
            Reaction::Fatal,
            Kind::OffsetOutOfRange { part, offset, low, high },
            action,
            format!("the offset is outside of the partition's log ({log})"),
        );
        error.words.remedy = Some(
            "retention deleted the records before they were read, or the topic was deleted and made anew",
        );
        error
    }

    /// The same error with another reaction, for the places that know more than the code.
    pub(crate) fn with_reaction(self, reaction: Reaction) -> Self {
        Self { reaction, ..self }
    }

    /// The error of a call that failed because of another one: its cause says what to do.
    pub(crate) fn because(mut self, cause: &Self) -> Self {
        self.reaction = cause.reaction;
        self.words.detail = format!("{} ({}: {})", self.words.detail, cause.words.action, cause.words.detail);
        self.words.remedy = cause.words.remedy;
        self
    }

    /// The last error of a call that was repeated until its deadline.
    pub(crate) fn timed_out(self) -> Self {
        Self { kind: Kind::Timeout, ..self }
    }

    /// Adds what may stand behind it.
    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        self.words.detail = format!("{}: {hint}", self.words.detail);
        self
    }

    /// What was being done.
    pub(crate) fn action(&self) -> &str {
        &self.words.action
    }

    /// librdkafka's code, if there is one.
    pub(crate) fn code(&self) -> Option<RDKafkaErrorCode> {
        self.code
    }

    fn plain(reaction: Reaction, kind: Kind, action: impl Into<String>, detail: impl Into<String>) -> Self {
        let words = Words { action: action.into(), detail: detail.into(), remedy: None };
        Self { reaction, kind, code: None, words: Box::new(words) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.reaction {
            Reaction::Config => Self::Config(error.to_string()),
            _ => Self::Other(anyhow::Error::new(error)),
        }
    }
}

/// What librdkafka says about an error.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Its code.
    pub(crate) code: RDKafkaErrorCode,
    /// Its own text; may be empty.
    pub(crate) detail: String,
    /// The client instance is unusable.
    pub(crate) fatal: bool,
    /// The transaction can only be aborted.
    pub(crate) requires_abort: bool,
    /// The call may be repeated.
    pub(crate) retriable: bool,
}

impl Facts {
    /// Only a code, no answers.
    pub(crate) fn of(code: RDKafkaErrorCode) -> Self {
        Self { code, detail: String::new(), fatal: false, requires_abort: false, retriable: false }
    }

    fn text(&self) -> String {
        match self.detail.is_empty() {
            true => self.code.to_string(),
            false => format!("{} ({:?})", self.detail, self.code),
        }
    }
}

/// The decision of the module's documentation.
pub(crate) fn reaction(facts: &Facts) -> Reaction {
    let class = class(facts.code);
    if facts.fatal {
        return match class {
            Class::Config => Reaction::Config,
            Class::Fence => Reaction::Fenced,
            Class::Generation | Class::Transient | Class::Other => Reaction::Fatal,
        };
    }
    if facts.requires_abort {
        return if class == Class::Config { Reaction::Config } else { Reaction::Abort };
    }
    if facts.retriable {
        return Reaction::Retry;
    }
    match class {
        Class::Config => Reaction::Config,
        Class::Fence => Reaction::Fenced,
        Class::Generation => Reaction::Abort,
        Class::Transient => Reaction::Retry,
        Class::Other => Reaction::Fatal,
    }
}

#[cfg(test)]
mod tests;
