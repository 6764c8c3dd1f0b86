//! Do the roles run, are clocks sane, does time go on, and what share of the records is late or refused?

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tape_kafka::{Clients, Isolation};
use tape_service::{Config, Failure};

use super::Finding;
use crate::gauges::Gauges;
use crate::http;
use crate::source::millis;
use crate::span::{self, From};
use crate::status::{self, ProcessReport, TaskReport};

const ROLES: &str = "roles";
const CLOCKS: &str = "clocks";
const RECORDS: &str = "records";

const REJECTED: &str = "tape_processor_rejected_records_total";

/// How long Kafka may take for the first answer; without one there is nothing to look at here.
const FIRST: Duration = Duration::from_secs(5);
/// How long the newest records may take.
const READ: Duration = Duration::from_secs(5);
/// Clocks that differ by less do not matter, ms.
const CLOCK_MS: i64 = 1_000;
/// Event times may lie so far ahead of our clock without anybody's clock being wrong, ms: the contract allows MAX_FUTURE on top.
const AHEAD_MS: i64 = 5_000;
/// A partition without a record for so long is quiet, ms.
const QUIET_MS: i64 = 300_000;
/// Shares of the records that are worth a note, and that are a problem.
const SHARE_NOTE: f64 = 0.001;
const SHARE_PROBLEM: f64 = 0.05;

/// What the findings are made of.
struct Facts<'a> {
    config: &'a Config,
    /// Our clock, epoch ms.
    now: i64,
    tasks: &'a [TaskReport],
    /// When the newest record of a partition was appended, by the broker's clock, epoch ms.
    newest: &'a [(i32, i64)],
}

pub(super) fn look(config: &Config, urls: &[String]) -> Vec<Finding> {
    let clients = Clients::new(&config.kafka, &format!("{}-doctor", config.app_id));
    let is_there = clients.admin().and_then(|admin| admin.partition_count(&config.topics.raw_trades, FIRST));
    // Without brokers or topics nothing runs, and that is found elsewhere.
    if !matches!(is_there, Ok(Some(_))) {
        return Vec::new();
    }
    let report = match status::gather(config, urls, status::LAG_MAX) {
        Ok(report) => report,
        Err(failure) => {
            return vec![Finding::problem(ROLES, failure.to_string(), "see the findings about kafka")];
        }
    };
    let mut findings: Vec<_> = report.problems.iter().map(|problem| role(problem)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(ROLES, "processor and sink share out all partitions and keep up"));
    }
    let newest = newest(&clients, &config.topics.raw_trades).unwrap_or_default();
    findings.extend(clocks(&Facts { config, now: now_ms(), tasks: &report.tasks, newest: &newest }));
    for ProcessReport { url, status, .. } in &report.processes {
        let Some(status) = status else { continue };
        if let Ok(page) = http::get(&format!("{url}/metrics")).and_then(http::Answer::well) {
            findings.extend(records(config, &status.member, &page));
        }
    }
    findings
}

/// What `tape status` finds wrong, with what to do.
fn role(problem: &str) -> Finding {
    let remedy = match problem {
        text if text.starts_with("no processor") => "start `tape process` with this APP_ID",
        text if text.starts_with("no sink") => "start `tape sink` with this APP_ID",
        text if text.contains("restores") => "nothing: it reads its changelog and then goes on",
        text if text.contains("records behind") => {
            "wait, if it falls (`tape status --watch`); if not: more processes, up to one for each partition, and a look at the \
             processor's CPU or at the database"
        }
        text if text.contains("shares out") => "nothing, unless it lasts longer than KAFKA_SESSION_TIMEOUT",
        _ => "the log of the process says why",
    };
    Finding::problem(ROLES, problem, remedy)
}

fn clocks(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let processing = &facts.config.processing;
    let ahead = facts.newest.iter().map(|(_, time)| time - facts.now).max().unwrap_or_default();
    if ahead > CLOCK_MS {
        let what = format!(
            "the newest record was appended {} in our future: a broker's clock or ours is wrong",
            seconds(ahead)
        );
        findings.push(Finding::problem(CLOCKS, what, "synchronise the clocks (chrony, systemd-timesyncd)"));
    }
    for task in facts.tasks {
        let partition = task.input.partition;
        if let Some(time) =
            task.stream_time.filter(|time| *time > facts.now + AHEAD_MS + millis(processing.max_future))
        {
            let what = format!(
                "stream time of partition {partition} is {} ahead of our clock",
                seconds(time - facts.now)
            );
            let remedy = "windows close too early and trades come too late until the clock has caught up: correct the clock of \
                          whoever writes the trades, and of this machine; `tape reset --to TIME` computes the time again";
            findings.push(Finding::problem(CLOCKS, what, remedy));
        }
        let newest = facts.newest.iter().find(|(other, _)| *other == partition);
        let quiet = newest.map_or(0, |(_, time)| facts.now - time);
        if processing.idle_timeout.is_zero() && quiet > QUIET_MS && task.input.lag == 0 {
            let what = format!(
                "partition {partition} is quiet for {}, so its last windows do not close",
                seconds(quiet)
            );
            findings.push(Finding::note(
                CLOCKS,
                what,
                "IDLE_TIMEOUT=30s closes them; 0 waits for the next trade",
            ));
        }
    }
    if findings.is_empty() && !facts.tasks.is_empty() {
        findings.push(Finding::ok(CLOCKS, "stream times and the broker's clock are not ahead of ours"));
    }
    findings
}

