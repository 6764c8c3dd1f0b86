//! The metrics recorder: `metrics` macros in, Prometheus text out.
//!
//! The `metrics` facade knows one recorder per process. So this is the one place with a static: the handle of
//! that recorder, made once. Several roles in one process (demo, tests) share it; their names differ.
//!
//! Every histogram has classic buckets (native ones cannot be written as text), chosen by the end of its name:
//! `_seconds`, `_bytes`, everything else counts things.
//!
//! **Macros called before [`install`] go nowhere, and handles made then stay deaf**: install first.

mod table;

use std::sync::{Mutex, OnceLock, PoisonError};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::Failure;

pub use table::{Kind, Metric, describe, reference_markdown};

/// From half a millisecond (a fast step) to five minutes (a long restore); dense around a commit (5–25 ms) and
/// around the latency that users see (0.1–5 s).
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0, 60.0, 300.0,
];
/// 256 B to 64 MiB in steps of four.
const BYTES: &[f64] = &[
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Rows, records, panes: 1 to a million.
const COUNTS: &[f64] =
    &[1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0, 100_000.0, 1_000_000.0];

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
/// Roles of one process may start at the same moment.
static INSTALL: Mutex<()> = Mutex::new(());

/// Makes this process count. Calling it again does nothing; another crate's recorder in its place is an error.
pub fn install() -> Result<(), Failure> {
    let _one_at_a_time = INSTALL.lock().unwrap_or_else(PoisonError::into_inner);
    if HANDLE.get().is_some() {
        return Ok(());
    }
    let recorder = builder().map_err(|error| Failure::Other(error.into()))?.build_recorder();
    let handle = recorder.handle();
    if ::metrics::set_global_recorder(recorder).is_err() {
        return Err(Failure::Other(anyhow::anyhow!(
            "metrics: another recorder is installed in this process"
        )));
    }
    HANDLE.get_or_init(|| handle);
    Ok(())
}

/// Everything counted so far in the Prometheus text format; empty before [`install`].
pub fn render() -> String {
    HANDLE.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds waiting histogram samples into their buckets, so that an unscraped process does not grow.
pub(crate) fn upkeep() {
    if let Some(handle) = HANDLE.get() {
        handle.run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, metrics_exporter_prometheus::BuildError> {
    PrometheusBuilder::new()
        .set_buckets(COUNTS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), BYTES)
}

#[cfg(test)]
mod tests;
