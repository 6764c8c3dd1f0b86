//! Topics and lag: create, describe, check, delete; committed offsets of a group against the ends of its topics.
//!
//! Everything is idempotent: a topic that is there is not created, one that is not there is not deleted. A topic is
//! "created" when every partition has a leader and every question about it is answered.

mod reset;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
    TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataBroker;
use tape_service::Config;

use crate::clients::Isolation;
use crate::context::ConsumerEvents;
use crate::error::{Error, Reaction};
use crate::lists::{committed, names, plain};
use crate::part::Part;
use crate::raw::{Consumer, LogEnd};
use crate::topics::{self, Mismatch, TopicSpec, TopicState};
use crate::{probe, settings};

/// How far a group is behind in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Where.
    pub part: Part,
    /// Next offset that the group will read; `None` = it has committed none.
    pub committed: Option<i64>,
    /// First offset of the log.
    pub low: i64,
    /// Offset after the last committed record.
    pub end: i64,
}

impl Lag {
    /// Offsets between the group and the end; transaction markers are among them, so an idle group may show a few.
    /// Without a committed offset: the whole log.
    pub fn records(&self) -> i64 {
        (self.end - self.committed.unwrap_or(self.low).max(self.low)).max(0)
    }
}

/// A broker, where it tells clients to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// `node.id`.
    pub id: i32,
    /// Name or address of its `advertised.listeners`.
    pub host: String,
    /// Its port, 1–65535 by a sane broker.
    pub port: i32,
}

/// Asks and changes topics.
pub struct Admin {
    base: ClientConfig,
    admin: AdminClient<DefaultClientContext>,
    probe: Arc<Consumer>,
}

impl Admin {
    pub(crate) fn new(base: ClientConfig) -> Result<Self, Error> {
        let failed = |error| Error::from_kafka("make an admin client", &error);
        let admin = base.create().map_err(failed)?;
        let config = settings::reader(base.clone(), Isolation::ReadUncommitted);
        let probe: Consumer = config.create_with_context(ConsumerEvents::new(false)).map_err(failed)?;
        Ok(Self { base, admin, probe: Arc::new(probe) })
    }

    pub(crate) fn probe(&self) -> &Arc<Consumer> {
        &self.probe
    }

    /// Creates those of the topics that do not exist, waits until all are there, and returns the names of the new
    /// ones. Existing topics are left as they are.
    pub fn create(&self, specs: &[TopicSpec], timeout: Duration) -> Result<Vec<String>, Error> {
        let deadline = Instant::now() + timeout;
        let Some(first) = specs.first() else { return Ok(Vec::new()) };
        // The admin client says nothing about why it cannot connect; the probe does.
        probe::reach(&self.probe, &first.name, timeout)?;
        let topics: Vec<NewTopic<'_>> = specs.iter().map(new_topic).collect();
        let action = || format!("create topics {}", joined(specs));
        let left = deadline.saturating_duration_since(Instant::now());
        let answers = probe::retry(&self.probe, left, |left| {
            self.answer(left, action, |options| Box::pin(self.admin.create_topics(&topics, options)))
        })?;
        let mut created = Vec::new();
        for answer in answers {
            match answer {
                Ok(name) => created.push(name),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(Error::from_code(format!("create topic {name}"), code)),
            }
        }
        for spec in specs {
            self.await_topic(&spec.name, deadline)?;
        }
        Ok(created)
    }

    /// A topic as it is; `None` = it does not exist.
    pub fn describe(&self, topic: &str, timeout: Duration) -> Result<Option<TopicState>, Error> {
        Ok(self.describe_all(&[topic], timeout)?.pop().flatten())
    }

