//! `status`, `dump` and `check` on a system that runs, that has stopped, and that is damaged.

mod program;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Output;

use program::{Tape, text};
use serde_json::Value;
use tape_harness::{Bench, PARTITIONS, Running, wait_for};
use tape_oracle::{Input, Market};
use tape_proto::partition::partition;
use tape_state::{Entry, Key, PaneValue, Shared, StateDir, Store, StoreError, View};

/// Lateness that the settings of a bench grant, ms.
const WATERMARK_DELAY_MS: i64 = 60_000;

/// `tape` under the settings of a bench.
fn tape(bench: &Bench, settings: &[(&str, &str)], args: &[&str]) -> Output {
    let mut tape = Tape::new(bench.state.path());
    for (name, value) in bench.environment(settings) {
        tape.env(&name, &value);
    }
    tape.env("LOG_LEVEL", "warn").args(args.iter().copied()).output()
}

fn json(output: &Output) -> Value {
    let shown = text(&output.stdout);
    serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}\n{}", text(&output.stderr)))
}

fn succeed(output: Output) -> Output {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    output
}

fn status(bench: &Bench, settings: &[(&str, &str)]) -> Value {
    json(&succeed(tape(bench, settings, &["status", "--json"])))
}

/// An address that nobody listens on now.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// Largest event time of each partition.
fn stream_times(inputs: &[Input]) -> BTreeMap<i64, i64> {
    let mut times = BTreeMap::new();
    for input in inputs {
        let (Some(key), Some(trade)) = (&input.key, &input.trade) else { continue };
        let time = times.entry(i64::from(partition(key, PARTITIONS))).or_insert(trade.event_time);
        *time = (*time).max(trade.event_time);
    }
    times
}

fn stop(bench: &Bench, processor: Running) {
    processor.stop().expect("stops in order");
    // Static members stay in the group until their session is over.
    wait_for("a group without members", || {
        let group = bench.admin.group(&format!("{}-processor", bench.prefix), tape_harness::DEADLINE);
        group.is_ok_and(|group| group.members.is_empty())
    });
}

fn market() -> Vec<Input> {
    Market { seed: 5, records: 20_000, symbols: 20, start_ms: 1_700_000_000_000, step_ms: 40 }.inputs()
}

#[test]
fn status_of_a_system_that_runs_and_that_has_stopped() {
    let bench = Bench::new("status");
    let address = free_address();
    let settings = [("HTTP_BIND_PROCESSOR", address.as_str())];
    let inputs = market();
    bench.publish(&inputs);
    let processor = bench.start(&settings);
    bench.drain();
    let url = format!("http://{address}");
    let mut found = Value::Null;
    // The second worker may join a moment after the first, and then they share out anew.
    wait_for("both workers in the group, every task to run, and nothing wrong but the missing sink", || {
        found = status(&bench, &settings);
        let (members, tasks) = (&found["processor"]["members"], &found["tasks"]);
        members.as_array().is_some_and(|members| members.len() == 2)
            && tasks.as_array().is_some_and(|tasks| {
                tasks.iter().all(|task| task["process"]["phase"] == "running" && task["owner"].is_string())
            })
            && found["problems"].as_array().is_some_and(|problems| problems.len() == 1)
    });
    let members = found["processor"]["members"].as_array().expect("members");
    assert_eq!(members.len(), 2, "{found}");
    assert!(members.iter().all(|member| {
        let instance = member["instance_id"].as_str().expect("a static member");
        instance.starts_with(&format!("{}-", bench.prefix))
    }));
    assert!(found["problems"][0].as_str().is_some_and(|why| why.starts_with("no sink runs")), "{found}");
    assert_eq!((&found["well"], &found["processor"]["lag"]), (&false.into(), &0.into()));
    for (partition, time) in stream_times(&inputs) {
        let task = &found["tasks"][usize::try_from(partition).expect("small")];
        assert_eq!(task["partition"], partition);
        assert_eq!(task["stream_time"], time, "{task}");
        assert_eq!(task["watermark"], time - WATERMARK_DELAY_MS, "{task}");
        assert_eq!(task["process"]["watermark"], time - WATERMARK_DELAY_MS, "{task}");
        assert_eq!(task["committed"], task["end"]);
        assert_eq!(task["process"]["next_offset"], task["end"]);
        assert!(task["owner"].is_string() && task["changelog_end"].as_i64() > Some(0), "{task}");
        assert!(task["process"]["panes"].as_i64() > Some(0), "{task}");
    }

    // From a machine whose settings name no processor: unknown, not wrong; and by its address.
    let unknown = status(&bench, &[]);
    assert!(unknown["tasks"].as_array().expect("tasks").iter().all(|task| task["process"].is_null()));
    let asked = json(&succeed(tape(&bench, &[], &["status", "--json", "--url", &url])));
    assert_eq!(asked["tasks"][0]["process"]["phase"], "running");
    let shown = text(&succeed(tape(&bench, &settings, &["status"])).stdout);
    assert!(shown.starts_with("Not well: no sink runs: group "), "{shown}");
    assert!(shown.contains("running") && shown.contains("2023-11-14T22:"), "{shown}");

    stop(&bench, processor);
    let stopped = status(&bench, &settings);
    let shown = stopped["problems"][0].as_str().expect("a problem");
    assert!(shown.starts_with("no processor runs"), "{stopped}");
    assert!(stopped["processes"][0]["error"].is_string() && stopped["tasks"][0]["process"].is_null());
    assert_eq!(stopped["tasks"][0]["watermark"], found["tasks"][0]["watermark"]);
    let wrong = tape(&bench, &[], &["status", "--url", "localhost:1"]);
    assert_eq!(wrong.status.code(), Some(64), "{}", text(&wrong.stderr));
}

