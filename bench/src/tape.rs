//! `tape` as a contender: its settings, topics and figures. It is a black box, configured as everybody configures it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::contender::{Contender, Recipe};
use crate::rig::Rig;

/// One installation of tape.
pub(crate) struct Tape {
    /// `APP_ID`; the names of its topics begin with it.
    pub(crate) app: String,
    pub(crate) state: PathBuf,
    environment: BTreeMap<String, String>,
    program: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Tape {
    /// Named `app`, reads `input`, with these settings on top.
    pub(crate) fn new(rig: &Rig, app: &str, input: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let state = rig.path(&format!("state/{app}"));
        let port = free_port()?;
        let mut environment = rig.settings.clone();
        let topic = |name: &str| format!("{app}-{name}");
        let common = [
            ("APP_ID", app.to_owned()),
            ("KAFKA_TOPIC_RAW_TRADES", input.to_owned()),
            ("KAFKA_TOPIC_AGGREGATES", topic("aggregates")),
            ("KAFKA_TOPIC_ALERTS", topic("alerts")),
            ("KAFKA_TOPIC_LATE", topic("late")),
            ("KAFKA_TOPIC_DEAD_LETTERS", topic("dlq")),
            ("COMPRESSION_TYPE", "lz4".to_owned()),
            // The clock closes nothing while the last rows are counted.
            ("IDLE_TIMEOUT", "0".to_owned()),
            ("HTTP_BIND_PROCESSOR", format!("127.0.0.1:{port}")),
            ("HTTP_BIND_PRODUCER", format!("127.0.0.1:{port}")),
            ("HTTP_BIND_SINK", "off".to_owned()),
            ("LOG_FORMAT", "text".to_owned()),
            ("STATE_DIR", state.display().to_string()),
            ("INSTANCE_ID", "bench".to_owned()),
        ];
        environment.extend(common.map(|(name, value)| (name.to_owned(), value)));
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let app = app.to_owned();
        Ok(Tape { app, state, environment, program: rig.tape()?, folder: rig.path("logs"), port })
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.app)
    }

    /// The group that commits its offsets; named so in docs/inspect.md.
    pub(crate) fn group(&self) -> String {
        format!("{}-processor", self.app)
    }

    /// `tape topics`.
    pub(crate) fn create_topics(&self) -> Result<()> {
        Contender::run(self.recipe("topics"))
    }

    /// `tape process`, `tape sink`, `tape migrate`.
    pub(crate) fn start(&self, command: &str) -> Result<Contender> {
        Contender::start(self.recipe(command))
    }

    /// How `tape COMMAND` is started.
    pub(crate) fn recipe(&self, command: &str) -> Recipe {
        Recipe {
            name: format!("{}-{command}", self.app),
            program: self.program.clone(),
            args: vec![command.to_owned()],
            environment: self.environment.clone(),
            folder: self.folder.clone(),
        }
    }

    /// Deletes its local state, as a lost disk would.
    pub(crate) fn lose_state(&self) -> Result<()> {
        if self.state.exists() {
            fs::remove_dir_all(&self.state)?;
        }
        Ok(())
    }

    /// Its metrics as they are served; `tape process` or `tape produce` must run.
    pub(crate) fn page(&self) -> Result<String> {
        let address = format!("http://127.0.0.1:{}/metrics", self.port);
        Ok(ureq::get(&address).call().context("ask for metrics")?.body_mut().read_to_string()?)
    }

    /// Its metrics, each summed over its labels.
    pub(crate) fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let text = self.page()?;
        let mut sums = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let name = name.split('{').next().unwrap_or(name);
            *sums.entry(name.to_owned()).or_default() += value.parse().unwrap_or(0.0);
        }
        Ok(sums)
    }
}

/// A port of this machine that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
