//! Faults of the servers that a test run has started.

use std::process::Command;

/// `kill` (SIGKILL) or `start` for the broker of the test run; its port and its data stay.
pub fn kafka(action: &str) {
    let folder = std::env::var_os("LOCAL_SERVERS");
    let folder = folder.expect("LOCAL_SERVERS is not set: run it through `make test`");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/local/kafka.sh");
    let status = Command::new(script).arg(action).arg(folder).status().expect("the script runs");
    assert!(status.success(), "kafka.sh {action}: {status}");
}
