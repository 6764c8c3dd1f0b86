//! A member of a consumer group that reads in batches.
//!
//! Order of operations, as the caller sees it:
//! 1. [`poll_events`](GroupConsumer::poll_events) says `Assigned`. Until the answer, librdkafka pauses **all**
//!    partitions of this consumer and the group waits: answer soon.
//! 2. [`assign`](GroupConsumer::assign) is the answer. Each partition comes up *parked*: it is fetched ahead (within
//!    a limit), but nothing of it is handed out.
//! 3. [`start`](GroupConsumer::start) forwards it to the one queue that [`consume`](GroupConsumer::consume) empties.
//! 4. `Revoked` or `Lost`: finish or drop the work, then [`unassign`](GroupConsumer::unassign) is the answer, with all
//!    partitions of the event in one call.
//!
//! Invariants:
//! - The rebalance callback only writes down ([`crate::context`]); partitions change hands in `assign` and
//!   `unassign` and nowhere else.
//! - **A partition's queue is parked before the partition is assigned**, so no record of it can reach the consumer's
//!   own queue. (Records taken from that queue would make librdkafka give up the assignment in silence.)
//! - Positions are ours: last record + 1. librdkafka's position is used only to pass transaction markers.
//! - A consumer is closed by a thread of its own: closing can wait for a coordinator that is away.

mod offsets;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::clients::GroupSpec;
use crate::context::{ConsumerEvents, Rebalance};
use crate::error::{Error, Facts, Kind};
use crate::handles::{Handles, Owed};
use crate::lists::{names, offsets, plain};
use crate::part::Part;
use crate::raw::{self, Consumer, Fetched, Membership, Queue, Scratch};
use crate::record::Record;
use crate::reports;

/// How long a drop waits for the close; see [`GroupConsumer::close`].
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What happened in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// These partitions are ours now. Answer with [`GroupConsumer::assign`]. An empty list needs no answer: the group
    /// is settled and there is nothing new for us.
    Assigned(Vec<Part>),
    /// These go to another member, once we have answered with [`GroupConsumer::unassign`]: commit or abort before.
    Revoked(Vec<Part>),
    /// These belong to another member already: what is not committed is lost. Answer with
    /// [`GroupConsumer::unassign`].
    Lost(Vec<Part>),
}

/// How to commit offsets outside of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// Waits for the broker's answer, so long at most.
    Wait(Duration),
    /// Returns at once; a failure is only logged.
    Async,
}

/// Who we are in the group at this moment, for [`TransactionalProducer::send_offsets`]. The broker refuses offsets of
/// a member that has been replaced, so take it fresh for every transaction.
///
/// [`TransactionalProducer::send_offsets`]: crate::TransactionalProducer::send_offsets
pub struct GroupMetadata(pub(crate) Membership);

/// A member of a consumer group. One per worker thread.
pub struct GroupConsumer {
    spec: GroupSpec,
    /// `None` only while being dropped.
    handles: Option<Handles>,
    scratch: Scratch,
    owed: Option<Owed>,
}

impl GroupConsumer {
    pub(crate) fn new(config: &ClientConfig, spec: GroupSpec) -> Result<Self, Error> {
        let action = format!("join group {}", spec.group);
        let client: Consumer = config
            .create_with_context(ConsumerEvents::new(true))
            .map_err(|error| Error::from_kafka(&action, &error))?;
        let topics: Vec<&str> = spec.topics.iter().map(String::as_str).collect();
        client.subscribe(&topics).map_err(|error| Error::from_kafka(&action, &error))?;
        Ok(Self { spec, handles: Some(Handles::new(Arc::new(client))), scratch: Scratch::new(), owed: None })
    }

    /// Serves librdkafka's callbacks and says what happened in the group. Never blocks; call it in every turn of the
    /// loop. Errors: the client is fenced, dead, or not allowed to do what it does; all else is logged and passes.
    pub fn poll_events(&mut self) -> Result<Vec<GroupEvent>, Error> {
        self.serve()?;
        let rebalances = self.handles().client.context().take_rebalances();
        rebalances.into_iter().map(|rebalance| self.announce(rebalance)).collect()
    }

