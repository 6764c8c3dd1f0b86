//! The house rules that a machine can check: who may know whom, and how long a file may grow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines after which a file holds more than one thing.
const FILE_LINES_MAX: usize = 400;

/// What each crate may know of the workspace, beyond which nothing is known to anybody.
const MAY_KNOW: [(&str, &[&str]); 15] = [
    ("tape-proto", &[]),
    ("tape-analytics", &[]),
    ("tape-oracle", &[]),
    ("tape-service", &[]),
    ("tape-state", &[]),
    ("tape-kafka", &["tape-service"]),
    ("tape-db", &["tape-service"]),
    ("tape-producer", &["tape-kafka", "tape-proto", "tape-service"]),
    ("tape-processor", &["tape-analytics", "tape-kafka", "tape-proto", "tape-service", "tape-state"]),
    (
        "tape-harness",
        &["tape-db", "tape-kafka", "tape-oracle", "tape-processor", "tape-proto", "tape-service"],
    ),
    (
        "tape-chaos",
        &[
            "tape-db",
            "tape-harness",
            "tape-kafka",
            "tape-oracle",
            "tape-processor",
            "tape-proto",
            "tape-service",
            "tape-sink",
        ],
    ),
    ("tape-micro", &["tape-analytics", "tape-processor", "tape-proto", "tape-state"]),
    ("tape-bench", &["tape-db", "tape-harness", "tape-kafka", "tape-proto", "tape-service"]),
    ("tape-sink", &["tape-db", "tape-kafka", "tape-proto", "tape-service"]),
    (
        "tape",
        &[
            "tape-analytics",
            "tape-db",
            "tape-kafka",
            "tape-processor",
            "tape-producer",
            "tape-proto",
            "tape-service",
            "tape-sink",
            "tape-state",
        ],
    ),
];

/// Libraries that only one crate may know.
const ONE_OWNER: [(&str, &str); 5] = [
    ("rdkafka", "tape-kafka"),
    ("rdkafka-sys", "tape-kafka"),
    ("rocksdb", "tape-state"),
    ("tokio-postgres", "tape-db"),
    ("deadpool-postgres", "tape-db"),
];

fn root() -> PathBuf {
    PathBuf::from("..")
}

fn manifest(folder: &Path) -> toml::Table {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of what each member of the workspace needs to run (tests may know more).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let members = manifest(&root())["workspace"]["members"].as_array().expect("a list").clone();
    let folders = members.iter().map(|member| root().join(member.as_str().expect("a folder")));
    folders
        .map(|folder| {
            let manifest = manifest(&folder);
            let name = manifest["package"]["name"].as_str().expect("a name").to_owned();
            let needs = ["dependencies", "build-dependencies"]
                .iter()
                .filter_map(|kind| manifest.get(*kind)?.as_table());
            (name, needs.flat_map(toml::Table::keys).cloned().collect())
        })
        .collect()
}

#[test]
fn dependencies_run_one_way() {
    let allowed = BTreeMap::from(MAY_KNOW);
    for (name, needs) in dependencies() {
        let may_know =
            allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name}: say in this test whom it may know"));
        for other in needs.iter().filter(|other| *other == "tape" || other.starts_with("tape-")) {
            assert!(may_know.contains(&other.as_str()), "{name} must not know {other}");
        }
        for (library, owner) in ONE_OWNER {
            assert!(
                name == owner || !needs.contains(library),
                "only {owner} may know {library}, and {name} does"
            );
        }
    }
}

/// All files below `folder` with this extension, leaving build folders and hidden ones out.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

#[test]
fn files_hold_one_thing_each() {
    let mut sources = Vec::new();
    files(&root(), "rs", &mut sources);
    assert!(sources.len() > 50, "the sources were not found");
    let lines = |path: &Path| fs::read_to_string(path).expect("a readable file").lines().count();
    let long: Vec<_> = sources.iter().filter(|path| lines(path) > FILE_LINES_MAX).collect();
    assert!(long.is_empty(), "longer than {FILE_LINES_MAX} lines: {long:#?}");
}

#[test]
fn no_test_is_switched_off() {
    let mut sources = Vec::new();
    files(&root(), "rs", &mut sources);
    let mark = concat!("#[", "ignore");
    let off: Vec<_> = sources
        .iter()
        .filter(|path| fs::read_to_string(path).expect("a readable file").contains(mark))
        .collect();
    assert!(off.is_empty(), "tests that never run: {off:#?}");
}

/// Two checkouts may share a target folder: what one compiled in, the other would run with.
#[test]
fn no_path_of_a_checkout_is_compiled_in() {
    let mut sources = Vec::new();
    files(&root(), "rs", &mut sources);
    let compiled_in = concat!("env!(\"CARGO_", "MANIFEST_DIR\")");
    let has = |path: &&PathBuf| fs::read_to_string(path).expect("a readable file").contains(compiled_in);
    let found: Vec<_> = sources.iter().filter(has).collect();
    assert!(
        found.is_empty(),
        "Cargo starts a test in the folder of its crate, so a relative path is enough: {found:#?}"
    );
}
