use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tape_producer::files::Layout;
use tape_producer::{Replay, SourceKind};
use tape_service::{Config, Failure};

use super::super::DemoArgs;
use super::{Plan, name};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: DemoArgs,
}

fn plan(line: &str, settings: &[(&str, &str)]) -> Result<Plan, Failure> {
    let environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = Config::load(environment, None).expect("the test's settings are sound").config;
    let words = std::iter::once("tape").chain(line.split_whitespace());
    Plan::new(&Line::try_parse_from(words).expect("the test's options are sound").args, config)
}

#[test]
fn the_simulation_keeps_the_configured_names() {
    let plan = plan("", &[("STATE_DIR", "/s"), ("TRIGGER_INTERVAL", "1h")]).expect("a sound plan");
    assert!(matches!(plan.source.kind, SourceKind::Simulate(_)) && plan.source.resume);
    assert!(!plan.checks, "it runs until it is stopped");
    let config = &plan.config;
    assert_eq!((config.app_id.as_str(), config.db.name.as_str()), ("tape", "stockdb"));
    assert_eq!(config.topics.raw_trades, "raw-trades");
    assert_eq!(config.processing.state_dir, PathBuf::from("/s/tape"));
    assert_eq!(config.processing.idle_timeout, Duration::from_secs(30));
    assert_eq!(
        config.processing.trigger_interval,
        Duration::from_secs(5),
        "a check must not wait for an hour"
    );
    assert_eq!(plan.log, PathBuf::from("/s/demo.log"));
}

#[test]
fn a_bounded_simulation_is_checked() {
    let plan = plan("--seconds 60 --rate 500", &[]).expect("a sound plan");
    assert_eq!((plan.limit, plan.checks), (Some(Duration::from_secs(60)), true));
}

#[test]
fn a_replay_meets_nobody() {
    let settings = [("STATE_DIR", "/s"), ("APP_ID", "a"), ("DB_NAME", "d"), ("KAFKA_TOPIC_LATE", "")];
    let plan = plan("--source replay:/x/My_Tape.csv --symbol A", &settings).expect("a sound plan");
    let SourceKind::Replay(replay) = &plan.source.kind else { panic!("a replay was asked for") };
    let name = name(replay);
    assert!(name.starts_with("my-tape-"), "{name}");
    let config = &plan.config;
    assert_eq!(config.app_id, format!("a-{name}"));
    assert_eq!(config.db.name, format!("d_{}", name.replace('-', "_")));
    assert_eq!(plan.server.name, "d");
    assert_eq!(config.topics.raw_trades, format!("raw-trades-{name}"));
    assert_eq!(config.topics.changelog, format!("a-changelog-{name}"));
    assert_eq!(config.topics.late, None, "what is off stays off");
    assert_eq!(config.processing.state_dir, PathBuf::from(format!("/s/a-{name}")));
    assert_eq!(config.processing.idle_timeout, Duration::ZERO);
    assert!(plan.checks);
}

#[test]
fn the_real_tape_is_a_replay_with_its_layout() {
    let plan = plan("--real /x/b.csv", &[]).expect("a sound plan");
    let SourceKind::Replay(replay) = plan.source.kind else { panic!("a replay was asked for") };
    assert_eq!(replay.files, [PathBuf::from("/x/b.csv")]);
    let layout = Layout { symbol: Some("XBTUSD".to_owned()), absolute_size: true, ..Layout::default() };
    assert_eq!(replay.layout, layout);
}

#[test]
fn names_tell_files_and_layouts_apart() {
    let replay = |file: &str, symbol: Option<&str>| Replay {
        files: vec![PathBuf::from(file)],
        layout: Layout { symbol: symbol.map(str::to_owned), ..Layout::default() },
        ..Replay::default()
    };
    let names = [
        name(&replay("/a/t.csv", None)),
        name(&replay("/b/t.csv", None)),
        name(&replay("/a/t.csv", Some("X"))),
        name(&replay("/a/日本.csv", None)),
        name(&replay(&format!("/a/{}.csv", "long".repeat(100)), None)),
    ];
    for (at, name) in names.iter().enumerate() {
        assert!(!names[..at].contains(name), "{names:?}");
        assert!(
            name.len() <= 30 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            "{name}"
        );
    }
}

#[test]
fn long_names_are_cut_to_what_the_servers_take() {
    let long = "x".repeat(63);
    let plan = plan("--source replay:t.csv", &[("APP_ID", &long), ("DB_NAME", &long)]).expect("a sound plan");
    assert!(plan.config.app_id.len() <= 64 && plan.config.db.name.len() <= 63);
}
