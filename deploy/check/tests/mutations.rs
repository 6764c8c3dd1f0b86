//! A rule that never objects is worth nothing: each of these mistakes must be found, by the rule that is there for it.

use serde_json::{Value, json};
use tape_manifests::rules::Rule;
use tape_manifests::{Manifests, rules, strict};

/// A mistake: what, the rule that must see it, a word of its complaint, and how it is made.
type Mutation = (&'static str, Rule, &'static str, fn(&mut Manifests));

fn production() -> Manifests {
    Manifests::build("prod").unwrap_or_else(|error| panic!("{error:?}"))
}

/// Where a pod stands in a workload.
fn pod(manifests: &mut Manifests, kind: &str, name: &str) -> &'static str {
    let _ = manifests.change(kind, name);
    if kind == "CronJob" { "/spec/jobTemplate/spec/template/spec" } else { "/spec/template/spec" }
}

fn set(manifests: &mut Manifests, (kind, name): (&str, &str), path: &str, value: Value) {
    let document = manifests.change(kind, name);
    let (parent, key) = path.rsplit_once('/').expect("a path");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{kind} {name} has no {parent}"));
    match key.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[key] = value,
    }
}

fn set_pod(manifests: &mut Manifests, (kind, name): (&str, &str), path: &str, value: Value) {
    let path = format!("{}{path}", pod(manifests, kind, name));
    set(manifests, (kind, name), &path, value);
}

/// Changes a setting of a container, or adds it.
fn set_variable(manifests: &mut Manifests, place: (&str, &str), name: &str, value: &str) {
    let path = format!("{}/containers/0/env", pod(manifests, place.0, place.1));
    let list = manifests
        .change(place.0, place.1)
        .pointer_mut(&path)
        .and_then(Value::as_array_mut)
        .expect("variables");
    list.retain(|variable| variable["name"] != name);
    list.push(json!({"name": name, "value": value}));
}

fn settings(manifests: &mut Manifests) -> &mut Value {
    let map = |document: &&mut Value| {
        document["kind"] == "ConfigMap"
            && document["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("tape-settings"))
    };
    manifests.documents.iter_mut().find(map).expect("the settings")
}

const PROCESSOR: (&str, &str) = ("StatefulSet", "tape-processor");
const SINK: (&str, &str) = ("Deployment", "tape-sink");
const PRODUCER: (&str, &str) = ("Deployment", "tape-producer");

const POD: [Mutation; 9] = [
    ("service links", rules::pods::mistakes, "enableServiceLinks", |all| {
        set_pod(all, SINK, "/enableServiceLinks", json!(true))
    }),
    ("a token", rules::pods::mistakes, "automountServiceAccountToken", |all| {
        set_pod(all, ("CronJob", "tape-backup"), "/automountServiceAccountToken", json!(true));
    }),
    ("a writable root", rules::pods::mistakes, "readOnlyRootFilesystem", |all| {
        set_pod(all, PROCESSOR, "/containers/0/securityContext/readOnlyRootFilesystem", json!(false));
    }),
    ("a capability", rules::pods::mistakes, "capabilities", |all| {
        set_pod(all, PROCESSOR, "/containers/0/securityContext/capabilities/drop", json!([]));
    }),
    ("an init container of root", rules::pods::mistakes, "container topics", |all| {
        set_pod(all, ("Job", "tape-migrate"), "/initContainers/0/securityContext", json!({}));
    }),
    ("memory that may be taken away", rules::pods::mistakes, "memory", |all| {
        set_pod(all, PROCESSOR, "/containers/0/resources/requests/memory", json!("64Mi"));
    }),
    ("a probe of readiness as liveness", rules::pods::mistakes, "the same", |all| {
        set_pod(all, PROCESSOR, "/containers/0/livenessProbe/httpGet/path", json!("/health/ready"));
    }),
    ("a probe of a path that is not there", rules::pods::mistakes, "/healthz", |all| {
        set_pod(all, SINK, "/containers/0/livenessProbe/httpGet/path", json!("/healthz"));
    }),
    ("a probe of another port", rules::pods::mistakes, "does not have", |all| {
        set_pod(all, SINK, "/containers/0/readinessProbe/httpGet/port", json!("metrics"));
    }),
];

const SELECTOR: [Mutation; 6] = [
    ("a selector beside its pods", rules::selectors::mistakes, "own pods", |all| {
        set(all, SINK, "/spec/selector/matchLabels/app.kubernetes.io~1name", json!("sink"));
    }),
    ("no headless service", rules::selectors::mistakes, "no service", |all| {
        set(all, PROCESSOR, "/spec/serviceName", json!("processors"))
    }),
    ("a service with an address", rules::selectors::mistakes, "headless", |all| {
        set(all, ("Service", "tape-processor"), "/spec/clusterIP", json!("10.0.0.1"));
    }),
    ("a service that selects nobody", rules::selectors::mistakes, "no pod", |all| {
        set(all, ("Service", "tape-grafana"), "/spec/selector", json!({"app.kubernetes.io/name": "grafana"}));
    }),
    ("a budget of everybody", rules::selectors::mistakes, "maxUnavailable", |all| {
        set(all, ("PodDisruptionBudget", "tape-processor"), "/spec/maxUnavailable", json!(3));
    }),
    ("a monitor that misses the sink", rules::selectors::mistakes, "tape-sink", |all| {
        set(
            all,
            ("PodMonitor", "tape"),
            "/spec/selector/matchExpressions/0/values",
            json!(["tape-producer", "tape-processor"]),
        );
    }),
];

const REFERENCE: [Mutation; 4] = [
    ("a secret that nobody makes", rules::references::mistakes, "no Secret", |all| {
        set_pod(all, SINK, "/volumes/0/secret/secretName", json!("tape-sinks"));
    }),
    ("a key that it lacks", rules::references::mistakes, "no key pass", |all| {
        set_pod(all, SINK, "/volumes/0/secret/items/0/key", json!("pass"));
    }),
    ("a claim that is not there", rules::references::mistakes, "no claim", |all| {
        set_pod(all, PRODUCER, "/volumes/0/persistentVolumeClaim/claimName", json!("producer"));
    }),
    ("a secret in the repository", rules::references::mistakes, "repository", |all| {
        all.documents.push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}}));
    }),
];

