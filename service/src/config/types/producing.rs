//! Where trades come from, and how they are written to Kafka.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Secret;

/// How the producer role writes to Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Which brokers must have a record before it counts as written.
    pub acks: Acks,
    /// Compression of batches, also used by the processor.
    pub compression: Compression,
    /// How long a batch waits for more, 0 – 15 min.
    pub linger: Duration,
    /// Largest batch in bytes, 1 – 2147483647.
    pub batch_size: usize,
    /// Bytes that may wait for the broker, 1 MiB – 2 GiB; at least `batch_size`.
    pub buffer_memory: usize,
    /// How often a failed send is tried again, 1 – 2147483647.
    pub retries: u32,
    /// Bytes on disk that may wait for the broker, 0 – 1 TiB; 0 = none.
    pub spool_limit: u64,
    /// Shape of the `raw-trades` value.
    pub trade_format: Format,
}

/// `acks` of Kafka producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// All replicas in sync; the only one that allows idempotence.
    All,
    /// The partition's leader.
    Leader,
    /// Nobody: sent is written.
    None,
}

impl Acks {
    /// The word that Kafka clients use (`all`, `1`, `0`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Leader => "1",
            Self::None => "0",
        }
    }
}

/// `compression.type` of Kafka producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
    /// Gzip.
    Gzip,
    /// No compression.
    None,
}

impl Compression {
    /// The word that Kafka clients use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::None => "none",
        }
    }
}

/// Shape of a topic's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// A protobuf message of `tape-proto`.
    Protobuf,
}

/// The live feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The vendor's key; the other sources do without.
    pub massive_api_key: Option<Secret>,
    /// `ws://` or `wss://` address, cluster included.
    pub massive_ws_url: String,
    /// Whether trades that a lost connection missed are asked for.
    pub massive_backfill: bool,
    /// `http://` or `https://` address, without user, password and query.
    pub massive_rest_url: String,
    /// Calls of the REST interface per minute, 0–100000; 0 = any number.
    pub massive_calls_per_minute: u32,
    /// `ws://` or `wss://` address.
    pub coinbase_ws_url: String,
    /// First pause before a new connection, 1 ms – 1 h.
    pub reconnect_delay: Duration,
    /// Longest pause before a new connection, at least `reconnect_delay`.
    pub reconnect_cap: Duration,
    /// Symbols to follow: 1–10000, no two alike, each as the contract spells symbols, or `*`.
    pub symbols: Vec<String>,
    /// What holds them instead.
    pub symbols_file: Option<PathBuf>,
    /// The vendor's channels: trades or one kind of bar for each market.
    pub channels: Vec<String>,
    /// A table of sale conditions instead of the built-in one.
    pub sale_conditions_file: Option<PathBuf>,
    /// Whether records hold the vendor's event.
    pub include_raw: bool,
}
