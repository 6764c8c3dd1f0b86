//! A real Kafka and a real PostgreSQL of our own, started and stopped by the scripts of `deploy/local`.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tape_harness::{Dice, servers};

/// Ports below those that the system gives to outgoing connections: while the broker is away nobody else gets its port.
const PORTS: (u64, u64) = (20_000, 31_999);

/// Servers in a folder; stopped when dropped.
pub(crate) struct Servers {
    folder: PathBuf,
    /// Ports of the broker behind a proxy, each with the port that it tells its clients.
    proxied: Vec<(u16, u16)>,
}

impl Servers {
    /// Nothing is started yet; so many free ports are chosen for the broker.
    pub(crate) fn prepare(folder: &Path, proxies: usize) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let mut dice = Dice::new(u64::from(std::process::id()));
        let mut ports = Vec::new();
        while ports.len() < proxies {
            let port = u16::try_from(dice.between(PORTS.0, PORTS.1))?;
            if !ports.iter().any(|(taken, _)| *taken == port)
                && TcpListener::bind(("127.0.0.1", port)).is_ok()
            {
                ports.push((port, 0));
            }
        }
        Ok(Servers { folder: fs::canonicalize(folder)?, proxied: ports })
    }

    /// Ports of the broker to put a proxy in front of.
    pub(crate) fn proxied_ports(&self) -> Vec<u16> {
        self.proxied.iter().map(|(port, _)| *port).collect()
    }

    /// Starts both; clients that come through the proxies are told to come back through them.
    pub(crate) fn start(&mut self, advertised: &[u16]) -> Result<()> {
        for (pair, port) in self.proxied.iter_mut().zip(advertised) {
            pair.1 = *port;
        }
        self.script("servers.sh", "start")
    }

    /// `start`, `stop` or `kill` for the broker.
    pub(crate) fn kafka(&self, action: &str) -> Result<()> {
        self.script("kafka.sh", action)
    }

    /// `start`, `stop` or `kill` for the database.
    pub(crate) fn postgres(&self, action: &str) -> Result<()> {
        self.script("postgres.sh", action)
    }

    /// Stops both and deletes their data.
    pub(crate) fn remove(&self) -> Result<()> {
        self.script("servers.sh", "remove")
    }

    /// The settings that reach them, past the proxies.
    pub(crate) fn settings(&self) -> Result<BTreeMap<String, String>> {
        servers::settings(&self.folder)
    }

    fn script(&self, script: &str, action: &str) -> Result<()> {
        let pairs: Vec<_> = self.proxied.iter().map(|(port, told)| format!("{port}:{told}")).collect();
        let environment = [("KAFKA_PROXIES", pairs.join(" ")), ("POSTGRES_FSYNC", "off".to_owned())];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        servers::script(script, action, &self.folder, &environment)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // Nothing runs after `remove`; then this finds nothing to stop.
        if self.folder.exists() {
            let _ = self.script("servers.sh", "stop");
        }
    }
}
