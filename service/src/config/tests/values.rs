//! Each setting: its default, and a value that is not the default, in the field where it belongs.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::super::settings;
use super::loaded;
use crate::config::{Config, Secret};

/// A setting with another text, how to look at its field, and what stands there by default and with that text.
struct Row {
    name: &'static str,
    text: &'static str,
    look: fn(&Config) -> String,
    default: &'static str,
    expected: &'static str,
}

fn debug(value: impl Debug) -> String {
    format!("{value:?}")
}

fn exposed(secret: Option<&Secret>) -> String {
    debug(secret.map(Secret::expose))
}

macro_rules! rows {
    ($($name:literal, $text:literal, $look:expr, $default:literal, $expected:literal;)*) => {
        &[$(Row { name: $name, text: $text, look: $look, default: $default, expected: $expected }),*]
    };
}

#[rustfmt::skip]
static ROWS: &[Row] = rows! {
    "MASSIVE_API_KEY", "k3y", |c| exposed(c.source.massive_api_key.as_ref()), "None", r#"Some("k3y")"#;
    "MASSIVE_WS_URL", "ws://127.0.0.1:9/x", |c| c.source.massive_ws_url.clone(), "wss://socket.massive.com/stocks", "ws://127.0.0.1:9/x";
    "MASSIVE_BACKFILL", "true", |c| debug(c.source.massive_backfill), "false", "true";
    "MASSIVE_REST_URL", "http://127.0.0.1:9", |c| c.source.massive_rest_url.clone(), "https://api.massive.com", "http://127.0.0.1:9";
    "MASSIVE_CALLS_PER_MINUTE", "0", |c| debug(c.source.massive_calls_per_minute), "5", "0";
    "COINBASE_WS_URL", "ws://127.0.0.1:9", |c| c.source.coinbase_ws_url.clone(), "wss://ws-feed.exchange.coinbase.com", "ws://127.0.0.1:9";
    "RECONNECT_DELAY", "250ms", |c| debug(c.source.reconnect_delay), "5s", "250ms";
    "RECONNECT_DELAY_MAX", "2m", |c| debug(c.source.reconnect_cap), "60s", "120s";
    "SYMBOLS", " MSFT , BRK.B,MSFT,X:BTC-USD", |c| debug(&c.source.symbols), r#"["AAPL", "TSLA", "BTC-USD"]"#, r#"["MSFT", "BRK.B", "X:BTC-USD"]"#;
    "SYMBOLS_FILE", "/etc/tape/symbols", |c| debug(&c.source.symbols_file), "None", r#"Some("/etc/tape/symbols")"#;
    "CHANNELS", "t,XT", |c| debug(&c.source.channels), r#"["A"]"#, r#"["T", "XT"]"#;
    "SALE_CONDITIONS_FILE", "conditions.csv", |c| debug(&c.source.sale_conditions_file), "None", r#"Some("conditions.csv")"#;
    "INCLUDE_RAW", "true", |c| debug(c.source.include_raw), "false", "true";
    "KAFKA_BOOTSTRAP_SERVERS", "a:1, [::1]:2", |c| c.kafka.bootstrap_servers.clone(), "localhost:9092", "a:1,[::1]:2";
    "APP_ID", "tape-2", |c| c.app_id.clone(), "tape", "tape-2";
    "KAFKA_PARTITIONS", "12", |c| debug(c.kafka.partitions), "3", "12";
    "KAFKA_REPLICATION_FACTOR", "3", |c| debug(c.kafka.replication_factor), "1", "3";
    "KAFKA_SESSION_TIMEOUT", "6s", |c| debug(c.kafka.session_timeout), "45s", "6s";
    "KAFKA_TRANSACTION_TIMEOUT", "1m", |c| debug(c.kafka.transaction_timeout), "10s", "60s";
    "KAFKA_TOPIC_RAW_TRADES", "r", |c| c.topics.raw_trades.clone(), "raw-trades", "r";
    "KAFKA_TOPIC_AGGREGATES", "a", |c| c.topics.aggregates.clone(), "stock-aggregates", "a";
    "KAFKA_TOPIC_ALERTS", "b", |c| c.topics.alerts.clone(), "breakout-alerts", "b";
    "KAFKA_TOPIC_LATE", "", |c| debug(&c.topics.late), r#"Some("raw-trades-late")"#, "None";
    "KAFKA_TOPIC_DEAD_LETTERS", "d", |c| c.topics.dead_letters.clone(), "raw-trades-dlq", "d";
    "KAFKA_TOPIC_CHANGELOG", "c", |c| c.topics.changelog.clone(), "tape-changelog", "c";
    "KAFKA_TOPIC_SINK_DEAD_LETTERS", "s", |c| c.topics.sink_dead_letters.clone(), "tape-sink-dlq", "s";
    "ACKS_CONFIG", "1", |c| debug(c.producer.acks), "All", "Leader";
    "COMPRESSION_TYPE", "ZSTD", |c| debug(c.producer.compression), "Snappy", "Zstd";
    "LINGER_MS", "0", |c| debug(c.producer.linger), "10ms", "0ns";
    "BATCH_SIZE", "1000000", |c| debug(c.producer.batch_size), "32768", "1000000";
    "BUFFER_MEMORY", "1048576", |c| debug(c.producer.buffer_memory), "33554432", "1048576";
    "RETRIES", "5", |c| debug(c.producer.retries), "2147483647", "5";
    "SPOOL_LIMIT", "0", |c| debug(c.producer.spool_limit), "4294967296", "0";
    "TRADE_FORMAT", "protobuf", |c| debug(c.producer.trade_format), "Json", "Protobuf";
    "WINDOW_DURATION", "10m", |c| debug(c.processing.window), "300s", "600s";
    "SLIDE_DURATION", "30s", |c| debug(c.processing.slide), "60s", "30s";
    "WATERMARK_DELAY", "15s", |c| debug(c.processing.watermark_delay), "60s", "15s";
    "MAX_FUTURE", "20s", |c| debug(c.processing.max_future), "10s", "20s";
    "IDLE_TIMEOUT", "0", |c| debug(c.processing.idle_timeout), "30s", "0ns";
    "OUTPUT_MODE", "Append", |c| debug(c.processing.output_mode), "Update", "Append";
    "TRIGGER_INTERVAL", "0", |c| debug(c.processing.trigger_interval), "1s", "0ns";
    "OUTPUT_FORMAT", "json", |c| debug(c.processing.output_format), "Protobuf", "Json";
    "BREAKOUT_BAND_BPS", "0", |c| debug(c.processing.breakout_band_bps), "5", "0";
    "CROSS_BAND_BPS", "9999", |c| debug(c.processing.cross_band_bps), "2", "9999";
    "ALERT_MIN_TRADES", "1", |c| debug(c.processing.alert_min_trades), "20", "1";
    "ALERT_COOLDOWN", "1ms", |c| debug(c.processing.alert_cooldown), "60s", "1ms";
    "HIGH_VOLUME_THRESHOLD", "0.000000001", |c| debug(c.processing.high_volume_threshold), "1000000000000000", "1";
    "COMMIT_INTERVAL", "100ms", |c| debug(c.processing.commit_interval), "20ms", "100ms";
    "PROCESSING_GUARANTEE", "at_least_once", |c| debug(c.processing.guarantee), "ExactlyOnce", "AtLeastOnce";
    "STATE_DIR", "/data/tape", |c| debug(&c.processing.state_dir), r#""/var/lib/tape""#, r#""/data/tape""#;
    "WORKERS", "64", |c| debug(c.processing.workers), "3", "64";
    "INSTANCE_ID", "pod-0", |c| debug(&c.processing.instance_id), "None", r#"Some("pod-0")"#;
    "DB_HOST", "/run/postgresql", |c| c.db.host.clone(), "localhost", "/run/postgresql";
    "DB_PORT", "65535", |c| debug(c.db.port), "5432", "65535";
    "DB_NAME", "market data", |c| c.db.name.clone(), "stockdb", "market data";
    "DB_USER", "writer", |c| c.db.user.clone(), "tape", "writer";
    "DB_PASSWORD", " p w ", |c| exposed(c.db.password.as_ref()), "None", r#"Some(" p w ")"#;
    "DB_POOL_MAX", "5", |c| debug(c.db.pool_max), "20", "5";
    "DB_CONNECT_TIMEOUT", "3s", |c| debug(c.db.connect_timeout), "30s", "3s";
    "DB_IDLE_TIMEOUT", "0", |c| debug(c.db.idle_timeout), "600s", "0ns";
    "DB_MAX_LIFETIME", "1h", |c| debug(c.db.max_lifetime), "1800s", "3600s";
    "DB_CHUNK_INTERVAL", "1d", |c| debug(c.db.chunk), "604800s", "86400s";
    "DB_COMPRESS_AFTER", "0", |c| debug(c.db.compress_after), "604800s", "0ns";
    "DB_RETENTION", "1d", |c| debug(c.db.retention), "2592000s", "86400s";
    "DB_ROLLUP_RETENTION", "0", |c| debug(c.db.rollup_retention), "31536000s", "0ns";
    "SINK_BATCH_ROWS", "1", |c| debug(c.db.batch_rows), "5000", "1";
    "SINK_BATCH_BYTES", "1024", |c| debug(c.db.batch_bytes), "4194304", "1024";
    "SINK_LINGER", "0", |c| debug(c.db.batch_linger), "200ms", "0ns";
    "LOG_LEVEL", "info,tape_kafka=debug", |c| c.log.level.clone(), "info", "info,tape_kafka=debug";
    "LOG_FORMAT", "json", |c| debug(c.log.format), "None", "Some(Json)";
    "HTTP_BIND_PRODUCER", "0.0.0.0:1", |c| debug(c.http.producer), "Some(127.0.0.1:9460)", "Some(0.0.0.0:1)";
    "HTTP_BIND_PROCESSOR", "[::1]:9461", |c| debug(c.http.processor), "Some(127.0.0.1:9461)", "Some([::1]:9461)";
    "HTTP_BIND_SINK", "off", |c| debug(c.http.sink), "Some(127.0.0.1:9462)", "None";
    "HTTP_BIND_API", "127.0.0.1:0", |c| debug(c.http.api), "Some(127.0.0.1:9463)", "Some(127.0.0.1:0)";
    "GRAFANA_PORT", "3001", |c| debug(c.grafana.port), "3000", "3001";
    "GRAFANA_ADMIN_PASSWORD", "adm1n", |c| exposed(c.grafana.admin_password.as_ref()), "None", r#"Some("adm1n")"#;
};