#[test]
fn what_is_dumped_is_the_state_and_check_finds_what_is_wrong() {
    let bench = Bench::new("check");
    let (inputs, settings) = (market(), []);
    bench.publish(&inputs);
    let processor = bench.start(&settings);
    bench.drain();
    // 64 as long as the stores have flushed nothing either: what was not compared is not called equal.
    let live = json(&tape(&bench, &settings, &["check", "--json"]));
    let why = live["partitions"][0]["recomputation"]["not_compared"].as_str().expect("left out");
    assert!(why.contains("members"), "{live}");
    stop(&bench, processor);

    let lines = |args: &[&str]| -> Vec<Value> {
        let shown = text(&succeed(tape(&bench, &settings, args)).stdout);
        shown.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    };
    let name = |line: &Value| (line["partition"].as_i64(), line["key"].to_string());
    let state: BTreeMap<_, _> =
        lines(&["dump", "state"]).into_iter().map(|line| (name(&line), line["value"].clone())).collect();
    let mut last = BTreeMap::new();
    for line in lines(&["dump", "changelog"]) {
        match &line["value"] {
            Value::Null => drop(last.remove(&name(&line))),
            value => drop(last.insert(name(&line), value.clone())),
        }
    }
    assert!(state.len() > 50, "{} entries", state.len());
    assert_eq!(state, last);
    let raw = format!("{}-raw", bench.prefix);
    let one = lines(&["dump", &raw, "--partition", "1", "--from", "3", "--limit", "1"]);
    assert_eq!((&one[0]["partition"], &one[0]["offset"]), (&1.into(), &3.into()));
    assert_eq!(tape(&bench, &[], &["dump", "state", "--from", "3"]).status.code(), Some(64));

    let good = json(&succeed(tape(&bench, &settings, &["check", "--json"])));
    assert_eq!(good["equal"], true, "{good}");
    for partition in good["partitions"].as_array().expect("partitions") {
        assert!(partition["store"]["entries"].as_i64() > Some(10), "{partition}");
        assert!(partition["recomputation"]["records"].as_i64() > Some(100), "{partition}");
        assert_eq!(partition["store"]["entries"], partition["recomputation"]["entries"]);
    }

    let (symbol, pane) = damage(&bench);
    let bad = tape(&bench, &settings, &["check", "--partition", "1"]);
    assert_eq!(bad.status.code(), Some(1), "{}", text(&bad.stderr));
    let shown = text(&bad.stdout);
    assert!(shown.contains("1 DIFFER"), "{shown}");
    assert!(shown.contains(&format!("differs {{\"symbol\":\"{symbol}\",\"pane\":{pane}}}")), "{shown}");
    assert!(shown.contains("partition 1: recomputed") && shown.contains("entries: equal"), "{shown}");
    // Another setting makes another state of the same input.
    let other = tape(&bench, &[("WATERMARK_DELAY", "30s")], &["check", "--partition", "0"]);
    assert_eq!(other.status.code(), Some(1), "{}", text(&other.stdout));
    assert!(text(&other.stdout).contains("\"meta\""), "{}", text(&other.stdout));
}

/// Writes a wrong sum into a pane of partition 1, and says which.
fn damage(bench: &Bench) -> (String, i64) {
    let folder = bench.state.path().join("state");
    let mut found: Option<(String, i64, PaneValue)> = None;
    let view = View::open(&folder, 1).expect("a store");
    view.entries(|entry| {
        if let Entry::Pane(symbol, start, pane) = entry {
            found.get_or_insert((symbol.to_owned(), start, pane));
        }
        Ok::<(), StoreError>(())
    })
    .expect("readable");
    let (symbol, start, mut pane) = found.expect("a pane");
    pane.sum_size += 1;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    Key::Pane(&symbol, start).encode(&mut key).expect("a key");
    pane.encode(&mut value).expect("a value");
    let directory = StateDir::open(&folder).expect("nobody has it");
    let mut store = Store::open(&directory, 1, &Shared::new(1 << 20, 1 << 20)).expect("a store");
    let offset = store.changelog_offset().expect("an offset");
    store.apply([(key.as_slice(), Some(value.as_slice()))], offset).expect("applied");
    store.close().expect("flushed");
    (symbol, start)
}
