//! What the worker does about an error, whoever it came from.

use anyhow::anyhow;
use tape_db::Reaction as DbReaction;
use tape_kafka::{Kind, Reaction as KafkaReaction};
use tape_service::Failure;

/// Errors by the worker's reaction.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Drop what is not written, park all partitions, wait, ask SQL where the table stands, go on from there.
    Later {
        why: String,
        /// Somebody must act on the server first, so ask seldom.
        slow: bool,
    },
    /// The same with batches of half the size.
    Split { why: String },
    /// The consumer is dead: the same with a new one.
    Renew { why: String },
    /// End the role.
    Stop(Failure),
}

impl Trouble {
    pub(crate) fn later(why: impl ToString) -> Self {
        Self::Later { why: why.to_string(), slow: false }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Stop(failure)
    }
}

impl From<tape_db::Error> for Trouble {
    fn from(error: tape_db::Error) -> Self {
        let why = format!("database: {error}");
        match error.reaction() {
            DbReaction::Retry => Self::Later { why, slow: false },
            DbReaction::DiskFull => Self::Later { why, slow: true },
            DbReaction::Split => Self::Split { why },
            DbReaction::Config => Self::Stop(Failure::Config(why)),
            // Rows are bisected where they are written; no other statement of ours carries data.
            DbReaction::Data => Self::Stop(Failure::Other(anyhow!(why))),
        }
    }
}

impl From<tape_kafka::Error> for Trouble {
    fn from(error: tape_kafka::Error) -> Self {
        if matches!(error.kind, Kind::OffsetOutOfRange { .. }) {
            // Retention overtook us: the way back through `start` says how much is missing.
            return Self::later(error);
        }
        match error.reaction {
            KafkaReaction::Retry | KafkaReaction::Abort => Self::later(error),
            KafkaReaction::Fenced | KafkaReaction::Fatal => Self::Renew { why: error.to_string() },
            KafkaReaction::Config => Self::Stop(error.into()),
        }
    }
}