    /// Topics as they are, in this order; `None` = it does not exist. One question for the settings of all.
    fn describe_all(&self, topics: &[&str], timeout: Duration) -> Result<Vec<Option<TopicState>>, Error> {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        let count = |topic: &&str| self.partition_count(topic, left());
        let counts = topics.iter().map(count).collect::<Result<Vec<_>, _>>()?;
        let found = topics.iter().zip(&counts).filter(|(_, count)| count.is_some()).map(|(topic, _)| *topic);
        let resources: Vec<_> = found.map(ResourceSpecifier::Topic).collect();
        if resources.is_empty() {
            return Ok(counts.iter().map(|_| None).collect());
        }
        let action = || format!("describe topics {}", topics.join(", "));
        let answers = probe::retry(&self.probe, left(), |left| {
            block_on(self.admin.describe_configs(&resources, &options(left)))
                .map_err(|error| Error::from_kafka(action(), &error))
        })?;
        // The answers come in an order of their own.
        let mut configs = BTreeMap::new();
        for answer in answers {
            let resource = answer.map_err(|code| Error::from_code(action(), code))?;
            let OwnedResourceSpecifier::Topic(name) = resource.specifier else { continue };
            let entries = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            configs.insert(name, entries.collect());
        }
        let state = |(topic, count): (&&str, &Option<i32>)| {
            count.map(|partitions| TopicState {
                partitions,
                config: configs.remove(*topic).unwrap_or_default(),
            })
        };
        Ok(topics.iter().zip(&counts).map(state).collect())
    }

    /// Creates what is missing of an installation's topics, then checks all of them. The changelog gets the number of
    /// partitions that the input has.
    pub fn ensure(&self, config: &Config, timeout: Duration) -> Result<Vec<Mismatch>, Error> {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut specs = topics::specs(config);
        let names: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
        let count = |name: &String| self.partition_count(name, left());
        let counts = names.iter().map(count).collect::<Result<Vec<_>, _>>()?;
        let there: BTreeMap<_, _> = names.into_iter().zip(counts).collect();
        if let Some(Some(partitions)) = there.get(&config.topics.raw_trades) {
            for spec in specs.iter_mut().filter(|spec| spec.name == config.topics.changelog) {
                spec.partitions = *partitions;
            }
        }
        // Whoever may not create topics can still check those that are there.
        let is_missing = |spec: &&TopicSpec| !matches!(there.get(&spec.name), Some(Some(_)));
        let missing: Vec<_> = specs.iter().filter(is_missing).cloned().collect();
        self.create(&missing, left())?;
        self.verify(&specs, left())
    }

    /// Compares the topics with what they should be (0 partitions: any number); creates nothing.
    pub fn verify(&self, specs: &[TopicSpec], timeout: Duration) -> Result<Vec<Mismatch>, Error> {
        let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let mut mismatches = Vec::new();
        for (spec, state) in specs.iter().zip(self.describe_all(&names, timeout)?) {
            match state {
                Some(state) => mismatches.extend(topics::check(spec, &state)),
                None => mismatches.push(topics::missing(spec)),
            }
        }
        Ok(mismatches)
    }

