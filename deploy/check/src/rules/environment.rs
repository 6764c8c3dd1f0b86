//! The environment of each of our containers, given to the program itself: it must accept it without a warning, know every name, and
//! understand the arguments. Then what the values mean for the pod: ports, volumes, memory, time to stop.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;

use crate::manifests::{name_of, program_arguments};
use crate::program::{self, Settings};
use crate::{Manifests, Workload, source};

const MIB: u64 = 1 << 20;
/// Beside what settings say, MiB: RocksDB's cache and write buffers (processor/src/lib.rs), code and threads, open panes of 1,000 symbols.
const STORES: u64 = 64;
const CODE: u64 = 64;
const PANES: u64 = 10;
/// librdkafka reads so far ahead in each partition, MiB (kafka/src/settings.rs).
const AHEAD: u64 = 4;

pub fn mistakes(manifests: &Manifests) -> Vec<String> {
    let mut found = Vec::new();
    for workload in manifests.workloads() {
        for container in workload.containers() {
            let Some(arguments) = program_arguments(container) else { continue };
            let mut say = |what: String| {
                found.push(format!("{} {}, {}: {what}", workload.kind, workload.name, container.name))
            };
            match program::arguments(arguments) {
                Ok(complaints) => complaints.into_iter().for_each(&mut say),
                Err(error) => say(error.to_string()),
            }
            if let Some(settings) = settings_of(manifests, &workload, container, &mut say) {
                means(manifests, (&workload, container, arguments), &settings, &mut say);
            }
        }
    }
    found
}

/// What the program makes of a container's environment.
pub fn settings_of(
    manifests: &Manifests,
    workload: &Workload,
    container: &Container,
    say: &mut dyn FnMut(String),
) -> Option<Settings> {
    let mut environment = environment(manifests, workload, container);
    // Files of secrets are not here: one that is, instead. Each must lie in a volume of a Secret.
    let stand_in = std::env::temp_dir().join("tape-manifests-secret");
    std::fs::write(&stand_in, "secret\n").expect("a temporary folder");
    for (name, value) in &mut environment {
        if !name.ends_with("_FILE") && name != "KAFKA_SSL_CA_LOCATION" {
            continue;
        }
        if !secret_files(workload, container).contains(value) {
            say(format!("{name} is {value}, which no Secret brings"));
        }
        *value = stand_in.display().to_string();
    }
    let answer = match program::settings(&environment) {
        Ok(answer) => answer,
        Err(error) => {
            say(error.to_string());
            return None;
        }
    };
    answer.complaints.into_iter().for_each(&mut *say);
    if answer.settings.is_empty() {
        return None;
    }
    for name in environment.keys() {
        let known = |name: &str| answer.settings.contains_key(name);
        if !known(name) && !name.strip_suffix("_FILE").is_some_and(known) {
            say(format!("{name} is no setting"));
        }
    }
    Some(answer.settings)
}

fn environment(
    manifests: &Manifests,
    workload: &Workload,
    container: &Container,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for from in container.env_from.iter().flatten().filter_map(|from| from.config_map_ref.as_ref()) {
        let map = manifests.find("ConfigMap", &from.name).map(|map| &map["data"]);
        for (name, value) in map.and_then(|data| data.as_object()).into_iter().flatten() {
            environment.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
        }
    }
    for variable in container.env.iter().flatten() {
        // What comes from the cluster is the pod's name.
        let value = variable.value.clone().unwrap_or_else(|| format!("{}-0", workload.name));
        environment.insert(variable.name.clone(), value);
    }
    environment
}

/// Paths of the files that Secrets bring into a container.
fn secret_files(workload: &Workload, container: &Container) -> Vec<String> {
    let volume = |name: &str| workload.pod.volumes.iter().flatten().find(|volume| volume.name == name);
    let mut files = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let items = volume(&mount.name)
            .and_then(|volume| volume.secret.as_ref())
            .and_then(|secret| secret.items.as_ref());
        files.extend(items.into_iter().flatten().map(|item| format!("{}/{}", mount.mount_path, item.path)));
    }
    files
}

