//! The steps of a reset that change something, in the order that the module above gives.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use tape_analytics::TaskMeta;
use tape_kafka::topics::{self, RESETTING};
use tape_kafka::{Error, Isolation, Outgoing, Part, Reaction, TopicSpec};
use tape_service::Failure;
use tape_service::config::{self, Acks};
use tape_state::Key;

use super::{ASK_TIMEOUT, Reset, parts, refuse_members};
use crate::{codec, startup};

/// Key of the record that stands at the end of what is deleted: the key of no state.
pub(crate) const MARKER_KEY: &[u8] = b"tape reset";
/// How much longer than its own time-out a transaction may stay undecided: the broker looks for those every 10 s.
const UNDECIDED_GRACE: Duration = Duration::from_secs(30);
/// Pause between two looks at something that takes its time.
const PAUSE: Duration = Duration::from_millis(100);
/// The setting that is the gate.
const POLICY: &str = "cleanup.policy";
/// The policy of a changelog that works.
const WORKING: &str = "compact";

impl Reset {
    /// Does it. After an error the same command again goes on where it is necessary.
    pub fn run(self) -> Result<(), Failure> {
        self.await_decided()?;
        self.hold_off()?;
        self.rest().map_err(unfinished)
    }

    /// Everything after the point from which only the end leads on.
    fn rest(&self) -> Result<(), Failure> {
        self.grow()?;
        let logs = parts(&self.plan.changelog, self.partitions());
        self.empty(&logs)?;
        tracing::info!(topic = self.plan.changelog, "the changelog is empty");
        let input = parts(&self.plan.input, self.partitions());
        let targets =
            input.into_iter().zip(self.plan.moves.iter().map(|moved| moved.target)).collect::<Vec<_>>();
        self.admin.move_group(&self.plan.group, &targets, ASK_TIMEOUT)?;
        tracing::info!(group = self.plan.group, "the group is moved");
        if let Some(state) = &self.state {
            state.delete_stores().map_err(|error| Failure::Config(error.to_string()))?;
            tracing::info!(folder = %state.path().display(), "the local stores are deleted");
        }
        self.seed(&logs)?;
        self.set_policy(WORKING)?;
        tracing::info!(generation = self.plan.generation, "the application may start");
        Ok(())
    }

    fn partitions(&self) -> i32 {
        i32::try_from(self.plan.moves.len()).unwrap_or(i32::MAX)
    }

