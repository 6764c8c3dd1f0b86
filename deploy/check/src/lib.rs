//! What must be true of the manifests in `deploy/k8s`, beyond what schemas say.
//!
//! | module | holds |
//! |---|---|
//! | `manifests` | an overlay as kustomize builds it: documents, pods, look-ups |
//! | `strict` | every document into the type of its kind; a field that the type does not know is a mistake |
//! | `rules` | our own rules: each takes an overlay and says what is wrong, one line a mistake |
//! | `program` | what the `tape` binary says of settings and arguments |
//! | `source` | constants of the code that manifests depend on |
//!
//! `tests/pods.rs` starts the pods as processes and watches them (`deploy/local/pods.sh`).
//!
//! A rule that never objects is worth nothing: `tests/mutations.rs` breaks a manifest for each.

pub mod manifests;
pub mod program;
pub mod rules;
pub mod source;
pub mod strict;

pub use manifests::{Manifests, Workload};