    /// Takes these partitions over, each parked, to be read from its offset. The answer to
    /// [`GroupEvent::Assigned`]; works at any other time for further partitions, also of other topics.
    pub fn assign(&mut self, parts: &[(Part, i64)]) -> Result<(), Error> {
        let action = || format!("assign {}", names(parts.iter().map(|(part, _)| part)));
        let list = offsets(parts, action)?;
        let handles = self.handles();
        // Parked first: see the invariant.
        let queues: Vec<Queue> =
            parts.iter().filter_map(|(part, _)| Queue::of_partition(&handles.client, part)).collect();
        if queues.len() != parts.len() {
            return Err(Error::usage(action(), "not a topic name"));
        }
        raw::incremental_assign(&handles.client, &list)
            .map_err(|facts| self.explain(Error::from_facts(action(), &facts)))?;
        self.owed.take_if(|owed| *owed == Owed::Assign);
        let lanes = &mut self.handles_mut().lanes;
        for ((part, offset), queue) in parts.iter().zip(queues) {
            lanes.add(part.clone(), *offset, queue);
        }
        Ok(())
    }

    /// Gives these partitions back; partitions that are not ours are passed over. The answer to
    /// [`GroupEvent::Revoked`] and [`GroupEvent::Lost`]. Nothing of them is handed out any more.
    pub fn unassign(&mut self, parts: &[Part]) -> Result<(), Error> {
        let action = || format!("unassign {}", names(parts.iter()));
        let lanes = &mut self.handles_mut().lanes;
        let ours: Vec<Part> = parts.iter().filter(|part| lanes.remove(part).is_some()).cloned().collect();
        let list = plain(&ours);
        let handles = self.handles();
        raw::incremental_unassign(&handles.client, &list)
            .map_err(|facts| self.explain(Error::from_facts(action(), &facts)))?;
        self.owed.take_if(|owed| *owed == Owed::Unassign);
        Ok(())
    }

    /// Hands out the records of this partition from now on, first those that were fetched while it was parked.
    pub fn start(&mut self, part: &Part) -> Result<(), Error> {
        let Handles { lanes, ready, .. } = self.handles_mut();
        let lane = lanes.get_mut(part).ok_or_else(|| not_ours("start", part))?;
        lane.open = true;
        lane.queue.forward(ready);
        Ok(())
    }

    /// Parks this partition again, at [`position`](Self::position): after the next `start` it goes on there, with
    /// nothing lost and nothing doubled.
    pub fn stop(&mut self, part: &Part, timeout: Duration) -> Result<(), Error> {
        let lane = self.handles_mut().lanes.get_mut(part).ok_or_else(|| not_ours("stop", part))?;
        lane.open = false;
        lane.queue.park();
        // What was forwarded already is made stale by the seek.
        let next = lane.next;
        self.seek(part, next, timeout)
    }

    /// Reads on from `offset`, parked or started. Records fetched before are not handed out any more. After an error
    /// the partition is parked: seek again, then start.
    pub fn seek(&mut self, part: &Part, offset: i64, timeout: Duration) -> Result<(), Error> {
        let action = || format!("seek {part} to {offset}");
        if offset < 0 {
            return Err(Error::usage(action(), "not an offset"));
        }
        let handles = self.handles_mut();
        match handles.lanes.get(part) {
            None => return Err(not_ours("seek", part)),
            Some(lane) if lane.dead => {
                return Err(Error::usage(action(), "an offset of it was lost; make a new consumer"));
            }
            Some(_) => {}
        }
        handles.seek(part, offset, timeout).map_err(|facts| self.explain(Error::from_facts(action(), &facts)))
    }

