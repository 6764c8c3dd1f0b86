//! The contract between the metrics that the roles show and the boards, rules and tests that name them: every name and every label of
//! theirs is in the scrape of a pipeline that runs, and docs/metrics.md knows everything that is in it.

#[allow(dead_code, reason = "its main writes the page")]
#[path = "../examples/metrics_reference.rs"]
mod metrics_reference;
mod role;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use role::Role;
use tape_harness::{Bench, wait_for};
use tape_service::metrics::{Kind, Metric};

/// Labels that Prometheus adds to each series, and that rules add to alerts.
const ADDED: [&str; 5] = ["job", "instance", "severity", "alertname", "__name__"];
/// Series that a run without faults does not have, with their labels: counted at the first fault. The source must name them.
const AFTER_A_FAULT: [(&str, &str, &str); 2] = [
    ("tape_processor_aborts_total", "cause", "processor/src/meters.rs"),
    ("tape_sink_retries_total", "reason", "sink/src/meter.rs"),
];

/// What even a pipeline with faults does not show: our server sends no events of unknown types.
const NOT_SHOWN: [&str; 1] = ["tape_producer_ignored_events_total"];

/// Names of metrics, each with the names of its labels.
type Names = BTreeMap<String, BTreeSet<String>>;

fn root(name: &str) -> PathBuf {
    Path::new("..").join(name)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The expressions of boards and rules. Comments are left out.
fn expressions() -> Vec<String> {
    let mut found = Vec::new();
    let board: serde_json::Value =
        serde_json::from_str(&text(&root("grafana/dashboards/operations.json"))).expect("a board is JSON");
    let panels = board["panels"].as_array().expect("panels");
    for target in panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten() {
        found.extend(target["expr"].as_str().map(str::to_owned));
    }
    for file in ["alerts", "recording"] {
        let rules = text(&root(&format!("prometheus/rules/{file}.yaml")));
        let lines = rules.lines().filter(|line| !line.trim_start().starts_with('#'));
        // An expression ends where the next key of the rule begins.
        let lines: Vec<_> = lines.collect();
        for rule in lines.join("\n").split("expr:").skip(1) {
            let rule = rule.trim_start().trim_start_matches("|-");
            let end = ["\n        for:", "\n        labels:", "\n      - ", "\n  - "];
            let end = end.iter().filter_map(|key| rule.find(key)).min().unwrap_or(rule.len());
            found.push(rule[..end].to_owned());
        }
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_:".contains(character)
}

/// What stands in the bracket that a text begins with, and the rest; `None` when it begins with something else.
fn bracket(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix(open)?.split_once(close)
}

/// Metrics of an expression with the labels that it asks of them. Names of recording rules have colons and are left out; labels of
/// `by`, `without` and `on` are returned apart, since they belong to all metrics of the expression.
fn named(expression: &str) -> (Names, BTreeSet<String>) {
    let (mut names, mut grouped) = (Names::new(), BTreeSet::new());
    let mut rest = expression;
    while let Some(start) = rest.find(is_word) {
        let after = &rest[start..];
        let length = after.find(|character| !is_word(character)).unwrap_or(after.len());
        let word = &after[..length];
        rest = &after[length..];
        if ["by", "without", "on"].contains(&word) {
            let Some((labels, behind)) = bracket(rest, '(', ')') else { continue };
            grouped.extend(
                labels.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()),
            );
            rest = behind;
        } else if word.starts_with("tape_") && !word.contains(':') {
            let labels = names.entry(word.to_owned()).or_default();
            if let Some((selectors, behind)) = bracket(rest, '{', '}') {
                labels.extend(
                    selectors
                        .split("\",")
                        .filter_map(|one| one.split(['=', '!']).next())
                        .map(|label| label.trim().trim_start_matches(',').trim().to_owned()),
                );
                labels.remove("");
                rest = behind;
            }
        }
    }
    (names, grouped)
}

/// Adds the series of a scrape.
fn read(scrape: &str, names: &mut Names) {
    for line in scrape.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = line.split(|character| !is_word(character)).next().unwrap_or_default();
        let labels = names.entry(name.to_owned()).or_default();
        if let Some((pairs, _)) = bracket(&line[name.len()..], '{', '}') {
            labels.extend(
                pairs.split("\",").filter_map(|pair| Some(pair.split_once('=')?.0.trim().to_owned())),
            );
        }
    }
}

