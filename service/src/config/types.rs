//! The checked settings: plain values with units, as the roles use them. Made only by [`Config::load`]
//! (which see for the rules), read by everybody. Durations are whole milliseconds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Secret;

/// Every setting of every role. `Debug` masks the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `APP_ID`: prefix of groups, changelog and transactional ids; 1–64 of `A-Z a-z 0-9 . _ -`.
    pub app_id: String,
    /// Brokers and how to reach them.
    pub kafka: Kafka,
    /// Topic names, pairwise different.
    pub topics: Topics,
    /// How the producer role writes.
    pub producer: Producer,
    /// The live feed.
    pub source: Source,
    /// Windows, alerts and the processor's workers.
    pub processing: Processing,
    /// PostgreSQL and the sink's batches.
    pub db: Database,
    /// Where each role serves health and metrics.
    pub http: Http,
    /// Log level and shape.
    pub log: Log,
    /// What the health check and the deployment know about Grafana.
    pub grafana: Grafana,
}

/// Brokers and how to reach them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// `host:port`, several separated by commas without spaces.
    pub bootstrap_servers: String,
    /// Encryption and log-in.
    pub security: Security,
    /// Copies of each partition of a topic that we create, 1–32767.
    pub replication_factor: i32,
    /// Partitions of a topic that we create, 1–10000.
    pub partitions: i32,
    /// How long the group waits for a silent member, 1 s – 30 min.
    pub session_timeout: Duration,
    /// After how long the broker aborts an open transaction, 1 s – 15 min; more than the commit interval.
    pub transaction_timeout: Duration,
}

/// Encryption and log-in of all Kafka clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// Transport and whether a log-in happens.
    pub protocol: SecurityProtocol,
    /// Present exactly when the protocol logs in.
    pub sasl: Option<Sasl>,
    /// Certificates; all `None` without TLS.
    pub ssl: Ssl,
}

/// `security.protocol` of Kafka clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encryption nor log-in.
    Plaintext,
    /// TLS.
    Ssl,
    /// Log-in without encryption.
    SaslPlaintext,
    /// Log-in over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// The word that Kafka clients use (`plaintext`, `ssl`, `sasl_plaintext`, `sasl_ssl`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    /// True when the client must log in.
    pub fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    /// True when the connection is encrypted.
    pub fn uses_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

/// Log-in to the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// How the password is proven.
    pub mechanism: SaslMechanism,
    /// User name, not empty.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// `sasl.mechanism` of Kafka clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// The password itself travels: use it over TLS.
    Plain,
    /// Salted challenge with SHA-256.
    ScramSha256,
    /// Salted challenge with SHA-512.
    ScramSha512,
}

impl SaslMechanism {
    /// The word that Kafka clients use (`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Certificates of Kafka clients. Paths are handed to the client as they are; it reads the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssl {
    /// PEM file of the authorities to trust; `None` = the system's.
    pub ca_location: Option<PathBuf>,
    /// PEM file of our certificate; present exactly when `key_location` is.
    pub certificate_location: Option<PathBuf>,
    /// PEM file of our private key.
    pub key_location: Option<PathBuf>,
    /// Password of the private key.
    pub key_password: Option<Secret>,
}

/// Topic names: valid for Kafka and pairwise different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Input.
    pub raw_trades: String,
    /// Window rows.
    pub aggregates: String,
    /// Alerts.
    pub alerts: String,
    /// Late records, unchanged; `None` = they are only counted.
    pub late: Option<String>,
    /// Rejected records.
    pub dead_letters: String,
    /// The processor's state, compacted.
    pub changelog: String,
    /// Rows that the database refused.
    pub sink_dead_letters: String,
}

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