const ENVIRONMENT: [Mutation; 11] = [
    ("a misspelt setting", rules::environment::mistakes, "no setting", |all| {
        set_variable(all, SINK, "SINK_BATCH_ROW", "1")
    }),
    ("a setting of a strange name", rules::environment::mistakes, "TAPE_SINK", |all| {
        set_variable(all, SINK, "TAPE_SINK_PORT", "1")
    }),
    ("a value that is none", rules::environment::mistakes, "COMMIT_INTERVAL", |all| {
        set_variable(all, PROCESSOR, "COMMIT_INTERVAL", "20")
    }),
    ("an argument that is none", rules::environment::mistakes, "--sorce", |all| {
        set_pod(all, PRODUCER, "/containers/0/command/2", json!("--sorce"));
    }),
    ("a command that is none", rules::environment::mistakes, "serve", |all| {
        set_pod(all, SINK, "/containers/0/command/1", json!("serve"))
    }),
    ("a password from nowhere", rules::environment::mistakes, "no Secret brings", |all| {
        set_variable(all, SINK, "DB_PASSWORD_FILE", "/run/secrets/db/password");
    }),
    ("health on loopback", rules::environment::mistakes, "HTTP_BIND_PROCESSOR", |all| {
        set_variable(all, PROCESSOR, "HTTP_BIND_PROCESSOR", "127.0.0.1:9461");
    }),
    ("too little time to stop", rules::environment::mistakes, "is killed", |all| {
        set_pod(all, PROCESSOR, "/terminationGracePeriodSeconds", json!(30));
    }),
    ("workers that idle", rules::environment::mistakes, "workers", |all| {
        settings(all)["data"]["WORKERS"] = json!("12")
    }),
    ("one name for all", rules::environment::mistakes, "INSTANCE_ID", |all| {
        set_variable(all, PROCESSOR, "INSTANCE_ID", "processor")
    }),
    ("a queue larger than its disk", rules::environment::mistakes, "SPOOL_LIMIT", |all| {
        set_variable(all, PRODUCER, "SPOOL_LIMIT", "9999999999")
    }),
];

