//! An overlay as kustomize builds it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// All overlays.
pub const OVERLAYS: [&str; 3] = ["dev", "staging", "prod"];

/// Labels of a pod or a namespace.
pub type Labels = BTreeMap<String, String>;

/// The documents of an overlay.
#[derive(Clone, Debug)]
pub struct Manifests {
    pub overlay: String,
    pub documents: Vec<Value>,
}

/// What makes pods.
#[derive(Clone, Debug)]
pub struct Workload {
    pub kind: String,
    pub name: String,
    /// Of a Deployment or a StatefulSet.
    pub replicas: Option<i64>,
    pub selector: Option<Labels>,
    pub labels: Labels,
    pub pod: PodSpec,
    pub document: Value,
}

/// The repository. Cargo says where when a test starts: a compiled-in path may be that of another checkout with the same target
/// folder.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("started by cargo");
    Path::new(&here).join("../..")
}

/// The documents of a YAML text.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let parsed = serde_yaml_ng::Deserializer::from_str(text).map(Value::deserialize);
    let parsed: Vec<Value> = parsed.collect::<Result<_, _>>()?;
    Ok(parsed.into_iter().filter(|document| !document.is_null()).collect())
}

impl Manifests {
    /// Builds the overlay with the kubectl that `KUBECTL` names, else the one in `PATH`.
    pub fn build(overlay: &str) -> Result<Self> {
        let kubectl = std::env::var("KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
        let folder = root().join("deploy/k8s/overlays").join(overlay);
        let output = Command::new(&kubectl).arg("kustomize").arg(&folder).output().context(kubectl)?;
        ensure!(output.status.success(), "{overlay}: {}", String::from_utf8_lossy(&output.stderr));
        let documents = documents(std::str::from_utf8(&output.stdout)?)?;
        Ok(Manifests { overlay: overlay.to_owned(), documents })
    }

    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.documents.iter().filter(move |document| document["kind"] == kind)
    }

    pub fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.of_kind(kind).find(|document| name_of(document) == name)
    }

    /// As [`Manifests::find`], for a test that changes it.
    pub fn change(&mut self, kind: &str, name: &str) -> &mut Value {
        let wanted = |document: &&mut Value| document["kind"] == kind && name_of(document) == name;
        self.documents.iter_mut().find(wanted).unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// All that makes pods. Strimzi's brokers are not among them.
    pub fn workloads(&self) -> Vec<Workload> {
        self.documents.iter().filter_map(Workload::of).collect()
    }

    pub fn workload(&self, name: &str) -> Option<Workload> {
        self.workloads().into_iter().find(|workload| workload.name == name)
    }
}

impl Workload {
    fn of(document: &Value) -> Option<Self> {
        let kind = document["kind"].as_str()?;
        let template = match kind {
            "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => "/spec/template",
            "CronJob" => "/spec/jobTemplate/spec/template",
            _ => return None,
        };
        let template = document.pointer(template)?;
        Some(Workload {
            kind: kind.to_owned(),
            name: name_of(document).to_owned(),
            replicas: document["spec"]["replicas"].as_i64(),
            selector: labels(&document["spec"]["selector"]["matchLabels"]),
            labels: labels(&template["metadata"]["labels"]).unwrap_or_default(),
            pod: typed(&template["spec"]),
            document: document.clone(),
        })
    }

    /// Containers and init containers.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        self.pod.init_containers.iter().flatten().chain(&self.pod.containers)
    }

    /// Whether it runs our program.
    pub fn is_ours(&self) -> bool {
        self.containers().all(|container| program_arguments(container).is_some())
    }
}

/// What follows `tape` on the command line of a container.
pub fn program_arguments(container: &Container) -> Option<&[String]> {
    match container.command.as_deref()? {
        [program, arguments @ ..] if program == "tape" => Some(arguments),
        _ => None,
    }
}

pub fn name_of(document: &Value) -> &str {
    document["metadata"]["name"].as_str().unwrap_or_default()
}

pub fn labels(value: &Value) -> Option<Labels> {
    serde_json::from_value(value.clone()).ok()
}

/// A value that `strict` has accepted already.
pub fn typed<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}
