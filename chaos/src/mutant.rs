//! A processor whose commits are broken on purpose: a harness that does not catch it is worth nothing.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::ValueEnum;
use tape_processor::CommitOrder;
use tape_service::{Config, Shutdown, logs, metrics};

/// Orders of a commit that are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mutation {
    /// The store is written before the transaction commits
    StateFirst,
    /// The input offsets are committed by themselves, after the transaction
    OffsetsOutside,
}

impl Mutation {
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
