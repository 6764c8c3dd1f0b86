//! Asks Kafka and the processes, and puts the answers together.

use tape_kafka::{Admin, Clients, Group, GroupMember, Isolation, Lag, Reader};
use tape_processor::status::ProcessStatus;
use tape_service::{Config, Failure};

use super::clocks::{Tail, tails};
use super::{GroupReport, MemberReport, PartitionReport, ProcessReport, Report, TaskReport};
use crate::http;
use crate::topics::ANSWER_TIMEOUT;

/// Clients of one installation.
pub(super) struct Gatherer<'a> {
    config: &'a Config,
    admin: Admin,
    reader: Reader,
    urls: Vec<String>,
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(config: &'a Config, urls: &[String]) -> Result<Self, Failure> {
        let clients = Clients::new(&config.kafka, &format!("{}-status", config.app_id));
        let own = config.http.processor.and_then(http::own_url);
        let mut all: Vec<String> = own.into_iter().collect();
        for url in urls {
            let url = url.trim_end_matches('/');
            if !url.starts_with("http://") {
                return Err(Failure::Config(format!(
                    "--url {url}: write http://HOST:PORT, the address in HTTP_BIND_PROCESSOR of a processor"
                )));
            }
            if !all.iter().any(|known| known == url) {
                all.push(url.to_owned());
            }
        }
        let reader = clients.reader(Isolation::ReadCommitted)?;
        Ok(Gatherer { config, admin: clients.admin()?, reader, urls: all })
    }

    pub(super) fn gather(&mut self) -> Result<Report, Failure> {
        let topics = &self.config.topics;
        let processor = tape_processor::group(self.config);
        let sink = tape_sink::group(self.config);
        let members = self.admin.group(&processor, ANSWER_TIMEOUT)?;
        let input = self.partitions(&processor, &topics.raw_trades, &members)?;
        let changelog = self.admin.partition_count(&topics.changelog, ANSWER_TIMEOUT)?;
        let mut tails = match changelog {
            Some(_) => tails(&mut self.reader, &topics.changelog)?,
            None => Default::default(),
        };
        let processes: Vec<_> = self.urls.iter().map(|url| ask(url, &self.config.app_id)).collect();
        let tasks: Vec<_> = input
            .into_iter()
            .map(|input| {
                let tail = tails.remove(&input.partition);
                task(input, tail, &processes)
            })
            .collect();
        let sinks = self.admin.group(&sink, ANSWER_TIMEOUT)?;
        let mut sink_partitions = self.partitions(&sink, &topics.aggregates, &sinks)?;
        sink_partitions.extend(self.partitions(&sink, &topics.alerts, &sinks)?);
        let lag = |parts: &mut dyn Iterator<Item = &PartitionReport>| parts.map(|part| part.lag).sum();
        Ok(Report {
            well: false,
            problems: Vec::new(),
            processor: group(processor, members, lag(&mut tasks.iter().map(|task| &task.input))),
            sink: group(sink, sinks, lag(&mut sink_partitions.iter())),
            tasks,
            sink_partitions,
            processes,
        })
    }

    fn partitions(&self, group: &str, topic: &str, members: &Group) -> Result<Vec<PartitionReport>, Failure> {
        if self.admin.partition_count(topic, ANSWER_TIMEOUT)?.is_none() {
            return Err(Failure::Config(format!(
                "topic {topic} does not exist; create it with `tape topics`, or correct KAFKA_TOPIC_*"
            )));
        }
        let report = |lag: Lag| PartitionReport {
            owner: members.members.iter().find(|member| member.parts.contains(&lag.part)).map(name),
            topic: topic.to_owned(),
            partition: lag.part.partition,
            committed: lag.committed,
            low: lag.low,
            end: lag.end,
            lag: lag.records(),
        };
        Ok(self.admin.lag(group, topic, ANSWER_TIMEOUT)?.into_iter().map(report).collect())
    }
}

fn name(member: &GroupMember) -> String {
    member.instance_id().unwrap_or(&member.client_id).to_owned()
}

fn group(name: String, group: Group, lag: i64) -> GroupReport {
    let member = |member: GroupMember| MemberReport {
        instance_id: member.instance_id().map(str::to_owned),
        partitions: member.parts.iter().map(ToString::to_string).collect(),
        client_id: member.client_id,
        member_id: member.member_id,
        host: member.host,
    };
    let mut members: Vec<_> = group.members.into_iter().map(member).collect();
    members.sort_by(|a, b| (&a.instance_id, &a.member_id).cmp(&(&b.instance_id, &b.member_id)));
    GroupReport { group: name, state: group.state, members, lag }
}

/// A task with what its process says. After a move two processes may name it: the one that holds it goes first.
fn task(input: PartitionReport, tail: Option<Tail>, processes: &[ProcessReport]) -> TaskReport {
    let owner = input.owner.clone().unwrap_or_default();
    let process = processes
        .iter()
        .filter_map(|process| process.status.as_ref())
        .flat_map(|status| status.tasks.iter().map(move |task| (status, task)))
        .filter(|(_, task)| task.partition == input.partition)
        .max_by_key(|(status, _)| owner.starts_with(&status.member))
        .map(|(_, task)| task.clone());
    let meta = tail.as_ref().and_then(|tail| tail.meta.as_ref());
    TaskReport {
        stream_time: meta.and_then(|meta| meta.stream_time),
        watermark: meta.and_then(|meta| meta.watermark),
        changelog_low: tail.as_ref().map(|tail| tail.low),
        changelog_end: tail.as_ref().map(|tail| tail.end),
        input,
        process,
    }
}

fn ask(url: &str, app_id: &str) -> ProcessReport {
    let result = answer(url).and_then(|status| match status.app_id == app_id {
        true => Ok(status),
        false => Err(format!("a processor of APP_ID {}, not of {app_id}", status.app_id)),
    });
    let (status, error) = match result {
        Ok(status) => (Some(status), None),
        Err(error) => (None, Some(error)),
    };
    ProcessReport { url: url.to_owned(), status, error }
}

fn answer(url: &str) -> Result<ProcessStatus, String> {
    let text = http::get(&format!("{url}/status")).and_then(http::Answer::well)?;
    serde_json::from_str(&text).map_err(|error| format!("not the answer of a processor: {error}"))
}
