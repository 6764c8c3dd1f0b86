//! `tape topics`: creates the topics that are missing, then compares all of them with what they must be.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tape_kafka::{Admin, Clients, Mismatch, TopicSpec, TopicState, topics};
use tape_service::{Config, Failure};

use crate::output;

/// How long the brokers may take for each answer: a cluster that elects leaders needs a few seconds.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Milliseconds of a day, in which retention is shown.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Options of `tape topics`.
#[derive(Debug, Args)]
pub(crate) struct TopicsArgs {
    /// One JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// A topic, as it is now.
#[derive(Serialize)]
struct Line {
    topic: String,
    partitions: i32,
    cleanup_policy: String,
    retention_ms: Option<i64>,
    timestamps: String,
    /// This run created it.
    created: bool,
    mismatches: Vec<String>,
}

/// Creates, checks and prints. What does not fit is a mistake of the configuration.
pub(crate) fn run(args: &TopicsArgs, config: &Config) -> Result<(), Failure> {
    let admin = Clients::new(&config.kafka, &format!("{}-topics", config.app_id)).admin()?;
    let specs = topics::specs(config);
    let mut new = Vec::new();
    for spec in &specs {
        if admin.describe(&spec.name, ANSWER_TIMEOUT)?.is_none() {
            new.push(spec.name.as_str());
        }
    }
    let mismatches = admin.ensure(config, ANSWER_TIMEOUT)?;
    let lines = specs.iter().map(|spec| line(&admin, spec, &new, &mismatches));
    let lines: Vec<Line> = lines.collect::<Result<_, Failure>>()?;
    let text = if args.json { json(&lines)? } else { table(&lines) };
    output::print("the list of topics", &text)?;
    if mismatches.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = mismatches.iter().map(ToString::to_string).collect();
    Err(Failure::Config(lines.join("\n")))
}

fn line(admin: &Admin, spec: &TopicSpec, new: &[&str], mismatches: &[Mismatch]) -> Result<Line, Failure> {
    let state = admin.describe(&spec.name, ANSWER_TIMEOUT)?.unwrap_or_default();
    Ok(Line {
        topic: spec.name.clone(),
        partitions: state.partitions,
        cleanup_policy: setting(&state, "cleanup.policy"),
        retention_ms: setting(&state, "retention.ms").parse().ok(),
        timestamps: setting(&state, "message.timestamp.type"),
        created: new.contains(&spec.name.as_str()),
        mismatches: mismatches
            .iter()
            .filter(|found| found.topic == spec.name)
            .map(ToString::to_string)
            .collect(),
    })
}

fn setting(state: &TopicState, name: &str) -> String {
    state.config.get(name).cloned().unwrap_or_default()
}

fn json(lines: &[Line]) -> Result<String, Failure> {
    let texts: Result<Vec<_>, _> = lines.iter().map(serde_json::to_string).collect();
    let texts = texts.map_err(|error| Failure::Other(error.into()))?;
    Ok(format!("[\n{}\n]\n", texts.join(",\n")))
}

fn table(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.topic.len()).max().unwrap_or_default().max("TOPIC".len());
    let mut text = format!(
        "{:width$}  {:>10}  {:8}  {:>9}  {:13}  {}\n",
        "TOPIC", "PARTITIONS", "CLEANUP", "RETENTION", "TIMESTAMPS", "STATE"
    );
    for line in lines {
        let state = match (line.mismatches.is_empty(), line.created) {
            (false, _) => "does not fit, see below",
            (true, true) => "created",
            (true, false) => "ok",
        };
        // A compacted topic keeps its values whatever the retention says.
        let retention =
            if line.cleanup_policy == "delete" { retention(line.retention_ms) } else { "-".to_owned() };
        text.push_str(&format!(
            "{:width$}  {:>10}  {:8}  {retention:>9}  {:13}  {state}\n",
            line.topic, line.partitions, line.cleanup_policy, line.timestamps,
        ));
    }
    text
}

fn retention(ms: Option<i64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(..0) => "for ever".to_owned(),
        Some(ms) if ms % DAY_MS == 0 => format!("{} d", ms / DAY_MS),
        Some(ms) => format!("{} s", ms / 1000),
    }
}
