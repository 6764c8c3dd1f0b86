//! A pod by itself: the restricted profile and more, probes, resources.

use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::{Manifests, Workload, source};

pub fn mistakes(manifests: &Manifests) -> Vec<String> {
    let mut found = Vec::new();
    for workload in manifests.workloads() {
        let mut say = |what: &str| found.push(format!("{} {}: {what}", workload.kind, workload.name));
        of_pod(&workload, &mut say);
        for container in workload.containers() {
            of_container(container, &mut |what| say(&format!("container {}: {what}", container.name)));
        }
        if let Some(container) = workload.pod.containers.first()
            && matches!(workload.kind.as_str(), "Deployment" | "StatefulSet")
        {
            of_probes(container, workload.is_ours(), &mut say);
        }
    }
    found
}

fn of_pod(workload: &Workload, say: &mut dyn FnMut(&str)) {
    let pod = &workload.pod;
    let context = pod.security_context.clone().unwrap_or_default();
    let mut must = |ok: bool, what: &str| {
        if !ok {
            say(what);
        }
    };
    must(
        pod.enable_service_links == Some(false),
        "enableServiceLinks must be false: TAPE_… variables stop the start",
    );
    must(pod.automount_service_account_token == Some(false), "automountServiceAccountToken must be false");
    must(
        pod.host_network.is_none() && pod.host_pid.is_none() && pod.host_ipc.is_none(),
        "shares something with its node",
    );
    must(context.run_as_non_root == Some(true), "runAsNonRoot must be true");
    must(context.run_as_user.is_some_and(|id| id > 0), "runAsUser must be said");
    must(
        !workload.is_ours() || context.run_as_user >= Some(10_000),
        "our own user must be above those of a node",
    );
    must(
        context.fs_group.is_some() && context.fs_group_change_policy.as_deref() == Some("OnRootMismatch"),
        "fsGroup, OnRootMismatch",
    );
    must(
        context.seccomp_profile.is_some_and(|profile| profile.type_ == "RuntimeDefault"),
        "seccompProfile must be RuntimeDefault",
    );
    must(pod.termination_grace_period_seconds != Some(0), "a grace period of 0 kills");
}

fn of_container(container: &Container, say: &mut dyn FnMut(&str)) {
    let context = container.security_context.clone().unwrap_or_default();
    let dropped = context.capabilities.and_then(|capabilities| capabilities.drop).unwrap_or_default();
    let mut must = |ok: bool, what: &str| {
        if !ok {
            say(what);
        }
    };
    must(context.allow_privilege_escalation == Some(false), "allowPrivilegeEscalation must be false");
    must(context.read_only_root_filesystem == Some(true), "readOnlyRootFilesystem must be true");
    must(context.privileged != Some(true), "privileged");
    must(dropped == ["ALL"], "capabilities must be dropped: ALL");
    let image = container.image.as_deref().unwrap_or_default();
    must(
        image.contains('@') || image.rsplit('/').next().is_some_and(|name| name.contains(':')),
        "image without tag or digest",
    );
    must(!image.ends_with(":latest"), "image of whatever is the latest");
    let resources = container.resources.clone().unwrap_or_default();
    let (requests, limits) = (resources.requests.unwrap_or_default(), resources.limits.unwrap_or_default());
    must(requests.contains_key("cpu") && !limits.contains_key("cpu"), "a CPU request, no CPU limit");
    must(
        requests.contains_key("memory") && requests.get("memory") == limits.get("memory"),
        "memory: request = limit",
    );
    must(limits.contains_key("ephemeral-storage"), "a limit for logs and emptyDir volumes");
}

/// What a probe asks for: path or command, and port.
fn target(probe: &Probe) -> String {
    let port = |port: &IntOrString| format!("{port:?}");
    match (&probe.http_get, &probe.exec, &probe.tcp_socket) {
        (Some(http), None, None) => {
            format!("{} {}", http.path.as_deref().unwrap_or_default(), port(&http.port))
        }
        (None, Some(exec), None) => exec.command.clone().unwrap_or_default().join(" "),
        (None, None, Some(tcp)) => port(&tcp.port),
        _ => String::new(),
    }
}

fn of_probes(container: &Container, is_ours: bool, say: &mut dyn FnMut(&str)) {
    let (Some(startup), Some(liveness), Some(readiness)) =
        (&container.startup_probe, &container.liveness_probe, &container.readiness_probe)
    else {
        return say("three probes: startup, liveness, readiness");
    };
    if target(liveness) == target(readiness) {
        say("liveness and readiness ask the same: a pod that restores would be restarted");
    }
    if !is_ours {
        return;
    }
    let path = |probe: &Probe| probe.http_get.as_ref().and_then(|get| get.path.clone()).unwrap_or_default();
    for (probe, wanted) in
        [(startup, "/health/live"), (liveness, "/health/live"), (readiness, "/health/ready")]
    {
        if path(probe) != wanted {
            say(&format!("a probe asks {}, not {wanted}", path(probe)));
        }
        // The endpoint as the code spells it.
        if !source::text("service/src/http.rs").contains(&format!("\"{wanted}\"")) {
            say(&format!("the roles have no {wanted} any more"));
        }
        let port = probe.http_get.as_ref().map(|get| get.port.clone());
        let named =
            container.ports.iter().flatten().any(|known| known.name.clone().map(IntOrString::String) == port);
        if !named {
            say(&format!("a probe asks port {port:?}, which the container does not have"));
        }
    }
}
