//! Rules that join settings: what they refuse, what they only doubt.

use super::{assert_contains, loaded, refused};
use crate::config::{Sasl, SaslMechanism, Secret, SecurityProtocol, Ssl};

fn check_refused(env: &[(&str, &str)], parts: &[&str]) {
    let lines = refused(env);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_contains(&lines[0], parts);
}

fn check_doubted(env: &[(&str, &str)], parts: &[&str]) {
    let warnings = loaded(env).warnings;
    assert_eq!(warnings.len(), 1, "{env:?}: {warnings:?}");
    assert_contains(&warnings[0], parts);
}

#[test]
fn the_slide_divides_the_window() {
    loaded(&[("WINDOW_DURATION", "24h")]);
    loaded(&[("WINDOW_DURATION", "1m")]);
    check_refused(
        &[("WINDOW_DURATION", "5m"), ("SLIDE_DURATION", "2m")],
        &[
            "WINDOW_DURATION=\"5m\"",
            "SLIDE_DURATION=\"2m\"",
            "not a multiple",
            "for example WINDOW_DURATION=6m",
        ],
    );
    check_refused(&[("SLIDE_DURATION", "10m")], &["not a multiple", "WINDOW_DURATION=10m"]);
    check_refused(
        &[("WINDOW_DURATION", "1441m")],
        &["1441 windows, more than 1440", "for example SLIDE_DURATION=62880ms"],
    );
    check_refused(
        &[("WINDOW_DURATION", "1h"), ("SLIDE_DURATION", "1ms")],
        &["3600000 windows", "SLIDE_DURATION=2500ms"],
    );
}

#[test]
fn the_future_guard_is_never_longer_than_the_delay() {
    loaded(&[("MAX_FUTURE", "1m")]);
    check_refused(
        &[("MAX_FUTURE", "61s")],
        &["MAX_FUTURE=\"61s\"", "WATERMARK_DELAY=\"1m\"", "at most 1m", "remove it for the default"],
    );
    check_refused(&[("MAX_FUTURE", "10s"), ("WATERMARK_DELAY", "9s")], &["at most 9s"]);
}

#[test]
fn nothing_is_deleted_before_it_is_rolled_up() {
    for name in ["DB_RETENTION", "DB_ROLLUP_RETENTION"] {
        loaded(&[(name, "1d")]);
        loaded(&[(name, "0")]);
        check_refused(&[(name, "23h")], &[name, "at least 1d, or 0"]);
    }
}

#[test]
fn times_and_sizes_fit_each_other() {
    check_refused(
        &[("RECONNECT_DELAY", "2m")],
        &["RECONNECT_DELAY=\"2m\"", "RECONNECT_DELAY_MAX=\"60s\"", "Make RECONNECT_DELAY_MAX"],
    );
    check_refused(
        &[("COMMIT_INTERVAL", "10s")],
        &["COMMIT_INTERVAL=\"10s\"", "KAFKA_TRANSACTION_TIMEOUT=\"10s\"", "shorter"],
    );
    check_refused(
        &[("BATCH_SIZE", "33554433")],
        &["BATCH_SIZE=\"33554433\"", "BUFFER_MEMORY=\"33554432\"", "smaller"],
    );
}

#[test]
fn topics_are_pairwise_different() {
    check_refused(
        &[("KAFKA_TOPIC_ALERTS", "raw-trades")],
        &["KAFKA_TOPIC_RAW_TRADES=\"raw-trades\"", "KAFKA_TOPIC_ALERTS=\"raw-trades\"", "Change one"],
    );
    check_refused(
        &[("KAFKA_TOPIC_ALERTS", "a.b"), ("KAFKA_TOPIC_LATE", "a_b")],
        &["KAFKA_TOPIC_ALERTS=\"a.b\"", "KAFKA_TOPIC_LATE=\"a_b\"", "count as the same"],
    );
    check_refused(
        &[("KAFKA_TOPIC_LATE", "tape-changelog")],
        &["KAFKA_TOPIC_LATE", "KAFKA_TOPIC_CHANGELOG=\"tape-changelog\""],
    );
    assert_eq!(
        refused(&[("KAFKA_TOPIC_ALERTS", "x"), ("KAFKA_TOPIC_LATE", "x"), ("KAFKA_TOPIC", "x")]).len(),
        2
    );
}

const LOG_IN: [(&str, &str); 3] = [
    ("KAFKA_SASL_MECHANISM", "scram-sha-512"),
    ("KAFKA_SASL_USERNAME", "ann"),
    ("KAFKA_SASL_PASSWORD", "p4ss"),
];
const CERTIFICATE: [(&str, &str); 4] = [
    ("KAFKA_SSL_CA_LOCATION", "/ca.pem"),
    ("KAFKA_SSL_CERTIFICATE_LOCATION", "/cert.pem"),
    ("KAFKA_SSL_KEY_LOCATION", "/key.pem"),
    ("KAFKA_SSL_KEY_PASSWORD", "k3y"),
];

fn with(protocol: &'static str, more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [("KAFKA_SECURITY_PROTOCOL", protocol)].into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn log_in_and_certificates_reach_their_fields() {
    let env = with("SASL_SSL", &[&LOG_IN[..], &CERTIFICATE[..]].concat());
    let security = loaded(&env).config.kafka.security;
    assert_eq!(security.protocol, SecurityProtocol::SaslSsl);
    let sasl = Sasl {
        mechanism: SaslMechanism::ScramSha512,
        username: "ann".to_owned(),
        password: Secret::new("p4ss"),
    };
    assert_eq!(security.sasl, Some(sasl));
    let ssl = Ssl {
        ca_location: Some("/ca.pem".into()),
        certificate_location: Some("/cert.pem".into()),
        key_location: Some("/key.pem".into()),
        key_password: Some(Secret::new("k3y")),
    };
    assert_eq!(security.ssl, ssl);
    let plain = loaded(&[]).config.kafka.security;
    assert_eq!((plain.protocol, plain.sasl, plain.ssl), (SecurityProtocol::Plaintext, None, Ssl::default()));
}

