//! `tape`: every role and every tool of the project in one program. This file is the table of contents.
//!
//! | module | commands |
//! |---|---|
//! | `args` | the command line; its help is the manual |
//! | `demo` | `demo`: the whole pipeline in one process, with a live view and a self-check |
//! | `backtest` | `backtest`: the analytics over files, without any server |
//! | `roles` | `produce`, `process`, `sink` |
//! | `fake` | `fake-massive`: a server that speaks the protocol of the live feed |
//! | `migrate`, `maintain` | the database's schema, and keeping it in order |
//! | `backup` | `backup`, `restore`: dumps whose rows are counted |
//! | `topics` | `topics`: creates and checks |
//! | `reset` | `reset`: the processor starts over |
//! | `replay` | `replay-dlq`: dead letters go back to where they came from |
//! | `tail` | `tail`: a topic as JSON lines |
//! | `status` | `status`: groups, lag, tasks |
//! | `health` | `health`: six questions with yes or no |
//! | `doctor` | `doctor`: what usually goes wrong, and what to do |
//! | `check` | `check`: store, changelog and input against each other |
//! | `dump` | `dump`: stores and topics as they stand |
//! | `lines`, `span` | records as JSON, and which of them are read |
//! | `settings` | `config`: the effective settings |
//! | `source`, `layout` | options that name a source of trades and the shape of its files |
//! | `database`, `http`, `gauges` | questions to the database and to the servers of roles; their metrics |
//! | `output` | what reaches the terminal, and the exit code |
//!
//! Exit codes: 0 done, 1 failed, 64 something that the user must correct (command line, setting, input).

mod args;
mod backtest;
mod backup;
mod check;
mod database;
mod demo;
mod doctor;
mod dump;
mod fake;
mod gauges;
mod health;
mod http;
mod layout;
mod lines;
mod maintain;
mod migrate;
mod output;
mod replay;
mod reset;
mod roles;
mod settings;
mod source;
mod span;
mod status;
mod tail;
mod topics;

use std::process::ExitCode;

use clap::Parser;
use tape_service::{Config, Failure, logs};

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::failure(&failure),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let loaded = Config::from_process(cli.config.as_deref())?;
    // The demo logs to a file, and the listing of the settings is about the warnings.
    if !matches!(cli.command, Command::Demo(_) | Command::Config(_)) {
        logs::init(&loaded.config.log)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
    }
    match cli.command {
        Command::Demo(args) => demo::run(&args, loaded),
        Command::Backtest(args) => backtest::run(&args, &loaded.config),
        Command::Topics(args) => topics::run(&args, &loaded.config),
        Command::Migrate(args) => migrate::run(&args, loaded.config),
        Command::Maintain(args) => maintain::run(&args, loaded.config),
        Command::Backup(args) => backup::backup(&args, loaded.config),
        Command::Restore(args) => backup::restore(&args, loaded.config),
        Command::Produce(args) => roles::produce(&args, loaded.config),
        Command::Process => roles::process(loaded.config),
        Command::Sink => roles::sink(loaded.config),
        Command::FakeMassive(args) => fake::run(&args, loaded.config),
        Command::Tail(args) => tail::run(&args, &loaded.config),
        Command::Reset(args) => reset::run(&args, &loaded.config),
        Command::ReplayDlq(args) => replay::run(&args, &loaded.config),
        Command::Status(args) => status::run(&args, &loaded.config),
        Command::Health(args) => health::run(&args, &loaded.config),
        Command::Doctor(args) => doctor::run(&args, &loaded.config, &loaded.warnings),
        Command::Check(args) => check::run(&args, &loaded.config),
        Command::Dump(args) => dump::run(&args, &loaded.config),
        Command::Config(args) => settings::run(&args, &loaded),
    }
}
