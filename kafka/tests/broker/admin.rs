//! Topics: create twice, compare, delete; lag.

use tape_kafka::{Reaction, topics};
use tape_service::Config;

use crate::support::*;

#[test]
fn creating_is_idempotent_and_describing_sees_it() {
    let admin = clients().admin().unwrap();
    let name = unique("create");
    let spec = spec(&name, 3, &[("cleanup.policy", "compact"), ("segment.bytes", "16777216")]);
    assert_eq!(admin.describe(&name, DEADLINE).unwrap(), None);
    assert_eq!(admin.partition_count(&name, DEADLINE).unwrap(), None);
    assert_eq!(admin.create(std::slice::from_ref(&spec), DEADLINE).unwrap(), [name.as_str()]);
    assert_eq!(admin.create(std::slice::from_ref(&spec), DEADLINE).unwrap(), [""; 0]);
    let state = admin.describe(&name, DEADLINE).unwrap().unwrap();
    assert_eq!(state.partitions, 3);
    assert_eq!(state.config["cleanup.policy"], "compact");
    assert_eq!(state.config["segment.bytes"], "16777216");
    assert_eq!(state.config["message.timestamp.type"], "CreateTime", "defaults of the broker are there too");

    admin.delete(&[&name], DEADLINE).unwrap();
    until("the deletion", || admin.describe(&name, DEADLINE).unwrap().is_none().then_some(()));
    admin.delete(&[&name], DEADLINE).unwrap();
}

#[test]
fn an_impossible_topic_is_configuration() {
    let admin = clients().admin().unwrap();
    let mut many = spec(&unique("copies"), 1, &[]);
    many.replication = 50;
    let wrong = spec(&unique("setting"), 1, &[("cleanup.policy", "sometimes")]);
    let unnameable = spec("not a topic name", 1, &[]);
    for spec in [many, wrong, unnameable] {
        let error = admin.create(std::slice::from_ref(&spec), DEADLINE).unwrap_err();
        assert_eq!(error.reaction, Reaction::Config, "{error}");
        assert!(error.to_string().contains(&spec.name), "{error}");
    }
}

/// An installation of its own: every topic name begins with `prefix`.
fn installation(prefix: &str, partitions: &str) -> Config {
    let settings = [
        ("KAFKA_BOOTSTRAP_SERVERS", bootstrap_servers()),
        ("APP_ID", prefix.to_owned()),
        ("KAFKA_PARTITIONS", partitions.to_owned()),
        ("KAFKA_TOPIC_RAW_TRADES", format!("{prefix}-raw")),
        ("KAFKA_TOPIC_AGGREGATES", format!("{prefix}-agg")),
        ("KAFKA_TOPIC_ALERTS", format!("{prefix}-alerts")),
        ("KAFKA_TOPIC_LATE", format!("{prefix}-late")),
        ("KAFKA_TOPIC_DEAD_LETTERS", format!("{prefix}-dlq")),
    ];
    let environment = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
    Config::load(environment, None).unwrap().config
}

#[test]
fn an_installation_is_created_and_checked() {
    let admin = clients().admin().unwrap();
    let config = installation(&unique("inst"), "2");
    let missing = admin.verify(&topics::specs(&config), DEADLINE).unwrap();
    assert_eq!(missing.len(), 7);
    assert!(missing.iter().all(|mismatch| mismatch.what == "existence"));

    assert_eq!(admin.ensure(&config, DEADLINE).unwrap(), []);
    assert_eq!(admin.ensure(&config, DEADLINE).unwrap(), []);
    assert_eq!(admin.verify(&topics::specs(&config), DEADLINE).unwrap(), []);
    for spec in topics::specs(&config) {
        let state = admin.describe(&spec.name, DEADLINE).unwrap().unwrap();
        for (name, value) in &spec.config {
            assert_eq!(state.config.get(*name), Some(value), "{}: {name}", spec.name);
        }
    }
}

#[test]
fn the_changelog_follows_the_input_and_differences_are_found() {
    let admin = clients().admin().unwrap();
    let prefix = unique("differ");
    let config = installation(&prefix, "2");
    // The input was made by hand, with other partitions and CreateTime.
    let input = spec(&config.topics.raw_trades, 5, &[]);
    admin.create(std::slice::from_ref(&input), DEADLINE).unwrap();
    let mismatches = admin.ensure(&config, DEADLINE).unwrap();
    let found: Vec<(&str, &str, &str)> = mismatches
        .iter()
        .map(|mismatch| (mismatch.topic.as_str(), mismatch.what.as_str(), mismatch.found.as_str()))
        .collect();
    let raw = config.topics.raw_trades.as_str();
    assert_eq!(found, [(raw, "number of partitions", "5"), (raw, "message.timestamp.type", "CreateTime")]);
    assert_eq!(admin.partition_count(&config.topics.changelog, DEADLINE).unwrap(), Some(5));

    // A changelog that deletes would lose state.
    let other = installation(&unique("wrong"), "2");
    admin.create(&[spec(&other.topics.changelog, 1, &[("cleanup.policy", "delete")])], DEADLINE).unwrap();
    let lines: Vec<String> =
        admin.ensure(&other, DEADLINE).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("number of partitions is 1, must be 2") && lines[0].contains("tape rescale"));
    assert!(lines[1].contains("cleanup.policy is delete, must be compact"), "{lines:?}");
}

#[test]
fn the_lag_of_a_group_that_has_read_nothing_is_the_whole_log() {
    let parts = topic("lag", 2);
    write(&parts[0], 0..5);
    let admin = clients().admin().unwrap();
    let lag = admin.lag(&unique("group"), &parts[0].topic, DEADLINE).unwrap();
    let rows: Vec<_> = lag.iter().map(|lag| (lag.part.partition, lag.committed, lag.low, lag.end)).collect();
    assert_eq!(rows, [(0, None, 0, 5), (1, None, 0, 0)]);
    assert_eq!(lag.iter().map(tape_kafka::Lag::records).collect::<Vec<_>>(), [5, 0]);
}
