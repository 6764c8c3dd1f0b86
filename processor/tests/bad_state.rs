//! State that is damaged, and topics that do not fit: the first heals itself, the second is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tape_harness::{Bench, Running, alerts_by_symbol, closing, expected, final_rows};
use tape_kafka::TopicSpec;
use tape_oracle::{Market, Settings};

/// All files with this extension below a folder.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_damaged_store_is_set_aside_and_restored() {
    let bench = Bench::new("damaged");
    let market = Market { seed: 31, records: 30_000, symbols: 20, start_ms: 1_700_000_000_000, step_ms: 40 };
    let mut inputs = market.inputs();
    inputs.extend(closing(&market));
    let (early, late) = inputs.split_at(inputs.len() / 2);
    bench.publish(early);
    let processor = bench.start(&[]);
    bench.drain();
    processor.stop().expect("stops in order");

    let state = bench.state.path().join("state");
    let tables = files(&state, "sst");
    assert!(!tables.is_empty(), "a stopped processor has flushed its stores");
    for table in &tables {
        let mut bytes = fs::read(table).expect("a readable table");
        let middle = bytes.len() / 2;
        bytes[middle.saturating_sub(64)..middle].fill(0xa5);
        fs::write(table, bytes).expect("a writable table");
    }
    bench.publish(late);
    let processor = bench.start(&[]);
    bench.drain();
    processor.stop().expect("stops in order");

    let kept = |entry: fs::DirEntry| entry.file_name().to_string_lossy().contains(".corrupt-").then_some(());
    let folders = fs::read_dir(&state).expect("a readable folder").flatten();
    assert!(folders.filter_map(kept).count() > 0, "what was damaged is kept for a look");
    let partitions = expected(&inputs, &Settings::default());
    assert_eq!(bench.final_rows(), final_rows(&partitions));
    assert_eq!(bench.alerts(), alerts_by_symbol(&partitions));
}

#[test]
fn a_changelog_that_does_not_fit_is_refused() {
    let bench = Bench::new("misfit");
    let refused = |partitions: i32, policy: &str, word: &str| {
        let name = format!("{}-{policy}-{partitions}", bench.prefix);
        let config = vec![("cleanup.policy", policy.to_owned())];
        let spec = TopicSpec { name: name.clone(), partitions, replication: 1, config };
        bench.admin.create(&[spec], Duration::from_secs(10)).expect("a new topic");
        let failure = Running::start(bench.config(&[("KAFKA_TOPIC_CHANGELOG", &name)])).wait();
        let failure = failure.expect_err("refused");
        let message = failure.to_string();
        assert_eq!(failure.exit_code(), 64, "{message}");
        assert!(message.contains(&name) && message.contains(word), "{message}");
    };
    refused(5, "compact", "partitions");
    refused(3, "delete", "cleanup.policy");
}