/// Settings that are only allowed together; `rules.rs` looks at them.
const JOINED: [&str; 8] = [
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SSL_CA_LOCATION",
    "KAFKA_SSL_CERTIFICATE_LOCATION",
    "KAFKA_SSL_KEY_LOCATION",
    "KAFKA_SSL_KEY_PASSWORD",
];

#[test]
fn each_setting_reaches_its_field() {
    let defaults = loaded(&[]).config;
    for row in ROWS {
        assert_eq!((row.look)(&defaults), row.default, "default of {}", row.name);
        let changed = loaded(&[(row.name, row.text)]).config;
        assert_eq!((row.look)(&changed), row.expected, "{}={}", row.name, row.text);
    }
}

#[test]
fn each_setting_reaches_its_field_from_a_file() {
    for row in ROWS {
        for name in [row.name.to_lowercase(), row.name.to_owned()] {
            let toml = format!("{name} = {:?}", row.text);
            let changed = super::load(&[], Some(&toml)).unwrap_or_else(|errors| panic!("{toml}: {errors}"));
            assert_eq!((row.look)(&changed.config), row.expected, "{toml}");
        }
    }
}

#[test]
fn the_table_of_this_test_is_complete() {
    let tested: BTreeSet<_> = ROWS.iter().map(|row| row.name).chain(JOINED).collect();
    let known: BTreeSet<_> = settings::all().map(|setting| setting.name).collect();
    assert_eq!(tested, known);
    assert_eq!(known.len(), settings::all().count(), "two settings have one name");
}

