//! Faults that no program can heal, because records are gone: the processor stops with one message that names the remedy, and
//! touches nothing.

mod role;

use std::collections::BTreeMap;
use std::path::Path;

use role::{ASK, Facts, Role, committed, refused, succeeded, tape, tape_processor_group, until_empty};
use tape_harness::{Bench, closing, expected, final_rows, wait_for};
use tape_kafka::{Outgoing, TopicSpec, topics};
use tape_oracle::{Input, Market, Settings};

fn market(seed: u64) -> Vec<Input> {
    let market = Market { seed, records: 10_000, symbols: 20, start_ms: 1_700_000_000_000, step_ms: 40 };
    let mut inputs = market.inputs();
    inputs.extend(closing(&market));
    inputs
}

/// An application that has read everything and was stopped in order.
fn stopped(name: &str, seed: u64) -> (Bench, Vec<Input>) {
    let (bench, inputs) = (Bench::new(name), market(seed));
    bench.publish(&inputs);
    let processor = Role::start(&bench, "process", &[]);
    bench.drain();
    processor.stop();
    until_empty(&bench);
    (bench, inputs)
}

/// Deletes a topic and makes it anew.
fn recreate(bench: &Bench, topic: &str) {
    bench.admin.delete(&[topic], ASK).expect("deleted");
    wait_for("the deletion", || bench.admin.partition_count(topic, ASK).is_ok_and(|found| found.is_none()));
    let spec = topics::specs(&bench.config(&[])).into_iter().find(|spec| spec.name == topic);
    let spec = TopicSpec { partitions: tape_harness::PARTITIONS, ..spec.expect("one of tape's topics") };
    wait_for("the new topic", || bench.admin.create(std::slice::from_ref(&spec), ASK).is_ok());
}

/// The processor is refused with these words, names the remedy, and leaves everything as it is. Twice: the first refusal must
/// not make the second start succeed.
fn is_refused(bench: &Bench, words: &[&str]) {
    for _ in 0..2 {
        let before = Facts::of(bench);
        let message = refused(&tape(bench, &["process"], &[]));
        for word in words.iter().chain(&["`tape reset`"]) {
            assert!(message.contains(word), "{word} is missing in: {message}");
        }
        assert_eq!(Facts::of(bench), before, "{message}");
    }
}

/// The remedy works: after it, everything that the log holds is computed.
fn is_healed(bench: &Bench, inputs: &[Input]) {
    until_empty(bench);
    succeeded(&tape(bench, &["reset", "--to", "earliest"], &[]));
    let processor = Role::start(bench, "process", &[]);
    let input = bench.config(&[]).topics.raw_trades.clone();
    wait_for("lag zero", || {
        let lag = bench.admin.lag(&tape_processor_group(bench), &input, ASK);
        lag.is_ok_and(|lag| lag.iter().all(|lag| lag.records() == 0))
    });
    processor.stop();
    let mut found = bench.final_rows();
    for rows in found.values_mut() {
        rows.retain(|row| row.revision >> 47 == 1);
        rows.iter_mut().for_each(|row| row.revision -= 1 << 47);
    }
    found.retain(|_, rows| !rows.is_empty());
    assert_eq!(found, final_rows(&expected(inputs, &Settings::default())));
}

/// Records of nobody, to make a log as long as it was.
fn fill(bench: &Bench, topic: &str, lengths: &BTreeMap<i32, i64>) {
    let producer = bench.clients.producer(&bench.config(&[]).producer).expect("a producer");
    for (partition, length) in lengths {
        for _ in 0..*length {
            let (partition, key) = (Some(*partition), Some(&b"somebody else"[..]));
            let record = Outgoing { topic, partition, key, value: Some(b"x"), ..Outgoing::default() };
            while producer.send(&record).is_err() {}
        }
    }
    producer.flush(ASK).expect("written");
}

#[test]
fn a_changelog_made_anew() {
    let (bench, inputs) = stopped("anew", 51);
    let changelog = bench.config(&[]).topics.changelog.clone();
    let ends: BTreeMap<_, _> =
        (0..).zip(Facts::of(&bench).log(&changelog)).map(|(partition, (_, end))| (partition, end)).collect();
    recreate(&bench, &changelog);
    let anew = ["task ", &changelog, "deleted and made anew", "topic id "];
    is_refused(&bench, &anew);
    // Grown beyond what the stores have read, it would pass for the old one.
    until_empty(&bench);
    fill(&bench, &changelog, &ends.into_iter().map(|(partition, end)| (partition, end + 50)).collect());
    is_refused(&bench, &anew);
    is_healed(&bench, &inputs);
}

