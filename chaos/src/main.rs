//! `tape-chaos`: faults for a running tape, and the proof that they changed nothing.
//!
//! It starts a real Kafka and a real PostgreSQL, several processors and sinks, and a producer with a seeded market (disorder,
//! lateness, poison). For some minutes it kills, freezes, cuts off and damages them by a schedule that follows from a seed.
//! Then it lets everything become well again and compares every final row, alert, dead letter and late record, in the topics
//! and in the tables, with what the oracle makes of the same log.
//!
//! | file | holds |
//! |---|---|
//! | `args` | the command line |
//! | `schedule` | which fault, whom, when: pure |
//! | `stage` | a run is set up |
//! | `run` | the course of a run |
//! | `world`, `servers`, `fleet`, `proxy` | what faults hit |
//! | `faults` | faults at work |
//! | `feed` | the producer |
//! | `mutant` | processors that commit in a wrong order |
//! | `watch`, `sampler` | what is measured: progress, owners, memory, lines of log |
//! | `topics`, `check` | what is there, and what must be |
//! | `report` | what a run tells |

mod args;
mod check;
mod faults;
mod feed;
mod fleet;
mod mutant;
mod proxy;
mod report;
mod run;
mod sampler;
mod schedule;
mod servers;
mod stage;
mod topics;
mod watch;
mod world;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tape_service::Shutdown;

use args::{Args, Command};
use run::{Spec, Verdict};

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Command::Process { commit_order }) = &args.command {
        return mutant::run(*commit_order);
    }
    match chaos(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn chaos(args: &Args) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let stop = Shutdown::new();
    let _entered = runtime.enter();
    stop.on_signals()?;
    let mut all_well = true;
    for spec in args.specs()? {
        let mut well = false;
        for attempt in attempts(args, &spec) {
            let verdict = run::run(&attempt, &stop, &runtime)
                .with_context(|| format!("the run failed; its logs are in {}", attempt.folder.display()))?;
            well = judge(args, &attempt, &verdict);
            if well || stop.is_requested() {
                break;
            }
        }
        all_well &= well;
    }
    Ok(all_well)
}

/// A wrong order of commits shows by chance, so a mutation that one schedule does not show gets two others. A right one has
/// one attempt.
fn attempts(args: &Args, spec: &Spec) -> Vec<Spec> {
    let count = if args.mutation_of(spec).is_some() { 3 } else { 1 };
    let attempt = |number: u64| {
        let mut attempt = spec.clone();
        attempt.plan.seed += number;
        if number > 0 {
            attempt.folder.as_mut_os_string().push(format!("-again-{number}"));
        }
        attempt
    };
    (0..count).map(attempt).collect()
}

fn judge(args: &Args, spec: &Spec, verdict: &Verdict) -> bool {
    let folder = spec.folder.display();
    if let Some(mutation) = args.mutation_of(spec) {
        let count = verdict.differences.len();
        return if count > 0 {
            println!("{mutation}: caught: {count} differences after {} faults", verdict.faults);
            true
        } else {
            println!("{mutation}: NOT SEEN after {} faults; everything is in {folder}", verdict.faults);
            false
        };
    }
    verdict.troubles.iter().for_each(|trouble| println!("trouble: {trouble}"));
    let well = spec.accepts(verdict);
    let word = if well { "PASSED" } else { "FAILED" };
    println!(
        "{word}: {}; report: {folder}/report.md; replay: --seed {}",
        report::outcome(verdict),
        spec.plan.seed
    );
    well
}