#[test]
fn every_setting_has_an_effective_value() {
    let names: Vec<_> = loaded(&[]).values.iter().map(|value| value.name).collect();
    let known: Vec<_> = settings::all().map(|setting| setting.name).collect();
    assert_eq!(names, known);
}

#[test]
fn defaults_are_without_warnings() {
    assert_eq!(loaded(&[]).warnings, Vec::<String>::new());
}

#[test]
fn derived_values_follow() {
    let check = |env: &[(&str, &str)], name: &str, expected: &str| {
        let values = loaded(env).values;
        let value = values.iter().find(|value| value.name == name).expect("every setting is listed");
        assert_eq!(value.value, expected, "{name} with {env:?}");
        assert_eq!(value.source.to_string(), "derived", "{name} with {env:?}");
    };
    check(&[], "MAX_FUTURE", "10s");
    check(&[("WATERMARK_DELAY", "5s")], "MAX_FUTURE", "5s");
    check(&[("WATERMARK_DELAY", "0")], "MAX_FUTURE", "0");
    check(&[("WATERMARK_DELAY", "1h")], "MAX_FUTURE", "10s");
    check(&[], "WORKERS", "3");
    check(&[("KAFKA_PARTITIONS", "100")], "WORKERS", "8");
    check(&[("APP_ID", "x")], "KAFKA_TOPIC_CHANGELOG", "x-changelog");
    check(&[("APP_ID", "x")], "KAFKA_TOPIC_SINK_DEAD_LETTERS", "x-sink-dlq");
    check(&[], "STATE_DIR", "/var/lib/tape");
    check(&[], "INSTANCE_ID", "");
}