/// What a processor has counted since its start.
fn records(config: &Config, member: &str, page: &str) -> Vec<Finding> {
    let counted = Gauges::parse(page);
    let (all, late) =
        (counted.sum("tape_processor_records_total"), counted.sum("tape_processor_late_records_total"));
    let reasons = counted.by_label(REJECTED, "reason");
    let most = reasons.iter().max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or("unknown", |(reason, _)| reason);
    let refused = counted.sum(REJECTED);
    let mut findings = Vec::new();
    let mut judge = |count: f64, what: &str, remedy: String| {
        let share = count / all.max(1.0);
        let what = format!("{member}: {count:.0} of {all:.0} records ({:.1} %) {what}", share * 100.0);
        if share > SHARE_PROBLEM {
            findings.push(Finding::problem(RECORDS, what, remedy));
        } else if share > SHARE_NOTE {
            findings.push(Finding::note(RECORDS, what, remedy));
        }
    };
    let delay = humantime::format_duration(config.processing.watermark_delay);
    judge(
        late,
        "came after all their windows had closed",
        format!(
            "WATERMARK_DELAY={delay} is shorter than their way: raise it, or look for a producer that replays or whose clock is slow; \
             `tape tail {}` shows them",
            config.topics.late.as_deref().unwrap_or("raw-trades-late")
        ),
    );
    judge(
        refused,
        &format!("were refused, most as {most}"),
        format!(
            "`tape tail {} --from earliest --limit 5` shows them; future_timestamp is a producer's clock that is fast, or a \
             broker's that is slow",
            config.topics.dead_letters
        ),
    );
    if findings.is_empty() && all > 0.0 {
        findings.push(Finding::ok(
            RECORDS,
            format!("{member}: {all:.0} records, {late:.0} late, {refused:.0} refused"),
        ));
    }
    findings
}

/// When the last record of each partition was appended.
fn newest(clients: &Clients, topic: &str) -> Result<Vec<(i32, i64)>, Failure> {
    let mut reader = clients.reader(Isolation::ReadUncommitted)?;
    let mut starts = span::starts(&reader, topic, None, From::Earliest, Isolation::ReadUncommitted)?;
    starts.retain(|start| start.end > start.from);
    starts.iter_mut().for_each(|start| start.from = start.end - 1);
    span::assign(&mut reader, &starts)?;
    let (mut found, deadline) = (Vec::new(), Instant::now() + READ);
    while !span::is_done(&reader, &starts) && Instant::now() < deadline {
        span::poll(&mut reader, &mut |record| {
            let appended = record.timestamp.filter(|_| record.log_append_time);
            found.extend(appended.map(|time| (record.partition, time)));
        })?;
    }
    Ok(found)
}

fn now_ms() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn seconds(ms: i64) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(u64::try_from(ms / 1000).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use tape_service::Config;

    use super::super::Level;
    use super::{Facts, clocks, records};
    use crate::status::{PartitionReport, TaskReport};

    const NOW: i64 = 1_700_000_000_000;

    fn config(settings: &[(&str, &str)]) -> Config {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(settings.collect::<Vec<_>>(), None).expect("settings").config
    }

    fn task(stream_time: i64) -> TaskReport {
        let input = PartitionReport {
            topic: "raw-trades".to_owned(),
            partition: 2,
            owner: None,
            committed: Some(5),
            low: 0,
            end: 5,
            lag: 0,
        };
        TaskReport {
            input,
            stream_time: Some(stream_time),
            watermark: None,
            changelog_low: None,
            changelog_end: None,
            process: None,
        }
    }

    fn found(settings: &[(&str, &str)], stream_time: i64, newest: i64) -> Vec<Level> {
        let (config, tasks, newest) = (config(settings), [task(stream_time)], [(2, newest)]);
        let facts = Facts { config: &config, now: NOW, tasks: &tasks, newest: &newest };
        clocks(&facts).iter().map(|found| found.level).collect()
    }

    #[test]
    fn clocks_are_judged() {
        assert_eq!(found(&[], NOW - 1000, NOW - 500), [Level::Ok]);
        assert_eq!(found(&[], NOW - 1000, NOW + 1500), [Level::Problem], "the broker's clock");
        assert_eq!(found(&[], NOW + 3_600_000, NOW), [Level::Problem], "a trade from the future");
        let quiet = NOW - 600_000;
        assert_eq!(found(&[("IDLE_TIMEOUT", "0s")], quiet, quiet), [Level::Note]);
        assert_eq!(found(&[("IDLE_TIMEOUT", "30s")], quiet, quiet), [Level::Ok]);
    }

    #[test]
    fn shares_of_records_are_judged() {
        let page = |late: u32, refused: u32| {
            format!(
                "# TYPE x counter\ntape_processor_records_total 10000\ntape_processor_late_records_total {late}\n\
                 tape_processor_rejected_records_total{{reason=\"future_timestamp\"}} {refused}\n\
                 tape_processor_rejected_records_total{{reason=\"bad_json\"}} 1\n"
            )
        };
        let of = |late, refused| records(&config(&[]), "tape-a", &page(late, refused));
        assert_eq!(of(1, 1)[0].level, Level::Ok);
        assert_eq!(of(100, 1)[0].level, Level::Note);
        let found = of(600, 9000);
        assert_eq!(
            found.iter().map(|found| found.level).collect::<Vec<_>>(),
            [Level::Problem, Level::Problem]
        );
        assert!(found[0].what.starts_with("tape-a: 600 of 10000 records (6.0 %)"), "{found:?}");
        assert!(found[1].what.contains("future_timestamp"), "{found:?}");
    }
}
