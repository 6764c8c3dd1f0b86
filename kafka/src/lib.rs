//! Kafka clients of the project, and the only crate that knows rdkafka and librdkafka.
//!
//! | file | holds |
//! |---|---|
//! | `settings` | every setting of every client, with its reason |
//! | `clients` | [`Clients`], which makes all the others |
//! | `group` | [`GroupConsumer`]: partitions of a group, parked until started, read in batches |
//! | `reader` | [`Reader`]: chosen partitions without a group, by position |
//! | `transaction` | [`TransactionalProducer`]: outputs and offsets, all or nothing |
//! | `producer` | [`Producer`]: no transactions, nothing given up while a broker is away |
//! | `topic_id` | [`TopicId`]: which topic a name means |
//! | `admin`, `topics` | [`Admin`], and what tape's topics must look like |
//! | `error` | [`Error`], named by what the caller must do |
//! | `lanes` | which records of a partition are handed out: each once, in order |
//! | `context` | callbacks: log lines, rebalances, delivery reports |
//! | `raw` | the one file with `unsafe` |
//!
//! All calls block; librdkafka has threads of its own. Keep them off an async reactor.

mod admin;
mod clients;
mod context;
mod deliveries;
mod error;
mod group;
mod handles;
mod lanes;
mod lists;
mod members;
mod outbox;
mod part;
mod probe;
mod producer;
mod raw;
mod reader;
mod record;
mod reports;
mod settings;
mod topic_id;
pub mod topics;
mod transaction;

pub use admin::{Admin, Broker, Lag, Observer};
pub use clients::{Clients, GroupSpec, Isolation, TxnSpec};
pub use error::{Error, Kind, Reaction};
pub use group::{CommitMode, GroupConsumer, GroupEvent, GroupMetadata};
pub use members::{Group, GroupMember};
pub use part::Part;
pub use producer::{Outgoing, Producer};
pub use reader::Reader;
pub use record::{Headers, Record};
pub use topic_id::TopicId;
pub use topics::{Mismatch, TopicSpec, TopicState};
pub use transaction::TransactionalProducer;