#[test]
fn log_in_needs_a_protocol_and_a_protocol_needs_log_in() {
    for protocol in ["plaintext", "ssl"] {
        for setting in LOG_IN {
            let quoted = format!("KAFKA_SECURITY_PROTOCOL=\"{protocol}\"");
            check_refused(
                &with(protocol, &[setting]),
                &[setting.0, &quoted, "does not log in", "or remove it"],
            );
        }
    }
    for protocol in ["sasl_plaintext", "sasl_ssl"] {
        for missing in 0..LOG_IN.len() {
            let mut rest = LOG_IN.to_vec();
            let (name, _) = rest.remove(missing);
            check_refused(&with(protocol, &rest), &[name, protocol, "not set", "Set it, or choose"]);
        }
        assert_eq!(refused(&with(protocol, &[])).len(), 3);
    }
}

#[test]
fn certificates_need_encryption_and_each_other() {
    for protocol in ["plaintext", "sasl_plaintext"] {
        let log_in = if protocol == "plaintext" { &[][..] } else { &LOG_IN[..] };
        let ca = [&[CERTIFICATE[0]], log_in].concat();
        check_refused(&with(protocol, &ca), &["KAFKA_SSL_CA_LOCATION=\"/ca.pem\"", "does not encrypt"]);
    }
    check_refused(
        &with("ssl", &[CERTIFICATE[1]]),
        &["KAFKA_SSL_CERTIFICATE_LOCATION", "KAFKA_SSL_KEY_LOCATION is not set"],
    );
    check_refused(
        &with("ssl", &[CERTIFICATE[2]]),
        &["KAFKA_SSL_KEY_LOCATION", "KAFKA_SSL_CERTIFICATE_LOCATION is not set"],
    );
    check_refused(
        &with("ssl", &[CERTIFICATE[3]]),
        &["KAFKA_SSL_KEY_PASSWORD", "KAFKA_SSL_KEY_LOCATION is not set"],
    );
}

#[test]
fn a_wrong_setting_is_reported_once() {
    let mut env = with("sasl_ssl", &LOG_IN);
    env[1].1 = "KERBEROS";
    check_refused(&env, &["KAFKA_SASL_MECHANISM=\"KERBEROS\"", "unknown"]);
}

#[test]
fn minute_bars_need_a_low_number_of_trades() {
    for channel in ["AM", "XA", "T,XA", "am"] {
        check_doubted(
            &[("CHANNELS", channel)],
            &["ALERT_MIN_TRADES=\"20\"", "CHANNELS", "at most 5", "only high_volume"],
        );
    }
    check_doubted(&[("CHANNELS", "AM"), ("ALERT_MIN_TRADES", "6")], &["ALERT_MIN_TRADES=\"6\""]);
    check_doubted(
        &[("CHANNELS", "AM"), ("SLIDE_DURATION", "30s"), ("ALERT_MIN_TRADES", "6")],
        &["at most 5"],
    );
    assert!(loaded(&[("CHANNELS", "AM"), ("ALERT_MIN_TRADES", "5")]).warnings.is_empty());
    assert!(loaded(&[("CHANNELS", "A,XT")]).warnings.is_empty());
}

#[test]
fn what_is_allowed_but_unwise_is_a_warning() {
    check_doubted(&[("ACKS_CONFIG", "1")], &["ACKS_CONFIG=\"1\"", "counts twice", "ACKS_CONFIG=all"]);
    check_doubted(&[("STATE_DIR", "/tmp/tape")], &["STATE_DIR=\"/tmp/tape\"", "/var/lib/tape"]);
    check_doubted(
        &[("MASSIVE_WS_URL", "ws://feed.example:80/x"), ("MASSIVE_API_KEY", "k")],
        &["MASSIVE_WS_URL=\"ws://feed.example:80/x\"", "wss://"],
    );
    check_doubted(
        &[("MASSIVE_REST_URL", "http://rest.example"), ("MASSIVE_API_KEY", "k")],
        &["MASSIVE_REST_URL=\"http://rest.example\"", "https://"],
    );
    for here in ["ws://127.0.0.1:8080/x", "ws://localhost", "ws://[::1]:80/"] {
        assert!(loaded(&[("MASSIVE_WS_URL", here), ("MASSIVE_API_KEY", "k")]).warnings.is_empty(), "{here}");
    }
    let mut env = with("sasl_plaintext", &LOG_IN);
    env[1].1 = "PLAIN";
    check_doubted(&env, &["KAFKA_SASL_MECHANISM=\"PLAIN\"", "sasl_ssl"]);
}

#[test]
fn a_takeover_waits_for_the_longer_of_session_and_transaction() {
    check_doubted(
        &[("KAFKA_SESSION_TIMEOUT", "6s")],
        &["KAFKA_TRANSACTION_TIMEOUT=\"10s\"", "KAFKA_SESSION_TIMEOUT=\"6s\"", "the shorter one"],
    );
    let fast = [("KAFKA_SESSION_TIMEOUT", "6s"), ("KAFKA_TRANSACTION_TIMEOUT", "6s")];
    assert!(loaded(&fast).warnings.is_empty());
}
