//! Cluster, topics and users against the settings: names, numbers, and no right too many.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::environment::{number, settings_of};
use crate::Manifests;
use crate::manifests::name_of;
use crate::program::Settings;

/// Operations by resource: kind, name, kind of pattern.
type Rights = BTreeMap<(String, String, String), BTreeSet<String>>;

/// Kafka versions that can lose the end of a transaction (docs/kafka-commands.md).
const BROKEN: [&str; 2] = ["4.3.", "4.4."];
/// A week.
const RETENTION_MS: &str = "604800000";

pub fn mistakes(manifests: &Manifests) -> Vec<String> {
    let mut found = Vec::new();
    let Some(processor) = manifests.workload("tape-processor") else {
        return vec!["there is no tape-processor".to_owned()];
    };
    let container = &processor.pod.containers[0];
    // What is wrong with them is said elsewhere.
    let Some(settings) = settings_of(manifests, &processor, container, &mut |_| ()) else {
        return vec!["the processor's settings cannot be known".to_owned()];
    };
    cluster(manifests, &settings, &mut found);
    topics(manifests, &settings, &mut found);
    users(manifests, &settings, &processor.name, &mut found);
    passwords(manifests, &mut found);
    found
}

fn cluster(manifests: &Manifests, settings: &Settings, found: &mut Vec<String>) {
    let Some(kafka) = manifests.of_kind("Kafka").next() else {
        return found.push("there is no Kafka".to_owned());
    };
    let (spec, config) = (&kafka["spec"]["kafka"], &kafka["spec"]["kafka"]["config"]);
    let version = spec["version"].as_str().unwrap_or_default();
    if version.is_empty() || BROKEN.iter().any(|broken| version.starts_with(broken)) {
        found.push(format!(
            "Kafka: version `{version}` can lose the end of a transaction, or is Strimzi's choice"
        ));
    }
    let brokers: i64 = manifests
        .of_kind("KafkaNodePool")
        .filter(|pool| pool["spec"]["roles"].as_array().is_some_and(|roles| roles.contains(&json!("broker"))))
        .filter_map(|pool| pool["spec"]["replicas"].as_i64())
        .sum();
    let copies = number(settings, "KAFKA_REPLICATION_FACTOR") as i64;
    if brokers < copies {
        found.push(format!("Kafka: {brokers} brokers for {copies} copies"));
    }
    let least = if copies >= 3 { 2 } else { 1 };
    for (name, wanted) in [
        ("default.replication.factor", copies),
        ("offsets.topic.replication.factor", copies),
        ("transaction.state.log.replication.factor", copies),
        ("min.insync.replicas", least),
        ("transaction.state.log.min.isr", least),
    ] {
        if config[name] != wanted {
            found.push(format!("Kafka: {name} is {}, not {wanted}", config[name]));
        }
    }
    let listener = &spec["listeners"][0];
    let server = format!("{}-kafka-bootstrap:{}", name_of(kafka), listener["port"]);
    if settings["KAFKA_BOOTSTRAP_SERVERS"] != server {
        found
            .push(format!("Kafka: is at {server}, the settings say {}", settings["KAFKA_BOOTSTRAP_SERVERS"]));
    }
    let secured = listener["tls"] == true && listener["authentication"]["type"] == "scram-sha-512";
    let asked = settings["KAFKA_SECURITY_PROTOCOL"] == "sasl_ssl"
        && settings["KAFKA_SASL_MECHANISM"] == "SCRAM-SHA-512";
    if !secured || !asked || spec["authorization"]["type"] != "simple" {
        found.push("Kafka: TLS, SCRAM-SHA-512 and ACLs, on both sides".to_owned());
    }
}

/// As `tape topics` would make them: kafka/src/topics.rs. min.insync.replicas comes from the cluster.
fn topics(manifests: &Manifests, settings: &Settings, found: &mut Vec<String>) {
    let passing = json!({"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime", "retention.ms": RETENTION_MS});
    let changelog = json!({
        "cleanup.policy": "compact", "message.timestamp.type": "CreateTime", "segment.bytes": "33554432", "segment.ms": "7200000",
        "min.cleanable.dirty.ratio": "0.2", "max.compaction.lag.ms": "14400000", "delete.retention.ms": "259200000",
    });
    let mut wanted: BTreeMap<&str, &Value> = BTreeMap::new();
    for (name, topic) in
        settings.iter().filter(|(name, topic)| name.starts_with("KAFKA_TOPIC_") && !topic.is_empty())
    {
        wanted.insert(topic, if name == "KAFKA_TOPIC_CHANGELOG" { &changelog } else { &passing });
    }
    let declared: BTreeMap<_, _> =
        manifests.of_kind("KafkaTopic").map(|topic| (name_of(topic), &topic["spec"])).collect();
    for name in wanted.keys().filter(|name| !declared.contains_key(*name)) {
        found.push(format!("KafkaTopic {name}: is missing"));
    }
    for (name, spec) in declared {
        let Some(config) = wanted.get(name) else {
            found.push(format!("KafkaTopic {name}: nobody uses it"));
            continue;
        };
        // Numbers may be written as numbers.
        let same = |(key, value): (&String, &Value)| {
            spec["config"][key].as_str().map_or(spec["config"][key].to_string(), str::to_owned)
                == value.as_str().unwrap_or_default()
        };
        if !config.as_object().into_iter().flatten().all(same)
            || spec["config"].as_object().map(|config| config.len())
                != config.as_object().map(|config| config.len())
        {
            found.push(format!("KafkaTopic {name}: {} is not what `tape topics` makes", spec["config"]));
        }
        for (field, setting) in [("partitions", "KAFKA_PARTITIONS"), ("replicas", "KAFKA_REPLICATION_FACTOR")]
        {
            if spec[field] != number(settings, setting) {
                found.push(format!(
                    "KafkaTopic {name}: {field} is {}, {setting} is {}",
                    spec[field], settings[setting]
                ));
            }
        }
    }
}