/// What the values mean for the pod.
fn means(
    manifests: &Manifests,
    (workload, container, arguments): (&Workload, &Container, &[String]),
    settings: &Settings,
    say: &mut dyn FnMut(String),
) {
    let role = arguments.first().map_or("", String::as_str);
    let bind = match role {
        "process" => Some("HTTP_BIND_PROCESSOR"),
        "sink" => Some("HTTP_BIND_SINK"),
        "produce" => Some("HTTP_BIND_PRODUCER"),
        _ => None,
    };
    if let Some(bind) = bind {
        let port = container.ports.iter().flatten().find(|port| port.name.as_deref() == Some("http"));
        let wanted = format!("0.0.0.0:{}", port.map_or(0, |port| port.container_port));
        if settings[bind] != wanted {
            say(format!("{bind} is {}, probes and Prometheus come to {wanted}", settings[bind]));
        }
    }
    if matches!(role, "process" | "produce" | "status") {
        let state = &settings["STATE_DIR"];
        let within = |path: &str| state.starts_with(&format!("{path}/"));
        if !container
            .volume_mounts
            .iter()
            .flatten()
            .any(|mount| mount.read_only != Some(true) && within(&mount.mount_path))
        {
            say(format!("STATE_DIR is {state}, where nothing can be written"));
        }
    }
    let transaction = settings["KAFKA_TRANSACTION_TIMEOUT"]
        .strip_suffix('s')
        .and_then(|text| text.parse().ok())
        .unwrap_or(u64::MAX / 4);
    if let Some(budget) = source::stop_budget(role, transaction) {
        let grace = workload.pod.termination_grace_period_seconds.unwrap_or(30);
        if grace <= budget as i64 {
            say(format!("is killed after {grace} s, and a stop may take {budget} s"));
        }
    }
    match role {
        "process" => processor(workload, container, settings, say),
        "produce" => {
            let claim = manifests.find("PersistentVolumeClaim", &workload.name);
            let size = claim.map_or(0, |claim| bytes(claim.pointer("/spec/resources/requests/storage")));
            if size <= number(settings, "SPOOL_LIMIT") {
                say(format!("the volume has {size} bytes, SPOOL_LIMIT is {}", settings["SPOOL_LIMIT"]));
            }
            if workload.replicas != Some(1) || workload.document["spec"]["strategy"]["type"] != "Recreate" {
                say("two producers would write every trade twice".to_owned());
            }
        }
        _ => {}
    }
}

fn processor(workload: &Workload, container: &Container, settings: &Settings, say: &mut dyn FnMut(String)) {
    let (workers, partitions) = (number(settings, "WORKERS"), number(settings, "KAFKA_PARTITIONS"));
    let replicas = workload.replicas.unwrap_or(1) as u64;
    if workers * replicas != partitions {
        say(format!("{replicas} replicas of {workers} workers for {partitions} partitions"));
    }
    let needed = STORES
        + CODE
        + PANES
        + workers * number(settings, "BUFFER_MEMORY").div_ceil(MIB)
        + AHEAD * partitions;
    let limit =
        container.resources.as_ref().and_then(|resources| resources.limits.as_ref()?.get("memory").cloned());
    let limit = limit.map_or(0, |limit| bytes(Some(&limit.0.into()))) / MIB;
    if limit < needed + needed / 4 {
        say(format!("needs {needed} MiB and a quarter more for the page cache, has {limit}"));
    }
    let instance = container.env.iter().flatten().find(|variable| variable.name == "INSTANCE_ID");
    let field = instance.and_then(|variable| {
        variable.value_from.as_ref()?.field_ref.as_ref().map(|field| field.field_path.clone())
    });
    if field.as_deref() != Some("metadata.name") {
        say("INSTANCE_ID must be the pod's name".to_owned());
    }
    let claims = workload.document["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    if claims.map(name_of).collect::<Vec<_>>() != ["state"] {
        say("each pod needs a volume of its own, for its state".to_owned());
    }
    if workload.document["spec"]["podManagementPolicy"] != "Parallel" {
        say("with OrderedReady a pod that cannot become ready holds up the rollout that mends it".to_owned());
    }
}

pub fn number(settings: &Settings, name: &str) -> u64 {
    settings.get(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is no number"))
}

/// 512Mi, 2Gi.
fn bytes(quantity: Option<&serde_json::Value>) -> u64 {
    let text = quantity.and_then(|quantity| quantity.as_str()).unwrap_or_default();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "Mi" => MIB,
        "Gi" => 1024 * MIB,
        "" => 1,
        other => panic!("unit {other}"),
    };
    number.parse::<u64>().unwrap_or_default() * unit
}
