//! Environment over file over defaults; aliases, conflicts, empty texts, shapes of TOML values.

use super::{assert_contains, load, loaded, refused};

#[test]
fn the_environment_wins_over_the_file() {
    let toml = "window_duration = \"10m\"\nslide_duration = \"2m\"\nkafka_topic = \"from-file\"\ndb_port = 1";
    let loaded = load(&[("WINDOW_DURATION", "20m"), ("KAFKA_TOPIC_RAW_TRADES", "from-env")], Some(toml))
        .expect("sound");
    assert_eq!(loaded.config.processing.window.as_secs(), 1200);
    assert_eq!(loaded.config.processing.slide.as_secs(), 120);
    assert_eq!(loaded.config.topics.raw_trades, "from-env");
    let line = |name: &str| {
        let value = loaded.values.iter().find(|value| value.name == name).expect("every setting is listed");
        value.to_string()
    };
    assert_eq!(line("WINDOW_DURATION"), "WINDOW_DURATION = 20m (environment)");
    assert_eq!(line("SLIDE_DURATION"), "SLIDE_DURATION = 2m (file)");
    assert_eq!(line("DB_PORT"), "DB_PORT = 1 (file)");
    assert_eq!(line("DB_NAME"), "DB_NAME = stockdb (default)");
    assert_eq!(line("MAX_FUTURE"), "MAX_FUTURE = 10s (derived)");
}

#[test]
fn a_value_that_the_environment_overrides_is_not_judged() {
    let loaded = load(&[("WINDOW_DURATION", "10m")], Some("window_duration = \"nonsense\"")).expect("sound");
    assert_eq!(loaded.config.processing.window.as_secs(), 600);
}

#[test]
fn aliases_are_valid() {
    let loaded = loaded(&[("KAFKA_BOOTSTRAP", "b:1"), ("KAFKA_TOPIC", "t")]);
    assert_eq!(loaded.config.kafka.bootstrap_servers, "b:1");
    assert_eq!(loaded.config.topics.raw_trades, "t");
    let via: Vec<_> =
        loaded.values.iter().filter(|value| value.via.is_some()).map(ToString::to_string).collect();
    assert_eq!(
        via,
        [
            "KAFKA_BOOTSTRAP_SERVERS = b:1 (environment, KAFKA_BOOTSTRAP)",
            "KAFKA_TOPIC_RAW_TRADES = t (environment, KAFKA_TOPIC)"
        ]
    );
}

#[test]
fn an_alias_and_its_name_conflict_when_they_differ() {
    loaded(&[("KAFKA_TOPIC", "t"), ("KAFKA_TOPIC_RAW_TRADES", "t")]);
    let lines = refused(&[("KAFKA_BOOTSTRAP", "a:1"), ("KAFKA_BOOTSTRAP_SERVERS", "b:1")]);
    assert_eq!(lines.len(), 1);
    let parts = [
        "KAFKA_BOOTSTRAP=\"a:1\"",
        "KAFKA_BOOTSTRAP_SERVERS=\"b:1\"",
        "both set",
        "best KAFKA_BOOTSTRAP_SERVERS",
    ];
    assert_contains(&lines[0], &parts);
    let errors =
        load(&[], Some("kafka_topic = \"a\"\nKAFKA_TOPIC_RAW_TRADES = \"b\"")).expect_err("conflict");
    assert_contains(&errors.to_string(), &["KAFKA_TOPIC=\"a\"", "KAFKA_TOPIC_RAW_TRADES=\"b\"", "both set"]);
}

#[test]
fn empty_is_not_given_except_where_it_means_none() {
    let loaded = load(
        &[("WINDOW_DURATION", ""), ("DB_PASSWORD", ""), ("KAFKA_TOPIC_LATE", ""), ("SYMBOLS", "")],
        Some("window_duration = \"10m\"\nkafka_topic_late = \"late\""),
    )
    .expect("sound");
    assert_eq!(loaded.config.processing.window.as_secs(), 600);
    assert_eq!(loaded.config.db.password, None);
    assert_eq!(loaded.config.topics.late, None);
    assert_eq!(loaded.config.source.symbols.len(), 3);
}

