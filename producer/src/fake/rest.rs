//! The REST side of the fake server: `GET /v3/trades/{ticker}`, over all trades of a tape, those that nobody heard included.
//!
//! ```text
//!  Tape ──► Recorded ──► Server (WebSocket)
//!              │ archive
//!              ▼
//!          RestServer ◄── a client that has missed something
//! ```
//!
//! - Understood are `timestamp.gte`, `timestamp.lt` (nanoseconds), `limit`, and the `cursor` of a next page; the order is always that of time.
//! - The key stands in the header `Authorization: Bearer KEY`, or in the parameter `apiKey`.
//! - The tape's times are milliseconds; the rest of the nanoseconds is the number of the trade, so that trades of one
//!   millisecond keep their order.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::locked;
use super::tape::{Next, Tape};

mod row;

/// The most rows of a page, and how many without a limit.
const ROWS_MAX: usize = 50_000;
const ROWS: usize = 1_000;

/// All trades that a tape has played; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Archive(Arc<Mutex<HashMap<String, Vec<Row>>>>);

/// A trade as the interface shows it.
#[derive(Debug, Clone)]
struct Row {
    nanos: i64,
    json: String,
}

/// A tape whose trades are remembered when they are played.
#[derive(Debug)]
pub struct Recorded<T> {
    tape: T,
    archive: Archive,
    number: i64,
}

impl Archive {
    /// The same tape, remembered here.
    pub fn record<T: Tape>(&self, tape: T) -> Recorded<T> {
        Recorded { tape, archive: self.clone(), number: 0 }
    }
}

impl<T: Tape> Tape for Recorded<T> {
    fn next(&mut self, now_ms: i64) -> Next {
        let next = self.tape.next(now_ms);
        if let Next::Event(event) = &next
            && let Some((ticker, row)) = row::of(event, self.number)
        {
            self.number += 1;
            locked(&self.archive.0).entry(ticker).or_default().push(row);
        }
        next
    }
}

/// How the interface is to be.
#[derive(Debug, Clone)]
pub struct RestOptions {
    /// Where it listens; port 0 = any that is free.
    pub bind: SocketAddr,
    /// The only right key; `None`: every key that is not empty.
    pub key: Option<String>,
    /// The most rows of a page, at least 1.
    pub page_rows: usize,
    /// What the first calls get instead of an answer, one each; 200 = the answer.
    pub statuses: Vec<u16>,
    /// What an answer with another status says about the next call, in seconds.
    pub retry_after: Option<u64>,
}

impl Default for RestOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            key: None,
            page_rows: ROWS_MAX,
            statuses: Vec::new(),
            retry_after: None,
        }
    }
}

/// An interface that is running. When it is dropped it stops.
#[derive(Debug)]
pub struct RestServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    options: RestOptions,
    address: SocketAddr,
    archive: Archive,
    /// Path and query of each call.
    calls: Mutex<Vec<String>>,
}

impl RestServer {
    /// Listens.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(options: RestOptions, archive: Archive) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { options, address, archive, calls: Mutex::default() });
        let router = Router::new().route("/v3/trades/{ticker}", get(trades)).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // It ends with the task.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Path and query of each call so far.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        locked(&self.shared.calls).clone()
    }
}

impl Drop for RestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn trades(
    State(shared): State<Arc<Shared>>,
    Path(ticker): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let number = {
        let mut calls = locked(&shared.calls);
        calls.push(uri.to_string());
        calls.len() - 1
    };
    let query = uri.query().unwrap_or_default();
    let key =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let key = key.or_else(|| parameter(query, "apiKey")).unwrap_or_default();
    if shared.options.key.as_ref().map_or(key.is_empty(), |right| right != key) {
        return refuse(&shared, 401);
    }
    match shared.options.statuses.get(number) {
        None | Some(200) => {}
        Some(status) => return refuse(&shared, *status),
    }
    match Question::read(query) {
        Some(question) => json(StatusCode::OK, page(&shared, &ticker, question)),
        None => refuse(&shared, 400),
    }
}

/// Rows from a time to another one, the latter excluded, without the first `skip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    from: i64,
    to: i64,
    skip: usize,
    limit: usize,
}

impl Question {
    fn read(query: &str) -> Option<Self> {
        if let Some(cursor) = parameter(query, "cursor") {
            let mut parts = cursor.split('_');
            let mut next = || parts.next()?.parse::<i64>().ok();
            let (from, to, skip, limit) = (next()?, next()?, next()?, next()?);
            return Some(Self { from, to, skip: skip.try_into().ok()?, limit: limit.try_into().ok()? });
        }
        let whole = |name, default| parameter(query, name).map_or(Some(default), |text| text.parse().ok());
        let limit = parameter(query, "limit").map_or(Some(ROWS), |text| text.parse().ok())?;
        let (from, to) = (whole("timestamp.gte", 0)?, whole("timestamp.lt", i64::MAX)?);
        (1..=ROWS_MAX).contains(&limit).then_some(Self { from, to, skip: 0, limit })
    }
}

fn page(shared: &Shared, ticker: &str, question: Question) -> String {
    let Question { from, to, skip, limit } = question;
    let archive = locked(&shared.archive.0);
    let all = archive.get(ticker).map_or(&[][..], Vec::as_slice);
    let mut rows: Vec<&Row> = all.iter().filter(|row| (from..to).contains(&row.nanos)).collect();
    rows.sort_by_key(|row| row.nanos);
    let end = skip.saturating_add(limit.min(shared.options.page_rows.max(1))).min(rows.len());
    let texts: Vec<&str> =
        rows.get(skip..end).unwrap_or_default().iter().map(|row| row.json.as_str()).collect();
    let next = if end < rows.len() {
        let address = shared.address;
        format!(r#","next_url":"http://{address}/v3/trades/{ticker}?cursor={from}_{to}_{end}_{limit}""#)
    } else {
        String::new()
    };
    format!(r#"{{"status":"OK","request_id":"1","results":[{}]{next}}}"#, texts.join(","))
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn refuse(shared: &Shared, status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, format!(r#"{{"status":"ERROR","error":"{status}"}}"#));
    if let Some(seconds) = shared.options.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn json(status: StatusCode, body: String) -> Response {
    const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];
    (status, JSON, body).into_response()
}

#[cfg(test)]
mod tests;
