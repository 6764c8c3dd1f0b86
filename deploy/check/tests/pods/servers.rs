//! The servers of the test, and all that is put in the place of what a cluster would bring.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tape_manifests::manifests::{documents, name_of, typed};
use tape_manifests::{Manifests, source};

/// `deploy/local/pods.sh` starts them and says where they are.
pub(crate) struct Servers {
    /// For what is not of the pipeline: here everything is allowed.
    plain: String,
    /// TLS, log-in and rights.
    secure: String,
    ca: String,
    /// Of the database: host, port, name, password of its owner.
    database: [String; 4],
    pub(crate) folder: PathBuf,
}

/// Of everybody but the database's owner: users of Kafka and of the database, the vendor's key.
const PASSWORD: &str = "a-password-of-this-test";
/// Kafka's programs for the command line, a virtual machine each.
const AT_ONCE: usize = 3;

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name}: start this by deploy/local/pods.sh"))
}

impl Servers {
    pub(crate) fn of_environment() -> Result<Self> {
        Ok(Servers {
            plain: variable("KAFKA_BOOTSTRAP_SERVERS")?,
            secure: variable("KAFKA_SECURE_SERVERS")?,
            ca: fs::read_to_string(variable("KAFKA_SECURE_CA")?)?,
            database: [
                variable("DB_HOST")?,
                variable("DB_PORT")?,
                variable("DB_NAME")?,
                variable("DB_PASSWORD")?,
            ],
            folder: PathBuf::from(variable("PODS_DIR")?),
        })
    }

    /// The one place where an overlay is changed: addresses, credentials, and the number of copies, because there is one broker. Secrets
    /// are those that somebody else makes: Strimzi, and who follows `secrets.example.yaml`.
    pub(crate) fn stand_in(&self, manifests: &mut Manifests, vendor: &str) -> Result<()> {
        let [host, port, name, owner] = &self.database;
        for map in manifests.documents.iter_mut().filter(|document| document["kind"] == "ConfigMap") {
            let (is_kafka, is_settings) =
                (name_of(map).starts_with("tape-kafka-"), name_of(map).starts_with("tape-settings-"));
            let data = &mut map["data"];
            if is_kafka {
                data["KAFKA_BOOTSTRAP_SERVERS"] = json!(self.secure);
            }
            if is_settings {
                data["DB_HOST"] = json!(host);
                data["DB_PORT"] = json!(port);
                data["DB_NAME"] = json!(name);
                data["KAFKA_REPLICATION_FACTOR"] = json!("1");
                data["MASSIVE_WS_URL"] = json!(vendor);
            }
        }
        let mut secrets = documents(&source::text("deploy/k8s/secrets.example.yaml"))?;
        for secret in &mut secrets {
            for (key, value) in secret["stringData"].as_object_mut().context("stringData")? {
                *value = json!(if key == "owner" { owner } else { PASSWORD });
            }
        }
        let secret = |name: &str, key: &str, value: &str| json!({"kind": "Secret", "metadata": {"name": name}, "stringData": {key: value}});
        secrets
            .extend(manifests.of_kind("KafkaUser").map(|user| secret(name_of(user), "password", PASSWORD)));
        secrets.push(secret("tape-cluster-ca-cert", "ca.crt", &self.ca));
        manifests.documents.retain(|document| document["kind"] != "Secret");
        manifests.documents.extend(secrets);
        Ok(())
    }

    /// What Strimzi and the database's image do: topics, users with exactly their rights, roles.
    pub(crate) fn prepare(&self, manifests: &Manifests) -> Result<()> {
        let settings = manifests.of_kind("ConfigMap").find(|map| name_of(map).starts_with("tape-settings-"));
        let settings: BTreeMap<String, String> = typed(&settings.context("settings")?["data"]);
        // deploy/check compares what this makes with the KafkaTopics.
        let topics = Command::new(variable("TAPE_BIN")?)
            .arg("topics")
            .env_clear()
            .envs(settings)
            .env("KAFKA_BOOTSTRAP_SERVERS", &self.plain)
            .output()?;
        done(topics).context("tape topics")?;
        for role in ["tape_writer", "tape_reader"] {
            self.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"))?;
        }
        let mut commands = Vec::new();
        for user in manifests.of_kind("KafkaUser") {
            let set = ["--entity-type", "users", "--entity-name", name_of(user), "--add-config"];
            let password = format!("SCRAM-SHA-512=[password={PASSWORD}]");
            commands.push((
                CONFIGS,
                [&["--alter"], &set[..], &[&password]].concat().into_iter().map(str::to_owned).collect(),
            ));
            commands.extend(rights(user)?.into_iter().map(|arguments| (ACLS, arguments)));
        }
        let queue = Mutex::new(commands);
        let next = || queue.lock().expect("nobody panics with it").pop();
        thread::scope(|scope| {
            let work = || -> Result<()> {
                while let Some((program, arguments)) = next() {
                    self.kafka(program, &arguments)?;
                }
                Ok(())
            };
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
        })
    }

