//! The report as text: one line with the verdict, then tables.

use std::fmt::Write as _;

use super::{GroupReport, PartitionReport, Report, TaskReport};

/// What nobody said.
const UNKNOWN: &str = "?";

/// The whole report.
pub(super) fn text(report: &Report) -> String {
    let mut text = match report.problems.as_slice() {
        [] => format!(
            "All is well: {} partitions, lag {} (processor), {} (sink).\n",
            report.tasks.len(),
            report.processor.lag,
            report.sink.lag
        ),
        problems => format!("Not well: {}.\n", problems.join("; ")),
    };
    text.push_str(&group("PROCESSOR", &report.processor));
    text.push('\n');
    let mut tasks: Vec<Vec<String>> = vec![
        ["PARTITION", "OWNER", "PHASE", "COMMITTED", "END", "LAG", "STREAM TIME", "WATERMARK", "CHANGELOG"]
            .map(str::to_owned)
            .into(),
    ];
    tasks.extend(report.tasks.iter().map(task));
    text.push_str(&columns(&tasks));
    text.push('\n');
    text.push_str(&group("SINK", &report.sink));
    text.push('\n');
    let header = ["TOPIC", "PARTITION", "OWNER", "COMMITTED", "END", "LAG"].map(str::to_owned);
    let mut parts: Vec<Vec<String>> = vec![header.into()];
    parts.extend(report.sink_partitions.iter().map(sink_partition));
    text.push_str(&columns(&parts));
    for process in &report.processes {
        match (&process.status, &process.error) {
            (Some(status), _) if status.ready => {
                let _ = writeln!(text, "\n{}: {} is ready", process.url, status.member);
            }
            (Some(status), _) => {
                let _ =
                    writeln!(text, "\n{}: {} is not ready: {}", process.url, status.member, status.reason);
            }
            (None, error) => {
                let error = error.as_deref().unwrap_or("no answer");
                let _ = writeln!(text, "\n{}: {error}; phases of its tasks are unknown", process.url);
            }
        }
    }
    text
}

fn group(role: &str, group: &GroupReport) -> String {
    let mut text = format!(
        "\n{role}  group {}: {}, {} members, lag {}\n",
        group.group,
        group.state,
        group.members.len(),
        group.lag
    );
    for member in &group.members {
        let name = member.instance_id.as_ref().unwrap_or(&member.client_id);
        let partitions = match member.partitions.as_slice() {
            [] => "nothing".to_owned(),
            some => some.join(", "),
        };
        let _ = writeln!(text, "  {name} at {}: {partitions}", member.host);
    }
    text
}

fn task(task: &TaskReport) -> Vec<String> {
    let PartitionReport { partition, owner, committed, end, lag, .. } = &task.input;
    let phase = match &task.process {
        None => UNKNOWN.to_owned(),
        Some(process) => match process.restore {
            None => process.phase.clone(),
            Some(restore) => {
                let seconds = restore.seconds_left.map(|left| format!(", {left} s")).unwrap_or_default();
                format!("restoring, {} left{seconds}", restore.left)
            }
        },
    };
    vec![
        partition.to_string(),
        owner.clone().unwrap_or_else(|| "-".to_owned()),
        phase,
        number(*committed),
        end.to_string(),
        lag.to_string(),
        time(task.stream_time),
        time(task.watermark),
        number(task.changelog_end),
    ]
}

fn sink_partition(part: &PartitionReport) -> Vec<String> {
    vec![
        part.topic.clone(),
        part.partition.to_string(),
        part.owner.clone().unwrap_or_else(|| "-".to_owned()),
        number(part.committed),
        part.end.to_string(),
        part.lag.to_string(),
    ]
}

fn number(number: Option<i64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// A time as RFC 3339 in UTC; event times are between 1970 and 9999, a watermark may lie before.
fn time(ms: Option<i64>) -> String {
    let Some(ms) = ms else { return "-".to_owned() };
    match u64::try_from(ms) {
        Ok(positive) => {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(positive);
            humantime::format_rfc3339_millis(time).to_string()
        }
        Err(_) => format!("{ms} ms"),
    }
}

/// Lines with aligned cells.
fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:width$}", width = width(column)))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{columns, time};

    #[test]
    fn cells_are_aligned() {
        let rows = [["A", "LONG"], ["wide", "b"]].map(|row| row.map(str::to_owned).into());
        assert_eq!(columns(&rows), "A     LONG\nwide  b\n");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(time(Some(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
        assert_eq!((time(None), time(Some(-5))), ("-".to_owned(), "-5 ms".to_owned()));
    }
}
