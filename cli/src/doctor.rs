//! `tape doctor`: looks for what usually goes wrong, and says what to do about it.
//!
//! Each module gathers facts of its own and judges them; judging is a function of the facts, so it is tested without servers.
//!
//! | module | looks at |
//! |---|---|
//! | `brokers` | addresses of the brokers, also those that they give out; topics |
//! | `database` | access, connections, schema, clock |
//! | `machine` | state directory and its disk, memory, open files |
//! | `pipeline` | groups, tasks, lag; clocks of the tasks; records that came too late or were refused |

mod brokers;
mod database;
mod machine;
mod pipeline;

use std::thread;

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;
use tape_service::{Config, Failure};

use crate::output;

const HELP: &str = "\
Looks at, each with the remedy:
  - brokers that cannot be reached, also at the addresses that they give out (advertised.listeners); topics that are missing or wrong
  - the state directory: missing, not writable, in memory only, on a network, its disk nearly full
  - a database that refuses us, has no connections left, is read-only, has another schema or clock
  - memory: a limit that is too low, processes that the kernel has killed
  - groups without members, tasks that do not run, lag, clocks that are off, windows that do not close, records that come too late
The state directory, memory and limits are those of this machine and user: run it where the processor runs, as its user. It writes \
one empty file into the state directory (or, while there is none, into the nearest folder above) and removes it, and changes nothing else.
Exit code 0: no problem found (a note is none); 1: problems; 64: the settings are wrong.

EXAMPLES
  tape doctor
  tape doctor --url http://10.0.0.5:9461 --url http://10.0.0.6:9461
  tape doctor --json | jq -r '.findings[] | select(.level == \"problem\") | .remedy'";

/// Options of `tape doctor`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct DoctorArgs {
    /// HTTP address of a processor to ask, as often as there are others than HTTP_BIND_PROCESSOR of this configuration
    #[arg(long = "url", value_name = "http://HOST:PORT")]
    urls: Vec<String>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// Worth knowing.
    Note,
    Problem,
}

/// Something that was found, well or not.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    area: &'static str,
    level: Level,
    what: String,
    /// What to do; none where nothing is to be done.
    remedy: Option<String>,
}

impl Finding {
    fn ok(area: &'static str, what: impl Into<String>) -> Self {
        Self { area, level: Level::Ok, what: what.into(), remedy: None }
    }

    fn note(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { area, level: Level::Note, what: what.into(), remedy: Some(remedy.into()) }
    }

    fn problem(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { area, level: Level::Problem, what: what.into(), remedy: Some(remedy.into()) }
    }
}

/// All findings.
#[derive(Debug, Serialize)]
struct Report {
    problems: usize,
    findings: Vec<Finding>,
}

/// Looks and prints.
pub(crate) fn run(args: &DoctorArgs, config: &Config, warnings: &[String]) -> Result<(), Failure> {
    let findings: Vec<Finding> = thread::scope(|scope| {
        let settings =
            || warnings.iter().map(|warning| Finding::note("settings", warning, "correct or remove it"));
        let areas = [
            scope.spawn(|| brokers::look(config)),
            scope.spawn(|| database::look(config)),
            scope.spawn(|| machine::look(config)),
            scope.spawn(|| pipeline::look(config, &args.urls)),
        ];
        settings().chain(areas.into_iter().flat_map(|area| area.join().unwrap_or_default())).collect()
    });
    let problems = findings.iter().filter(|finding| finding.level == Level::Problem).count();
    let report = Report { problems, findings };
    let text = if args.json {
        serde_json::to_string(&report).map_err(|error| Failure::Other(error.into()))? + "\n"
    } else {
        lines(&report)
    };
    output::print("the findings", &text)?;
    match report.problems {
        0 => Ok(()),
        1 => Err(Failure::Other(anyhow!("a problem was found"))),
        count => Err(Failure::Other(anyhow!("{count} problems were found"))),
    }
}

fn lines(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Problem => "PROBLEM",
        };
        text.push_str(&format!("{level:7}  {:8}  {}\n", finding.area, finding.what));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("{:19}→ {remedy}\n", ""));
        }
    }
    text
}
