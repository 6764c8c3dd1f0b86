//! Unknown names: refused where they are surely ours, a warning where they are nearly ours, silence otherwise.

use super::{assert_contains, load, loaded, refused};

#[test]
fn names_of_our_prefix_must_be_known() {
    let check = |name: &str, parts: &[&str]| {
        let lines = refused(&[(name, "s3cret")]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_contains(&lines[0], &[name, "environment", "remove it"]);
        assert_contains(&lines[0], parts);
        assert!(!lines[0].contains("s3cret"), "a value of an unknown name is shown");
    };
    check("TAPE_FOO", &["only TAPE_CONFIG is known"]);
    check("TAPE_WINDOW_DURATION", &["did you mean WINDOW_DURATION?"]);
    check("TAPE_DB_PASSWORD_FILE", &["did you mean DB_PASSWORD_FILE?"]);
    check("TAPE_WINDOW_DURATON", &["did you mean WINDOW_DURATION?"]);
    check("TAPE_", &["not a setting"]);
    assert_eq!(loaded(&[("TAPE_CONFIG", "/x"), ("TAPE", "real")]).warnings.len(), 0);
}

#[test]
fn near_misses_are_warnings() {
    let check = |name: &str, meant: &str| {
        let warnings = loaded(&[(name, "s3cret")]).warnings;
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
        assert_contains(&warnings[0], &[name, "ignored", &format!("did you mean {meant}?")]);
        assert!(!warnings[0].contains("s3cret"));
    };
    check("WATERMARK_DELY", "WATERMARK_DELAY");
    check("WINDOW_DURATOIN", "WINDOW_DURATION");
    check("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS");
    check("KAFKA_TOPICS", "KAFKA_TOPIC");
    check("KAFKA_TOPIC_STOCK_AGGREGATES", "KAFKA_TOPIC_AGGREGATES");
    check("DB_PASS", "DB_PASSWORD");
    check("DB_USERNAME", "DB_USER");
    check("SYMBOL", "SYMBOLS");
    check("window_duration", "WINDOW_DURATION");
    check("MASSIVE_APIKEY", "MASSIVE_API_KEY");
}

#[test]
fn only_secrets_have_files() {
    let warnings = loaded(&[("DB_HOST_FILE", "/x")]).warnings;
    assert_contains(&warnings[0], &["DB_HOST_FILE", "only secrets are read from files", "set DB_HOST"]);
}

/// What stands in the environment of a developer, a container, a broker, a database.
const OTHERS: &str = "\
    PATH HOME USER LOGNAME LANG SHELL TERM PWD HOSTNAME TMPDIR EDITOR DISPLAY XDG_STATE_HOME \
    STATE_DIRECTORY RUST_LOG RUST_BACKTRACE CARGO_HOME CARGO_TARGET_DIR CC CXX JAVA_HOME KAFKA_HOME \
    KAFKA_OPTS KAFKA_HEAP_OPTS KAFKA_ADVERTISED_LISTENERS KAFKA_BROKER_ID KAFKA_PORT \
    KAFKA_SERVICE_HOST KAFKA_PORT_9092_TCP KAFKA_LOG_DIRS KAFKA_NODE_ID POSTGRES_PASSWORD \
    POSTGRES_USER POSTGRES_DB PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE DB_TYPE DB_PATH DB_URL \
    DATABASE_URL DB_SERVICE_HOST KUBERNETES_PORT WORKER RETRY APPID APP_NAME APP_ENV APP_PORT \
    LOG_LEVELS LOG_DIR LOG_FILE HTTP_PROXY HTTP_PORT GF_SERVER_HTTP_PORT GRAFANA_URL SSH_AUTH_SOCK \
    SECONDS SHLVL OLDPWD _  A COLUMNS CHANNEL_ID SYMBOLIC_LINKS";

#[test]
fn names_of_others_are_left_alone() {
    for name in OTHERS.split_whitespace().chain([""]) {
        let warnings = loaded(&[(name, "x")]).warnings;
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
    }
}

#[test]
fn every_unknown_name_in_the_file_is_refused() {
    let check = |key: &str, parts: &[&str]| {
        let text = load(&[], Some(&format!("{key} = \"s3cret\""))).expect_err(key).to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_contains(&text, &["(file, line 1): not a setting: "]);
        assert_contains(&text, parts);
        assert!(!text.contains("s3cret"));
    };
    check("watermark_dely", &["WATERMARK_DELY", "did you mean WATERMARK_DELAY?"]);
    check("tape_window_duration", &["did you mean WINDOW_DURATION?"]);
    check("tape_config", &["remove it"]);
    check("colour", &["COLOUR", "remove it"]);
    check("db_pasword", &["did you mean DB_PASSWORD?"]);
    check("\"\\u001b[1m\\n\"", &["\\u{1b}"]);
    check(&"x".repeat(5000), &["X…"]);
}

#[test]
fn names_of_the_old_design_are_accepted_and_ignored() {
    let rows = [
        ("SPARK_MASTER", "WORKERS"),
        ("SPARK_CHECKPOINT_DIR", "STATE_DIR"),
        ("SPARK_SHUFFLE_PARTITIONS", "KAFKA_PARTITIONS"),
    ];
    for (name, instead) in rows {
        let toml = format!("{} = \"x\"", name.to_lowercase());
        for loaded in [loaded(&[(name, "x")]), load(&[], Some(&toml)).expect("accepted")] {
            assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
            assert_contains(&loaded.warnings[0], &[name, "ignored", instead]);
        }
    }
}
