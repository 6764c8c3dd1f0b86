//! From checked values to the types of [`Config`]. Called only when there was no error, so every setting that has
//! a default has a value of its kind: what `expect` says here, a test over the whole table holds.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;
use super::check::Values;
use super::types::{
    Acks, Compression, Config, Database, Format, Grafana, Guarantee, Http, Kafka, Log, LogFormat, OutputMode,
    Processing, Producer, Sasl, SaslMechanism, Security, SecurityProtocol, Source, Ssl, Topics,
};

/// Why a value must be there.
const SOUND: &str = "a configuration without errors has a value for every setting with a default";

/// Builds the configuration.
pub(crate) fn assemble(values: &Values) -> Config {
    let of = Assembly(values);
    Config {
        app_id: of.text("APP_ID"),
        kafka: kafka(&of),
        topics: topics(&of),
        producer: producer(&of),
        source: source(&of),
        processing: processing(&of),
        db: database(&of),
        http: Http {
            producer: of.0.bind("HTTP_BIND_PRODUCER").expect(SOUND),
            processor: of.0.bind("HTTP_BIND_PROCESSOR").expect(SOUND),
            sink: of.0.bind("HTTP_BIND_SINK").expect(SOUND),
            api: of.0.bind("HTTP_BIND_API").expect(SOUND),
        },
        log: Log {
            level: of.text("LOG_LEVEL"),
            format: of.word(
                "LOG_FORMAT",
                &[("text", Some(LogFormat::Text)), ("json", Some(LogFormat::Json)), ("auto", None)],
            ),
        },
        grafana: Grafana {
            port: of.port("GRAFANA_PORT"),
            admin_password: of.secret("GRAFANA_ADMIN_PASSWORD"),
        },
    }
}

struct Assembly<'a>(&'a Values);

impl Assembly<'_> {
    fn duration(&self, name: &str) -> Duration {
        Duration::from_millis(self.0.ms(name).expect(SOUND))
    }

    fn size(&self, name: &str) -> usize {
        usize::try_from(self.0.whole(name).expect(SOUND)).expect("limits of the table fit usize")
    }

    fn port(&self, name: &str) -> u16 {
        u16::try_from(self.0.whole(name).expect(SOUND)).expect("limits of the table fit 16 bits")
    }

    fn count(&self, name: &str) -> u32 {
        u32::try_from(self.0.whole(name).expect(SOUND)).expect("limits of the table fit 32 bits")
    }

    fn signed(&self, name: &str) -> i32 {
        i32::try_from(self.0.whole(name).expect(SOUND)).expect("limits of the table fit 31 bits")
    }

    fn text(&self, name: &str) -> String {
        self.0.text(name).expect(SOUND).to_owned()
    }

    fn maybe(&self, name: &str) -> Option<String> {
        self.0.text(name).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        self.maybe(name).map(Secret::new)
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.0.list(name).expect(SOUND).to_vec()
    }

    fn word<T: Copy>(&self, name: &str, meanings: &[(&str, T)]) -> T {
        let word = self.0.text(name).expect(SOUND);
        meanings.iter().find(|(known, _)| *known == word).expect("every word of the table has a meaning").1
    }
}

const FORMATS: &[(&str, Format)] = &[("json", Format::Json), ("protobuf", Format::Protobuf)];

fn kafka(of: &Assembly<'_>) -> Kafka {
    let protocol = of.word(
        "KAFKA_SECURITY_PROTOCOL",
        &[
            ("plaintext", SecurityProtocol::Plaintext),
            ("ssl", SecurityProtocol::Ssl),
            ("sasl_plaintext", SecurityProtocol::SaslPlaintext),
            ("sasl_ssl", SecurityProtocol::SaslSsl),
        ],
    );
    let sasl = protocol.uses_sasl().then(|| Sasl {
        mechanism: of.word(
            "KAFKA_SASL_MECHANISM",
            &[
                ("PLAIN", SaslMechanism::Plain),
                ("SCRAM-SHA-256", SaslMechanism::ScramSha256),
                ("SCRAM-SHA-512", SaslMechanism::ScramSha512),
            ],
        ),
        username: of.text("KAFKA_SASL_USERNAME"),
        password: Secret::new(of.text("KAFKA_SASL_PASSWORD")),
    });
    let ssl = Ssl {
        ca_location: of.0.path("KAFKA_SSL_CA_LOCATION"),
        certificate_location: of.0.path("KAFKA_SSL_CERTIFICATE_LOCATION"),
        key_location: of.0.path("KAFKA_SSL_KEY_LOCATION"),
        key_password: of.secret("KAFKA_SSL_KEY_PASSWORD"),
    };
    Kafka {
        bootstrap_servers: of.text("KAFKA_BOOTSTRAP_SERVERS"),
        security: Security { protocol, sasl, ssl },
        replication_factor: of.signed("KAFKA_REPLICATION_FACTOR"),
        partitions: of.signed("KAFKA_PARTITIONS"),
        session_timeout: of.duration("KAFKA_SESSION_TIMEOUT"),
        transaction_timeout: of.duration("KAFKA_TRANSACTION_TIMEOUT"),
    }
}