#[test]
fn names_and_labels_are_taken_out_of_expressions() {
    let (names, grouped) = named(
        "sum by (le, job) (rate(tape_a_seconds_bucket{job=~\"a,b\", le!=\"1\"}[5m])) / job:tape_b:rate5m > 1e3 \
         and on (instance) tape_c >= 0",
    );
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    let expected = [("tape_a_seconds_bucket", labels(&["job", "le"])), ("tape_c", labels(&[]))];
    assert_eq!(names, expected.map(|(name, labels)| (name.to_owned(), labels)).into());
    assert_eq!(grouped, labels(&["instance", "job", "le"]));
    let mut shown = Names::new();
    read("# HELP tape_a x\ntape_a{x=\"1\",y=\"a b\"} 3\ntape_b 4\n", &mut shown);
    let expected = [("tape_a", labels(&["x", "y"])), ("tape_b", labels(&[]))];
    assert_eq!(shown, expected.map(|(name, labels)| (name.to_owned(), labels)).into());
}

/// An address of loopback that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("it is bound")
}

/// A role that runs and what it shows.
struct Shown {
    role: Role,
    address: SocketAddr,
}

impl Shown {
    fn start(bench: &Bench, bind: &str, args: &[&str]) -> Self {
        let address = free_address();
        let role = Role::start_with(bench, args, &[(bind, &address.to_string())]);
        Self { role, address }
    }

    /// Empty while nobody answers.
    fn scrape(&self) -> String {
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let answer = agent.get(format!("http://{}/metrics", self.address)).call();
        answer.ok().and_then(|mut answer| answer.body_mut().read_to_string().ok()).unwrap_or_default()
    }

    fn until_it_shows(&self, series: &str) {
        wait_for(series, || self.scrape().contains(series));
    }
}

/// Everything that a pipeline shows that has had trades of all kinds, alerts, dead letters and a restore.
fn scraped() -> String {
    let bench = Bench::new("prometheus");
    bench.create_database();
    // A market that began two hours ago and does not end, with records that are late and records that are none. Slow, so that
    // the producer has nothing left to send when it is stopped.
    let mut source = vec!["produce", "--source", "simulate", "--seed", "3", "--rate", "20"];
    source.extend(["--late-share", "0.02", "--poison-share", "0.02"]);
    let producer = Shown::start(&bench, "HTTP_BIND_PRODUCER", &source);
    let sink = Shown::start(&bench, "HTTP_BIND_SINK", &["sink"]);
    let processor = Shown::start(&bench, "HTTP_BIND_PROCESSOR", &["process"]);
    for series in ["tape_processor_final_rows_total", "tape_processor_rejected_records_total", "_cross\""] {
        processor.until_it_shows(series);
    }
    sink.until_it_shows("tape_sink_lag_records");
    let mut text = processor.scrape();
    processor.role.stop();
    // Without its state it restores.
    std::fs::remove_dir_all(bench.state.path().join("state")).expect("the state can be removed");
    let processor = Shown::start(&bench, "HTTP_BIND_PROCESSOR", &["process"]);
    processor.until_it_shows("tape_processor_restored_records_total");
    processor.until_it_shows("tape_processor_live_panes");
    processor.until_it_shows("tape_processor_last_commit_timestamp_seconds{");
    for shown in [&processor, &sink, &producer] {
        text += &shown.scrape();
    }
    for shown in [producer, processor, sink] {
        shown.role.stop();
    }
    text + &scraped_live(&bench)
}

