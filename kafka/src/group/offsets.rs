//! Offsets of a group and of the logs that it reads: questions and plain commits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rdkafka::consumer::{self, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;

use super::{CommitMode, GroupConsumer, GroupMetadata};
use crate::error::Error;
use crate::lists::{committed, names, offsets, plain};
use crate::part::Part;
use crate::raw::{self, Membership};

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
