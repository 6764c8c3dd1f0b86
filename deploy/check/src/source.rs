//! Constants of the code that manifests depend on, read from the source: a longer time-out there must fail here.

use std::fs;

use crate::manifests::root;

/// The text of a file of the repository.
pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `const NAME: Duration = Duration::from_secs(N);`
pub fn seconds(path: &str, name: &str) -> u64 {
    let start = format!("const {name}: Duration = Duration::from_secs(");
    let text = text(path);
    let rest = text.split_once(&start).unwrap_or_else(|| panic!("{path}: no `{start}`")).1;
    let number = rest.split(')').next().unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("{path}: {name} is `{number}`"))
}

/// Longest orderly stop of a role in seconds; `transaction` = KAFKA_TRANSACTION_TIMEOUT. As the manifests' comments add it up.
pub fn stop_budget(role: &str, transaction: u64) -> Option<u64> {
    let threads = seconds("cli/src/roles.rs", "THREADS_TIMEOUT");
    Some(
        threads
            + match role {
                // The commit under way and the last one, each with its abort; a push of the group; closing the client.
                "process" => {
                    2 * (transaction + seconds("processor/src/commit.rs", "STEP_TIMEOUT"))
                        + seconds("processor/src/orphans.rs", "PUSH_TIMEOUT")
                        + seconds("processor/src/orphans.rs", "PUSH_SESSION")
                        + 2 * seconds("processor/src/worker.rs", "ASK_TIMEOUT")
                }
                // Dead letters, the last transaction, its offsets, leaving the group.
                "sink" => {
                    seconds("sink/src/dead_letters.rs", "DELIVERY_TIMEOUT")
                        + seconds("sink/src/writer.rs", "TRANSACTION_TIMEOUT")
                        + seconds("sink/src/worker.rs", "ANSWER_TIMEOUT")
                        + seconds("sink/src/worker.rs", "CLOSE_TIMEOUT")
                }
                // A frame on its way, the goodbye, what was heard.
                "produce" => {
                    seconds("producer/src/live/connection.rs", "SEND_TIMEOUT")
                        + seconds("producer/src/live/connection.rs", "FAREWELL")
                        + seconds("producer/src/publish.rs", "FLUSH_ON_STOP")
                }
                _ => return None,
            },
    )
}
