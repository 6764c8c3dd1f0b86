//! What to run: the source, and the settings under which it cannot meet anybody else's data.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tape_producer::{Replay, SourceKind, SourceSpec};
use tape_proto::partition::partition;
use tape_service::config::{Database, Topics};
use tape_service::{Config, Failure};

use super::DemoArgs;
use crate::source::{self, SourceOptions};

/// The demo shows open windows at least so often, whatever the setting: a check waits this long for the last ones.
const TRIGGER_MAX: Duration = Duration::from_secs(5);

/// A demo that was killed holds its partitions so long at most: whoever starts it again wants to see something.
const SESSION_TIMEOUT_MAX: Duration = Duration::from_secs(15);

/// The longest name of a database.
const DATABASE_BYTES_MAX: usize = 63;
/// The longest application id.
const APP_ID_BYTES_MAX: usize = 64;
/// As much of a file's name as the names of a replay carry.
const FILE_BYTES_MAX: usize = 24;

/// What to run.
pub(crate) struct Plan {
    /// Settings of all roles.
    pub(crate) config: Arc<Config>,
    /// A database that exists before the run, to create the plan's own from.
    pub(crate) server: Database,
    /// Where trades come from.
    pub(crate) source: SourceSpec,
    /// How long the source may run.
    pub(crate) limit: Option<Duration>,
    /// Recompute and compare in the end.
    pub(crate) checks: bool,
    /// File of the log.
    pub(crate) log: PathBuf,
}

impl Plan {
    /// From options and settings; nothing is touched.
    pub(crate) fn new(args: &DemoArgs, config: Config) -> Result<Self, Failure> {
        let real = args.real.as_ref().map(|file| format!("replay:{}", file.display()));
        let source = match &real {
            Some(name) => source::spec(name, true, &SourceOptions::of_real_tape())?,
            None => source::spec(&args.source, true, &args.options)?,
        };
        let server = config.db.clone();
        let log = config.processing.state_dir.join("demo.log");
        let limit = args.seconds.map(Duration::from_secs);
        let (config, is_replay) = match &source.kind {
            SourceKind::Replay(replay) => (apart(config, &name(replay)), true),
            SourceKind::Simulate(_) => (config, false),
        };
        Ok(Self {
            config: Arc::new(together(config)),
            server,
            source,
            limit,
            checks: limit.is_some() || is_replay,
            log,
        })
    }

    /// How to look at the data from outside, for people.
    pub(crate) fn places(&self) -> String {
        let Config { db, topics, kafka, .. } = &*self.config;
        format!(
            "Kafka at {}: topics {}, {}, {}\nPostgreSQL: psql -h {} -p {} -U {} {}",
            kafka.bootstrap_servers,
            topics.raw_trades,
            topics.aggregates,
            topics.alerts,
            db.host,
            db.port,
            db.user,
            db.name
        )
    }
}

/// Settings for roles that share a process.
fn together(mut config: Config) -> Config {
    config.kafka.session_timeout = config.kafka.session_timeout.min(SESSION_TIMEOUT_MAX);
    let processing = &mut config.processing;
    processing.state_dir = processing.state_dir.join(&config.app_id);
    processing.trigger_interval = processing.trigger_interval.min(TRIGGER_MAX);
    config
}

/// Settings under which a replay meets nobody else's data, and all of whose rows are a function of its records.
fn apart(mut config: Config, name: &str) -> Config {
    let renamed = |text: &str| format!("{text}-{name}");
    config.app_id = cut(&config.app_id, APP_ID_BYTES_MAX - name.len() - 1, '-', name);
    config.db.name = cut(&config.db.name, DATABASE_BYTES_MAX - name.len() - 1, '_', &name.replace('-', "_"));
    let topics = &config.topics;
    config.topics = Topics {
        raw_trades: renamed(&topics.raw_trades),
        aggregates: renamed(&topics.aggregates),
        alerts: renamed(&topics.alerts),
        late: topics.late.as_deref().map(renamed),
        dead_letters: renamed(&topics.dead_letters),
        changelog: renamed(&topics.changelog),
        sink_dead_letters: renamed(&topics.sink_dead_letters),
    };
    config.processing.idle_timeout = Duration::ZERO;
    config
}

/// `front` cut to `bytes_max`, then `name`.
fn cut(front: &str, bytes_max: usize, separator: char, name: &str) -> String {
    format!("{}{separator}{name}", &front[..front.floor_char_boundary(bytes_max)])
}

/// What the names of a replay carry: its first file's name for people, and a number of all files' paths and their layout,
/// so that two files of one name stay apart.
fn name(replay: &Replay) -> String {
    let absolute = |file: &PathBuf| file.canonicalize().unwrap_or_else(|_| file.clone());
    let files: Vec<_> = replay.files.iter().map(absolute).collect();
    let number = partition(format!("{files:?}{:?}", replay.layout).as_bytes(), 1 << 16);
    let stem = replay.files.first().map_or(Path::new(""), PathBuf::as_path).file_stem().unwrap_or_default();
    let plain = |byte: &u8| match byte.to_ascii_lowercase() {
        byte if byte.is_ascii_alphanumeric() => byte as char,
        _ => '-',
    };
    let stem: String = stem.as_encoded_bytes().iter().take(FILE_BYTES_MAX).map(plain).collect();
    let stem = stem.trim_matches('-');
    if stem.is_empty() { format!("replay-{number:04x}") } else { format!("{stem}-{number:04x}") }
}

#[cfg(test)]
mod tests;
