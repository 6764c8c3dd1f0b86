//! A processor whose commits are broken on purpose: a harness that does not catch it is worth nothing.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use tape_processor::CommitOrder;
use tape_service::{Config, Shutdown, logs, metrics};

use crate::schedule::Kind;

/// Orders of a commit that are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mutation {
    /// The store is written before the transaction commits
    StateFirst,
    /// The input offsets are committed by themselves, after the transaction
    OffsetsOutside,
}

/// Faults that show a wrong order soon.
pub(crate) struct Exposure {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) length: Duration,
    /// Pauses in percent of the usual ones.
    pub(crate) pace: u64,
}

impl Mutation {
    /// What shows it.
    ///
    /// A store that is ahead shows when a commit fails and the process lives: a SIGKILL takes what the store has not flushed with
    /// it, so that a crash heals what was wrong. Offsets that are behind show after a SIGKILL between the two commits.
    pub(crate) fn exposure(self) -> Exposure {
        match self {
            Mutation::StateFirst => {
                let kinds = vec![Kind::ProcessorCut, Kind::ProcessorFreeze];
                Exposure { kinds, length: Duration::from_secs(30), pace: 20 }
            }
            Mutation::OffsetsOutside => {
                let kinds = vec![Kind::ProcessorKill];
                Exposure { kinds, length: Duration::from_secs(35), pace: 35 }
            }
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mutation::StateFirst => "state-first",
            Mutation::OffsetsOutside => "offsets-outside",
        }
    }
}

/// Runs it as `tape process` runs a right one.
pub(crate) fn run(mutation: Mutation) -> ExitCode {
    match process(mutation) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn process(mutation: Mutation) -> Result<()> {
    let config = Config::from_process(None)?.config;
    logs::init(&config.log)?;
    metrics::install()?;
    let order = match mutation {
        Mutation::StateFirst => CommitOrder::StateFirst,
        Mutation::OffsetsOutside => CommitOrder::OffsetsOutside,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        shutdown.on_signals()?;
        tape_processor::run_with(Arc::new(config), shutdown, order).await
    })?;
    Ok(())
}
