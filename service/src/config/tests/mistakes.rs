//! Each kind of mistake: one line with name, value, what is allowed and the remedy; all of them together.

use super::super::parse;
use super::super::settings::{self, Kind};
use super::{assert_contains, load, refused};
use crate::Failure;

/// One wrong setting gives one line, which names everything.
fn check(name: &str, text: &str, problem: &str) {
    let lines = refused(&[(name, text)]);
    assert_eq!(lines.len(), 1, "{name}={text}: {lines:?}");
    let value = format!("{name}=\"{}\" (environment): ", text.trim().escape_debug());
    assert_contains(&lines[0], &[&value, problem, ". Allowed: ", ". Correct it", "remove it"]);
}

#[test]
fn each_kind_of_mistake_has_its_words() {
    let rows = [
        ("WINDOW_DURATION", "5", "a unit is missing: write 5s or 5ms"),
        ("WINDOW_DURATION", "0", "zero is not allowed"),
        ("WINDOW_DURATION", "0s", "shorter than 1ms"),
        ("WINDOW_DURATION", "5x", "unknown unit \"x\""),
        ("WINDOW_DURATION", "-5m", "not a duration"),
        ("WINDOW_DURATION", "five minutes", "not a duration"),
        ("WINDOW_DURATION", "5M", "longer than 30d"),
        ("WINDOW_DURATION", "1500us", "finer than a millisecond"),
        ("WINDOW_DURATION", "99999999999999999999s", "too large or too fine"),
        ("TRIGGER_INTERVAL", "2d", "longer than 1d"),
        ("ALERT_COOLDOWN", "0", "zero is not allowed"),
        ("COMMIT_INTERVAL", "2m", "longer than 1m"),
        ("KAFKA_SESSION_TIMEOUT", "999ms", "shorter than 1s"),
        ("ALERT_MIN_TRADES", "0", "less than 1"),
        ("BREAKOUT_BAND_BPS", "10000", "more than 9999"),
        ("BREAKOUT_BAND_BPS", "-1", "not a whole number in plain digits"),
        ("CROSS_BAND_BPS", "2.5", "not a whole number in plain digits"),
        ("KAFKA_PARTITIONS", "+3", "not a whole number in plain digits"),
        ("KAFKA_PARTITIONS", "99999999999999999999999", "more than 10000"),
        ("BATCH_SIZE", "32KiB", "not a whole number in plain digits"),
        ("DB_PORT", "tcp://10.0.0.7:5432", "enableServiceLinks"),
        ("WORKERS", "65", "more than 64"),
        ("HIGH_VOLUME_THRESHOLD", "1e6", "not a plain decimal number"),
        ("HIGH_VOLUME_THRESHOLD", "-1", "not a plain decimal number"),
        ("HIGH_VOLUME_THRESHOLD", ".5", "not a plain decimal number"),
        ("HIGH_VOLUME_THRESHOLD", "1.0000000001", "more than 9 digits behind the point"),
        ("HIGH_VOLUME_THRESHOLD", "1000000000000000000.1", "more than 1000000000000000000"),
        ("HIGH_VOLUME_THRESHOLD", "99999999999999999999999999999999999999999999", "more than"),
        ("OUTPUT_MODE", "updates", "unknown; did you mean update?"),
        ("ACKS_CONFIG", "2", "unknown"),
        ("COMPRESSION_TYPE", "brotli", "unknown"),
        ("PROCESSING_GUARANTEE", "exactly-once", "did you mean exactly_once?"),
        ("APP_ID", "a b", "contains a character that is not allowed"),
        ("INSTANCE_ID", "pod/0", "contains a character that is not allowed"),
        ("KAFKA_TOPIC_ALERTS", "..", "not a topic name for Kafka"),
        ("KAFKA_TOPIC_ALERTS", "a:b", "contains a character that Kafka does not allow"),
        ("KAFKA_TOPIC_ALERTS", "__consumer_offsets", "a topic of Kafka itself"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost", "has no port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,,b:2", "has an empty entry"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:0", "has no port from 1 to 65535"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1;b:2", "has no valid host name"),
        ("KAFKA_BOOTSTRAP_SERVERS", "SASL_SSL://a:1", "has a protocol in front"),
        ("KAFKA_BOOTSTRAP_SERVERS", "::1:9092", "has no valid host name"),
        ("MASSIVE_WS_URL", "https://socket.massive.com", "not a WebSocket address"),
        ("MASSIVE_REST_URL", "wss://api.massive.com", "not a web address"),
        ("MASSIVE_WS_URL", "wss:///stocks", "has no host"),
        ("MASSIVE_WS_URL", "wss://h/stocks?key=1", "question mark"),
        ("SYMBOLS", "AAPL,", "has an empty entry"),
        ("SYMBOLS", "A*PL", "contains a character that is not allowed"),
        ("SYMBOLS", "AAPL TSLA", "contains a character that is not allowed"),
        ("SYMBOLS", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456", "is longer than 32"),
        ("CHANNELS", "Q", "\"Q\" is not a channel"),
        ("CHANNELS", "T,AM", "T and AM both feed the same symbols"),
        ("HTTP_BIND_SINK", "localhost:9462", "not an IP address with a port"),
        ("HTTP_BIND_SINK", ":9462", "not an IP address with a port"),
        ("HTTP_BIND_SINK", "127.0.0.1:70000", "not an IP address with a port"),
        ("LOG_LEVEL", "inof", "\"inof\" is not a level"),
        ("LOG_LEVEL", "info,tape_kafka", "\"tape_kafka\" is not a level"),
        ("LOG_LEVEL", "warning", "\"warning\" is not a level"),
        ("DB_HOST", "postgres://h/db", "set host, port, user and password apart"),
        ("DB_HOST", "db:5432", "contains a port: set DB_PORT"),
        ("STATE_DIR", "/var/\u{1b}x", "contains a control character"),
        ("DB_NAME", "a\u{fffd}", "not valid UTF-8"),
    ];
    for (name, text, problem) in rows {
        check(name, text, problem);
    }
}

#[test]
fn long_texts_are_refused_and_cut() {
    let name = "n".repeat(65);
    check("APP_ID", &name, "65 characters long, more than 64");
    let lines = refused(&[("KAFKA_TOPIC_LATE", &"t".repeat(250))]);
    assert_contains(&lines[0], &[&format!("\"{}…\"", "t".repeat(100)), "250 characters long"]);
    let lines = refused(&[("SYMBOLS", &"A,".repeat(parse::TEXT_MAX))]);
    assert_contains(&lines[0], &["bytes long, more than"]);
    assert!(lines[0].len() < 1000);
}

#[test]
fn limits_of_the_table_hold_on_both_sides() {
    for setting in settings::all() {
        let (least, most, below, above) = match setting.kind {
            Kind::Duration { min, max } => (
                format!("{min}ms"),
                format!("{max}ms"),
                min.checked_sub(1).map(|ms| format!("{ms}ms")),
                format!("{}ms", max + 1),
            ),
            Kind::Whole { min, max, .. } => (
                min.to_string(),
                max.to_string(),
                min.checked_sub(1).map(|n| n.to_string()),
                (max + 1).to_string(),
            ),
            Kind::Decimal { max, .. } => {
                ("0".to_owned(), format!("{max}.0"), None, format!("{max}.000000001"))
            }
            _ => continue,
        };
        for text in [least, most] {
            assert!(parse::value(setting.kind, &text).is_ok(), "{}={text}", setting.name);
        }
        for text in below.into_iter().chain([above]) {
            assert!(parse::value(setting.kind, &text).is_err(), "{}={text}", setting.name);
        }
    }
}

#[test]
fn zero_is_written_without_unit_where_it_is_allowed() {
    for setting in settings::all() {
        if let Kind::Duration { min, .. } = setting.kind {
            assert_eq!(parse::value(setting.kind, "0").is_ok(), min == 0, "{}", setting.name);
        }
    }
}

#[test]
fn defaults_of_the_table_are_sound() {
    for setting in settings::all() {
        if let settings::Preset::Is(text) = setting.default {
            assert!(parse::value(setting.kind, text).is_ok(), "{}={text}", setting.name);
            assert!(!setting.secret, "{}: a secret has no default", setting.name);
        }
    }
}

#[test]
fn all_mistakes_come_together() {
    let toml = "window_duration = \"7x\"\nnonsense = 1\nsymbols = [\"A B\"]\n[table]\n";
    let env = [("ALERT_MIN_TRADES", "0"), ("TAPE_X", "1"), ("MAX_FUTURE", "2m"), ("OUTPUT_MODE", "none")];
    let errors = load(&env, Some(toml)).expect_err("eight mistakes");
    let text = errors.to_string();
    assert_eq!(errors.lines.len(), 8, "{text}");
    assert_eq!(text.lines().count(), 8);
    let parts = [
        "TAPE_X (environment): not a setting",
        "NONSENSE (file, line 2): not a setting",
        "TABLE (file, line 4): a table does not fit here",
        "SYMBOLS=\"A B\" (file, line 3)",
        "WINDOW_DURATION=\"7x\" (file, line 1): unknown unit",
        "OUTPUT_MODE=\"none\"",
        "ALERT_MIN_TRADES=\"0\"",
        "MAX_FUTURE=\"2m\" with WATERMARK_DELAY=\"1m\"",
    ];
    assert_contains(&text, &parts);
    let failure = Failure::from(errors);
    assert_eq!(failure.exit_code(), 64);
    assert_eq!(failure.to_string(), text);
}