/// What a producer shows that follows a live feed which is interrupted and damaged.
fn scraped_live(bench: &Bench) -> String {
    let [feed, rest] = [free_address(), free_address()].map(|address| address.to_string());
    let mut served = vec!["fake-massive", "--simulate", "--live", "--bind", &feed, "--rest", &rest];
    served.extend(["--symbols", "AAPL,BTC-USD", "--restart-every", "3s", "--spoilt-share", "0.1"]);
    let server = Role::start_with(bench, &served, &[]);
    let (stocks, past) = (format!("ws://{feed}/stocks"), format!("http://{rest}"));
    let address = free_address();
    let settings = [
        ("HTTP_BIND_PRODUCER", &*address.to_string()),
        ("MASSIVE_API_KEY", "any"),
        ("MASSIVE_WS_URL", &stocks),
        ("MASSIVE_REST_URL", &past),
        ("MASSIVE_BACKFILL", "true"),
        ("MASSIVE_CALLS_PER_MINUTE", "0"),
        ("SYMBOLS", "AAPL,BTC-USD"),
        ("CHANNELS", "T"),
        ("RECONNECT_DELAY", "200ms"),
    ];
    let producer = Shown { role: Role::start_with(bench, &["produce"], &settings), address };
    for series in ["gap_seconds_bucket", "reconnects_total{", "decode_errors_total{", "delay_seconds_bucket"]
    {
        producer.until_it_shows(&format!("tape_producer_{series}"));
    }
    producer.until_it_shows("tape_producer_connected{cluster=\"stocks\"} 1");
    let text = producer.scrape();
    producer.role.stop();
    server.stop();
    text
}

/// Where the scrape and the page of metrics differ.
fn strangers(text: &str, shown: &Names) -> BTreeSet<String> {
    let metrics = || metrics_reference::SUBJECTS.iter().flat_map(|(_, metrics)| metrics.iter());
    let mut wrong = BTreeSet::new();
    for (name, labels) in shown.iter().filter(|(name, _)| name.starts_with("tape_")) {
        let Some(metric) = metrics().find(|metric| metric.series().contains(name)) else {
            wrong.insert(format!("{name} is on no page"));
            continue;
        };
        let known = |label: &String| metric.labels.contains(&label.as_str()) || label == "le";
        wrong.extend(
            labels.iter().filter(|label| !known(label)).map(|label| format!("{name}: label {label}")),
        );
    }
    for metric in metrics().filter(|metric| !NOT_SHOWN.contains(&metric.name)) {
        let has = metric.series().into_iter().find_map(|series| shown.get(&series));
        let has = |label: &&&str| has.is_some_and(|labels| labels.contains(**label));
        let lacks: Vec<_> = metric.labels.iter().filter(|label| !has(label)).collect();
        if metric.series().iter().any(|series| !shown.contains_key(series)) && !is_after_a_fault(metric) {
            wrong.insert(format!("{} is on the page and not shown", metric.name));
        } else if !lacks.is_empty() {
            wrong.insert(format!("{}: without the labels {lacks:?}", metric.name));
        }
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let is_typed = text.contains(&format!("# TYPE {} {kind}\n", metric.name));
        let is_told = text.contains(&format!("# HELP {} {}\n", metric.name, metric.help));
        if !(is_typed && is_told || is_after_a_fault(metric)) {
            wrong.insert(format!("{}: its type or help is not shown", metric.name));
        }
    }
    wrong
}

fn is_after_a_fault(metric: &Metric) -> bool {
    AFTER_A_FAULT.iter().any(|(name, ..)| *name == metric.name)
}

#[test]
fn what_boards_and_rules_name_is_shown() {
    let text_shown = scraped();
    let mut shown = Names::new();
    read(&text_shown, &mut shown);
    for (name, label, source) in AFTER_A_FAULT {
        let text = text(&root(source));
        let named = text.split_once(&format!("\"{name}\", \"{label}\" =>"));
        assert!(named.is_some(), "{source} does not count {name} by {label}");
        shown.entry(name.to_owned()).or_default().insert(label.to_owned());
    }
    let mut missing = strangers(&text_shown, &shown);
    for expression in expressions() {
        let (names, grouped) = named(&expression);
        let mut known: BTreeSet<&str> = ADDED.into();
        for (name, labels) in &names {
            let Some(has) = shown.get(name) else {
                missing.insert(name.clone());
                continue;
            };
            known.extend(has.iter().map(String::as_str));
            let wrong =
                labels.iter().filter(|label| !has.contains(*label) && !ADDED.contains(&label.as_str()));
            missing.extend(wrong.map(|label| format!("{name}{{{label}}}")));
        }
        // Recorded series have lost labels or kept them: their rules are checked where they stand.
        if !names.is_empty() {
            let wrong = grouped.iter().filter(|label| !known.contains(label.as_str()));
            missing.extend(wrong.map(|label| format!("by ({label}) in {expression}")));
        }
    }
    assert!(missing.is_empty(), "named and not shown, or shown and not described: {missing:#?}");
}