#[test]
fn the_state_folder_follows_the_surroundings() {
    let check = |env: &[(&str, &str)], root: bool, expected: &str| {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let folder = super::super::machine::state_dir(&env, root);
        assert_eq!(folder.to_str(), Some(expected), "{env:?}, root {root}");
    };
    check(&[("HOME", "/home/ann")], false, "/home/ann/.local/state/tape");
    check(&[("HOME", "/root")], true, "/var/lib/tape");
    check(&[], false, "/var/lib/tape");
    check(&[("HOME", "here")], false, "/var/lib/tape");
    check(&[("HOME", "/home/ann"), ("XDG_STATE_HOME", "/state")], false, "/state/tape");
    check(&[("HOME", "/home/ann"), ("XDG_STATE_HOME", "relative")], false, "/home/ann/.local/state/tape");
    check(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/s")], true, "/var/lib/a");
}

#[test]
fn synonyms_of_other_systems_are_understood() {
    let config = loaded(&[("PROCESSING_GUARANTEE", "exactly_once_v2"), ("ACKS_CONFIG", "-1")]).config;
    assert_eq!(debug(config.processing.guarantee), "ExactlyOnce");
    assert_eq!(debug(config.producer.acks), "All");
}

#[test]
fn every_word_has_a_meaning() {
    for setting in settings::all() {
        let settings::Kind::Word(words) = setting.kind else { continue };
        for word in words {
            let mut env = vec![(setting.name, *word)];
            if setting.name == "KAFKA_SASL_MECHANISM" {
                env.push(("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"));
            }
            if *word == "sasl_plaintext" || *word == "sasl_ssl" {
                env.push(("KAFKA_SASL_MECHANISM", "PLAIN"));
            }
            if env.len() > 1 {
                env.extend([("KAFKA_SASL_USERNAME", "u"), ("KAFKA_SASL_PASSWORD", "p")]);
            }
            loaded(&env);
        }
    }
}