    /// Deletes topics; one that is not there is fine.
    pub fn delete(&self, topics: &[&str], timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        let Some(first) = topics.first() else { return Ok(()) };
        probe::reach(&self.probe, first, timeout)?;
        let action = || format!("delete topics {}", topics.join(", "));
        let left = deadline.saturating_duration_since(Instant::now());
        let answers = probe::retry(&self.probe, left, |left| {
            self.answer(left, action, |options| Box::pin(self.admin.delete_topics(topics, options)))
        })?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => return Err(Error::from_code(format!("delete topic {name}"), code)),
            }
        }
        Ok(())
    }

    /// The brokers of the cluster, at the addresses that they give out to clients.
    pub fn brokers(&self, timeout: Duration) -> Result<Vec<Broker>, Error> {
        let metadata = probe::retry(&self.probe, timeout, |left| {
            self.probe
                .fetch_metadata(None, left)
                .map_err(|error| Error::from_kafka("ask for the brokers", &error))
        })?;
        let broker = |broker: &MetadataBroker| Broker {
            id: broker.id(),
            host: broker.host().to_owned(),
            port: broker.port(),
        };
        Ok(metadata.brokers().iter().map(broker).collect())
    }

    /// How many partitions a topic has; `None` = it does not exist.
    pub fn partition_count(&self, topic: &str, timeout: Duration) -> Result<Option<i32>, Error> {
        match probe::partition_count(&self.probe, topic, timeout) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The offset after the last record of each partition; under [`Isolation::ReadCommitted`] up to the first open
    /// transaction.
    pub fn end_offsets(
        &self,
        parts: &[Part],
        isolation: Isolation,
        timeout: Duration,
    ) -> Result<Vec<(Part, i64)>, Error> {
        probe::log_ends(&self.probe, parts, LogEnd::High, isolation, timeout)
    }

    /// The first offset of each partition's log.
    pub fn low_offsets(&self, parts: &[Part], timeout: Duration) -> Result<Vec<(Part, i64)>, Error> {
        probe::log_ends(&self.probe, parts, LogEnd::Low, Isolation::ReadUncommitted, timeout)
    }

    /// Committed offsets of a group; `None` = none. Does not join the group, and does not wait for open transactions.
    pub fn committed(
        &self,
        group: &str,
        parts: &[Part],
        timeout: Duration,
    ) -> Result<Vec<(Part, Option<i64>)>, Error> {
        self.observer(group)?.committed(parts, timeout)
    }

    /// An observer of a group, for many questions in a row.
    pub fn observer(&self, group: &str) -> Result<Observer, Error> {
        let config = settings::observer(self.base.clone(), group);
        let client = config.create_with_context(ConsumerEvents::new(false));
        let client = client.map_err(|error| Error::from_kafka("make an observer", &error))?;
        Ok(Observer { group: group.to_owned(), client })
    }

    /// How far a group is behind in each partition of a topic.
    pub fn lag(&self, group: &str, topic: &str, timeout: Duration) -> Result<Vec<Lag>, Error> {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        let count = probe::partition_count(&self.probe, topic, left())?;
        let topic: Arc<str> = topic.into();
        let parts: Vec<Part> = (0..count).map(|partition| Part::new(Arc::clone(&topic), partition)).collect();
        let committed = self.committed(group, &parts, left())?;
        let low = self.low_offsets(&parts, left())?;
        let end = self.end_offsets(&parts, Isolation::ReadCommitted, left())?;
        let all = committed.into_iter().zip(low).zip(end);
        Ok(all.map(|(((part, committed), (_, low)), (_, end))| Lag { part, committed, low, end }).collect())
    }

    fn answer<'a>(
        &'a self,
        left: Duration,
        action: impl Fn() -> String,
        call: impl FnOnce(
            &AdminOptions,
        )
            -> futures::future::BoxFuture<'a, rdkafka::error::KafkaResult<Vec<TopicResult>>>,
    ) -> Result<Vec<TopicResult>, Error> {
        block_on(call(&options(left))).map_err(|error| Error::from_kafka(action(), &error))
    }

    /// Waits until a topic that was just created is known everywhere it must be.
    fn await_topic(&self, topic: &str, deadline: Instant) -> Result<(), Error> {
        let left = || deadline.saturating_duration_since(Instant::now());
        probe::retry(&self.probe, left(), |left| {
            // A topic that a broker does not know yet is one to wait for here, not a mistake.
            probe::partition_count(&self.probe, topic, left).map_err(|error| match error.code() {
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => error.with_reaction(Reaction::Retry),
                _ => error,
            })
        })?;
        Ok(())
    }
}

/// Asks a group for its committed offsets, without joining it.
pub struct Observer {
    group: String,
    client: Consumer,
}

impl Observer {
    /// Committed offsets; `None` = none. Does not wait for open transactions.
    pub fn committed(&self, parts: &[Part], timeout: Duration) -> Result<Vec<(Part, Option<i64>)>, Error> {
        let action = || format!("ask group {} for the offsets of {}", self.group, names(parts.iter()));
        let answers = probe::retry(&self.client, timeout, |left| {
            let answers = self.client.committed_offsets(plain(parts), left);
            answers.map_err(|error| Error::from_kafka(action(), &error))
        })?;
        committed(parts, &answers, action)
    }
}

fn new_topic(spec: &TopicSpec) -> NewTopic<'_> {
    let topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(spec.replication));
    spec.config.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
}

fn options(timeout: Duration) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout))
}

fn joined(specs: &[TopicSpec]) -> String {
    specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", ")
}