    /// Step 1: a transaction that a killed processor left open is aborted by the broker in time. One that it had begun to
    /// commit may still move the group.
    fn await_decided(&self) -> Result<(), Failure> {
        let logs = parts(&self.plan.changelog, self.changelog_partitions.unwrap_or(0));
        let wait = self.config.kafka.transaction_timeout + UNDECIDED_GRACE;
        let deadline = Instant::now() + wait;
        while !logs.is_empty() {
            let decided = self.admin.end_offsets(&logs, Isolation::ReadCommitted, ASK_TIMEOUT)?;
            let all = self.admin.end_offsets(&logs, Isolation::ReadUncommitted, ASK_TIMEOUT)?;
            if decided == all {
                break;
            }
            if Instant::now() >= deadline {
                return Err(Failure::Other(anyhow!(
                    "a transaction in {} is still open after {wait:?}; find its producer (`kafka-transactions.sh find-hanging`) and stop it",
                    self.plan.changelog
                )));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Steps 2 and 3: the gate is closed, and nobody is inside.
    fn hold_off(&self) -> Result<(), Failure> {
        if self.changelog_partitions.is_none() {
            let mut spec = TopicSpec { partitions: self.partitions(), ..topics::changelog(&self.config) };
            spec.config.retain(|(name, _)| *name != POLICY);
            spec.config.push((POLICY, RESETTING.to_owned()));
            self.admin.create(&[spec], ASK_TIMEOUT)?;
        }
        // A processor may have made the topic that was missing a moment ago.
        let before = self.policy()?;
        self.set_policy(RESETTING).map_err(unfinished)?;
        let Err(refusal) = self.refuse_joined() else { return Ok(()) };
        if before.as_deref() != Some(WORKING) {
            return Err(unfinished(refusal));
        }
        match self.set_policy(WORKING) {
            Ok(()) => Err(refusal),
            Err(error) => Err(unfinished(Failure::Other(anyhow!(
                "{refusal}; and {} could not be set back: {error}",
                self.plan.changelog
            )))),
        }
    }

    /// Step 3. The list of members comes too early for one that is joining, and with several brokers it may not be the
    /// coordinator's; a commit that is nobody's is refused by the coordinator while there is a member. It changes nothing.
    fn refuse_joined(&self) -> Result<(), Failure> {
        let group = &self.plan.group;
        let members = || refuse_members(&self.admin, group, &self.config);
        members()?;
        let inputs = parts(&self.plan.input, self.partitions());
        let committed = self.admin.committed(group, &inputs, ASK_TIMEOUT)?;
        let present: Vec<_> =
            committed.into_iter().filter_map(|(part, offset)| Some((part, offset?))).collect();
        if present.is_empty() {
            return Ok(());
        }
        let moved = self.admin.move_group(group, &present, ASK_TIMEOUT);
        // By now the list may say who it is.
        moved.or_else(|error| members().and(Err(error.into())))
    }

    /// Step 4.
    fn grow(&self) -> Result<(), Error> {
        let partitions = self.partitions();
        match self.changelog_partitions {
            Some(found) if found < partitions => {
                self.admin.grow(&self.plan.changelog, partitions, ASK_TIMEOUT)
            }
            _ => Ok(()),
        }
    }

    /// Changes what the changelog may lose, and waits until the brokers say so. Without a limit of age or size, `delete` takes
    /// away only what is asked for.
    fn set_policy(&self, policy: &str) -> Result<(), Failure> {
        let topic = &self.plan.changelog;
        let limit = (policy == RESETTING).then_some("-1");
        let settings = [(POLICY, Some(policy)), ("retention.ms", limit), ("retention.bytes", limit)];
        self.admin.alter_topic(topic, &settings, ASK_TIMEOUT)?;
        let deadline = Instant::now() + ASK_TIMEOUT;
        while self.policy()?.as_deref() != Some(policy) {
            if Instant::now() >= deadline {
                return Err(Failure::Other(anyhow!(
                    "topic {topic}: {POLICY} was changed to {policy}, but the brokers do not say so after {ASK_TIMEOUT:?}"
                )));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// What the changelog may lose now.
    fn policy(&self) -> Result<Option<String>, Error> {
        let found = self.admin.describe(&self.plan.changelog, ASK_TIMEOUT)?;
        Ok(found.and_then(|mut found| found.config.remove(POLICY)))
    }

    /// Step 5. Also a store that has read everything is behind the first offset after it.
    fn empty(&self, logs: &[Part]) -> Result<(), Error> {
        self.write(logs, MARKER_KEY, b"")?;
        let ends = self.admin.end_offsets(logs, Isolation::ReadUncommitted, ASK_TIMEOUT)?;
        self.admin.delete_records(&ends, ASK_TIMEOUT)
    }

    /// Step 8.
    fn seed(&self, logs: &[Part]) -> Result<(), Failure> {
        let ids = startup::topic_ids(&self.config, &self.admin)?;
        let settings = codec::settings(&self.config.processing);
        let meta = TaskMeta { stream_time: None, watermark: None, generation: self.plan.generation };
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let unstorable = |error: tape_state::CodecError| Failure::Other(error.into());
        Key::Meta.encode(&mut key).map_err(unstorable)?;
        codec::meta_value(&meta, &settings, ids).encode(&mut value).map_err(unstorable)?;
        Ok(self.write(logs, &key, &value)?)
    }

    /// The same record in each partition, acknowledged by all copies.
    fn write(&self, logs: &[Part], key: &[u8], value: &[u8]) -> Result<(), Error> {
        let settings = config::Producer { acks: Acks::All, ..self.config.producer.clone() };
        let producer = self.clients.producer(&settings)?;
        for log in logs {
            let record = Outgoing {
                topic: &log.topic,
                partition: Some(log.partition),
                key: Some(key),
                value: Some(value),
                ..Outgoing::default()
            };
            loop {
                match producer.send(&record) {
                    Err(error) if error.reaction == Reaction::Retry => {}
                    sent => break sent?,
                }
            }
        }
        producer.flush(ASK_TIMEOUT)
    }
}

/// Says that the application is between two states, and how to leave it.
fn unfinished(failure: Failure) -> Failure {
    let remedy = "the reset is not finished: correct this and run the same command again";
    match failure {
        Failure::Config(text) => Failure::Config(format!("{text}; {remedy}")),
        Failure::Other(error) => Failure::Other(error.context(remedy)),
    }
}
