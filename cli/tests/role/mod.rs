//! One role of `tape` in a process of its own, and facts about an application that a test compares.

#![allow(dead_code, reason = "each file of tests uses its own part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use tape_harness::{Bench, PARTITIONS, wait_for};
use tape_kafka::{Isolation, Part};
use tape_state::{Shared, StateDir, Store, StoreError};

/// Wait for one answer of the broker.
pub(crate) const ASK: Duration = Duration::from_secs(10);

/// A role that does not outlive the test.
pub(crate) struct Role {
    child: Child,
    log: PathBuf,
}

impl Role {
    /// Starts a role of the bench's application with these settings on top.
    pub(crate) fn start(bench: &Bench, role: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_with(bench, &[role], settings)
    }

    /// The same for a role with arguments behind its name.
    pub(crate) fn start_with(bench: &Bench, args: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::start_as(args[0], bench, args, settings)
    }

    /// The same for one of several processes of a role; its log has this name.
    pub(crate) fn start_as(name: &str, bench: &Bench, args: &[&str], settings: &[(&str, &str)]) -> Self {
        let log = bench.state.path().join(format!("{name}.log"));
        let file = std::fs::File::create(&log).expect("a log file");
        let child = command(bench, settings).args(args).stdout(Stdio::null()).stderr(file).spawn();
        Self { child: child.expect("tape starts"), log }
    }

    /// Requests a stop and waits for it.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_for("the role to end", || {
            status = self.child.try_wait().expect("it can be asked");
            status.is_some()
        });
        status.expect("waited for")
    }

    /// What it has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("{}:\n{}", self.log.display(), lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// Runs a command of the bench's application to its end.
pub(crate) fn tape(bench: &Bench, args: &[&str], settings: &[(&str, &str)]) -> Output {
    command(bench, settings).args(args).output().expect("tape runs")
}

fn command(bench: &Bench, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tape"));
    command.env_clear().envs(bench.environment(&[("LOG_LEVEL", "info"), ("LOG_FORMAT", "text")]));
    command.envs(settings.iter().copied()).stdin(Stdio::null());
    command
}

/// Stdout of a run that must succeed.
pub(crate) fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The messages of a run that must be refused: the lines that a person sees at the end.
pub(crate) fn refused(output: &Output) -> String {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{stderr}");
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one message: {stderr}");
    errors[0].to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until the group has no members: a member that has stopped is one until its session ends.
pub(crate) fn until_empty(bench: &Bench) {
    let group = tape_processor_group(bench);
    wait_for("the group to be empty", || {
        bench.admin.group(&group, ASK).is_ok_and(|group| group.members.is_empty())
    });
}

/// The processor's group.
pub(crate) fn tape_processor_group(bench: &Bench) -> String {
    format!("{}-processor", bench.config(&[]).app_id)
}

/// All partitions of a topic of the bench.
pub(crate) fn parts(topic: &str) -> Vec<Part> {
    (0..PARTITIONS).map(|partition| Part::new(topic, partition)).collect()
}

/// Keys and values, by task.
type Stores = BTreeMap<i32, Vec<(Vec<u8>, Vec<u8>)>>;

/// Everything that a refusal must leave alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Committed offsets of the input.
    pub(crate) committed: Vec<(Part, Option<i64>)>,
    /// First offset and end of each log: input, changelog, rows, alerts.
    logs: Vec<(Part, i64, i64)>,
    /// Settings of the changelog.
    changelog: BTreeMap<String, String>,
    /// Keys and values of each store that holds some. How far it has read the changelog may move: reading the rest is no change.
    stores: Stores,
}

impl Facts {
    /// As they are now. A topic that does not exist has no logs.
    pub(crate) fn of(bench: &Bench) -> Self {
        let config = bench.config(&[]);
        let topics = &config.topics;
        let mut logs = Vec::new();
        for topic in [&topics.raw_trades, &topics.changelog, &topics.aggregates, &topics.alerts] {
            if bench.admin.partition_count(topic, ASK).expect("an answer").is_none() {
                continue;
            }
            let low = bench.admin.low_offsets(&parts(topic), ASK).expect("first offsets");
            let end = bench.admin.end_offsets(&parts(topic), Isolation::ReadUncommitted, ASK).expect("ends");
            logs.extend(low.into_iter().zip(end).map(|((part, low), (_, end))| (part, low, end)));
        }
        let changelog = bench.admin.describe(&topics.changelog, ASK).expect("an answer");
        Self {
            committed: committed(bench),
            logs,
            changelog: changelog.map(|found| found.config).unwrap_or_default(),
            stores: stores(&bench.state.path().join("state")),
        }
    }

    /// First offset and end of each partition of a topic.
    pub(crate) fn log(&self, topic: &str) -> Vec<(i64, i64)> {
        let of_topic = self.logs.iter().filter(|(part, ..)| &*part.topic == topic);
        of_topic.map(|(_, low, end)| (*low, *end)).collect()
    }
}

/// Committed offsets of the input.
pub(crate) fn committed(bench: &Bench) -> Vec<(Part, Option<i64>)> {
    let input = bench.config(&[]).topics.raw_trades.clone();
    bench.admin.committed(&tape_processor_group(bench), &parts(&input), ASK).expect("committed offsets")
}

/// What the stores hold; nothing while a processor has them.
fn stores(folder: &Path) -> Stores {
    let Ok(Some(_)) = StateDir::open_to_reset(folder) else { return BTreeMap::new() };
    // A process that another test is just starting holds the lock that was let go a moment longer.
    let mut opened = None;
    wait_for("the state folder to be free", || {
        opened = StateDir::open(folder).ok();
        opened.is_some()
    });
    let state = opened.expect("waited for");
    let shared = Shared::new(1 << 20, 1 << 20);
    let mut found = BTreeMap::new();
    for task in state.tasks().expect("a readable folder") {
        let store = Store::open(&state, task, &shared).expect("a store");
        let mut entries = Vec::new();
        let scanned = store.scan(|key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            Ok::<(), StoreError>(())
        });
        scanned.expect("a readable store");
        if !entries.is_empty() {
            found.insert(task, entries);
        }
    }
    found
}
