//! What it takes to move a group and to empty a topic: offsets by time, offsets without a member, deletion of
//! records, topic settings and ids.

use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::Offset;
use rdkafka::admin::NewPartitions;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;

use super::{Admin, options};
use crate::context::ConsumerEvents;
use crate::error::{Error, Reaction};
use crate::lists::{names, offsets};
use crate::part::Part;
use crate::raw::{self, Consumer};
use crate::topic_id::TopicId;
use crate::{probe, settings};

impl Admin {
    /// The id of a topic; `None` = the brokers are too old to have ids. A topic that does not exist is an error.
    pub fn topic_id(&self, topic: &str, timeout: Duration) -> Result<Option<TopicId>, Error> {
        probe::retry(&self.probe, timeout, |left| {
            raw::topic_id(&self.probe, topic, left)
                .map(|id| id.map(TopicId))
                .map_err(|facts| Error::from_facts(format!("ask for the id of topic {topic}"), &facts))
        })
    }

    /// Sets settings of a topic, or takes them back (`None`); the others stay as they are.
    pub fn alter_topic(
        &self,
        topic: &str,
        settings: &[(&str, Option<&str>)],
        timeout: Duration,
    ) -> Result<(), Error> {
        probe::retry(&self.probe, timeout, |left| {
            raw::alter_topic(&self.probe, topic, settings, left)
                .map_err(|facts| Error::from_facts(format!("change the settings of topic {topic}"), &facts))
        })
    }

    /// Gives a topic more partitions.
    pub fn grow(&self, topic: &str, partitions: i32, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        let action = || format!("give topic {topic} {partitions} partitions");
        let count = usize::try_from(partitions).unwrap_or_default();
        let answers = probe::retry(&self.probe, timeout, |left| {
            block_on(self.admin.create_partitions(&[NewPartitions::new(topic, count)], &options(left)))
                .map_err(|error| Error::from_kafka(action(), &error))
        })?;
        for answer in answers {
            answer.map_err(|(_, code)| Error::from_code(action(), code))?;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        probe::retry(&self.probe, left, |left| match probe::partition_count(&self.probe, topic, left)? {
            found if found >= partitions => Ok(()),
            _ => Err(Error::from_code(action(), RDKafkaErrorCode::LeaderNotAvailable)),
        })
    }

    /// Deletes the records below an offset of each partition. The topic's `cleanup.policy` must contain `delete`; a broker
    /// learns of a change some time after it was answered, so a refusal for this reason is one to wait on.
    pub fn delete_records(&self, before: &[(Part, i64)], timeout: Duration) -> Result<(), Error> {
        let action = || format!("delete records of {}", names(before.iter().map(|(part, _)| part)));
        let list = offsets(before, action)?;
        probe::retry(&self.probe, timeout, |left| {
            let answers = block_on(self.admin.delete_records(&list, &options(left)))
                .map_err(|error| Error::from_kafka(action(), &error))?;
            let failed = |error| match Error::from_kafka(action(), &error) {
                refused if refused.code() == Some(RDKafkaErrorCode::PolicyViolation) => {
                    refused.with_reaction(Reaction::Retry)
                }
                failed => failed,
            };
            answers.elements().iter().try_for_each(|element| element.error().map_err(failed))
        })
    }

    /// The first record of each partition whose timestamp (epoch ms) is this one or later; `None` = there is none.
    pub fn offsets_at(
        &self,
        parts: &[Part],
        time: i64,
        timeout: Duration,
    ) -> Result<Vec<(Part, Option<i64>)>, Error> {
        let action = || format!("ask for the offsets of {} at {time}", names(parts.iter()));
        let timed: Vec<_> = parts.iter().map(|part| (part.clone(), time)).collect();
        probe::retry(&self.probe, timeout, |left| {
            let list = offsets(&timed, action)?;
            let answers = self
                .probe
                .offsets_for_times(list, left)
                .map_err(|error| Error::from_kafka(action(), &error))?;
            let answer = |part: &Part| {
                let Some(element) = answers.find_partition(&part.topic, part.partition) else {
                    return Err(Error::from_code(action(), RDKafkaErrorCode::LeaderNotAvailable));
                };
                element.error().map_err(|error| Error::from_kafka(action(), &error))?;
                match element.offset() {
                    Offset::Offset(offset) => Ok((part.clone(), Some(offset))),
                    _ => Ok((part.clone(), None)),
                }
            };
            parts.iter().map(answer).collect()
        })
    }

    /// Deletes a group that has no members, with its offsets. One that is not there is fine.
    pub fn delete_group(&self, group: &str, timeout: Duration) -> Result<(), Error> {
        let action = || format!("delete group {group}");
        let answers = probe::retry(&self.probe, timeout, |left| {
            block_on(self.admin.delete_groups(&[group], &options(left)))
                .map_err(|error| Error::from_kafka(action(), &error))
        })?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
                Err((_, code)) => return Err(Error::from_code(action(), code)),
            }
        }
        Ok(())
    }

    /// Commits offsets for a group that has no members. With members the broker refuses, and so do we.
    pub fn move_group(&self, group: &str, to: &[(Part, i64)], timeout: Duration) -> Result<(), Error> {
        let action = || format!("move group {group} in {}", names(to.iter().map(|(part, _)| part)));
        let list = offsets(to, action)?;
        let client: Consumer = settings::observer(self.base.clone(), group)
            .create_with_context(ConsumerEvents::new(false))
            .map_err(|error| Error::from_kafka(action(), &error))?;
        let client = std::sync::Arc::new(client);
        let moved = probe::retry(&client, timeout, |left| {
            raw::commit_offsets(&client, &list, left).map_err(|facts| Error::from_facts(action(), &facts))
        });
        moved.map_err(|error| match error.code() {
            Some(
                RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress,
            ) => error
                .with_hint("somebody has joined the group; stop it and try again")
                .with_reaction(Reaction::Config),
            _ => error,
        })
    }
}