/// Which rights each user needs, by the settings' own names. SECURITY.md, docs/kafka-commands.md.
fn users(manifests: &Manifests, settings: &Settings, processor: &str, found: &mut Vec<String>) {
    let app = &settings["APP_ID"];
    let topic = |name: &str| {
        ("topic".to_owned(), settings[&format!("KAFKA_TOPIC_{name}")].clone(), "literal".to_owned())
    };
    let group = |role: &str| ("group".to_owned(), format!("{app}-{role}"), "literal".to_owned());
    let ids = ("transactionalId".to_owned(), format!("{app}-{processor}-"), "prefix".to_owned());
    let rights = |list: &[((String, String, String), &str)]| -> Rights {
        list.iter()
            .map(|(resource, operations)| {
                (resource.clone(), operations.split(' ').map(str::to_owned).collect())
            })
            .collect()
    };
    // `tape topics` asks for every topic to be created, those that are there, too.
    let admin_look = "Describe DescribeConfigs";
    let admin_read = "Read Describe DescribeConfigs";
    let read = "Read Describe DescribeConfigs";
    let write = "Write Describe DescribeConfigs";
    let wanted = BTreeMap::from([
        ("tape-producer", rights(&[(topic("RAW_TRADES"), "Read Write Describe")])),
        (
            "tape-processor",
            rights(&[
                (topic("RAW_TRADES"), read),
                (topic("CHANGELOG"), "Read Write Describe DescribeConfigs"),
                (topic("AGGREGATES"), write),
                (topic("ALERTS"), write),
                (topic("LATE"), write),
                (topic("DEAD_LETTERS"), write),
                (group("processor"), "Read Describe"),
                (ids, "Write Describe"),
            ]),
        ),
        (
            "tape-sink",
            rights(&[
                (topic("AGGREGATES"), "Read Describe"),
                (topic("ALERTS"), "Read Describe"),
                (topic("SINK_DEAD_LETTERS"), "Write Describe"),
                (group("sink"), "Read Describe"),
            ]),
        ),
        (
            "tape-admin",
            rights(&[
                (topic("RAW_TRADES"), admin_read),
                (topic("AGGREGATES"), admin_read),
                (topic("ALERTS"), admin_look),
                (topic("LATE"), admin_look),
                (topic("DEAD_LETTERS"), admin_look),
                (topic("SINK_DEAD_LETTERS"), admin_look),
                (topic("CHANGELOG"), "Create Read Write Delete Alter AlterConfigs Describe DescribeConfigs"),
                (group("processor"), "Read Describe"),
                (group("sink"), "Describe"),
            ]),
        ),
    ]);
    let declared: BTreeMap<_, _> =
        manifests.of_kind("KafkaUser").map(|user| (name_of(user), granted(user))).collect();
    for name in wanted.keys().chain(declared.keys()).collect::<BTreeSet<_>>() {
        match (wanted.get(name), declared.get(name)) {
            (Some(wanted), Some(declared)) if wanted == declared => {}
            (wanted, declared) => found.push(format!("KafkaUser {name}: has {declared:?}, needs {wanted:?}")),
        }
    }
}

/// Who logs in has the password of that user.
fn passwords(manifests: &Manifests, found: &mut Vec<String>) {
    for workload in manifests.workloads() {
        let names = workload.containers().flat_map(|container| container.env.iter().flatten());
        for user in names
            .filter(|variable| variable.name == "KAFKA_SASL_USERNAME")
            .filter_map(|variable| variable.value.as_deref())
        {
            let secrets = workload
                .pod
                .volumes
                .iter()
                .flatten()
                .filter_map(|volume| volume.secret.as_ref()?.secret_name.as_deref());
            if !secrets.into_iter().any(|secret| secret == user) {
                found.push(format!(
                    "{} {}: logs in as {user} without its password",
                    workload.kind, workload.name
                ));
            }
        }
    }
}

fn granted(user: &Value) -> Rights {
    let mut rights = Rights::new();
    for rule in user["spec"]["authorization"]["acls"].as_array().into_iter().flatten() {
        let text = |name: &str| rule["resource"][name].as_str().unwrap_or_default().to_owned();
        let operations = rule["operations"].as_array().into_iter().flatten();
        let operations = operations.map(|operation| operation.as_str().unwrap_or_default().to_owned());
        rights.entry((text("type"), text("name"), text("patternType"))).or_default().extend(operations);
    }
    rights
}
