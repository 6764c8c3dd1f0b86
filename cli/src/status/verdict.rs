//! What is not well, in sentences.

use super::{GroupReport, PartitionReport, Report, TaskReport};

/// Everything that is wrong, the worst first.
pub(super) fn problems(report: &Report, max_lag: i64) -> Vec<String> {
    let input: Vec<_> = report.tasks.iter().map(|task| &task.input).collect();
    let output: Vec<_> = report.sink_partitions.iter().collect();
    let mut problems = Vec::new();
    problems.extend(group("processor", &report.processor, &input));
    problems.extend(group("sink", &report.sink, &output));
    problems.extend(report.tasks.iter().filter_map(phase));
    for process in report.processes.iter().filter_map(|process| process.status.as_ref()) {
        if !process.ready && !process.reason.is_empty() {
            problems.push(format!("{} is not ready: {}", process.member, process.reason));
        }
    }
    problems.extend(lag("processor", &input, max_lag));
    problems.extend(lag("sink", &output, max_lag));
    problems
}

fn group(role: &str, group: &GroupReport, parts: &[&PartitionReport]) -> Option<String> {
    if group.members.is_empty() {
        return Some(format!("no {role} runs: group {} has no members", group.group));
    }
    if group.state != "Stable" {
        return Some(format!("the group of the {role} shares out its partitions ({})", group.state));
    }
    let unowned: Vec<_> = parts
        .iter()
        .filter(|part| part.owner.is_none())
        .map(|part| format!("{}[{}]", part.topic, part.partition))
        .collect();
    (!unowned.is_empty()).then(|| format!("nobody of the {role} owns {}", unowned.join(", ")))
}

fn phase(task: &TaskReport) -> Option<String> {
    let (partition, process) = (task.input.partition, task.process.as_ref()?);
    match (process.phase.as_str(), process.restore) {
        ("running", _) => None,
        ("restoring", Some(restore)) => {
            let left = restore.seconds_left.map(|left| format!(", {left} s to go")).unwrap_or_default();
            Some(format!(
                "task {partition} restores, {} of {} records left{left}",
                restore.left, restore.total
            ))
        }
        (phase, _) => Some(format!("task {partition} is {phase}")),
    }
}

fn lag(role: &str, parts: &[&PartitionReport], max: i64) -> Option<String> {
    let behind: Vec<_> = parts.iter().filter(|part| part.lag > max).collect();
    let records: i64 = behind.iter().map(|part| part.lag).sum();
    (!behind.is_empty())
        .then(|| format!("the {role} is {records} records behind in {} partitions", behind.len()))
}

#[cfg(test)]
mod tests {
    use tape_processor::status::{ProcessStatus, RestoreStatus, TaskStatus};

    use super::super::{GroupReport, MemberReport, PartitionReport, ProcessReport, Report, TaskReport};
    use super::problems;

    fn group(name: &str, members: usize) -> GroupReport {
        let member = |number: usize| MemberReport {
            client_id: "c".to_owned(),
            instance_id: None,
            member_id: number.to_string(),
            host: String::new(),
            partitions: Vec::new(),
        };
        let state = if members == 0 { "Empty" } else { "Stable" }.to_owned();
        GroupReport { group: name.to_owned(), state, members: (0..members).map(member).collect(), lag: 0 }
    }

    fn part(topic: &str, partition: i32, owner: Option<&str>, lag: i64) -> PartitionReport {
        let (topic, owner) = (topic.to_owned(), owner.map(str::to_owned));
        PartitionReport { topic, partition, owner, committed: Some(5), low: 0, end: 5 + lag, lag }
    }

    fn report(members: usize, input: PartitionReport, process: Option<TaskStatus>) -> Report {
        let (stream_time, watermark, changelog_low, changelog_end) = (None, None, None, None);
        let task = TaskReport { input, stream_time, watermark, changelog_low, changelog_end, process };
        Report {
            well: true,
            problems: Vec::new(),
            processor: group("app-processor", members),
            tasks: vec![task],
            sink: group("app-sink", 1),
            sink_partitions: vec![part("rows", 0, Some("s"), 0)],
            processes: Vec::new(),
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let well = || part("raw", 0, Some("a"), 7);
        assert!(problems(&report(1, well(), None), 7).is_empty(), "unknown is not wrong");
        assert_eq!(
            problems(&report(1, well(), None), 6),
            ["the processor is 7 records behind in 1 partitions"]
        );
        assert_eq!(
            problems(&report(0, part("raw", 0, None, 0), None), 6),
            ["no processor runs: group app-processor has no members"]
        );
        assert_eq!(
            problems(&report(1, part("raw", 0, None, 0), None), 6),
            ["nobody of the processor owns raw[0]"]
        );
        let restore = Some(RestoreStatus { left: 5, total: 10, rate: Some(1), seconds_left: Some(5) });
        let restoring = TaskStatus { phase: "restoring".to_owned(), restore, ..TaskStatus::default() };
        assert_eq!(
            problems(&report(1, well(), Some(restoring)), 9),
            ["task 0 restores, 5 of 10 records left, 5 s to go"]
        );
    }

    #[test]
    fn a_process_says_why_it_is_not_ready() {
        let mut report = report(1, part("raw", 0, Some("a"), 0), None);
        let status = ProcessStatus {
            app_id: "app".to_owned(),
            member: "app-one".to_owned(),
            ready: false,
            reason: "worker 0: waiting for Kafka".to_owned(),
            workers: Vec::new(),
            tasks: Vec::new(),
        };
        report.processes.push(ProcessReport { url: String::new(), status: Some(status), error: None });
        assert_eq!(problems(&report, 9), ["app-one is not ready: worker 0: waiting for Kafka"]);
    }
}
