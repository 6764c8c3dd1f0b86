//! Everything that a pod names must be there: ConfigMaps, Secrets and their keys, claims, volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use k8s_openapi::api::core::v1::{Container, KeyToPath};

use crate::manifests::{documents, name_of, root};
use crate::{Manifests, Workload};

/// Keys by name of the ConfigMap or Secret.
type Keys = BTreeMap<String, BTreeSet<String>>;

pub fn mistakes(manifests: &Manifests) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(secret) = manifests.of_kind("Secret").next() {
        found.push(format!("Secret {}: secrets do not belong into the repository", name_of(secret)));
    }
    let known = Known {
        config_maps: manifests
            .of_kind("ConfigMap")
            .map(|map| (name_of(map).to_owned(), keys(&map["data"])))
            .collect(),
        secrets: secrets(manifests),
    };
    for workload in manifests.workloads() {
        let place = format!("{} {}", workload.kind, workload.name);
        known.volumes(&workload, manifests, &mut |what| found.push(format!("{place}: {what}")));
        for container in workload.containers() {
            known.container(container, &workload, &mut |what| found.push(format!("{place}: {what}")));
        }
    }
    found
}

fn keys(data: &serde_json::Value) -> BTreeSet<String> {
    data.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

/// Secrets that will be there: Strimzi's, those of the External Secrets Operator, or else the ones of the example.
fn secrets(manifests: &Manifests) -> Keys {
    let mut known = Keys::new();
    for user in manifests.of_kind("KafkaUser") {
        known.insert(name_of(user).to_owned(), ["password".to_owned(), "sasl.jaas.config".to_owned()].into());
    }
    for cluster in manifests.of_kind("Kafka") {
        known.insert(format!("{}-cluster-ca-cert", name_of(cluster)), ["ca.crt".to_owned()].into());
    }
    for external in manifests.of_kind("ExternalSecret") {
        let name = external["spec"]["target"]["name"].as_str().unwrap_or_default();
        let data = external["spec"]["data"].as_array().into_iter().flatten();
        let keys = data.filter_map(|one| Some(one["secretKey"].as_str()?.to_owned())).collect();
        known.insert(name.to_owned(), keys);
    }
    if manifests.of_kind("ExternalSecret").next().is_none() {
        let text = fs::read_to_string(root().join("deploy/k8s/secrets.example.yaml")).expect("the example");
        for secret in documents(&text).expect("the example is YAML") {
            known.insert(name_of(&secret).to_owned(), keys(&secret["stringData"]));
        }
    }
    known
}

struct Known {
    config_maps: Keys,
    secrets: Keys,
}

impl Known {
    fn volumes(&self, workload: &Workload, manifests: &Manifests, say: &mut dyn FnMut(String)) {
        for volume in workload.pod.volumes.iter().flatten() {
            if let Some(secret) = &volume.secret {
                has(&self.secrets, "Secret", secret.secret_name.as_deref(), secret.items.as_deref(), say);
            }
            if let Some(map) = &volume.config_map {
                has(&self.config_maps, "ConfigMap", Some(&map.name), map.items.as_deref(), say);
            }
            if let Some(claim) = &volume.persistent_volume_claim
                && manifests.find("PersistentVolumeClaim", &claim.claim_name).is_none()
            {
                say(format!("there is no claim {}", claim.claim_name));
            }
        }
    }

    fn container(&self, container: &Container, workload: &Workload, say: &mut dyn FnMut(String)) {
        for from in container.env_from.iter().flatten() {
            let name = from.config_map_ref.as_ref().map(|map| map.name.as_str());
            has(&self.config_maps, "ConfigMap", name, None, say);
        }
        for variable in container.env.iter().flatten() {
            let Some(from) = &variable.value_from else { continue };
            if let Some(key) = &from.config_map_key_ref {
                has_key(&self.config_maps, "ConfigMap", &key.name, &key.key, say);
            }
            if let Some(key) = &from.secret_key_ref {
                has_key(&self.secrets, "Secret", &key.name, &key.key, say);
            }
        }
        let volumes: BTreeSet<_> = volume_names(workload).collect();
        for mount in container.volume_mounts.iter().flatten() {
            if !volumes.contains(mount.name.as_str()) {
                say(format!("there is no volume {}", mount.name));
            }
            let map = workload.pod.volumes.iter().flatten().find(|volume| volume.name == mount.name);
            if let (Some(key), Some(map)) =
                (&mount.sub_path, map.and_then(|volume| volume.config_map.as_ref()))
            {
                has_key(&self.config_maps, "ConfigMap", &map.name, key, say);
            }
        }
    }
}

fn volume_names(workload: &Workload) -> impl Iterator<Item = &str> {
    let claims =
        workload.document["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten().map(name_of);
    workload.pod.volumes.iter().flatten().map(|volume| volume.name.as_str()).chain(claims)
}

fn has(
    known: &Keys,
    kind: &str,
    name: Option<&str>,
    items: Option<&[KeyToPath]>,
    say: &mut dyn FnMut(String),
) {
    let name = name.unwrap_or_default();
    if !known.contains_key(name) {
        say(format!("there is no {kind} {name}"));
    }
    items.unwrap_or_default().iter().for_each(|item| has_key(known, kind, name, &item.key, say));
}

fn has_key(known: &Keys, kind: &str, name: &str, key: &str, say: &mut dyn FnMut(String)) {
    if !known.get(name).is_some_and(|keys| keys.contains(key)) {
        say(format!("{kind} {name} has no key {key}"));
    }
}
