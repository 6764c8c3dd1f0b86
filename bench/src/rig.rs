//! The servers of a run, started and stopped by the scripts of `deploy/local`, and what one asks of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tape_harness::servers;
use tape_kafka::{Admin, Clients, Isolation, Part, TopicSpec};
use tape_service::Config;

use crate::meter;

/// Wait for one answer of the broker.
pub(crate) const ASK: Duration = Duration::from_secs(20);
/// The broker's heap: enough for forty-eight partitions and a million changelog records, small enough for a laptop.
const HEAP: &str = "1g";

/// How long a new group waits for members; Kafka's own default is 3 s. Without it the first thread of a process gets all partitions,
/// and the second its share at a heartbeat, seconds later: then the figures would tell about that moment.
const GROUP_DELAY_MS: &str = "1000";

/// Servers in a folder; stopped when dropped.
pub(crate) struct Rig {
    /// Where everything of this run lies.
    pub(crate) folder: PathBuf,
    /// The project.
    pub(crate) root: PathBuf,
    pub(crate) broker: u32,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) clients: Clients,
    pub(crate) admin: Admin,
    servers: PathBuf,
}

impl Rig {
    /// Starts a broker, with a database or without, in an empty folder: what an earlier run left there is deleted.
    pub(crate) fn start(folder: &Path, with_database: bool) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let folder = fs::canonicalize(folder)?;
        // `bench/run.sh` starts it in the repository; a compiled-in path may be that of another checkout with the same target folder.
        let root = fs::canonicalize(".")?;
        ensure!(
            root.join("bench/peers").is_dir(),
            "{} is not the repository: start bench/run.sh",
            root.display()
        );
        let servers = folder.join("servers");
        script("servers.sh", "remove", &servers)?;
        for leftover in ["state", "logs"] {
            let leftover = folder.join(leftover);
            if leftover.exists() {
                fs::remove_dir_all(&leftover)?;
            }
        }
        fs::create_dir_all(&servers)?;
        let started = script("kafka.sh", "start", &servers)
            .and_then(|()| if with_database { script("postgres.sh", "start", &servers) } else { Ok(()) });
        started.inspect_err(|_| drop(script("servers.sh", "stop", &servers)))?;
        let mut settings = servers::settings(&servers)?;
        settings.remove("LOCAL_SERVERS");
        let config = Config::load(settings.clone(), None)?.config;
        let clients = Clients::new(&config.kafka, "tape-bench");
        let broker =
            fs::read_to_string(servers.join("kafka/pid"))?.trim().parse().context("the broker's pid")?;
        let admin = clients.admin()?;
        Ok(Rig { folder, root, broker, settings, clients, admin, servers })
    }

    /// `tape` of the same build.
    pub(crate) fn tape(&self) -> Result<PathBuf> {
        let program = std::env::current_exe()?.with_file_name("tape");
        if !program.exists() {
            bail!("{} does not exist: make bench builds it", program.display());
        }
        Ok(program)
    }

    pub(crate) fn bootstrap(&self) -> &str {
        self.settings.get("KAFKA_BOOTSTRAP_SERVERS").map_or("", String::as_str)
    }

    /// Where its files are written.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All partitions of a topic.
    pub(crate) fn parts(&self, topic: &str) -> Result<Vec<Part>> {
        let count = self.admin.partition_count(topic, ASK)?.with_context(|| format!("no topic {topic}"))?;
        Ok((0..count).map(|partition| Part::new(topic, partition)).collect())
    }

    /// The offset behind the last record of each partition, and their sum.
    pub(crate) fn ends(&self, parts: &[Part]) -> Result<i64> {
        let ends = self.admin.end_offsets(parts, Isolation::ReadCommitted, ASK)?;
        Ok(ends.iter().map(|(_, end)| end).sum())
    }

    /// Makes an output topic as `tape topics` would: for those that are not tape's.
    pub(crate) fn create(&self, topic: &str, partitions: i32) -> Result<()> {
        let config = vec![
            ("cleanup.policy", "delete".to_owned()),
            ("message.timestamp.type", "LogAppendTime".to_owned()),
        ];
        let spec = TopicSpec { name: topic.to_owned(), partitions, replication: 1, config };
        self.admin.create(&[spec], ASK)?;
        Ok(())
    }

    /// Topics whose names begin so, found where the broker keeps them: clients name theirs as they like.
    pub(crate) fn topics(&self, prefix: &str) -> Result<Vec<String>> {
        let mut topics = Vec::new();
        for entry in fs::read_dir(self.data())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some((topic, partition)) = name.rsplit_once('-') else { continue };
            if topic.starts_with(prefix) && partition == "0" && !name.ends_with("-delete") {
                topics.push(topic.to_owned());
            }
        }
        Ok(topics)
    }

    /// Bytes of a topic's log on the broker's disk.
    pub(crate) fn bytes(&self, topic: &str) -> Result<u64> {
        let parts = self.parts(topic)?;
        let folder = |part: &Part| self.data().join(format!("{topic}-{}", part.partition));
        Ok(parts.iter().map(|part| meter::bytes_below(&folder(part), ".log")).sum())
    }

    /// Deletes all topics whose names begin so.
    pub(crate) fn delete(&self, prefix: &str) -> Result<()> {
        let topics = self.topics(prefix)?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        Ok(self.admin.delete(&names, ASK)?)
    }

    /// Stops the servers and deletes their data.
    pub(crate) fn remove(&self) -> Result<()> {
        script("servers.sh", "remove", &self.servers)
    }

    /// The Java that the broker runs on, and the peers too.
    pub(crate) fn java(&self) -> Result<PathBuf> {
        Ok(fs::read_link(format!("/proc/{}/exe", self.broker))?)
    }

    fn data(&self) -> PathBuf {
        self.servers.join("kafka/data")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // After `remove` there is nothing to stop.
        if self.servers.exists() {
            let _ = script("servers.sh", "stop", &self.servers);
        }
    }
}

fn script(script: &str, action: &str, folder: &Path) -> Result<()> {
    servers::script(script, action, folder, &[("KAFKA_HEAP", HEAP), ("KAFKA_GROUP_DELAY_MS", GROUP_DELAY_MS)])
}
