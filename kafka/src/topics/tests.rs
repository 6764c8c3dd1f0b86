use tape_service::Config;

use super::*;

fn config(settings: &[(&str, &str)]) -> Config {
    let environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(environment, None).unwrap().config
}

fn found(spec: &TopicSpec) -> TopicState {
    let config = spec.config.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    TopicState { partitions: spec.partitions, config }
}

#[test]
fn every_topic_of_an_installation() {
    let specs = specs(&config(&[("APP_ID", "shop"), ("KAFKA_PARTITIONS", "6")]));
    let shapes: Vec<(&str, &str, &str, i32)> = specs
        .iter()
        .map(|spec| {
            let setting = |name| spec.setting(name).unwrap();
            (
                spec.name.as_str(),
                setting("cleanup.policy"),
                setting("message.timestamp.type"),
                spec.partitions,
            )
        })
        .collect();
    assert_eq!(
        shapes,
        [
            ("raw-trades", "delete", "LogAppendTime", 6),
            ("stock-aggregates", "delete", "LogAppendTime", 6),
            ("breakout-alerts", "delete", "LogAppendTime", 6),
            ("raw-trades-late", "delete", "LogAppendTime", 6),
            ("raw-trades-dlq", "delete", "LogAppendTime", 6),
            ("shop-sink-dlq", "delete", "LogAppendTime", 6),
            ("shop-changelog", "compact", "CreateTime", 6),
        ]
    );
    assert_eq!(specs[0].setting("retention.ms"), Some("604800000"));
}

#[test]
fn no_late_topic_and_three_copies() {
    let specs = specs(&config(&[("KAFKA_TOPIC_LATE", ""), ("KAFKA_REPLICATION_FACTOR", "3")]));
    assert_eq!(specs.len(), 6);
    for spec in &specs {
        assert_eq!((spec.replication, spec.setting("min.insync.replicas")), (3, Some("2")), "{}", spec.name);
    }
    let segment: i64 = changelog(&config(&[])).setting("segment.bytes").unwrap().parse().unwrap();
    assert!((16 << 20..=64 << 20).contains(&segment));
}

#[test]
fn differences_that_matter() {
    let config = config(&[]);
    for spec in specs(&config) {
        assert_eq!(check(&spec, &found(&spec)), [], "{}", spec.name);

        let mut other = found(&spec);
        other.partitions += 1;
        other.config.insert("retention.ms".into(), "1".into()); // tuning: not our business
        other.config.insert("cleanup.policy".into(), "compact,delete".into());
        other.config.remove("message.timestamp.type");
        let mismatches = check(&spec, &other);
        let whats: Vec<&str> = mismatches.iter().map(|mismatch| mismatch.what.as_str()).collect();
        assert_eq!(
            whats,
            ["number of partitions", "cleanup.policy", "message.timestamp.type"],
            "{}",
            spec.name
        );
        for mismatch in &mismatches {
            assert_eq!(mismatch.topic, spec.name);
            assert!(!mismatch.remedy.is_empty());
        }
    }
    let spec = changelog(&config);
    let mut other = found(&spec);
    other.config.insert("cleanup.policy".into(), "delete".into());
    let line = check(&spec, &other)[0].to_string();
    assert!(line.starts_with("topic tape-changelog: cleanup.policy is delete, must be compact; "), "{line}");
    assert!(missing(&spec).to_string().contains("`tape topics`"));
    assert_eq!(
        check(&spec.with_partitions(0), &TopicState { partitions: 9, ..found(&changelog(&config)) }),
        []
    );
}