fn topics(of: &Assembly<'_>) -> Topics {
    Topics {
        raw_trades: of.text("KAFKA_TOPIC_RAW_TRADES"),
        aggregates: of.text("KAFKA_TOPIC_AGGREGATES"),
        alerts: of.text("KAFKA_TOPIC_ALERTS"),
        late: of.maybe("KAFKA_TOPIC_LATE"),
        dead_letters: of.text("KAFKA_TOPIC_DEAD_LETTERS"),
        changelog: of.text("KAFKA_TOPIC_CHANGELOG"),
        sink_dead_letters: of.text("KAFKA_TOPIC_SINK_DEAD_LETTERS"),
    }
}

fn producer(of: &Assembly<'_>) -> Producer {
    Producer {
        acks: of.word("ACKS_CONFIG", &[("all", Acks::All), ("1", Acks::Leader), ("0", Acks::None)]),
        compression: of.word(
            "COMPRESSION_TYPE",
            &[
                ("snappy", Compression::Snappy),
                ("lz4", Compression::Lz4),
                ("zstd", Compression::Zstd),
                ("gzip", Compression::Gzip),
                ("none", Compression::None),
            ],
        ),
        linger: Duration::from_millis(of.0.whole("LINGER_MS").expect(SOUND)),
        batch_size: of.size("BATCH_SIZE"),
        buffer_memory: of.size("BUFFER_MEMORY"),
        retries: of.count("RETRIES"),
        spool_limit: of.0.whole("SPOOL_LIMIT").expect(SOUND),
        trade_format: of.word("TRADE_FORMAT", FORMATS),
    }
}

fn source(of: &Assembly<'_>) -> Source {
    Source {
        massive_api_key: of.secret("MASSIVE_API_KEY"),
        massive_ws_url: of.text("MASSIVE_WS_URL"),
        massive_backfill: of.word("MASSIVE_BACKFILL", &[("false", false), ("true", true)]),
        massive_rest_url: of.text("MASSIVE_REST_URL"),
        massive_calls_per_minute: of.count("MASSIVE_CALLS_PER_MINUTE"),
        coinbase_ws_url: of.text("COINBASE_WS_URL"),
        reconnect_delay: of.duration("RECONNECT_DELAY"),
        reconnect_cap: of.duration("RECONNECT_DELAY_MAX"),
        symbols: of.list("SYMBOLS"),
        symbols_file: of.maybe("SYMBOLS_FILE").map(PathBuf::from),
        channels: of.list("CHANNELS"),
        sale_conditions_file: of.maybe("SALE_CONDITIONS_FILE").map(PathBuf::from),
        include_raw: of.word("INCLUDE_RAW", &[("false", false), ("true", true)]),
    }
}

fn processing(of: &Assembly<'_>) -> Processing {
    Processing {
        window: of.duration("WINDOW_DURATION"),
        slide: of.duration("SLIDE_DURATION"),
        watermark_delay: of.duration("WATERMARK_DELAY"),
        trigger_interval: of.duration("TRIGGER_INTERVAL"),
        output_mode: of.word(
            "OUTPUT_MODE",
            &[
                ("append", OutputMode::Append),
                ("update", OutputMode::Update),
                ("complete", OutputMode::Complete),
            ],
        ),
        idle_timeout: of.duration("IDLE_TIMEOUT"),
        max_future: of.duration("MAX_FUTURE"),
        breakout_band_bps: of.count("BREAKOUT_BAND_BPS"),
        cross_band_bps: of.count("CROSS_BAND_BPS"),
        alert_min_trades: of.0.whole("ALERT_MIN_TRADES").expect(SOUND),
        alert_cooldown: of.duration("ALERT_COOLDOWN"),
        high_volume_threshold: of.0.nanos("HIGH_VOLUME_THRESHOLD").expect(SOUND),
        commit_interval: of.duration("COMMIT_INTERVAL"),
        guarantee: of.word(
            "PROCESSING_GUARANTEE",
            &[("exactly_once", Guarantee::ExactlyOnce), ("at_least_once", Guarantee::AtLeastOnce)],
        ),
        state_dir: of.0.path("STATE_DIR").expect(SOUND),
        workers: of.size("WORKERS"),
        instance_id: of.maybe("INSTANCE_ID"),
        output_format: of.word("OUTPUT_FORMAT", FORMATS),
    }
}

fn database(of: &Assembly<'_>) -> Database {
    Database {
        host: of.text("DB_HOST"),
        port: of.port("DB_PORT"),
        name: of.text("DB_NAME"),
        user: of.text("DB_USER"),
        password: of.secret("DB_PASSWORD"),
        pool_max: of.size("DB_POOL_MAX"),
        connect_timeout: of.duration("DB_CONNECT_TIMEOUT"),
        idle_timeout: of.duration("DB_IDLE_TIMEOUT"),
        max_lifetime: of.duration("DB_MAX_LIFETIME"),
        chunk: of.duration("DB_CHUNK_INTERVAL"),
        compress_after: of.duration("DB_COMPRESS_AFTER"),
        retention: of.duration("DB_RETENTION"),
        rollup_retention: of.duration("DB_ROLLUP_RETENTION"),
        batch_rows: of.size("SINK_BATCH_ROWS"),
        batch_bytes: of.size("SINK_BATCH_BYTES"),
        batch_linger: of.duration("SINK_LINGER"),
    }
}
