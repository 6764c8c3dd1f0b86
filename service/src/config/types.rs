//! The checked settings: plain values with units, as the roles use them. Made only by [`Config::load`]
//! (which see for the rules), read by everybody. Durations are whole milliseconds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

mod producing;

use super::Secret;
pub use producing::{Acks, Compression, Format, Producer, Source};

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
