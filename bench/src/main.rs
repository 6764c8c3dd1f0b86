//! `tape-bench`: tape beside Kafka Streams and Flink, measured on a real Kafka; see `tape-bench --help`.
//!
//! | file | holds |
//! |---|---|
//! | `args` | the command line |
//! | `dataset` | the trades, which follow from a seed: pure |
//! | `rig`, `fill` | the servers, and the input |
//! | `contender`, `meter`, `backlog`, `watch`, `course` | a process, what it takes, how it works through a backlog, and the figures of that |
//! | `tape`, `peers`, `ceiling` | who runs: tape, Kafka Streams and Flink, and what bounds them all |
//! | `rows` | rows of windows, compared |
//! | `feed`, `ledger`, `database` | a steady rate of trades, and when each is visible |
//! | `throughput`, `latency`, `recovery`, `growth`, `sink`, `live` | the sections |
//! | `results`, `report`, `plot` | raw figures, and what is told of them |
//! | `screen` | what a person sees meanwhile |

mod args;
mod backlog;
mod ceiling;
mod contender;
mod course;
mod database;
mod dataset;
mod facts;
mod feed;
mod fill;
mod growth;
mod latency;
mod ledger;
mod live;
mod meter;
mod peers;
mod plot;
mod recovery;
mod report;
mod results;
mod rig;
mod rows;
mod screen;
mod sink;
mod tape;
mod throughput;
mod watch;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use args::{Args, Command, Name};
use results::{Results, Run, Section};
use rig::Rig;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Ceiling(ceiling)) => ceiling::run(ceiling),
        None => bench(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::line("");
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the sections, and renders the report after each.
fn bench(args: &Args) -> Result<()> {
    let raw = args.out.with_file_name("results.json");
    let mut results = Results::load(&raw)?;
    if !args.render {
        fs::create_dir_all(raw.parent().unwrap_or(Path::new(".")))?;
        let rig = Rig::start(
            &args.folder,
            [Name::Latency, Name::Sink].iter().any(|name| args.sections.contains(name)),
        )?;
        for name in &args.sections {
            if args.quick && *name == Name::Growth {
                continue;
            }
            section(&rig, args, *name, &raw, &mut results)
                .with_context(|| format!("{}; logs are in {}", name.text(), rig.path("logs").display()))?;
            report::write(&results, &args.out)?;
        }
        if !args.keep {
            rig.remove()?;
            fs::remove_dir_all(&rig.folder)?;
        }
    }
    report::write(&results, &args.out)?;
    screen::line(&format!("report: {}; figures: {}", args.out.display(), raw.display()));
    Ok(())
}

/// Runs a section and keeps its figures, run by run.
fn section(rig: &Rig, args: &Args, name: Name, raw: &Path, results: &mut Results) -> Result<()> {
    screen::line(&format!("== {}", name.text()));
    let fresh =
        Section { made: facts::now(), command: facts::command(), facts: facts::all(rig)?, runs: Vec::new() };
    results.sections.insert(name.text().to_owned(), fresh);
    let mut keep = |run: Run| {
        if let Some(section) = results.sections.get_mut(name.text()) {
            section.runs.push(run);
        }
        results.save(raw)
    };
    match name {
        Name::Throughput => throughput::run(rig, args, &mut keep),
        Name::Latency => latency::run(rig, args, &mut keep),
        Name::Growth => growth::run(rig, args, &mut keep),
        Name::Recovery => recovery::run(rig, args, &mut keep),
        Name::Sink => sink::run(rig, args, &mut keep),
        Name::Live => live::run(rig, args, &mut keep),
    }
}
