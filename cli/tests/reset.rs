//! `tape reset` on real servers: what it refuses, what it leaves alone, and that everything computed after it replaces what
//! was computed before.

mod role;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use role::{ASK, Facts, Role, committed, parts, refused, succeeded, tape, until_empty};
use tape_harness::{Bench, Tables, closing, expected, final_rows, wait_for};
use tape_kafka::{GroupSpec, Isolation, Outgoing, TopicSpec, TxnSpec, topics};
use tape_oracle::{Input, Market, Row, Settings};

/// Where the generation stands in a revision.
const GENERATION_BIT: i64 = 1 << 47;

fn market(seed: u64) -> Vec<Input> {
    let market = Market { seed, records: 30_000, symbols: 20, start_ms: 1_700_000_000_000, step_ms: 40 };
    let mut inputs = market.inputs();
    inputs.extend(closing(&market));
    inputs
}

/// Runs a processor until it has read everything.
fn process(bench: &Bench, settings: &[(&str, &str)]) {
    let processor = Role::start(bench, "process", settings);
    bench.drain();
    processor.stop();
}

/// Rows as they are computed in this generation.
fn in_generation(mut rows: BTreeMap<String, Vec<Row>>, generation: i64) -> BTreeMap<String, Vec<Row>> {
    rows.values_mut().flatten().for_each(|row| row.revision += generation * GENERATION_BIT);
    rows
}

