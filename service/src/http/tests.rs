//! The endpoints, asked over plain TCP.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::serve;
use crate::{Failure, Health, Shutdown};

/// Nothing here takes more than milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

fn any_port() -> Option<SocketAddr> {
    Some(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Status line, head and body of an answer.
async fn ask(address: SocketAddr, request: &str) -> (String, String, String) {
    let request = request.to_owned();
    let talk = move || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(request.as_bytes())?;
        io::read_to_string(stream)
    };
    let answer = tokio::task::spawn_blocking(talk).await.expect("no panic").expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let (status, headers) = head.split_once("\r\n").expect("a status");
    (status.to_owned(), headers.to_ascii_lowercase(), body.to_owned())
}

async fn get(address: SocketAddr, path: &str) -> (String, String, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
}

async fn check_health(address: SocketAddr, path: &str, status: &str, body: serde_json::Value) {
    let (found, headers, text) = get(address, path).await;
    assert_eq!(found, format!("HTTP/1.1 {status}"), "{path}");
    assert!(headers.contains("content-type: application/json"), "{headers}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), body, "{path}");
}

#[tokio::test]
async fn health_is_answered_with_its_reason() {
    let (health, shutdown) = (Health::new("sink"), Shutdown::new());
    let address = serve(any_port(), health.clone(), shutdown).await.expect("served").expect("an address");
    let body =
        |status: &str, reason: &str| serde_json::json!({"role": "sink", "status": status, "reason": reason});
    check_health(address, "/health/live", "200 OK", body("live", "")).await;
    check_health(address, "/health/ready", "503 Service Unavailable", body("not ready", "starting")).await;
    health.set_ready(true, "");
    check_health(address, "/health/ready", "200 OK", body("ready", "")).await;
    health.set_ready(false, "waits for \"db\"\n");
    check_health(
        address,
        "/health/ready",
        "503 Service Unavailable",
        body("not ready", "waits for \"db\"\n"),
    )
    .await;
    health.set_live(false, "worker ended");
    check_health(address, "/health/live", "503 Service Unavailable", body("not live", "worker ended")).await;
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let address =
        serve(any_port(), Health::new("api"), Shutdown::new()).await.expect("served").expect("an address");
    ::metrics::counter!("tape_http_test_total", "reason" => "x").increment(3);
    let (status, headers, body) = get(address, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(headers.contains("content-type: text/plain; version=0.0.4"), "{headers}");
    assert!(body.contains("tape_http_test_total{reason=\"x\"} 3\n"), "{body}");
}

#[tokio::test]
async fn other_requests_are_refused() {
    let address =
        serve(any_port(), Health::new("api"), Shutdown::new()).await.expect("served").expect("an address");
    assert_eq!(get(address, "/").await.0, "HTTP/1.1 404 Not Found");
    assert_eq!(get(address, "/health").await.0, "HTTP/1.1 404 Not Found");
    let (status, _, _) = ask(address, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status, "HTTP/1.1 405 Method Not Allowed");
    let (status, _, _) = ask(address, "nonsense\r\n\r\n").await;
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
}

#[tokio::test]
async fn off_is_off() {
    let served = serve(None, Health::new("sink"), Shutdown::new()).await.expect("nothing to do");
    assert_eq!(served, None);
}

#[tokio::test]
async fn a_port_in_use_names_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let failure = serve(Some(address), Health::new("processor"), Shutdown::new()).await.expect_err("in use");
    assert_eq!(failure.exit_code(), 64);
    let text = failure.to_string();
    for part in
        ["HTTP_BIND_PROCESSOR", &address.to_string(), "in use", "another port", "HTTP_BIND_PROCESSOR=off"]
    {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[tokio::test]
async fn an_address_of_another_machine_names_the_setting() {
    // 192.0.2.0/24 is for documentation: no machine has it.
    let address = Some(SocketAddr::from(([192, 0, 2, 1], 0)));
    let failure = serve(address, Health::new("sink"), Shutdown::new()).await.expect_err("not here");
    assert!(
        matches!(&failure, Failure::Config(text) if text.contains("HTTP_BIND_SINK") && text.contains("127.0.0.1"))
    );
}

#[tokio::test]
async fn it_ends_with_the_shutdown() {
    let shutdown = Shutdown::new();
    let address =
        serve(any_port(), Health::new("sink"), shutdown.clone()).await.expect("served").expect("an address");
    get(address, "/metrics").await;
    shutdown.request();
    let closed = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(DEADLINE, closed).await.expect("the port is closed soon");
}
