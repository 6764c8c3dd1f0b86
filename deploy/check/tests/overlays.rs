//! Every overlay is as it must be.

use tape_manifests::manifests::{OVERLAYS, documents};
use tape_manifests::{Manifests, rules, source, strict};

fn check(overlay: &str, mistakes: Vec<String>) {
    assert!(mistakes.is_empty(), "{overlay}:\n{}", mistakes.join("\n"));
}

fn each(what: impl Fn(&Manifests) -> Vec<String>) {
    for overlay in OVERLAYS {
        let manifests = Manifests::build(overlay).unwrap_or_else(|error| panic!("{error:?}"));
        check(overlay, what(&manifests));
    }
}

#[test]
fn every_field_is_known_to_its_kind() {
    each(strict::mistakes);
    check(
        "the example",
        documents(&source::text("deploy/k8s/secrets.example.yaml"))
            .expect("YAML")
            .iter()
            .flat_map(strict::mistakes_of)
            .collect(),
    );
}

#[test]
fn pods_are_restricted_and_probed() {
    each(rules::pods::mistakes);
}

#[test]
fn selectors_hit() {
    each(rules::selectors::mistakes);
}

#[test]
fn what_is_named_is_there() {
    each(rules::references::mistakes);
}

#[test]
fn the_program_accepts_every_environment() {
    each(rules::environment::mistakes);
}

#[test]
fn topics_and_users_are_those_of_the_settings() {
    each(rules::kafka::mistakes);
}

#[test]
fn who_must_talk_can_and_nobody_else() {
    each(rules::network::mistakes);
}

/// The same rules for the Prometheus Operator as for a plain Prometheus.
#[test]
fn rules_of_prometheus_are_the_plain_ones() {
    let manifests = Manifests::build("prod").expect("an overlay");
    for kind in ["recording", "alerts"] {
        let plain = documents(&source::text(&format!("prometheus/rules/{kind}.yaml"))).expect("YAML");
        let rule = manifests.find("PrometheusRule", &format!("tape-{kind}")).expect("a rule");
        assert_eq!(rule["spec"]["groups"], plain[0]["groups"], "{kind}: run deploy/k8s/rules.sh");
    }
}

/// Boards and provisioning come as they are, and Grafana gets every variable that they want.
#[test]
fn grafana_has_its_files_and_variables() {
    let manifests = Manifests::build("prod").expect("an overlay");
    let maps = || {
        manifests.of_kind("ConfigMap").filter(|map| {
            map["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("tape-grafana-"))
        })
    };
    let texts: Vec<(&String, &str)> = maps()
        .flat_map(|map| map["data"].as_object().into_iter().flatten())
        .filter_map(|(name, text)| Some((name, text.as_str()?)))
        .collect();
    assert_eq!(texts.len(), 9, "two boards, five files of alerting, sources, providers");
    let grafana = manifests.workload("tape-grafana").expect("Grafana");
    let given: Vec<_> =
        grafana.pod.containers[0].env.iter().flatten().map(|variable| variable.name.as_str()).collect();
    for (name, text) in texts.iter().filter(|(name, _)| name.ends_with(".yaml")) {
        // Only capitals: a board's own variables are not of the environment.
        for wanted in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(|line| line.split("${").skip(1))
        {
            let wanted = wanted.split('}').next().unwrap_or_default();
            assert!(given.contains(&wanted), "{name} wants {wanted}");
        }
    }
}