#[test]
fn white_space_around_a_value_is_dropped() {
    assert_eq!(loaded(&[("APP_ID", " x\n")]).config.app_id, "x");
    refused(&[("APP_ID", "  x y ")]);
}

#[test]
fn toml_values_keep_their_digits() {
    let toml = "
        high_volume_threshold = 1_000_000.000000001
        db_port = 5_433
        symbols = ['A', \"B\"]
        channels = \"T\"
        kafka_bootstrap_servers = [\"a:1\", \"b:2\"]
        db_password = 1234
    ";
    let config = load(&[], Some(toml)).expect("sound").config;
    assert_eq!(config.processing.high_volume_threshold, 1_000_000_000_000_001);
    assert_eq!(config.db.port, 5433);
    assert_eq!(config.source.symbols, ["A", "B"]);
    assert_eq!(config.kafka.bootstrap_servers, "a:1,b:2");
    assert_eq!(config.db.password.expect("set").expose(), "1234");
}

#[test]
fn toml_mistakes_name_the_line() {
    let check = |toml: &str, parts: &[&str]| {
        let text = load(&[], Some(toml)).expect_err(toml).to_string();
        assert_contains(&text, parts);
        assert_eq!(text.lines().count(), 1, "{text}");
    };
    check("\n\ndb_port = = 1", &["configuration file, line 3: not TOML", "correct it"]);
    check("db_port = 1\nDB_PORT = 2", &["DB_PORT (file, line ", "stands in the file, line ", "remove one"]);
    check("db_port = 1\ndb_port = 1", &["line 2: not TOML"]);
    check("db_port = [1]", &["DB_PORT (file, line 1): an array does not fit here"]);
    check("symbols = [[\"A\"]]", &["SYMBOLS (file, line 1): an array does not fit here"]);
    check(
        "[kafka]\ntopic = \"x\"",
        &["KAFKA (file, line 1): a table does not fit here", "without [headings]"],
    );
    check("kafka.topic = \"x\"", &["KAFKA (file, line 1): a table does not fit here"]);
    check("window_duration = 2026-01-01", &["WINDOW_DURATION (file, line 1): a date does not fit here"]);
    check("window_duration = 10", &["WINDOW_DURATION=\"10\" (file, line 1): a unit is missing"]);
    check("db_port = true", &["DB_PORT=\"true\" (file, line 1)"]);
    check("db_port = 0x10", &["DB_PORT=\"0x10\" (file, line 1)"]);
}

#[test]
fn rules_are_not_judged_against_a_file_that_is_not_toml() {
    // The file may have meant a window of ten minutes.
    let errors = load(&[("SLIDE_DURATION", "2m"), ("DB_PORT", "x")], Some("window_duration = 10m"))
        .expect_err("not TOML");
    let text = errors.to_string();
    assert_contains(&text, &["not TOML", "DB_PORT=\"x\""]);
    assert!(!text.contains("SLIDE_DURATION"), "{text}");
}

#[test]
fn an_unreadable_file_is_one_mistake_among_others() {
    let missing =
        super::super::process::read_file("TAPE_CONFIG", "/nowhere/tape.toml".as_ref()).expect_err("missing");
    assert_contains(&missing, &["TAPE_CONFIG=\"/nowhere/tape.toml\"", "cannot read", "correct the path"]);
    let env = vec![("DB_PORT".to_owned(), "x".to_owned())];
    let errors = super::super::load_on(env, Some(Err(missing)), &super::machine()).expect_err("two mistakes");
    assert_eq!(errors.lines.len(), 2);
}

#[test]
fn a_configuration_file_has_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tape.toml");
    let check = |bytes: &[u8], expected: Result<&str, &str>| {
        std::fs::write(&path, bytes).expect("written");
        match (super::super::process::read_file("--config", &path), expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(line), Err(part)) => assert_contains(&line, &["--config=", part]),
            (found, _) => panic!("{found:?}, not {expected:?}"),
        }
    };
    check(b"db_port = 1\n", Ok("db_port = 1\n"));
    check(b"\xff", Err("not valid UTF-8"));
    check(&vec![b'#'; 1024 * 1024 + 1], Err("longer than 1048576 bytes"));
}
