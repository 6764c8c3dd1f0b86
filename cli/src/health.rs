//! `tape health`: six questions, side by side, each answered within seconds. For scripts, monitors and health checks of containers.

mod checks;

use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde::Serialize;
use tape_service::{Config, Failure};

use crate::output;

const HELP: &str = "\
  kafka      a broker answers, and each topic has a leader for every partition
  database   it takes our role, and its schema and window are those of this tape
  rows       a window that began within the last hour is there (quiet markets and old replays have none)
  processor  its group shares out all partitions; the one of HTTP_BIND_PROCESSOR is ready, if it answers
  producer   the one of HTTP_BIND_PRODUCER is ready
  grafana    it answers at GRAFANA_PORT of this machine, and its database is well

Nothing joins a group, nothing is written. Exit code 0: all that was asked is well; 1: something is not; 64: the settings are wrong.
`tape doctor` looks deeper and says what to do.

EXAMPLES
  tape health
  tape health kafka database rows processor
  tape health producer --url http://10.0.0.4:9460
  tape health --json | jq -r '.checks[] | select(.ok | not) | .name'";

/// Options of `tape health`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct HealthArgs {
    /// What to ask [default: all six]
    #[arg(value_enum, value_name = "CHECK")]
    checks: Vec<Check>,
    /// Where the processor, the producer or Grafana is, when one of them is asked and lives elsewhere
    #[arg(long, value_name = "http://HOST:PORT")]
    url: Option<String>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Check {
    Kafka,
    Database,
    Rows,
    Processor,
    Producer,
    Grafana,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    name: Check,
    ok: bool,
    /// How well it is, or what is wrong and what to do.
    detail: String,
    took_ms: u128,
}

/// All answers.
#[derive(Debug, Serialize)]
struct Report {
    healthy: bool,
    checks: Vec<Outcome>,
}

/// Asks and prints.
pub(crate) fn run(args: &HealthArgs, config: &Config) -> Result<(), Failure> {
    let mut wanted = args.checks.clone();
    if wanted.is_empty() {
        wanted = Check::value_variants().to_vec();
    }
    let url = address(args.url.as_deref(), &wanted)?;
    let checks: Vec<Outcome> = thread::scope(|scope| {
        let asked: Vec<_> =
            wanted.iter().map(|check| scope.spawn(move || outcome(*check, config, url))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let failed: Vec<_> = checks.iter().filter(|check| !check.ok).map(|check| word(check.name)).collect();
    let (asked, failed) = (wanted.len(), failed.join(", "));
    let report = Report { healthy: failed.is_empty() && checks.len() == asked, checks };
    let text = if args.json {
        serde_json::to_string(&report).map_err(|error| Failure::Other(error.into()))? + "\n"
    } else {
        table(&report)
    };
    output::print("the answer", &text)?;
    if report.healthy { Ok(()) } else { Err(Failure::Other(anyhow!("not well: {failed}"))) }
}

/// `--url` belongs to the only one of the three that is asked.
fn address<'a>(url: Option<&'a str>, wanted: &[Check]) -> Result<Option<&'a str>, Failure> {
    let Some(url) = url else { return Ok(None) };
    let served = [Check::Processor, Check::Producer, Check::Grafana];
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(Failure::Config(format!("--url {url}: write http://HOST:PORT")));
    }
    if wanted.iter().filter(|check| served.contains(check)).count() != 1 {
        return Err(Failure::Config(format!(
            "--url {url}: name the one that is there: processor, producer or grafana, and no two of them"
        )));
    }
    Ok(Some(url.trim_end_matches('/')))
}

fn outcome(check: Check, config: &Config, url: Option<&str>) -> Outcome {
    let begun = Instant::now();
    let answer = match check {
        Check::Kafka => checks::kafka(config),
        Check::Database => checks::database(config),
        Check::Rows => checks::rows(config),
        Check::Processor => checks::processor(config, url),
        Check::Producer => checks::producer(config, url),
        Check::Grafana => checks::grafana(config, url),
    };
    let (ok, detail) = match answer {
        Ok(detail) => (true, detail),
        Err(detail) => (false, detail),
    };
    Outcome { name: check, ok, detail, took_ms: begun.elapsed().as_millis() }
}

fn word(check: Check) -> String {
    check.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn table(report: &Report) -> String {
    let line = |check: &Outcome| {
        let state = if check.ok { "ok" } else { "FAILED" };
        format!("{state:6}  {:9}  {}\n", word(check.name), check.detail)
    };
    report.checks.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{Check, address};

    #[test]
    fn an_address_belongs_to_one() {
        let url = Some("http://10.0.0.4:9460/");
        assert_eq!(
            address(url, &[Check::Kafka, Check::Producer]).unwrap_or_default(),
            Some("http://10.0.0.4:9460")
        );
        assert!(address(url, &[Check::Kafka]).is_err());
        assert!(address(url, &[Check::Grafana, Check::Producer]).is_err());
        assert!(address(Some("10.0.0.4:9460"), &[Check::Producer]).is_err());
        assert!(matches!(address(None, &[Check::Kafka]), Ok(None)));
    }
}
