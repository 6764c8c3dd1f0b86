//! `tape migrate`: the schema up, its state, or everything down again.

use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use tape_db::layout::Server;
use tape_db::schema::Status;
use tape_service::{Config, Failure};

use crate::{output, roles};

/// Options of `tape migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Say what would be done, and change nothing
    #[arg(long, conflicts_with_all = ["status", "down"])]
    dry_run: bool,
    /// Say what the database is and has; exit code 1 when `tape migrate` has something to do
    #[arg(long, conflicts_with = "down")]
    status: bool,
    /// Take everything away that `tape migrate` made, rows included; needs --yes
    #[arg(long, requires = "yes")]
    down: bool,
    /// Do not ask: what --down deletes does not come back
    #[arg(long, requires = "down")]
    yes: bool,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// What is told, as JSON.
#[derive(Serialize)]
struct Answer {
    edition: &'static str,
    postgres: String,
    timescale: Option<String>,
    version: i32,
    newest: i32,
    applied: Vec<String>,
    pending: Vec<String>,
    changed: Vec<String>,
    slide_seconds: Option<f64>,
    window_seconds: Option<f64>,
}

/// Does one of the three; waits while the database is away.
pub(crate) fn run(args: &MigrateArgs, config: Config) -> Result<(), Failure> {
    roles::until_stopped(config, async |config: Arc<Config>, shutdown| {
        let stopped = || Failure::Other(anyhow::anyhow!("stopped before it was done"));
        if args.down {
            tape_db::migrate::down(&config, &shutdown).await?.ok_or_else(stopped)?;
            return output::print("the answer", "Everything that tape had made is gone from the database.\n");
        }
        if args.status || args.dry_run {
            let status = tape_db::migrate::status(&config, &shutdown).await?.ok_or_else(stopped)?;
            let is_current = status.pending.is_empty() && status.changed.is_empty();
            let text = if args.json { json(&answer(status))? } else { lines(&status) };
            output::print("the answer", &text)?;
            let behind = anyhow::anyhow!("the schema is not up to date: run `tape migrate`");
            return if args.status && !is_current { Err(Failure::Other(behind)) } else { Ok(()) };
        }
        let report = tape_db::migrate(&config, &shutdown).await?.ok_or_else(stopped)?;
        if args.json {
            let status = tape_db::migrate::status(&config, &shutdown).await?.ok_or_else(stopped)?;
            return output::print(
                "the answer",
                &json(&Answer { applied: report.applied, ..answer(status) })?,
            );
        }
        let done = match report.applied.as_slice() {
            [] => format!("The schema is up to date (version {})", report.version),
            applied => format!("Applied {}; the schema is at version {}", applied.join(", "), report.version),
        };
        output::print("the answer", &format!("{done}. {}{}\n", report.server, kept_by(&report.server)))
    })
}

fn kept_by(server: &Server) -> &'static str {
    if server.edition.needs_maintenance() {
        ": `tape maintain` keeps it in order, run it every few minutes"
    } else {
        ": its policies keep it in order"
    }
}

fn lines(status: &Status) -> String {
    let mut text = format!("server    {} ({})\n", status.server, status.server.edition.as_str());
    text.push_str(&match (status.version, &status.settings) {
        (0, _) => "schema    none\n".to_owned(),
        (version, None) => format!("schema    version {version}\n"),
        (version, Some(of)) => {
            format!("schema    version {version}, windows of {:?} by {:?}\n", of.window, of.slide)
        }
    });
    for name in &status.pending {
        text.push_str(&format!("pending   {name}\n"));
    }
    for name in &status.changed {
        text.push_str(&format!("changed   {name}: not the file that was applied; `tape migrate` refuses\n"));
    }
    if status.version > status.newest {
        text.push_str(&format!("newer     this tape knows only version {}\n", status.newest));
    }
    text
}

fn answer(status: Status) -> Answer {
    Answer {
        edition: status.server.edition.as_str(),
        postgres: status.server.postgres,
        timescale: status.server.timescale,
        version: status.version,
        newest: status.newest,
        applied: Vec::new(),
        pending: status.pending,
        changed: status.changed,
        slide_seconds: status.settings.map(|of| of.slide.as_secs_f64()),
        window_seconds: status.settings.map(|of| of.window.as_secs_f64()),
    }
}

fn json(answer: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(answer).map_err(|error| Failure::Other(error.into()))?;
    Ok(text + "\n")
}
