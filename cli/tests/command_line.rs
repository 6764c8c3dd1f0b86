//! What a person meets first: help, mistakes, settings.

mod program;

use std::path::Path;
use std::process::Output;

use program::{Tape, text};

fn tape(args: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut tape = Tape::new(Path::new("/"));
    for (name, value) in settings {
        tape.env(name, value);
    }
    tape.args(args.iter().copied()).output()
}

#[test]
fn help_is_a_manual() {
    let output = tape(&["--help"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for command in [
        "demo", "backtest", "topics", "migrate", "backup", "restore", "produce", "process", "sink", "tail",
        "reset", "config",
    ] {
        let is_listed = |line: &str| line.trim_start().starts_with(&format!("{command} "));
        assert!(help.lines().any(is_listed), "{command} is not listed:\n{help}");
        let own = tape(&[command, "--help"], &[]);
        assert_eq!(own.status.code(), Some(0), "{command}");
        assert!(text(&own.stdout).contains("Usage: tape"), "{command}");
    }
    for part in
        ["EXAMPLES", "ENVIRONMENT", "FILES", "EXIT CODES", "KAFKA_BOOTSTRAP_SERVERS", "--config <FILE>"]
    {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }
    let version = tape(&["--version"], &[]);
    assert_eq!(text(&version.stdout), format!("tape {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn mistakes_of_the_command_line_exit_64() {
    for (args, wanted) in [
        (&["nonsense"][..], "nonsense"),
        (&["backtest", "x.csv", "--nonsense"], "--nonsense"),
        (&["produce"], "--source"),
        (&["produce", "--source", "nonsense"], "--source nonsense"),
        (&["tail"], "<TOPIC>"),
        (&["tail", "nonsense"], "nonsense: not a topic of tape"),
        (&["tail", "raw-trades", "--from=-5"], "--from"),
        (&["backup"], "--dir <DIR>"),
        (&["backup", "--dir", "x", "--keep", "0"], "--keep"),
        (&["restore", "x.dump"], "--yes"),
        (&["reset"], "--to <WHERE>"),
        (&["reset", "--to", "yesterday"], "write earliest, latest"),
        (&["demo", "--seconds", "0"], "--seconds"),
        (&["demo", "--real", "x.csv", "--symbol", "A"], "--symbol"),
        (&["process", "--config", "/missing.toml"], "/missing.toml"),
        (&[], "Usage: tape"),
    ] {
        let output = tape(args, &[]);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(wanted), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{args:?}: stdout is for data");
    }
}

#[test]
fn all_mistakes_of_the_settings_are_told_together() {
    let settings = [
        ("TAPE_NONSENSE", "1"),
        ("WINDOW_DURATION", "90s"),
        ("ALERT_COOLDOWN", "soon"),
        ("DB_PASSWORD", "geheim"),
    ];
    for command in ["process", "config", "migrate", "demo"] {
        let output = tape(&[command], &settings);
        assert_eq!(output.status.code(), Some(64), "{command}");
        let errors = text(&output.stderr);
        for wanted in ["error: TAPE_NONSENSE", "WINDOW_DURATION", "ALERT_COOLDOWN"] {
            assert!(errors.contains(wanted), "{command}: {wanted} is missing in\n{errors}");
        }
        assert_eq!(errors.lines().count(), 3, "{command}: a line each\n{errors}");
        assert!(!errors.contains("geheim"), "{command} shows a password");
    }
}

#[test]
fn settings_are_listed_with_their_source() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tape.toml");
    std::fs::write(&file, "slide_duration = \"30s\"\n").expect("it can be written");
    let file = file.to_string_lossy();
    let settings = [("DB_PASSWORD", "geheim"), ("KAFKA_TOPIC", "mine"), ("KAFKA_PARTITION", "4")];
    let output = tape(&["config", "--config", &file], &settings);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let list = text(&output.stdout);
    let line = |name: &str| {
        let found = list.lines().find(|line| line.split_whitespace().next() == Some(name));
        found
            .unwrap_or_else(|| panic!("{name} is not listed:\n{list}"))
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(line("SLIDE_DURATION"), ["SLIDE_DURATION", "30s", "file"]);
    assert_eq!(line("WINDOW_DURATION"), ["WINDOW_DURATION", "5m", "default"]);
    assert_eq!(line("DB_PASSWORD"), ["DB_PASSWORD", "***", "environment"]);
    assert_eq!(
        line("KAFKA_TOPIC_RAW_TRADES"),
        ["KAFKA_TOPIC_RAW_TRADES", "mine", "environment", "(KAFKA_TOPIC)"]
    );
    assert!(!list.contains("geheim"));
    assert!(text(&output.stderr).contains("did you mean KAFKA_PARTITIONS?"), "{}", text(&output.stderr));

    let mut settings = settings.to_vec();
    settings.push(("TAPE_CONFIG", &file));
    let output = tape(&["config", "--json"], &settings);
    let values: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("it is a JSON array");
    let slide = values.iter().find(|value| value["name"] == "SLIDE_DURATION").expect("it is listed");
    assert_eq!((&slide["value"], &slide["source"]), (&"30s".into(), &"file".into()));
}