const KAFKA: [Mutation; 7] = [
    ("another application", rules::kafka::mistakes, "KafkaTopic tape2-changelog", |all| {
        settings(all)["data"]["APP_ID"] = json!("tape2")
    }),
    ("other partitions", rules::kafka::mistakes, "partitions is 6", |all| {
        set(all, ("KafkaTopic", "raw-trades"), "/spec/partitions", json!(6))
    }),
    ("a changelog that deletes", rules::kafka::mistakes, "tape topics", |all| {
        set(all, ("KafkaTopic", "tape-changelog"), "/spec/config/cleanup.policy", json!("delete"));
    }),
    ("a right too many", rules::kafka::mistakes, "KafkaUser tape-sink", |all| {
        set(all, ("KafkaUser", "tape-sink"), "/spec/authorization/acls/0/operations", json!(["All"]));
    }),
    ("a right too few", rules::kafka::mistakes, "KafkaUser tape-processor", |all| {
        let acls = all
            .change("KafkaUser", "tape-processor")
            .pointer_mut("/spec/authorization/acls")
            .and_then(Value::as_array_mut);
        acls.expect("rights").pop();
    }),
    ("a broken Kafka", rules::kafka::mistakes, "end of a transaction", |all| {
        set(all, ("Kafka", "tape"), "/spec/kafka/version", json!("4.3.1"))
    }),
    ("fewer brokers than copies", rules::kafka::mistakes, "brokers", |all| {
        set(all, ("KafkaNodePool", "broker"), "/spec/replicas", json!(2))
    }),
];

const NETWORK: [Mutation; 4] = [
    ("no way to the database", rules::network::mistakes, "tape-sink cannot reach tape-database", |all| {
        all.documents.retain(|document| document["metadata"]["name"] != "tape-to-database");
    }),
    ("a database for everybody", rules::network::mistakes, "stranger may reach tape-database", |all| {
        set(
            all,
            ("NetworkPolicy", "tape-database"),
            "/spec/ingress/0/from",
            json!([{"namespaceSelector": {}}]),
        );
    }),
    ("brokers for everybody", rules::network::mistakes, "may reach kafka", |all| {
        set(
            all,
            ("Kafka", "tape"),
            "/spec/kafka/listeners/0/networkPolicyPeers",
            json!([{"namespaceSelector": {}}]),
        );
    }),
    ("a policy of nobody", rules::network::mistakes, "selects no pod", |all| {
        set(
            all,
            ("NetworkPolicy", "tape-to-feed"),
            "/spec/podSelector",
            json!({"matchLabels": {"app.kubernetes.io/name": "producer"}}),
        );
    }),
];

fn check(mutations: &[Mutation]) {
    for (what, rule, word, break_it) in mutations {
        let mut manifests = production();
        break_it(&mut manifests);
        let found = rule(&manifests);
        assert!(
            found.iter().any(|mistake| mistake.contains(word)),
            "{what}: no complaint of {word}, but {found:#?}"
        );
    }
}

#[test]
fn pods() {
    check(&POD);
}

#[test]
fn selectors() {
    check(&SELECTOR);
}

#[test]
fn references() {
    check(&REFERENCE);
}

#[test]
fn environment() {
    check(&ENVIRONMENT);
}

#[test]
fn kafka() {
    check(&KAFKA);
}

#[test]
fn network() {
    check(&NETWORK);
}

/// A field that is misspelt, in a document of each kind.
#[test]
fn a_field_that_is_unknown_is_found_in_every_kind() {
    for document in production().documents {
        let kind = document["kind"].clone();
        // Their content is free.
        let section = ["spec", "metadata"]
            .into_iter()
            .find(|section| document[*section].is_object())
            .expect("a section");
        let mut broken = document.clone();
        broken[section]["specs"] = json!({"replica": 1});
        let found = strict::mistakes_of(&broken);
        assert!(found.iter().any(|mistake| mistake.contains("specs")), "{kind}: {found:?}");
    }
}

/// The same deep inside, where a type might take anything.
#[test]
fn a_misspelt_field_is_found_where_it_stands() {
    let mut manifests = production();
    let places: [(&str, &str, &str); 6] = [
        ("KafkaUser", "tape-sink", "/spec/authorization/acls/0"),
        ("Kafka", "tape", "/spec/kafka/listeners/0"),
        ("KafkaNodePool", "broker", "/spec/storage/volumes/0"),
        ("PodMonitor", "tape", "/spec/podMetricsEndpoints/0"),
        ("PrometheusRule", "tape-alerts", "/spec/groups/0/rules/0"),
        ("ExternalSecret", "tape-database", "/spec/data/0/remoteRef"),
    ];
    for (kind, name, path) in places {
        set(&mut manifests, (kind, name), &format!("{path}/mispelt"), json!("x"));
    }
    let found = strict::mistakes(&manifests);
    for (kind, name, _) in places {
        let place = format!("{kind} {name}:");
        assert!(
            found.iter().any(|mistake| mistake.starts_with(&place) && mistake.contains("mispelt")),
            "{place} {found:#?}"
        );
    }
}
