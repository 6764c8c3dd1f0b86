//! docs/metrics.md and the tables of metrics that it is made from: complete, of one style, and the page up to date. No server is needed;
//! `prometheus.rs` compares the same tables with roles that run.

#[allow(dead_code, reason = "its main writes the page")]
#[path = "../examples/metrics_reference.rs"]
mod metrics_reference;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use metrics_reference::SUBJECTS;
use tape_service::metrics::{Kind, Metric, reference_markdown};

fn root() -> PathBuf {
    PathBuf::from("..")
}

fn all() -> impl Iterator<Item = &'static Metric> {
    SUBJECTS.iter().flat_map(|(_, metrics)| metrics.iter())
}

#[test]
fn the_documentation_is_up_to_date() {
    let page = fs::read_to_string(root().join("docs/metrics.md")).expect("docs/metrics.md");
    assert!(
        page == reference_markdown(&SUBJECTS),
        "docs/metrics.md is out of date: run `cargo run --release -p tape --example metrics_reference > docs/metrics.md`"
    );
}

#[test]
fn names_and_texts_are_of_one_style() {
    let mut names = BTreeSet::new();
    for metric in all() {
        let (name, help) = (metric.name, metric.help);
        assert!(names.insert(name), "{name} stands twice");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}: _total is for counters");
        let is_base =
            ["milliseconds", "_ms", "_mb", "_kb", "percent"].iter().all(|unit| !name.contains(unit));
        assert!(is_base, "{name}: base units only");
        let is_one_line = !help.is_empty() && !help.contains(['|', '\n']) && !help.contains("  ");
        assert!(is_one_line && !help.ends_with('.'), "{name}: {help:?}");
        assert!(metric.labels.iter().all(|label| *label != "symbol"), "{name}: thousands of symbols");
    }
}

/// Texts in quotation marks of a source that look like a metric's name.
fn named_in(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |word: &&str| {
        ["tape_processor_", "tape_sink_", "tape_producer_"].iter().any(|role| word.starts_with(role))
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    text.split('"').filter(is_name)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn what_is_described_is_counted_and_what_is_counted_is_described() {
    let mut files = Vec::new();
    for role in ["processor", "sink", "producer"] {
        sources(&root().join(role).join("src"), &mut files);
    }
    let texts: Vec<_> = files.iter().map(|path| fs::read_to_string(path).expect("a readable file")).collect();
    let known: BTreeSet<_> = all().map(|metric| metric.name).collect();
    for metric in &known {
        let times = texts.iter().flat_map(|text| named_in(text)).filter(|name| name == metric).count();
        assert!(times > 1, "{metric} is described and never set");
    }
    for name in texts.iter().flat_map(|text| named_in(text)) {
        assert!(known.contains(name), "{name} is set and stands in no table");
    }
}
