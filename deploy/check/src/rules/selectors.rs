//! Selectors and what they must hit: services, budgets, monitors, spreads; replicas that fit.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use crate::manifests::{Labels, labels, name_of, typed};
use crate::{Manifests, Workload};

pub fn mistakes(manifests: &Manifests) -> Vec<String> {
    let workloads = manifests.workloads();
    let mut found = Vec::new();
    for workload in &workloads {
        own(workload, manifests, &mut found);
    }
    for service in manifests.of_kind("Service") {
        found.extend(of_service(service, &workloads));
    }
    for budget in manifests.of_kind("PodDisruptionBudget") {
        found.extend(of_budget(budget, &workloads));
    }
    for monitor in manifests.of_kind("PodMonitor") {
        found.extend(of_monitor(monitor, &workloads));
    }
    found
}

/// Whether a selector takes these labels.
pub fn takes(selector: &LabelSelector, labels: &Labels) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let value = labels.get(&expression.key);
        let listed = |value: &String| expression.values.iter().flatten().any(|allowed| allowed == value);
        match expression.operator.as_str() {
            "In" => value.is_some_and(listed),
            "NotIn" => !value.is_some_and(listed),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            other => panic!("operator {other}"),
        }
    });
    equal && expressions
}

/// Names that a selector lists and no pod has: each is a typing error or a leftover.
pub fn strangers<'a>(selector: &'a LabelSelector, workloads: &[Workload]) -> Vec<&'a str> {
    let known =
        |name: &&str| workloads.iter().any(|workload| workload.labels.values().any(|value| value == name));
    let listed =
        selector.match_expressions.iter().flatten().flat_map(|expression| expression.values.iter().flatten());
    listed.map(String::as_str).filter(|name| !known(name)).collect()
}

fn own(workload: &Workload, manifests: &Manifests, found: &mut Vec<String>) {
    let place = format!("{} {}", workload.kind, workload.name);
    if let Some(selector) = &workload.selector
        && !selector.iter().all(|(key, value)| workload.labels.get(key) == Some(value))
    {
        found.push(format!("{place}: its selector does not take its own pods"));
    }
    if workload.labels.get("app.kubernetes.io/part-of").map(String::as_str) != Some("tape") {
        found.push(format!("{place}: pods without the label part-of: they would find no name"));
    }
    for spread in workload.pod.topology_spread_constraints.iter().flatten() {
        if !spread.label_selector.as_ref().is_some_and(|selector| takes(selector, &workload.labels)) {
            found.push(format!("{place}: spreads other pods than its own"));
        }
    }
    if workload.kind != "StatefulSet" {
        return;
    }
    let service = workload.document["spec"]["serviceName"].as_str().unwrap_or_default();
    match manifests.find("Service", service) {
        None => found.push(format!("{place}: there is no service {service}")),
        Some(service) if service["spec"]["clusterIP"] != "None" => {
            found.push(format!("{place}: service {} is not headless", name_of(service)));
        }
        Some(service) if labels(&service["spec"]["selector"]) != workload.selector => {
            found.push(format!("{place}: service {} selects other pods", name_of(service)));
        }
        Some(_) => {}
    }
}

fn of_service(document: &Value, workloads: &[Workload]) -> Vec<String> {
    let place = format!("Service {}", name_of(document));
    let service: Service = typed(document);
    let spec = service.spec.unwrap_or_default();
    let selector = LabelSelector { match_labels: spec.selector, ..LabelSelector::default() };
    let hit: Vec<_> = workloads.iter().filter(|workload| takes(&selector, &workload.labels)).collect();
    if hit.is_empty() {
        return vec![format!("{place}: selects no pod")];
    }
    let mut found = Vec::new();
    for port in spec.ports.unwrap_or_default() {
        let Some(IntOrString::String(name)) = &port.target_port else {
            found.push(format!("{place}: a port by number"));
            continue;
        };
        if !hit.iter().all(|workload| has_port(workload, name, Some(port.port))) {
            found.push(format!("{place}: the pods have no port {name} = {}", port.port));
        }
    }
    found
}

fn has_port(workload: &Workload, name: &str, number: Option<i32>) -> bool {
    let mut ports = workload.pod.containers.iter().flat_map(|container| container.ports.iter().flatten());
    ports.any(|port| {
        port.name.as_deref() == Some(name) && number.is_none_or(|number| port.container_port == number)
    })
}

fn of_budget(document: &Value, workloads: &[Workload]) -> Vec<String> {
    let place = format!("PodDisruptionBudget {}", name_of(document));
    let budget: PodDisruptionBudget = typed(document);
    let spec = budget.spec.unwrap_or_default();
    let selector = spec.selector.unwrap_or_default();
    let hit: Vec<_> = workloads.iter().filter(|workload| takes(&selector, &workload.labels)).collect();
    let [workload] = hit[..] else {
        return vec![format!("{place}: selects pods of {} workloads", hit.len())];
    };
    let replicas = workload.replicas.unwrap_or(1);
    let mut found = Vec::new();
    match spec.max_unavailable {
        // With one pod it says nothing, and must not be in the way of a drain.
        Some(IntOrString::Int(1)) => {}
        other => {
            found.push(format!("{place}: maxUnavailable is {other:?}; {replicas} replicas, one at a time"))
        }
    }
    if spec.unhealthy_pod_eviction_policy.as_deref() != Some("AlwaysAllow") {
        found.push(format!("{place}: a pod that is not ready could not be evicted"));
    }
    found
}

fn of_monitor(document: &Value, workloads: &[Workload]) -> Vec<String> {
    let place = format!("PodMonitor {}", name_of(document));
    let selector: LabelSelector = typed(&document["spec"]["selector"]);
    let mut found: Vec<_> =
        strangers(&selector, workloads).iter().map(|name| format!("{place}: nobody is {name}")).collect();
    let port = document["spec"]["podMetricsEndpoints"][0]["port"].as_str().unwrap_or_default();
    let hit: Vec<_> = workloads.iter().filter(|workload| takes(&selector, &workload.labels)).collect();
    found.extend(
        hit.iter()
            .filter(|workload| !has_port(workload, port, None))
            .map(|workload| format!("{place}: {} has no port {port}", workload.name)),
    );
    // Rules and boards go by the job; here it is the pods' label of this name.
    let job = document["spec"]["jobLabel"].as_str().unwrap_or_default();
    let jobs: Vec<_> =
        hit.iter().filter_map(|workload| workload.labels.get(job)).map(String::as_str).collect();
    for wanted in ["tape-producer", "tape-processor", "tape-sink"] {
        if !jobs.contains(&wanted) {
            found.push(format!("{place}: no pod becomes job {wanted}, which rules and boards name"));
        }
    }
    found
}
