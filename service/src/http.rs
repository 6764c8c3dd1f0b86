//! The small server of each role: `/health/live`, `/health/ready`, `/metrics`, and `/status` where a role has more to say.
//!
//! - Health answers 200 or 503 with `{"role","status","reason"}`, `/metrics` the Prometheus text format.
//! - It listens on loopback unless the setting says otherwise: the endpoints ask for no password.
//! - A port that cannot be had stops the start (a role that cannot be observed must not run unnoticed).
//! - It ends when the shutdown is requested; answers under way get `GRACE` to finish.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::health::{Health, Verdict};
use crate::{Failure, Shutdown, metrics};

/// How long an answer under way may take after the shutdown was requested; a scrape takes milliseconds.
const GRACE: Duration = Duration::from_secs(5);
/// How often histogram samples are folded into their buckets when nobody scrapes, so that memory stays bounded.
const UPKEEP: Duration = Duration::from_secs(5);
/// Content type of the Prometheus text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a role answers to `GET /status`: one JSON object.
pub type StatusText = Arc<dyn Fn() -> String + Send + Sync>;

/// Starts the endpoints of one role and returns the address it listens on (port 0 asks for any free port), or
/// `None` when `addr` is `None`. Installs the metrics recorder in both cases. Must be called inside a tokio
/// runtime; the server is a task of it and ends with `shutdown`.
pub async fn serve(
    addr: Option<SocketAddr>,
    health: Health,
    shutdown: Shutdown,
) -> Result<Option<SocketAddr>, Failure> {
    serve_with(addr, health, None, shutdown).await
}

/// As [`serve`], with an answer to `/status`. It is made anew for each question, on a thread of the runtime: it may take a
/// short lock, not wait.
pub async fn serve_with(
    addr: Option<SocketAddr>,
    health: Health,
    status: Option<StatusText>,
    shutdown: Shutdown,
) -> Result<Option<SocketAddr>, Failure> {
    metrics::install()?;
    tokio::spawn(upkeep(shutdown.clone()));
    let Some(addr) = addr else { return Ok(None) };
    let listener = TcpListener::bind(addr).await.map_err(|error| refused(addr, health.role(), error))?;
    let bound = listener.local_addr().map_err(|error| Failure::Other(error.into()))?;
    info!(role = health.role(), address = %bound, "serving health and metrics");
    tokio::spawn(run(listener, routes(health, status), shutdown));
    Ok(Some(bound))
}

fn routes(health: Health, status: Option<StatusText>) -> Router {
    let router = match status {
        Some(status) => Router::new()
            .route("/status", get(async move || ([(CONTENT_TYPE, "application/json")], status()))),
        None => Router::new(),
    };
    router
        .route(
            "/health/live",
            get(async |State(health): State<Health>| answer(&health, "live", health.live())),
        )
        .route(
            "/health/ready",
            get(async |State(health): State<Health>| answer(&health, "ready", health.ready())),
        )
        .route("/metrics", get(async || ([(CONTENT_TYPE, PROMETHEUS_TEXT)], metrics::render())))
        .with_state(health)
}

fn answer(health: &Health, word: &str, verdict: Verdict) -> impl IntoResponse + use<> {
    let (code, status) = if verdict.ok {
        (StatusCode::OK, word.to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not {word}"))
    };
    let body = serde_json::json!({ "role": health.role(), "status": status, "reason": verdict.why });
    (code, [(CONTENT_TYPE, "application/json")], body.to_string())
}

async fn run(listener: TcpListener, routes: Router, shutdown: Shutdown) {
    let stop = shutdown.clone();
    let server = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.requested().await });
    let overtime = async {
        shutdown.requested().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server.into_future() => {
            if let Err(error) = result {
                warn!(%error, "the server of health and metrics ended");
            }
        }
        () = overtime => {}
    }
}

async fn upkeep(shutdown: Shutdown) {
    while shutdown.pause(UPKEEP).await {
        metrics::upkeep();
    }
}

fn refused(addr: SocketAddr, role: &str, error: io::Error) -> Failure {
    let name = format!("HTTP_BIND_{}", role.to_ascii_uppercase());
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::Config(format!(
            "{name}=\"{addr}\": the port is in use by another process: stop that one, choose another port, or \
             set {name}=off"
        )),
        io::ErrorKind::AddrNotAvailable => Failure::Config(format!(
            "{name}=\"{addr}\": this machine has no such address: use 127.0.0.1 (this machine only) or 0.0.0.0 \
             (all interfaces)"
        )),
        io::ErrorKind::PermissionDenied => Failure::Config(format!(
            "{name}=\"{addr}\": not allowed to open this port: choose one above 1023"
        )),
        _ => Failure::Other(anyhow::Error::new(error).context(format!("{name}=\"{addr}\": cannot listen"))),
    }
}

#[cfg(test)]
mod tests;
