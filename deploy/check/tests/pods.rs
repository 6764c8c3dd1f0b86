//! The pods of the manifests as processes: with the manifest's command, environment, user, volumes and read-only root, on a real Kafka
//! (TLS, log-in, rights) and a real PostgreSQL, watched by the manifest's probes. `deploy/local/pods.sh` starts this.
//!
//! What is not played: cgroups (memory is compared with the limit instead), seccomp, networks of pods, anything of a cluster's control plane.

#[path = "pods/cluster.rs"]
mod cluster;
#[path = "pods/course.rs"]
mod course;
#[path = "pods/http.rs"]
mod http;
#[path = "pods/kubelet.rs"]
mod kubelet;
#[path = "pods/mistakes.rs"]
mod mistakes;
#[path = "pods/process.rs"]
mod process;
#[path = "pods/servers.rs"]
mod servers;
#[path = "pods/spec.rs"]
mod spec;
#[path = "pods/wait.rs"]
mod wait;
