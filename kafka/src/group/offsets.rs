//! Offsets of a group and of the logs that it reads: questions and plain commits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rdkafka::consumer::{self, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;

use super::{CommitMode, GroupConsumer, GroupMetadata};
use crate::clients::{Isolation, StartAt};
use crate::error::Error;
use crate::lists::{committed, names, offsets, plain};
use crate::part::Part;
use crate::probe;
use crate::raw::{self, LogEnd, Membership};

impl GroupConsumer {
    /// The group's committed offsets; `None` = none. While a transaction with offsets of these partitions is open,
    /// the broker does not answer: then this times out (`Retry`), so call it after the successor's `init`.
    pub fn committed(&self, parts: &[Part], timeout: Duration) -> Result<Vec<(Part, Option<i64>)>, Error> {
        let action = || format!("ask group {} for the offsets of {}", self.spec.group, names(parts.iter()));
        let answers = self
            .handles()
            .client
            .committed_offsets(plain(parts), timeout)
            .map_err(|error| self.explain(Error::from_kafka(action(), &error)))?;
        committed(parts, &answers, action)
    }

    /// Asks for the committed offset of one partition without waiting: the answer comes by the channel, after `timeout` at the
    /// latest. For questions that an open transaction may keep waiting, while the caller has other work.
    pub fn ask_committed(&self, part: &Part, timeout: Duration) -> Receiver<Result<Option<i64>, Error>> {
        let (answer, receiver) = channel();
        let (client, part, group) =
            (Arc::clone(&self.handles().client), part.clone(), self.spec.group.clone());
        // The thread ends with its question; it keeps the client for so long.
        std::thread::spawn(move || {
            let action = || format!("ask group {group} for the offset of {part}");
            let parts = std::slice::from_ref(&part);
            let found = client
                .committed_offsets(plain(parts), timeout)
                .map_err(|error| Error::from_kafka(action(), &error))
                .and_then(|answers| committed(parts, &answers, action))
                .map(|found| found.into_iter().find_map(|(_, offset)| offset));
            // Nobody may wait any more.
            let _ = answer.send(found);
        });
        receiver
    }

    /// Where to read each partition: at the committed offset, else where [`GroupSpec::start`] says. A committed
    /// offset outside of the log is an error ([`Kind::OffsetOutOfRange`]), never a silent jump.
    pub fn start_offsets(&self, parts: &[Part], timeout: Duration) -> Result<Vec<(Part, i64)>, Error> {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        let committed = self.committed(parts, left())?;
        let client = &self.handles().client;
        let ends = |end| {
            let ends = probe::log_ends(client, parts, end, Isolation::ReadUncommitted, left());
            ends.map_err(|error| self.explain(error))
        };
        let (low, high) = (ends(LogEnd::Low)?, ends(LogEnd::High)?);
        let start = |((part, committed), low, high): ((Part, Option<i64>), i64, i64)| match committed {
            Some(offset) if offset < low || offset > high => {
                Err(Error::out_of_range(part, offset, Some((low, high)), ""))
            }
            Some(offset) => Ok((part, offset)),
            None if self.spec.start == StartAt::Earliest => Ok((part, low)),
            None => Ok((part, high)),
        };
        let bounds = low.into_iter().zip(high).map(|((_, low), (_, high))| (low, high));
        committed.into_iter().zip(bounds).map(|(found, (low, high))| start((found, low, high))).collect()
    }

    /// Commits offsets (next to read) outside of a transaction. Nothing to commit is no error, as it is for librdkafka.
    pub fn commit_offsets(&self, parts: &[(Part, i64)], mode: CommitMode) -> Result<(), Error> {
        if parts.is_empty() {
            return Ok(());
        }
        let action = || format!("commit {}", names(parts.iter().map(|(part, _)| part)));
        let list = offsets(parts, action)?;
        let client = &self.handles().client;
        match mode {
            CommitMode::Wait(timeout) => raw::commit_offsets(client, &list, timeout)
                .map_err(|facts| self.explain(Error::from_facts(action(), &facts))),
            CommitMode::Async => client
                .commit(&list, consumer::CommitMode::Async)
                .map_err(|error| self.explain(Error::from_kafka(action(), &error))),
        }
    }

    /// The offset after the last record, freshly asked: under [`Isolation::ReadCommitted`] up to the first open
    /// transaction.
    /// The question waits behind a fetch on the same connection; for many partitions at once ask an
    /// [`Admin`](crate::Admin), which has connections of its own.
    pub fn end_offset(&self, part: &Part, isolation: Isolation, timeout: Duration) -> Result<i64, Error> {
        let parts = std::slice::from_ref(part);
        let ends = probe::log_ends(&self.handles().client, parts, LogEnd::High, isolation, timeout)?;
        Ok(ends.first().map_or(0, |(_, offset)| *offset))
    }

    /// First offset of the log, and the one after the last, freshly asked.
    pub fn watermarks(
        &self,
        part: &Part,
        isolation: Isolation,
        timeout: Duration,
    ) -> Result<(i64, i64), Error> {
        probe::watermarks(&self.handles().client, part, isolation, timeout)
    }

    /// How many partitions a topic has. Asked before the first `assign` it saves half a second there.
    pub fn partition_count(&self, topic: &str, timeout: Duration) -> Result<i32, Error> {
        probe::partition_count(&self.handles().client, topic, timeout)
    }

    /// Who we are in the group now. `Abort` = not a member at this moment (evicted, or about to join again): the work
    /// since the last commit is lost, the events will say so.
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        Membership::of(&self.handles().client).map(GroupMetadata).ok_or_else(|| {
            Error::from_code(
                format!("ask for our place in group {}", self.spec.group),
                RDKafkaErrorCode::UnknownMemberId,
            )
        })
    }
}
