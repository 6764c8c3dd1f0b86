//! What tape's topics must look like, and the comparison with what is there. Pure.
//!
//! | topic | policy | timestamps | why |
//! |---|---|---|---|
//! | raw-trades | delete, 7 days | LogAppendTime | the future guard compares with the broker's clock; and retention goes by the record's timestamp, so a replay of old trades would be deleted within minutes with CreateTime |
//! | aggregates, alerts, late, dead letters | delete, 7 days | LogAppendTime | the same |
//! | changelog | compact | CreateTime | the newest value of each key is the state; partitions = the input's |

use std::collections::BTreeMap;
use std::fmt;

use tape_service::Config;

/// How long topics with records of passing interest keep them: 7 days, in milliseconds.
const RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Segments of the changelog in bytes: the active one is never compacted, so a small one keeps a restore short.
const CHANGELOG_SEGMENT_BYTES: i64 = 32 * 1024 * 1024;
/// An active segment is closed after this, so that it can be compacted: 2 hours.
const CHANGELOG_SEGMENT_MS: i64 = 2 * 60 * 60 * 1000;
/// A record is compacted after this at the latest: 4 hours.
const CHANGELOG_COMPACTION_LAG_MS: i64 = 4 * 60 * 60 * 1000;
/// Compaction starts when this share of the log is newer than the last one.
const CHANGELOG_DIRTY_RATIO: &str = "0.2";
/// Tombstones stay this long: longer than a store may be away and still catch up. 3 days.
const CHANGELOG_TOMBSTONE_MS: i64 = 3 * 24 * 60 * 60 * 1000;
/// From this many copies on, a write must reach two of them.
const REPLICATION_FOR_MIN_ISR: i32 = 3;

/// `cleanup.policy` of the changelog while `tape reset` empties it. No processor starts on it.
pub const RESETTING: &str = "compact,delete";

/// Settings whose value decides whether tape is right; the rest is tuning, which the operator may change.
const CHECKED: [&str; 2] = ["cleanup.policy", "message.timestamp.type"];

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Topic name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Copies of each partition.
    pub replication: i32,
    /// Topic settings.
    pub config: Vec<(&'static str, String)>,
}

impl TopicSpec {
    /// The same topic with another number of partitions.
    pub fn with_partitions(self, partitions: i32) -> Self {
        Self { partitions, ..self }
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.config.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }
}

/// A topic as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicState {
    /// Number of partitions.
    pub partitions: i32,
    /// All topic settings, defaults of the broker included.
    pub config: BTreeMap<String, String>,
}

/// A difference that would make tape wrong. Displays as one line with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Topic name.
    pub topic: String,
    /// What differs: `existence`, `partitions` or the name of a topic setting.
    pub what: String,
    /// As it should be.
    pub wanted: String,
    /// As it is.
    pub found: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, what, wanted, found, remedy } = self;
        write!(f, "topic {topic}: {what} is {found}, must be {wanted}; {remedy}")
    }
}

/// All topics of an installation, the changelog with the configured number of partitions (it must have the input's:
/// [`Admin::ensure`](crate::Admin::ensure) sees to it).
pub fn specs(config: &Config) -> Vec<TopicSpec> {
    let topics = &config.topics;
    let passing = |name: &str| {
        let settings = vec![
            ("cleanup.policy", "delete".to_owned()),
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("retention.ms", RETENTION_MS.to_string()),
        ];
        spec(config, name, settings)
    };
    let names = [&topics.raw_trades, &topics.aggregates, &topics.alerts]
        .into_iter()
        .chain(&topics.late)
        .chain([&topics.dead_letters, &topics.sink_dead_letters]);
    let mut specs: Vec<TopicSpec> = names.map(|name| passing(name)).collect();
    specs.push(changelog(config));
    specs
}

/// The processor's state.
pub fn changelog(config: &Config) -> TopicSpec {
    let settings = vec![
        ("cleanup.policy", "compact".to_owned()),
        ("message.timestamp.type", "CreateTime".to_owned()),
        ("segment.bytes", CHANGELOG_SEGMENT_BYTES.to_string()),
        ("segment.ms", CHANGELOG_SEGMENT_MS.to_string()),
        ("min.cleanable.dirty.ratio", CHANGELOG_DIRTY_RATIO.to_owned()),
        ("max.compaction.lag.ms", CHANGELOG_COMPACTION_LAG_MS.to_string()),
        ("delete.retention.ms", CHANGELOG_TOMBSTONE_MS.to_string()),
    ];
    spec(config, &config.topics.changelog, settings)
}

fn spec(config: &Config, name: &str, mut settings: Vec<(&'static str, String)>) -> TopicSpec {
    let replication = config.kafka.replication_factor;
    if replication >= REPLICATION_FOR_MIN_ISR {
        settings.push(("min.insync.replicas", "2".to_owned()));
    }
    TopicSpec { name: name.to_owned(), partitions: config.kafka.partitions, replication, config: settings }
}

/// Compares a topic with what it should be. `partitions` of the specification 0 = any number.
pub fn check(wanted: &TopicSpec, found: &TopicState) -> Vec<Mismatch> {
    let mismatch = |what: &str, wanted_value: String, found_value: String, remedy: String| Mismatch {
        topic: wanted.name.clone(),
        what: what.to_owned(),
        wanted: wanted_value,
        found: found_value,
        remedy,
    };
    let mut mismatches = Vec::new();
    if wanted.partitions > 0 && wanted.partitions != found.partitions {
        let remedy = match wanted.setting("cleanup.policy") {
            Some("compact") => {
                "the changelog must have as many partitions as the input: stop the processor, then `tape rescale`, \
                 or start over with `tape reset`"
            }
            _ => "set KAFKA_PARTITIONS to the number found, or `tape rescale`",
        };
        let numbers = (wanted.partitions.to_string(), found.partitions.to_string());
        mismatches.push(mismatch("number of partitions", numbers.0, numbers.1, remedy.to_owned()));
    }
    for name in CHECKED {
        let Some(right) = wanted.setting(name) else { continue };
        let is = found.config.get(name).map_or("not set", String::as_str);
        if (name, right, is) == ("cleanup.policy", "compact", RESETTING) {
            let remedy = "a `tape reset` was interrupted: run it again to its end".to_owned();
            mismatches.push(mismatch(name, right.to_owned(), is.to_owned(), remedy));
        } else if is != right {
            let remedy = format!(
                "`kafka-configs.sh --alter --topic {} --add-config {name}={right}`, or choose another topic name",
                wanted.name
            );
            mismatches.push(mismatch(name, right.to_owned(), is.to_owned(), remedy));
        }
    }
    mismatches
}

/// The mismatch of a topic that is not there.
pub(crate) fn missing(wanted: &TopicSpec) -> Mismatch {
    Mismatch {
        topic: wanted.name.clone(),
        what: "existence".to_owned(),
        wanted: format!("a topic with {} partitions", wanted.partitions),
        found: "nothing".to_owned(),
        remedy: "create it with `tape topics`".to_owned(),
    }
}

#[cfg(test)]
mod tests;
