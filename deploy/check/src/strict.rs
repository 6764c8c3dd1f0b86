//! Every document into the type of its kind. What the type does not know would be dropped without a word by the server, or refused.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kcr_external_secrets_io::v1::externalsecrets::ExternalSecret;
use kcr_kafka_strimzi_io::v1::kafkanodepools::KafkaNodePool;
use kcr_kafka_strimzi_io::v1::kafkas::Kafka;
use kcr_kafka_strimzi_io::v1::kafkatopics::KafkaTopic;
use kcr_kafka_strimzi_io::v1::kafkausers::KafkaUser;
use kcr_monitoring_coreos_com::v1::podmonitors::PodMonitor;
use kcr_monitoring_coreos_com::v1::prometheusrules::PrometheusRule;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Manifests;
use crate::manifests::name_of;

/// What is wrong with the documents of an overlay.
pub fn mistakes(manifests: &Manifests) -> Vec<String> {
    manifests.documents.iter().flat_map(mistakes_of).collect()
}

/// What is wrong with a document.
pub fn mistakes_of(document: &Value) -> Vec<String> {
    let (version, kind) = (&document["apiVersion"], &document["kind"]);
    let check = match (version.as_str().unwrap_or_default(), kind.as_str().unwrap_or_default()) {
        ("v1", "ConfigMap") => check::<ConfigMap>,
        ("v1", "Namespace") => check::<Namespace>,
        ("v1", "PersistentVolumeClaim") => check::<PersistentVolumeClaim>,
        ("v1", "Secret") => check::<Secret>,
        ("v1", "Service") => check::<Service>,
        ("apps/v1", "Deployment") => check::<Deployment>,
        ("apps/v1", "StatefulSet") => check::<StatefulSet>,
        ("batch/v1", "CronJob") => check::<CronJob>,
        ("batch/v1", "Job") => check::<Job>,
        ("networking.k8s.io/v1", "NetworkPolicy") => check::<NetworkPolicy>,
        ("policy/v1", "PodDisruptionBudget") => check::<PodDisruptionBudget>,
        ("external-secrets.io/v1", "ExternalSecret") => check::<ExternalSecret>,
        ("kafka.strimzi.io/v1", "Kafka") => check::<Kafka>,
        ("kafka.strimzi.io/v1", "KafkaNodePool") => check::<KafkaNodePool>,
        ("kafka.strimzi.io/v1", "KafkaTopic") => check::<KafkaTopic>,
        ("kafka.strimzi.io/v1", "KafkaUser") => check::<KafkaUser>,
        ("monitoring.coreos.com/v1", "PodMonitor") => check::<PodMonitor>,
        ("monitoring.coreos.com/v1", "PrometheusRule") => check::<PrometheusRule>,
        _ => return vec![format!("{kind} of {version}: no type to check it with; add it to strict.rs")],
    };
    check(document)
}

fn check<T: DeserializeOwned>(document: &Value) -> Vec<String> {
    let place = format!("{} {}", document["kind"].as_str().unwrap_or_default(), name_of(document));
    let mut unknown = Vec::new();
    let parsed = serde_ignored::deserialize::<_, _, T>(document, |path| {
        let path = path.to_string();
        // The kind itself, which types of custom resources know by their name.
        if path != "apiVersion" && path != "kind" {
            unknown.push(format!("{place}: unknown field {path}"));
        }
    });
    if let Err(error) = parsed {
        unknown.push(format!("{place}: {error}"));
    }
    unknown
}