/// Windows, alerts and the processor's workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processing {
    /// D: length of a window; a multiple of `slide`, at most 1440 times as long.
    pub window: Duration,
    /// S: distance of windows, at least 1 ms.
    pub slide: Duration,
    /// How long a window waits after its end, in event time.
    pub watermark_delay: Duration,
    /// How often open windows are shown, by the wall clock; 0 = at every commit.
    pub trigger_interval: Duration,
    /// Which rows are shown.
    pub output_mode: OutputMode,
    /// Silence after which a partition that was read to its end closes windows; 0 = never.
    pub idle_timeout: Duration,
    /// How far an event time may lie ahead of its record's timestamp; at most `watermark_delay`.
    pub max_future: Duration,
    /// Band of breakouts in 1/10000 of the average, 0–9999.
    pub breakout_band_bps: u32,
    /// Band of crosses in 1/10000 of the moving average, 0–9999.
    pub cross_band_bps: u32,
    /// Prices that a window needs before it may alert, at least 1.
    pub alert_min_trades: u64,
    /// Least event time between two breakouts of a symbol, at least 1 ms.
    pub alert_cooldown: Duration,
    /// Volume above which a window alerts, in 1e-9 of a share, at least 0.
    pub high_volume_threshold: i128,
    /// How often the processor commits, 1 ms – 60 s.
    pub commit_interval: Duration,
    /// What a crash may repeat.
    pub guarantee: Guarantee,
    /// Folder of the local state.
    pub state_dir: PathBuf,
    /// Worker threads, 1–64.
    pub workers: usize,
    /// Name of this instance, charset of `app_id`; `None` = made at first start and kept in the state folder.
    pub instance_id: Option<String>,
    /// Shape of rows and alerts on their topics.
    pub output_format: Format,
}

/// Which rows go to the aggregates topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    /// Final rows only.
    Append,
    /// Changed open windows at every trigger, and final rows.
    Update,
    /// All open windows at every trigger, and final rows.
    Complete,
}

/// What a crash may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Outputs, state and offsets are one Kafka transaction.
    ExactlyOnce,
    /// After a crash records may count twice.
    AtLeastOnce,
}

/// PostgreSQL and the sink's batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Host name, address, or the folder of a Unix socket.
    pub host: String,
    /// 1–65535.
    pub port: u16,
    /// Database name.
    pub name: String,
    /// Role to log in as.
    pub user: String,
    /// Password; `None` = the server does not ask for one.
    pub password: Option<Secret>,
    /// Most connections of a process, 1–1000.
    pub pool_max: usize,
    /// How long a connection may take to open, 1 ms – 10 min.
    pub connect_timeout: Duration,
    /// An unused connection is closed after this; 0 = never.
    pub idle_timeout: Duration,
    /// A connection is replaced after this; 0 = never.
    pub max_lifetime: Duration,
    /// Length of a chunk or partition of the big tables, 1 h – 365 d.
    pub chunk: Duration,
    /// Age at which windows are compressed (TimescaleDB only); 0 = never.
    pub compress_after: Duration,
    /// Age at which windows and alerts are deleted; 0 = never.
    pub retention: Duration,
    /// Age at which roll-ups are deleted; 0 = never.
    pub rollup_retention: Duration,
    /// Most rows of a batch, 1–100000.
    pub batch_rows: usize,
    /// Most bytes of encoded records in a batch, 1 KiB – 1 GiB.
    pub batch_bytes: usize,
    /// Longest wait for a full batch, 0 – 60 s.
    pub batch_linger: Duration,
}

/// Where each role serves `/health/live`, `/health/ready` and `/metrics`; `None` = it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// `tape produce`.
    pub producer: Option<SocketAddr>,
    /// `tape process`.
    pub processor: Option<SocketAddr>,
    /// `tape sink`.
    pub sink: Option<SocketAddr>,
    /// `tape serve`.
    pub api: Option<SocketAddr>,
}

/// Log level and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level (`off`, `error`, `warn`, `info`, `debug`, `trace`) or filter directives such as
    /// `info,tape_kafka=debug`.
    pub level: String,
    /// `None`: text on a terminal, JSON lines otherwise.
    pub format: Option<LogFormat>,
}

/// Shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the health check and the deployment know about Grafana.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grafana {
    /// Port, 1–65535.
    pub port: u16,
    /// Password of `admin`; `None` = Grafana's own default.
    pub admin_password: Option<Secret>,
}
