//! `tape backtest` through the program, against files that were computed by hand (`tests/data/*/`).
//!
//! A case is a folder: `env` (settings), `args` (of the command, run inside a copy of the folder), inputs, and what is
//! expected: `rows.expected` and `alerts.expected` byte for byte, `rejects.expected` without the messages,
//! `summary.expected` without the times.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use program::{Tape, text};
use serde_json::Value;

/// Runs the case in a folder of its own and returns that folder.
fn run(case: &str) -> (tempfile::TempDir, Output) {
    let data = Path::new("tests/data").join(case);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in fs::read_dir(&data).expect("the case has a folder") {
        let file = file.expect("the folder can be read").path();
        let name = file.file_name().expect("a file has a name");
        fs::copy(&file, folder.path().join(name)).expect("the file can be copied");
    }
    let args = fs::read_to_string(data.join("args")).expect("the case has arguments");
    let env = fs::read_to_string(data.join("env")).expect("the case has settings");
    let mut tape = Tape::new(folder.path());
    tape.args(["backtest", "--output", "rows", "--alerts", "alerts", "--rejects", "rejects", "--json"]);
    tape.args(args.split_whitespace());
    for setting in env.lines() {
        let (name, value) = setting.split_once('=').expect("a setting is NAME=VALUE");
        tape.env(name, value);
    }
    let output = tape.output();
    (folder, output)
}

/// JSON lines without one member.
fn lines_without(text: &str, member: &str) -> Vec<Value> {
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).expect("a line is JSON");
        let removed = value.as_object_mut().expect("a line is an object").remove(member);
        assert!(
            removed.is_none_or(|removed| removed.as_str().is_some_and(|text| !text.is_empty())),
            "{line}"
        );
        value
    };
    text.lines().map(line).collect()
}

fn check(case: &str) {
    let (folder, output) = run(case);
    assert!(output.status.success(), "{case}: {}", text(&output.stderr));
    assert!(output.stdout.is_empty(), "{case}: rows went to a file");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("the program made it");
    assert_eq!(read("rows"), read("rows.expected"), "{case}: rows");
    assert_eq!(read("alerts"), read("alerts.expected"), "{case}: alerts");
    assert_eq!(
        lines_without(&read("rejects"), "message"),
        lines_without(&read("rejects.expected"), "message"),
        "{case}: rejects"
    );
    let mut summary: Value = serde_json::from_slice(&output.stderr).expect("the summary is JSON");
    let counts = summary.as_object_mut().expect("the summary is an object");
    for time in ["seconds", "trades_per_second"] {
        assert!(counts.remove(time).is_some_and(|value| value.is_number()), "{case}: {time}");
    }
    let expected: Value = serde_json::from_str(&read("summary.expected")).expect("it is JSON");
    assert_eq!(summary, expected, "{case}: summary");
}

#[test]
fn every_case_gives_what_was_computed_by_hand() {
    let data = Path::new("tests/data");
    let folders = fs::read_dir(data).expect("there are cases").map(|entry| entry.expect("a case").path());
    let mut cases: Vec<PathBuf> = folders.filter(|path| path.join("args").exists()).collect();
    cases.sort();
    assert!(cases.len() >= 7, "cases are missing: {cases:?}");
    for case in cases {
        check(&case.file_name().expect("a folder has a name").to_string_lossy());
    }
}

/// A file of trades that uses everything: disorder, lateness, several symbols.
fn market(records: i64) -> String {
    let mut csv = String::from("symbol,price,size,timestamp\n");
    for number in 0..records {
        let scattered = number * 7_919 % 1_009;
        let (symbol, time) =
            (["A", "B", "D", "F"][(scattered % 4) as usize], number * 97 - scattered * 300 % 90_000);
        let price = 10_000 + scattered;
        csv.push_str(&format!(
            "{symbol},{}.{:02},{},{}\n",
            price / 100,
            price % 100,
            1 + scattered % 50,
            time.max(0)
        ));
    }
    csv
}

fn rows(folder: &Path, args: &[&str]) -> Vec<u8> {
    let output = Tape::new(folder).args(["backtest"]).args(args.iter().copied()).output();
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    output.stdout
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("m.csv"), market(50_000)).expect("it can be written");
    for args in [&["m.csv"][..], &["m.csv", "--flush", "--partitions", "3"]] {
        let first = rows(folder.path(), args);
        assert!(first.len() > 10_000, "{args:?} gives rows");
        assert!(first == rows(folder.path(), args), "{args:?}: the second run differs");
    }
}

#[test]
fn json_lines_and_standard_input_are_the_same_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let csv = market(2_000);
    let json = |line: &str| {
        let cells: Vec<_> = line.split(',').collect();
        format!(
            "{{\"symbol\":\"{}\",\"price\":{},\"volume\":{},\"timestamp\":{}}}\n",
            cells[0], cells[1], cells[2], cells[3]
        )
    };
    let jsonl: String = csv.lines().skip(1).map(json).collect();
    fs::write(folder.path().join("m.csv"), &csv).expect("it can be written");
    fs::write(folder.path().join("m.jsonl"), &jsonl).expect("it can be written");
    let expected = rows(folder.path(), &["m.csv", "--flush"]);
    assert!(expected == rows(folder.path(), &["m.jsonl", "--flush"]), "JSON lines differ");
    for input in [csv, jsonl] {
        let output =
            Tape::new(folder.path()).args(["backtest", "-", "--flush"]).stdin(input.into_bytes()).output();
        assert!(output.stdout == expected, "standard input differs: {}", text(&output.stderr));
    }
}

#[test]
fn files_that_cannot_be_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it can be written");
    write("good.csv", "symbol,price,size,timestamp\nA,1,1,1\n");
    write("bad.csv", "a,b\n1,2\n");
    for (args, wanted) in [
        (&["missing.csv"][..], "missing.csv cannot be opened"),
        (&["."], "cannot be opened"),
        (&["bad.csv"], "the header of bad.csv cannot be used"),
        (&["good.csv", "--output", "good.csv"], "--output good.csv: is an input"),
        (&["good.csv", "--output", "x", "--alerts", "x"], "--alerts x: is the file of --output"),
        (&["good.csv", "--output", "missing/x"], "--output missing/x: cannot be written"),
        (&["good.csv", "--columns", "price=close"], "price=close"),
        (&["good.csv", "--partitions", "0"], "--partitions"),
        (&[], "required"),
    ] {
        let output = Tape::new(folder.path()).args(["backtest"]).args(args.iter().copied()).output();
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(text(&output.stderr).contains(wanted), "{args:?}: {}", text(&output.stderr));
    }
    let left = fs::read_to_string(folder.path().join("good.csv")).expect("the input is still there");
    assert!(left.contains("A,1,1,1"), "an input must not be emptied");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("m.csv"), market(50_000)).expect("it can be written");
    let output = Tape::new(folder.path()).args(["backtest", "m.csv"]).output_of_closed_pipe();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("error"), "{}", text(&output.stderr));
}