/// The processor makes a missing changelog itself; that must not make the loss unseen, nor may the loss of the stores, too.
#[test]
fn a_changelog_that_is_gone() {
    let (bench, inputs) = stopped("gone", 52);
    let changelog = bench.config(&[]).topics.changelog.clone();
    bench.admin.delete(&[&changelog], ASK).expect("deleted");
    wait_for("the deletion", || {
        bench.admin.partition_count(&changelog, ASK).is_ok_and(|found| found.is_none())
    });
    let message = refused(&tape(&bench, &["process"], &[]));
    assert!(message.contains("deleted and made anew") && message.contains("`tape reset`"), "{message}");
    std::fs::remove_dir_all(bench.state.path().join("state")).expect("deleted");
    until_empty(&bench);
    let message = refused(&tape(&bench, &["process"], &[]));
    assert!(message.contains("committed offsets but") && message.contains("holds no state"), "{message}");
    assert!(message.contains(&changelog) && message.contains("`tape reset`"), "{message}");
    is_healed(&bench, &inputs);
}

/// On brokers without topic ids only the offsets tell: a store that is ahead of the changelog.
#[test]
fn a_changelog_that_ends_before_the_store() {
    let (bench, inputs) = stopped("short", 53);
    // State of an application whose changelog was longer, without any id in it.
    let changelog = bench.config(&[]).topics.changelog.clone();
    let config = bench.config(&[]);
    let state = tape_state::StateDir::open(&config.processing.state_dir).expect("a state folder");
    let shared = tape_state::Shared::new(1 << 20, 1 << 20);
    for (partition, (_, end)) in (0..).zip(Facts::of(&bench).log(&changelog)) {
        let mut store = tape_state::Store::open(&state, partition, &shared).expect("a store");
        store.apply([], end + 1).expect("applied");
        store.close().expect("closed");
    }
    drop(state);
    is_refused(&bench, &["the local state has read the changelog up to", "on this machine"]);
    is_healed(&bench, &inputs);
}

#[test]
fn input_that_retention_took_before_it_was_read() {
    let (bench, inputs) = stopped("retention", 54);
    let input = bench.config(&[]).topics.raw_trades.clone();
    let mut more = inputs.clone();
    more.extend(market(55));
    bench.publish(&more[inputs.len()..]);
    let gap: Vec<_> =
        committed(&bench).into_iter().map(|(part, offset)| (part, offset.expect("committed") + 7)).collect();
    bench.admin.delete_records(&gap, ASK).expect("deleted");
    is_refused(&bench, &[&input, "were deleted before they were processed", "retention"]);
    // What is left is computed, from the first record that there is.
    until_empty(&bench);
    succeeded(&tape(&bench, &["reset", "--to", "earliest"], &[]));
    assert_eq!(committed(&bench), gap.into_iter().map(|(part, low)| (part, Some(low))).collect::<Vec<_>>());
    let processor = Role::start(&bench, "process", &[]);
    bench.drain();
    processor.stop();
}

#[test]
fn an_input_made_anew() {
    let (bench, _) = stopped("input", 56);
    let input = bench.config(&[]).topics.raw_trades.clone();
    let old: Vec<_> =
        committed(&bench).into_iter().map(|(part, offset)| (part, offset.expect("committed"))).collect();
    recreate(&bench, &input);
    let fresh = market(57);
    bench.publish(&fresh[..100]);
    // Shorter than it was: the offsets tell, or the id where nothing had been committed.
    is_refused(&bench, &[&input, "made anew"]);
    // Grown beyond the committed offsets, only the id of the topic tells.
    let mut all = fresh[..100].to_vec();
    for seed in 58..60 {
        let more = market(seed);
        bench.publish(&more);
        all.extend(more);
    }
    let ends = Facts::of(&bench).log(&input);
    assert!(old.iter().zip(ends).all(|((_, offset), (_, end))| *offset < end));
    until_empty(&bench);
    // The broker may have forgotten the offsets with the topic; a group that was moved by hand has them again.
    bench.admin.move_group(&tape_processor_group(&bench), &old, ASK).expect("moved");
    is_refused(&bench, &["task ", &input, "was deleted and made anew", "topic id "]);
    is_healed(&bench, &all);
}

/// Input and changelog grown together fit each other; that symbols lie elsewhere now, only the state tells.
#[test]
fn partitions_that_came_while_nobody_looked() {
    let (bench, inputs) = stopped("grown", 67);
    let topics = bench.config(&[]).topics.clone();
    for topic in [&topics.raw_trades, &topics.changelog] {
        bench.admin.grow(topic, 4, ASK).expect("grown");
    }
    is_refused(
        &bench,
        &["task ", &topics.raw_trades, "has 4 partitions now, it had 3 when the state was written"],
    );
    is_healed(&bench, &inputs);
}

/// State without the offsets that belong to it.
#[test]
fn offsets_of_a_group_that_are_gone() {
    let (bench, inputs) = stopped("offsets", 61);
    bench.admin.delete_group(&tape_processor_group(&bench), ASK).expect("deleted");
    assert!(committed(&bench).iter().all(|(_, offset)| offset.is_none()));
    is_refused(&bench, &["there is state in", "no committed offset", "deleted or expired"]);
    is_healed(&bench, &inputs);
}

