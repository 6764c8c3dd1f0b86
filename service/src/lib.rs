//! What every role needs around its work: configuration, logs, metrics, health endpoints, orderly stop,
//! pauses between attempts. Knows no other crate of the workspace.
//!
//! A process starts so: read the configuration ([`Config::from_process`](config::Config)), [`logs::init`],
//! [`metrics::install`], [`Shutdown::on_signals`], then the roles, each of which calls [`http::serve`].

pub mod backoff;
pub mod config;
mod failure;
pub mod health;
pub mod http;
pub mod logs;
pub mod metrics;
mod shutdown;

pub use backoff::Backoff;
pub use config::{Config, Secret};
pub use failure::Failure;
pub use health::Health;
pub use shutdown::Shutdown;