    /// Hands up to `max` records of the started partitions to `f`. Returns as soon as there are some, after `timeout`
    /// at the latest, with their number (0 is possible early, when something stale came by). With an error the
    /// records handed out before it count all the same. After [`Kind::OffsetOutOfRange`] nothing more comes of that
    /// partition from this consumer.
    pub fn consume(
        &mut self,
        max: usize,
        timeout: Duration,
        f: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, Error> {
        let handles = self.handles.as_mut().expect("open until dropped");
        let (lanes, client) = (&mut handles.lanes, &handles.client);
        let (mut handed_out, mut error) = (0, None);
        handles.ready.drain(&mut self.scratch, max, timeout, &mut |fetched| match fetched {
            Fetched::Record(record) => {
                if lanes.admit(record.topic, record.partition, record.offset) {
                    handed_out += 1;
                    f(record);
                }
            }
            Fetched::Report(report) => {
                if let Some(found) = reports::error(client, &report) {
                    if let Kind::OffsetOutOfRange { part, .. } = &found.kind {
                        lanes.kill(part);
                    }
                    error.get_or_insert(found);
                }
            }
        });
        match error {
            Some(error) => Err(error),
            None => Ok(handed_out),
        }
    }

    /// The next offset that will be handed out; transaction markers that were read past count as read. `None` = not
    /// ours.
    pub fn position(&self, part: &Part) -> Option<i64> {
        let handles = self.handles();
        let lane = handles.lanes.get(part)?;
        if !lane.open {
            return Some(lane.next);
        }
        let native = handles.client.position().ok();
        let native = native.as_ref().and_then(|list| list.find_partition(&part.topic, part.partition));
        match native.map(|element| element.offset()) {
            Some(Offset::Offset(offset)) => Some(offset.max(lane.next)),
            _ => Some(lane.next),
        }
    }

    /// The end of the partition's log as the last fetch told it; asks nobody. `None` = nothing was fetched yet.
    pub fn known_end(&self, part: &Part) -> Option<i64> {
        raw::known_end(&self.handles().client, part)
    }

    /// Leaves the group (a static member keeps its place until the session times out) and frees everything. Waits
    /// `timeout` at most; false = it goes on in the background.
    pub fn close(mut self, timeout: Duration) -> bool {
        self.shut_down(timeout)
    }

    fn handles(&self) -> &Handles {
        self.handles.as_ref().expect("open until dropped")
    }

    fn handles_mut(&mut self) -> &mut Handles {
        self.handles.as_mut().expect("open until dropped")
    }

    /// Serves callbacks until there are none.
    fn serve(&mut self) -> Result<(), Error> {
        let mut strays = Vec::new();
        let client = Arc::clone(&self.handles().client);
        for _ in 0..reports::SERVE_MAX {
            let before = client.context().journal.served();
            match client.poll(Duration::ZERO) {
                Some(Ok(message)) => strays.push(Part::new(message.topic(), message.partition())),
                Some(Err(error)) => {
                    reports::client_error(
                        &client,
                        &format!("take part in group {}", self.spec.group),
                        &error,
                    )?;
                }
                None if client.context().journal.served() == before => break,
                None => {}
            }
        }
        if let Some(facts) = self.fatal() {
            return Err(Error::from_facts(format!("take part in group {}", self.spec.group), &facts));
        }
        strays.iter().try_for_each(|part| self.recapture(part))
    }

    /// A record came out of the consumer's own queue, which must not happen: put the partition's queue in order
    /// again and read on at our position, so that the record comes by the right way.
    fn recapture(&mut self, part: &Part) -> Result<(), Error> {
        let handles = self.handles_mut();
        let Some(lane) = handles.lanes.get_mut(part) else { return Ok(()) };
        tracing::warn!(%part, "a record came by the wrong queue; reading on at {}", lane.next);
        match lane.open {
            true => lane.queue.forward(&handles.ready),
            false => lane.queue.park(),
        }
        let next = lane.next;
        self.seek(part, next, CLOSE_TIMEOUT)
    }

    fn announce(&mut self, rebalance: Rebalance) -> Result<GroupEvent, Error> {
        let client = &self.handles().client;
        let nothing = TopicPartitionList::new();
        let action = || "answer an empty rebalance".to_owned();
        let owed = Owed::of(&rebalance);
        let event = match rebalance {
            Rebalance::Assign(parts) if parts.is_empty() => {
                raw::incremental_assign(client, &nothing)
                    .map_err(|facts| self.explain(Error::from_facts(action(), &facts)))?;
                return Ok(GroupEvent::Assigned(parts));
            }
            Rebalance::Revoke(parts) | Rebalance::Lose(parts) if parts.is_empty() => {
                raw::incremental_unassign(client, &nothing)
                    .map_err(|facts| self.explain(Error::from_facts(action(), &facts)))?;
                return Ok(GroupEvent::Revoked(parts));
            }
            Rebalance::Assign(parts) => GroupEvent::Assigned(parts),
            Rebalance::Revoke(parts) => GroupEvent::Revoked(parts),
            Rebalance::Lose(parts) => GroupEvent::Lost(parts),
        };
        self.owed = Some(owed);
        Ok(event)
    }

    /// If the client is dead, why it died; else the error itself. A dead client does not answer questions any more:
    /// they time out for ever.
    fn explain(&self, error: Error) -> Error {
        match self.fatal() {
            Some(facts) => Error::from_facts(error.action(), &facts),
            None => error,
        }
    }

    fn fatal(&self) -> Option<Facts> {
        raw::fatal_error(self.handles().client.client().native_client())
    }

    fn shut_down(&mut self, timeout: Duration) -> bool {
        match self.handles.take() {
            Some(handles) => {
                // What was taken from the queue but not read is owed, too.
                let unread = handles.client.context().take_rebalances();
                let owed = unread.last().map(Owed::of).or(self.owed);
                handles.close(owed, timeout, &self.spec.group)
            }
            None => true,
        }
    }
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.shut_down(CLOSE_TIMEOUT);
    }
}

fn not_ours(action: &str, part: &Part) -> Error {
    Error::usage(format!("{action} {part}"), "the partition is not assigned to this consumer")
}