/// The final rows of one generation in the topic.
fn rows_of(bench: &Bench, generation: i64) -> BTreeMap<String, Vec<Row>> {
    let mut rows = bench.final_rows();
    rows.values_mut().for_each(|rows| rows.retain(|row| row.revision / GENERATION_BIT == generation));
    rows.retain(|_, rows| !rows.is_empty());
    rows
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

/// Twice, the second time onto the store of a machine that knew nothing of the reset: the rows of the database are those of
/// the last run.
#[test]
fn everything_is_computed_again_and_replaces_what_was_there() {
    let bench = Bench::new("reset");
    bench.create_database();
    let inputs = market(41);
    bench.publish(&inputs);
    let sink = Role::start(&bench, "sink", &[]);
    process(&bench, &[]);
    let rows = final_rows(&expected(&inputs, &Settings::default()));
    let count = rows.values().map(Vec::len).sum::<usize>();
    assert_eq!(bench.final_rows(), rows);
    let tables = bench.tables();
    let written = |rows: &BTreeMap<String, Vec<Row>>| {
        let wanted: BTreeMap<_, _> = rows.values().flatten().map(Tables::row_line).collect();
        wait_for("the rows in the database", || {
            let mut found = tables.rows();
            found.retain(|_, line| line["is_final"] == "true");
            found == wanted
        });
    };
    written(&rows);
    let alerts = tables.alerts();
    assert!(count > 100 && alerts.len() > 10);

    let other = bench.state.path().join("other");
    copy(&bench.state.path().join("state"), &other);
    let other = other.to_string_lossy().into_owned();

    until_empty(&bench);
    let before = Facts::of(&bench);
    let plan = succeeded(&tape(&bench, &["reset", "--to", "earliest", "--dry-run", "--json"], &[]));
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("one JSON object");
    assert_eq!(Facts::of(&bench), before, "a dry run changes nothing");
    assert_eq!((&plan["generation_before"], &plan["generation"]), (&0.into(), &1.into()), "{plan}");
    assert_eq!(plan["stores"], serde_json::json!([0, 1, 2]), "{plan}");
    let again = plan["partitions"].as_array().expect("a list").iter().map(|line| line["again"].as_u64());
    assert_eq!(again.sum::<Option<u64>>(), Some(inputs.len() as u64), "{plan}");

    let report = succeeded(&tape(&bench, &["reset", "--to", "earliest"], &[]));
    assert!(report.contains("generation  1 (before: 0)") && report.contains("Done"), "{report}");
    let after = Facts::of(&bench);
    let changelog = bench.config(&[]).topics.changelog.clone();
    assert!(after.log(&changelog).iter().all(|(low, end)| *low > 0 && end - low == 1), "{after:?}");
    assert!(committed(&bench).iter().all(|(_, offset)| *offset == Some(0)), "{after:?}");
    process(&bench, &[]);
    assert_eq!(rows_of(&bench, 1), in_generation(rows.clone(), 1));
    written(&in_generation(rows.clone(), 1));

    until_empty(&bench);
    succeeded(&tape(&bench, &["reset", "--to", "earliest"], &[]));
    process(&bench, &[("STATE_DIR", &other)]);
    assert_eq!(rows_of(&bench, 2), in_generation(rows.clone(), 2));
    written(&in_generation(rows, 2));
    assert_eq!(tables.alerts(), alerts, "alerts of the same moments are the same alerts");
    drop(sink);
}

#[test]
fn it_is_refused_while_somebody_is_in_the_group() {
    let bench = Bench::new("member");
    bench.publish(&market(42)[..2_000]);
    let processor = Role::start(&bench, "process", &[("INSTANCE_ID", "pod-7")]);
    bench.drain();
    let before = Facts::of(&bench);
    // On its own machine the state folder is in use already; from another one only the group tells.
    let elsewhere = bench.state.path().join("elsewhere").to_string_lossy().into_owned();
    let here = refused(&tape(&bench, &["reset", "--to", "earliest"], &[]));
    assert!(here.contains("is in use by process"), "{here}");
    let other = [("STATE_DIR", elsewhere.as_str())];
    let live = refused(&tape(&bench, &["reset", "--to", "earliest"], &other));
    assert!(
        live.contains("pod-7-0") && live.contains("host 127.0.0.1") && live.contains("stop every processor")
    );
    // What counts: the coordinator takes nobody's offsets while there is a member.
    let start: Vec<_> = committed(&bench).into_iter().map(|(part, _)| (part, 0)).collect();
    let moved = bench.admin.move_group(&role::tape_processor_group(&bench), &start, ASK);
    let moved = moved.expect_err("refused");
    assert!(moved.to_string().contains("somebody has joined the group"), "{moved}");
    assert_eq!(Facts::of(&bench).committed, before.committed);
    processor.stop();
    let gone = refused(&tape(&bench, &["reset", "--to", "latest", "--dry-run"], &[]));
    assert!(gone.contains("pod-7-1") && gone.contains("KAFKA_SESSION_TIMEOUT=6s"), "{gone}");
}

/// Runs a reset during which somebody joins the group, after it has looked for members and before it holds them off: it waits
/// for a transaction meanwhile.
fn joined_late(bench: &Bench) -> Output {
    let config = bench.config(&[]);
    let changelog = &config.topics.changelog;
    let spec = TxnSpec {
        transaction_timeout: Duration::from_secs(60),
        linger: Duration::ZERO,
        compression: config.producer.compression,
        buffer_memory: 1 << 20,
        tracked_topic: None,
    };
    let holder = bench.clients.transactional_producer(&format!("{}-holder", bench.prefix), spec);
    let holder = holder.expect("a producer");
    holder.init(ASK).expect("taken over");
    holder.begin().expect("begun");
    let (partition, key) = (Some(0), Some(&b"somebody else"[..]));
    let record = Outgoing { topic: changelog, partition, key, value: Some(b"x"), ..Outgoing::default() };
    holder.send(&record).expect("sent");
    let end = |isolation| bench.admin.end_offsets(&parts(changelog), isolation, ASK).expect("an answer");
    wait_for("the transaction", || end(Isolation::ReadCommitted) != end(Isolation::ReadUncommitted));

    let mut reset = Command::new(env!("CARGO_BIN_EXE_tape"))
        .env_clear()
        .envs(bench.environment(&[]))
        .args(["reset", "--to", "earliest"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tape starts");
    let plan = BufReader::new(reset.stdout.take().expect("piped"));
    let planned = plan.lines().map_while(Result::ok).any(|line| line.starts_with("state "));
    assert!(planned, "{:?}", reset.wait_with_output());
    let group = role::tape_processor_group(bench);
    let member = bench.clients.group_consumer(GroupSpec {
        group: group.clone(),
        instance_id: Some("latecomer".to_owned()),
        topics: vec![config.topics.raw_trades.clone()],
        session_timeout: Duration::from_secs(6),
        max_poll_interval: Duration::from_secs(60),
    });
    let mut member = member.expect("a member");
    wait_for("the member", || {
        member.poll_events().expect("it lives");
        bench.admin.group(&group, ASK).is_ok_and(|group| !group.members.is_empty())
    });
    holder.abort(ASK).expect("aborted");
    let output = reset.wait_with_output().expect("it ends");
    drop(member);
    output
}

/// Somebody who joins late is found before anything is changed for good: the changelog lacks no state and has got no partition
/// that would pass for a new one. Behind a gate that an earlier reset has closed, nobody knows, and it stays closed.
#[test]
fn it_is_refused_when_somebody_joins_late() {
    let bench = Bench::new("latecomer");
    let inputs = market(47);
    bench.publish(&inputs);
    process(&bench, &[]);
    until_empty(&bench);
    let names = bench.config(&[]).topics.clone();
    bench.admin.grow(&names.raw_trades, 4, ASK).expect("grown");
    let found = || {
        let state = bench.admin.describe(&names.changelog, ASK).expect("an answer").expect("it exists");
        let low = bench.admin.low_offsets(&parts(&names.changelog), ASK).expect("first offsets");
        (state.partitions, state.config["cleanup.policy"].clone(), low, committed(&bench))
    };
    let before = found();
    let message = refused(&joined_late(&bench));
    assert!(message.contains("latecomer") && message.contains("stop every processor"), "{message}");
    assert!(!message.contains("not finished"), "{message}");
    assert_eq!(found(), before);
    until_empty(&bench);

    let closed = [("cleanup.policy", Some(topics::RESETTING))];
    bench.admin.alter_topic(&names.changelog, &closed, ASK).expect("changed");
    wait_for("the new policy", || found().1 == topics::RESETTING);
    let before = found();
    let message = refused(&joined_late(&bench));
    assert!(message.contains("latecomer") && message.contains("the reset is not finished"), "{message}");
    assert_eq!(found(), before);
    until_empty(&bench);

    succeeded(&tape(&bench, &["reset", "--to", "earliest"], &[]));
    let (partitions, policy, ..) = found();
    assert_eq!((partitions, policy.as_str()), (4, "compact"));
    let processor = Role::start(&bench, "process", &[]);
    wait_for("lag zero", || {
        let lag = bench.admin.lag(&role::tape_processor_group(&bench), &names.raw_trades, ASK);
        lag.is_ok_and(|lag| lag.len() == 4 && lag.iter().all(|lag| lag.records() == 0))
    });
    processor.stop();
    assert_eq!(rows_of(&bench, 1), in_generation(final_rows(&expected(&inputs, &Settings::default())), 1));
}

/// Another window is refused, naming the command; after it the same log gives the rows of that window.
#[test]
fn another_window_starts_over() {
    let bench = Bench::new("window");
    let inputs = market(43);
    bench.publish(&inputs);
    process(&bench, &[]);
    let wider = [("WINDOW_DURATION", "10m")];
    let before = Facts::of(&bench);
    let message = refused(&tape(&bench, &["process"], &wider));
    assert!(message.contains("WINDOW_DURATION=300000ms") && message.contains("`tape reset`"), "{message}");
    assert_eq!(Facts::of(&bench), before);

    until_empty(&bench);
    succeeded(&tape(&bench, &["reset", "--to", "earliest"], &wider));
    process(&bench, &wider);
    let settings = Settings { window_ms: 600_000, ..Settings::default() };
    let wanted = final_rows(&expected(&inputs, &settings));
    assert_eq!(rows_of(&bench, 1), in_generation(wanted, 1));
}

#[test]
fn it_goes_to_a_time_or_to_the_end() {
    let bench = Bench::new("time");
    let inputs = market(44);
    let (early, late) = inputs.split_at(10_000);
    let input = bench.config(&[]).topics.raw_trades.clone();
    let end = || bench.admin.end_offsets(&parts(&input), Isolation::ReadCommitted, ASK).expect("ends");
    bench.publish(early);
    let between = end();
    // The broker's clock must have moved on before the next record.
    let last = now_ms();
    wait_for("the next millisecond", || now_ms() > last + 1);
    let time = (last + 1).to_string();
    bench.publish(late);

    succeeded(&tape(&bench, &["reset", "--to", &time], &[]));
    let offsets = |ends: Vec<(tape_kafka::Part, i64)>| -> Vec<_> {
        ends.into_iter().map(|(part, offset)| (part, Some(offset))).collect()
    };
    assert_eq!(committed(&bench), offsets(between));
    // After every record, and a day before the first.
    for (to, wanted) in [("2124-01-01T00:00:00Z", end()), ("latest", end())] {
        succeeded(&tape(&bench, &["reset", "--to", to], &[]));
        assert_eq!(committed(&bench), offsets(wanted), "{to}");
    }
    succeeded(&tape(&bench, &["reset", "--to", "2023-11-14"], &[]));
    assert!(committed(&bench).iter().all(|(_, offset)| *offset == Some(0)));
    process(&bench, &[]);
    assert_eq!(rows_of(&bench, 4), in_generation(final_rows(&expected(&inputs, &Settings::default())), 4));
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("fits")
}

/// A reset that died between its steps leaves an application that no processor starts on; the same command ends it.
#[test]
fn one_that_was_interrupted_is_ended_by_another() {
    let bench = Bench::new("halfway");
    let inputs = market(45);
    bench.publish(&inputs);
    process(&bench, &[]);
    until_empty(&bench);
    let changelog = bench.config(&[]).topics.changelog.clone();
    let logs = parts(&changelog);
    let policy = |value: &str| {
        let settings = [("cleanup.policy", Some(value)), ("retention.ms", None)];
        bench.admin.alter_topic(&changelog, &settings, ASK).expect("changed");
        wait_for("the new policy", || {
            let found = bench.admin.describe(&changelog, ASK).expect("an answer").expect("it exists");
            found.config["cleanup.policy"] == value
        });
    };
    let empty = || {
        let end = bench.admin.end_offsets(&logs, Isolation::ReadUncommitted, ASK).expect("ends");
        bench.admin.delete_records(&end, ASK).expect("deleted");
    };
    // After the step that holds processors off.
    policy(topics::RESETTING);
    let message = refused(&tape(&bench, &["process"], &[]));
    assert!(message.contains(&changelog) && message.contains("`tape reset` was interrupted"), "{message}");
    // After the changelog was emptied, and a person put the policy right.
    write_marker(&bench, &changelog);
    empty();
    policy("compact");
    let message = refused(&tape(&bench, &["process"], &[]));
    assert!(message.contains("holds no state") && message.contains("`tape reset`"), "{message}");
    until_empty(&bench);
    // After the offsets were moved.
    let input = bench.config(&[]).topics.raw_trades.clone();
    let moved: Vec<_> = parts(&input).into_iter().map(|part| (part, 5)).collect();
    bench.admin.move_group(&role::tape_processor_group(&bench), &moved, ASK).expect("moved");
    let message = refused(&tape(&bench, &["process"], &[]));
    assert!(message.contains("holds no state"), "{message}");
    until_empty(&bench);

    succeeded(&tape(&bench, &["reset", "--to", "earliest"], &[]));
    process(&bench, &[]);
    let rows = final_rows(&expected(&inputs, &Settings::default()));
    assert_eq!(rows_of(&bench, 1), in_generation(rows, 1), "the generation was found in the rows");
}

fn write_marker(bench: &Bench, changelog: &str) {
    let producer = bench.clients.producer(&bench.config(&[]).producer).expect("a producer");
    for part in parts(changelog) {
        let (partition, key) = (Some(part.partition), Some(&b"tape reset"[..]));
        let value = Some(&b""[..]);
        producer
            .send(&Outgoing { topic: changelog, partition, key, value, ..Outgoing::default() })
            .expect("sent");
    }
    producer.flush(ASK).expect("written");
}

/// A new application, and one whose changelog is gone or has too few partitions.
#[test]
fn an_application_without_state_may_be_reset() {
    let bench = Bench::new("blank");
    let inputs = market(46);
    bench.publish(&inputs);
    let name = |what: &str| format!("{}-{what}", bench.prefix);
    // No changelog.
    let missing = name("missing");
    let settings = [("KAFKA_TOPIC_CHANGELOG", missing.as_str())];
    let report = succeeded(&tape(&bench, &["reset", "--to", "latest", "--dry-run"], &settings));
    assert!(report.contains("generation  1\n") && report.contains("none on this machine"), "{report}");
    assert_eq!(
        bench.admin.partition_count(&missing, ASK).expect("an answer"),
        None,
        "a dry run creates nothing"
    );
    succeeded(&tape(&bench, &["reset", "--to", "earliest"], &settings));
    process(&bench, &settings);
    let rows = final_rows(&expected(&inputs, &Settings::default()));
    assert_eq!(rows_of(&bench, 1), in_generation(rows.clone(), 1));

    // One with fewer partitions than the input is refused by the processor, and grown.
    let narrow = name("narrow");
    let settings = [("KAFKA_TOPIC_CHANGELOG", narrow.as_str())];
    let spec = |name: &str, partitions| TopicSpec {
        name: name.to_owned(),
        partitions,
        ..topics::changelog(&bench.config(&[]))
    };
    bench.admin.create(&[spec(&narrow, 1)], Duration::from_secs(10)).expect("a new topic");
    let message = refused(&tape(&bench, &["process"], &settings));
    assert!(
        message.contains("number of partitions is 1, must be 3") && message.contains("tape reset"),
        "{message}"
    );
    until_empty(&bench);
    succeeded(&tape(&bench, &["reset", "--to", "earliest"], &settings));
    assert_eq!(bench.admin.partition_count(&narrow, ASK).expect("an answer"), Some(3));
    process(&bench, &settings);
    assert_eq!(rows_of(&bench, 2), in_generation(rows, 2));

    // One with more cannot be made smaller.
    let wide = name("wide");
    bench.admin.create(&[spec(&wide, 5)], Duration::from_secs(10)).expect("a new topic");
    until_empty(&bench);
    let message = refused(&tape(&bench, &["reset", "--to", "earliest"], &[("KAFKA_TOPIC_CHANGELOG", &wide)]));
    assert!(message.contains(&wide) && message.contains("delete"), "{message}");
}
