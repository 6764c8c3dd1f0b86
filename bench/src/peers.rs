//! Kafka Streams and Flink as contenders: Java programs in `bench/peers`, built by `bench/peers/build.sh` into `.local/peers`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::contender::Recipe;
use crate::rig::Rig;

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Kafka Streams.
    Streams,
    /// Flink.
    Flink,
}

impl Which {
    fn folder(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Flink => "flink",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Streams => "tape.bench.StreamsPeer",
            Self::Flink => "tape.bench.FlinkPeer",
        }
    }
}

/// One installation of a peer.
pub(crate) struct Peer {
    pub(crate) app: String,
    pub(crate) state: PathBuf,
    which: Which,
    args: Vec<(String, String)>,
}

impl Peer {
    /// Named `app`, reads `input`, with these arguments on top.
    pub(crate) fn new(rig: &Rig, which: Which, app: &str, input: &str, args: &[(&str, &str)]) -> Self {
        let state = rig.path(&format!("state/{app}"));
        let mut all = vec![
            ("bootstrap".to_owned(), rig.bootstrap().to_owned()),
            ("input".to_owned(), input.to_owned()),
            ("output".to_owned(), format!("{app}-rows")),
            ("app-id".to_owned(), app.to_owned()),
            ("state-dir".to_owned(), state.display().to_string()),
            ("grace-ms".to_owned(), "60000".to_owned()),
        ];
        for (name, value) in args {
            all.retain(|(known, _)| known != name);
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        Peer { app: app.to_owned(), state, which, args: all }
    }

    pub(crate) fn output(&self) -> String {
        format!("{}-rows", self.app)
    }

    /// How it is started.
    pub(crate) fn recipe(&self, rig: &Rig) -> Result<Recipe> {
        let home = home(rig, self.which);
        let mut args = vec![
            format!("@{}", home.join("jvm.args").display()),
            "-cp".to_owned(),
            format!("{}/lib/*", home.display()),
            self.which.class().to_owned(),
        ];
        args.extend(self.args.iter().flat_map(|(name, value)| [format!("--{name}"), value.clone()]));
        Ok(Recipe {
            name: self.app.clone(),
            program: rig.java()?,
            args,
            environment: BTreeMap::new(),
            folder: rig.path("logs"),
        })
    }

    /// Deletes its local state, as a lost disk would.
    pub(crate) fn lose_state(&self) -> Result<()> {
        if self.state.exists() {
            fs::remove_dir_all(&self.state)?;
        }
        Ok(())
    }
}

/// Whether a peer has been built.
pub(crate) fn is_built(rig: &Rig, which: Which) -> bool {
    home(rig, which).join("lib").is_dir()
}

/// The version of a library of a peer, by the name of its jar.
pub(crate) fn version(rig: &Rig, which: Which, jar: &str) -> Result<String> {
    let lib = home(rig, which).join("lib");
    for entry in fs::read_dir(&lib).with_context(|| format!("read {}", lib.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix(jar).and_then(|rest| rest.strip_suffix(".jar"));
        if let Some(version) = rest.filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit())) {
            return Ok(version.to_owned());
        }
    }
    Ok("unknown".to_owned())
}

fn home(rig: &Rig, which: Which) -> PathBuf {
    rig.root.join(".local/peers").join(which.folder())
}