/// A topic that goes away under a running processor ends it; what it has done stays.
#[test]
fn an_input_deleted_while_it_is_read() {
    let (bench, inputs) = (Bench::new("torn"), market(62));
    bench.publish(&inputs);
    let mut processor = Role::start(&bench, "process", &[]);
    bench.drain();
    let input = bench.config(&[]).topics.raw_trades.clone();
    wait_for("the deletion", || bench.admin.delete(&[&input], ASK).is_ok());
    ends_with(&mut processor, &[&input, "was deleted while the processor was running", "`tape reset`"]);
}

/// So does one that is replaced by another, or that gets more partitions.
#[test]
fn an_input_changed_while_it_is_read() {
    let (bench, inputs) = (Bench::new("changed"), market(64));
    bench.publish(&inputs);
    let mut processor = Role::start(&bench, "process", &[]);
    bench.drain();
    let input = bench.config(&[]).topics.raw_trades.clone();
    bench.admin.grow(&input, 4, ASK).expect("grown");
    ends_with(&mut processor, &[&input, "has 4 partitions now, it had 3", "`tape reset`"]);
    // The next start says the same of the changelog.
    let message = refused(&tape(&bench, &["process"], &[]));
    assert!(message.contains("number of partitions is 3, must be 4") && message.contains("`tape reset`"));

    let (bench, inputs) = (Bench::new("replaced"), market(65));
    bench.publish(&inputs);
    let mut processor = Role::start(&bench, "process", &[]);
    bench.drain();
    let input = bench.config(&[]).topics.raw_trades.clone();
    recreate(&bench, &input);
    bench.publish(&inputs);
    bench.publish(&inputs[..500]);
    ends_with(&mut processor, &[&input, "made anew while the processor was running", "`tape reset`"]);
    until_empty(&bench);
    let message = refused(&tape(&bench, &["process"], &[]));
    assert!(message.contains(&input) && message.contains("made anew"), "{message}");
}

/// A reset that begins behind the back of a processor ends it: its state is about to be deleted.
#[test]
fn a_reset_that_begins_while_it_runs() {
    let (bench, inputs) = (Bench::new("begun"), market(66));
    bench.publish(&inputs);
    let mut processor = Role::start(&bench, "process", &[]);
    bench.drain();
    let changelog = bench.config(&[]).topics.changelog.clone();
    bench
        .admin
        .alter_topic(&changelog, &[("cleanup.policy", Some(topics::RESETTING))], ASK)
        .expect("changed");
    ends_with(&mut processor, &[&changelog, "`tape reset` has begun to empty", "run it again to its end"]);
    is_healed(&bench, &inputs);
}

/// The processor ends by itself, refused, with one message that has these words.
fn ends_with(processor: &mut Role, words: &[&str]) {
    let status = processor.ended();
    let log = processor.log();
    assert_eq!(status.code(), Some(64), "{log}");
    let errors: Vec<_> = log.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(words.iter().all(|word| errors[0].contains(word)), "{errors:?}");
}

/// The local state is a copy: losing it under a running processor costs a restore and nothing else.
#[test]
fn a_state_folder_deleted_while_it_is_used() {
    let (bench, inputs) = (Bench::new("swept"), market(63));
    let (early, late) = inputs.split_at(inputs.len() / 2);
    bench.publish(early);
    let processor = Role::start(&bench, "process", &[]);
    bench.drain();
    let state = bench.state.path().join("state");
    for entry in std::fs::read_dir(&state).expect("a readable folder").flatten() {
        let path = entry.path();
        let removed =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.expect("removed");
    }
    bench.publish(late);
    bench.drain();
    processor.stop();
    until_empty(&bench);
    // What did not reach the disk is in the changelog.
    let processor = Role::start(&bench, "process", &[]);
    wait_for("the start", || processor.log().contains("ready"));
    processor.stop();
    assert_eq!(bench.final_rows(), final_rows(&expected(&inputs, &Settings::default())));
}

/// A folder that cannot be used is told at the start, before anything is asked of Kafka.
#[test]
fn a_state_folder_that_cannot_be_written() {
    let bench = Bench::new("unwritable");
    let file = bench.state.path().join("file");
    std::fs::write(&file, "no folder").expect("written");
    for folder in [file.as_path(), Path::new("/proc/tape")] {
        let folder = folder.to_string_lossy();
        for command in [&["process"][..], &["reset", "--to", "latest"]] {
            if command[0] == "reset" && folder.starts_with("/proc") {
                continue;
            }
            let message = refused(&tape(&bench, command, &[("STATE_DIR", &folder)]));
            assert!(message.contains(&*folder) && message.contains("another STATE_DIR"), "{message}");
        }
    }
    assert!(committed(&bench).iter().all(|(_, offset)| offset.is_none()));
}