    /// One of Kafka's own programs, by the class behind its script.
    pub(crate) fn kafka(&self, program: &str, arguments: &[String]) -> Result<String> {
        let output = Command::new(variable("JAVA")?)
            .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .args([&format!("{}/*", variable("KAFKA_LIB")?), program, "--bootstrap-server", &self.plain])
            .args(arguments)
            .output()?;
        done(output).with_context(|| format!("{program} {}", arguments.join(" ")))
    }

    /// A client may fetch so many bytes a second, or as many as it can.
    pub(crate) fn quota(&self, client: &str, bytes: Option<u64>) -> Result<()> {
        let change = match bytes {
            Some(bytes) => ["--add-config".to_owned(), format!("consumer_byte_rate={bytes}")],
            None => ["--delete-config".to_owned(), "consumer_byte_rate".to_owned()],
        };
        let client = ["--alter", "--entity-type", "clients", "--entity-name", client].map(str::to_owned);
        self.kafka(CONFIGS, &[&client[..], &change].concat()).map(drop)
    }

    /// Transactions that somebody has begun and not ended, with a name that begins so.
    pub(crate) fn open_transactions(&self, prefix: &str) -> Result<Vec<String>> {
        let said = self.kafka("org.apache.kafka.tools.TransactionsCommand", &["list".to_owned()])?;
        let mine = said.lines().filter(|line| line.starts_with(prefix));
        let (ended, open): (Vec<_>, Vec<_>) = mine.map(str::to_owned).partition(|line| {
            ["CompleteCommit", "CompleteAbort", "Empty"].iter().any(|state| line.contains(state))
        });
        ensure!(!ended.is_empty() || !open.is_empty(), "no transaction of {prefix}: {said}");
        Ok(open)
    }

    /// Offsets of a topic, added up: its records, where nobody writes in transactions.
    pub(crate) fn records(&self, topic: &str) -> Result<u64> {
        let arguments = ["--topic", topic].map(str::to_owned);
        let said = self.kafka("org.apache.kafka.tools.GetOffsetShell", &arguments)?;
        let ends = said.lines().filter_map(|line| line.strip_prefix(topic)?.rsplit(':').next());
        let ends: Vec<u64> = ends.map(str::parse).collect::<Result<_, _>>()?;
        ensure!(!ends.is_empty(), "no offsets of {topic}: {said}");
        Ok(ends.iter().sum())
    }

    /// Bytes of a topic on the broker's disk.
    pub(crate) fn size(&self, topic: &str) -> Result<u64> {
        let mut size = 0;
        for folder in fs::read_dir(self.folder.join("kafka/data"))? {
            let folder = folder?;
            let name = folder.file_name().to_string_lossy().into_owned();
            if name.rsplit_once('-').is_none_or(|(name, _)| name != topic) {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                if file.path().extension().is_some_and(|ending| ending == "log") {
                    size += file.metadata()?.len();
                }
            }
        }
        Ok(size)
    }

    /// The first field of the first row.
    pub(crate) fn sql(&self, statement: &str) -> Result<String> {
        let [host, port, name, password] = &self.database;
        let output = Command::new(variable("PSQL")?)
            .args(["-h", host, "-p", port, "-U", "tape", "-d", name, "-Atqc", statement])
            .env("PGPASSWORD", password)
            .output()?;
        Ok(done(output).context("psql")?.trim().to_owned())
    }
}

const CONFIGS: &str = "kafka.admin.ConfigCommand";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";

/// The rights of a KafkaUser as arguments of kafka-acls, those alike together.
fn rights(user: &Value) -> Result<Vec<Vec<String>>> {
    let mut alike = BTreeMap::<(String, String, BTreeSet<String>), Vec<String>>::new();
    for acl in user.pointer("/spec/authorization/acls").and_then(Value::as_array).into_iter().flatten() {
        let resource: BTreeMap<String, String> = typed(&acl["resource"]);
        let key = (resource["type"].clone(), resource["patternType"].clone(), typed(&acl["operations"]));
        alike.entry(key).or_default().push(resource["name"].clone());
    }
    let arguments = alike.into_iter().map(|((kind, pattern, operations), names)| {
        let kind = match kind.as_str() {
            "topic" => "--topic",
            "group" => "--group",
            "transactionalId" => "--transactional-id",
            other => anyhow::bail!("rights of a {other}"),
        };
        let pattern = if pattern == "prefix" { "prefixed" } else { "literal" };
        let user = format!("User:{}", name_of(user));
        let mut all = vec!["--add", "--allow-principal", &user, "--resource-pattern-type", pattern];
        all.extend(operations.iter().flat_map(|operation| ["--operation", operation]));
        all.extend(names.iter().flat_map(|name| [kind, name]));
        Ok(all.into_iter().map(str::to_owned).collect())
    });
    arguments.collect()
}

fn done(output: Output) -> Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Ok(text(&output.stdout))
}
