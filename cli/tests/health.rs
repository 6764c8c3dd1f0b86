//! `tape health` and `tape doctor` on an installation that is well, and with each of its parts away or wrong.

mod role;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use role::{Role, until_empty};
use serde_json::Value;
use tape_harness::{Bench, wait_for};

const CHECKS: [&str; 6] = ["kafka", "database", "rows", "processor", "producer", "grafana"];

/// An address that nobody listens on now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Answers as Grafana's health endpoint does, as long as the test runs.
fn grafana() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let body = r#"{"database":"ok","version":"13.2.0"}"#;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + body).as_bytes());
        }
    });
    address
}

struct Installation {
    bench: Bench,
    /// What all commands are told.
    settings: Vec<(&'static str, String)>,
}

impl Installation {
    fn new() -> Self {
        let bench = Bench::new("health");
        bench.create_database();
        let settings = vec![
            ("HTTP_BIND_PRODUCER", free_address().to_string()),
            ("HTTP_BIND_PROCESSOR", free_address().to_string()),
            ("HTTP_BIND_SINK", "off".to_owned()),
            ("GRAFANA_PORT", grafana().port().to_string()),
            ("KAFKA_SESSION_TIMEOUT", "6s".to_owned()),
        ];
        Self { bench, settings }
    }

    fn with<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = self.settings.iter().map(|(name, value)| (*name, value.as_str()));
        own.filter(|(name, _)| more.iter().all(|(other, _)| other != name))
            .chain(more.iter().copied())
            .collect()
    }

    fn start(&self, args: &[&str]) -> Role {
        Role::start_with(&self.bench, args, &self.with(&[]))
    }

    fn ask(&self, args: &[&str], more: &[(&str, &str)]) -> (Option<i32>, Value) {
        let output = role::tape(&self.bench, args, &self.with(more));
        let shown = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        let answer = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}\n{said}"));
        (output.status.code(), answer)
    }

    /// The checks that fail; the exit code must agree.
    fn failing(&self, more: &[(&str, &str)]) -> Vec<String> {
        let (code, answer) = self.ask(&["health", "--json"], more);
        let checks = answer["checks"].as_array().expect("checks");
        let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap_or_default()).collect();
        assert_eq!(names, CHECKS);
        let failing: Vec<_> = checks.iter().filter(|check| check["ok"] == false).collect();
        assert!(failing.iter().all(|check| !check["detail"].as_str().unwrap_or_default().is_empty()));
        assert_eq!(code, Some(i32::from(!failing.is_empty())), "{answer}");
        assert_eq!(answer["healthy"], failing.is_empty());
        failing.iter().map(|check| check["name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What the doctor finds to be a problem, each with its remedy.
    fn problems(&self, more: &[(&str, &str)]) -> String {
        let (code, answer) = self.ask(&["doctor", "--json"], more);
        let findings = answer["findings"].as_array().expect("findings");
        let problems: Vec<_> = findings.iter().filter(|finding| finding["level"] == "problem").collect();
        assert_eq!(code, Some(i32::from(!problems.is_empty())), "{answer}");
        assert_eq!(answer["problems"], problems.len());
        let told = |finding: &&Value| {
            let [what, remedy] =
                ["what", "remedy"].map(|part| finding[part].as_str().unwrap_or_default().to_owned());
            assert!(!remedy.is_empty(), "{finding}");
            format!("{what} -> {remedy}\n")
        };
        problems.iter().map(told).collect()
    }
}

#[test]
fn each_part_that_is_away_is_named() {
    let here = Installation::new();
    assert_eq!(here.failing(&[]), ["rows", "processor", "producer"], "nothing runs yet");
    assert!(here.problems(&[]).contains("no processor runs"));

    let processor = here.start(&["process"]);
    let sink = here.start(&["sink"]);
    let producer = here.start(&["produce", "--source", "simulate"]);
    wait_for("a healthy installation", || here.failing(&[]).is_empty());
    // It has two hours of the market behind it to catch up with.
    wait_for("nothing for the doctor", || here.problems(&[]).is_empty());

    producer.stop();
    assert_eq!(here.failing(&[]), ["producer"]);
    sink.stop();
    wait_for("the sink's absence", || here.problems(&[]).contains("no sink runs"));
    processor.stop();
    until_empty(&here.bench);
    assert_eq!(here.failing(&[]), ["processor", "producer"]);
    assert!(here.problems(&[]).contains("start `tape process`"));

    let nobody = free_address();
    let (address, port) = (nobody.to_string(), nobody.port().to_string());
    assert_eq!(here.failing(&[("KAFKA_BOOTSTRAP_SERVERS", &address)]), ["kafka", "processor", "producer"]);
    assert_eq!(here.failing(&[("DB_PORT", &port)]), ["database", "rows", "processor", "producer"]);
    assert_eq!(here.failing(&[("GRAFANA_PORT", &port)]), ["processor", "producer", "grafana"]);

    let of_brokers = here.problems(&[("KAFKA_BOOTSTRAP_SERVERS", &address)]);
    assert!(of_brokers.contains("cannot be reached: refused"), "{of_brokers}");
    let of_database = here.problems(&[("DB_PORT", &port)]);
    assert!(of_database.contains("is the server up, do DB_HOST and DB_PORT name it"), "{of_database}");
    let of_role = here.problems(&[("DB_PASSWORD", "wrong")]);
    assert!(of_role.contains("DB_USER and DB_PASSWORD"), "{of_role}");
    let of_schema = here.problems(&[("SLIDE_DURATION", "30s")]);
    assert!(of_schema.contains("slide") || of_schema.contains("SLIDE_DURATION"), "{of_schema}");
    let of_topics = here.problems(&[("KAFKA_TOPIC_AGGREGATES", "is-not-there")]);
    assert!(of_topics.contains("is-not-there") && of_topics.contains("tape topics"), "{of_topics}");
    let of_state = here.problems(&[("STATE_DIR", "/proc/1/no")]);
    assert!(of_state.contains("state directory /proc/1/no") && of_state.contains("STATE_DIR"), "{of_state}");
}

#[test]
fn one_check_may_be_asked_elsewhere() {
    let here = Installation::new();
    let url = format!("http://127.0.0.1:{}", here.settings[3].1);
    let (code, answer) = here.ask(&["health", "grafana", "--url", &url, "--json"], &[("GRAFANA_PORT", "1")]);
    assert_eq!((code, answer["checks"][0]["detail"].as_str()), (Some(0), Some("version 13.2.0")));
    let refused = role::tape(&here.bench, &["health", "kafka", "--url", &url], &[]);
    assert_eq!(
        role::refused(&refused),
        format!(
            "error: --url {url}: name the one that is there: processor, producer or grafana, and no two of them"
        )
    );
}
