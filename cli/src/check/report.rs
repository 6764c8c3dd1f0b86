//! What was found, as text and as JSON.

use std::fmt::Write as _;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tape_service::Failure;

use super::compare::Difference;

/// Differences shown of each comparison; a wrong setting makes thousands.
const SHOWN_MAX: usize = 20;

/// What came out, or why nothing could be compared.
pub(super) type Result<T> = std::result::Result<T, String>;

/// A partition.
#[derive(Debug, Serialize)]
pub(super) struct PartitionCheck {
    pub(super) partition: i32,
    #[serde(serialize_with = "outcome")]
    pub(super) store: Result<StoreCheck>,
    #[serde(serialize_with = "outcome")]
    pub(super) recomputation: Result<Recomputation>,
}

/// A store against its changelog.
#[derive(Debug, Serialize)]
pub(super) struct StoreCheck {
    /// Next changelog offset of the store.
    pub(super) offset: i64,
    pub(super) entries: usize,
    /// Entries that differ and have a later record, which may have displaced the one that the store has seen.
    pub(super) undecided: usize,
    pub(super) differences: Vec<Difference>,
}

/// The changelog against the input.
#[derive(Debug, Serialize)]
pub(super) struct Recomputation {
    /// Next offset of the input.
    pub(super) committed: i64,
    pub(super) records: u64,
    /// Times that the clock closed windows, or moved the watermark, on quiet input.
    pub(super) idle: usize,
    pub(super) entries: usize,
    pub(super) differences: Vec<Difference>,
}

impl PartitionCheck {
    /// Entries that differ.
    pub(super) fn differences(&self) -> usize {
        self.store.as_ref().map_or(0, |store| store.differences.len())
            + self.recomputation.as_ref().map_or(0, |recomputation| recomputation.differences.len())
    }
}

/// An outcome, or `{"not_compared": why}`.
fn outcome<T: Serialize, S: serde::Serializer>(
    result: &Result<T>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Why<'a> {
        not_compared: &'a str,
    }
    match result {
        Ok(found) => found.serialize(serializer),
        Err(why) => Why { not_compared: why }.serialize(serializer),
    }
}

/// One object.
pub(super) fn json(partitions: &[PartitionCheck]) -> std::result::Result<String, Failure> {
    #[derive(Serialize)]
    struct Report<'a> {
        equal: bool,
        partitions: &'a [PartitionCheck],
    }
    let equal = partitions.iter().all(|partition| partition.differences() == 0);
    let text = serde_json::to_string(&Report { equal, partitions });
    Ok(text.map_err(|error| Failure::Other(error.into()))? + "\n")
}

/// A line for each comparison, and the first differences.
pub(super) fn text(partitions: &[PartitionCheck]) -> String {
    let mut text = String::new();
    for PartitionCheck { partition, store, recomputation } in partitions {
        let _ = match store {
            Ok(check) => writeln!(
                text,
                "partition {partition}: store at changelog offset {}, {} entries: {}{}",
                check.offset,
                check.entries,
                verdict(&check.differences),
                match check.undecided {
                    0 => String::new(),
                    count => format!(" ({count} cannot be judged: the changelog has later records of them)"),
                },
            ),
            Err(why) => writeln!(text, "partition {partition}: store not compared: {why}"),
        };
        list(&mut text, store.as_ref().map_or(&[], |check| &check.differences), "changelog", "store");
        let _ = match recomputation {
            Ok(check) => writeln!(
                text,
                "partition {partition}: recomputed from {} records up to offset {}, {} entries: {}{}",
                check.records,
                check.committed,
                check.entries,
                verdict(&check.differences),
                match check.idle {
                    0 => String::new(),
                    count => format!(" (quiet input moved the watermark {count} times)"),
                },
            ),
            Err(why) => writeln!(text, "partition {partition}: not recomputed: {why}"),
        };
        let differences = recomputation.as_ref().map_or(&[][..], |check| &check.differences);
        list(&mut text, differences, "recomputed", "changelog");
    }
    text
}

fn verdict(differences: &[Difference]) -> String {
    match differences.len() {
        0 => "equal".to_owned(),
        count => format!("{count} DIFFER"),
    }
}

fn list(text: &mut String, differences: &[Difference], expected: &str, found: &str) {
    for Difference { kind, key, expected: wanted, found: has, .. } in differences.iter().take(SHOWN_MAX) {
        let _ = writeln!(text, "  {kind} {key}\n    {expected:10} {wanted}\n    {found:10} {has}");
    }
    if differences.len() > SHOWN_MAX {
        let _ = writeln!(text, "  … and {} more; --json has all", differences.len() - SHOWN_MAX);
    }
}

/// Progress on stderr, if that is a terminal.
pub(super) fn bar(what: &str, from: i64, end: i64) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(end - from).unwrap_or(0));
    let style =
        ProgressStyle::with_template("{prefix}{bar:30} {human_pos} of {human_len} offsets, {eta} to go");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar
}
