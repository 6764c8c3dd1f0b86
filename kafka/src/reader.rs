//! A reader of chosen partitions without a group: for restores, tails, resumes and probes.
//!
//! It uses librdkafka's group-less fetchers, so it needs no access right on any group and nothing to leave.
//!
//! Invariants:
//! - **Progress is a position, never a record**: transaction markers and compacted records take offsets and are
//!   never handed out. The end-of-partition mark carries the offset it stands at; so a reader that has read
//!   everything is at the end offset even when the last thing in the log is a marker.
//! - The target of a restore is the `ReadUncommitted` high watermark: then a `ReadCommitted` reader is there only
//!   after every transaction that was open has been decided.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;

use crate::clients::Isolation;
use crate::context::ConsumerEvents;
use crate::error::Error;
use crate::lanes::Lanes;
use crate::lists::offsets;
use crate::part::Part;
use crate::probe;
use crate::raw::{Consumer, Fetched, Queue, Scratch, Topic};
use crate::record::Record;
use crate::reports;

/// Reads chosen partitions without a group.
pub struct Reader {
    // In this order they are dropped: handles first, then the client.
    lanes: Lanes<Arc<Topic>>,
    /// Topics that were read, and how many partitions they had.
    topics: HashMap<Arc<str>, (Arc<Topic>, i32)>,
    ready: Queue,
    scratch: Scratch,
    client: Arc<Consumer>,
}

impl Reader {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Error> {
        let client: Consumer = config
            .create_with_context(ConsumerEvents::new(false))
            .map_err(|error| Error::from_kafka("make a reader", &error))?;
        let client = Arc::new(client);
        let ready = Queue::new(&client);
        Ok(Self { lanes: Lanes::new(), topics: HashMap::new(), ready, scratch: Scratch::new(), client })
    }

    /// All partitions of a topic, from 0.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> Result<Vec<Part>, Error> {
        let count = probe::partition_count(&self.client, topic, timeout)?;
        let topic: Arc<str> = topic.into();
        Ok((0..count).map(|partition| Part::new(Arc::clone(&topic), partition)).collect())
    }

    /// First offset of the log, and the one after the last (under [`Isolation::ReadCommitted`]: up to the first open
    /// transaction), freshly asked. The level of the question is its own, not the reader's.
    pub fn watermarks(
        &self,
        part: &Part,
        isolation: Isolation,
        timeout: Duration,
    ) -> Result<(i64, i64), Error> {
        probe::watermarks(&self.client, part, isolation, timeout)
    }

    /// Reads these partitions too, each from its offset; one that is read already is moved. Asks for the topics'
    /// metadata first, which makes the first record come half a second earlier and finds missing topics.
    pub fn assign(&mut self, parts: &[(Part, i64)], timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        offsets(parts, || "assign".to_owned())?;
        for (part, _) in parts {
            let is_known =
                self.topics.get(&part.topic).is_some_and(|(_, count)| (0..*count).contains(&part.partition));
            if !is_known {
                self.learn(part, deadline.saturating_duration_since(Instant::now()))?;
            }
        }
        parts.iter().try_for_each(|(part, offset)| self.begin(part, *offset))
    }

    /// Stops to read a partition.
    pub fn unassign(&mut self, part: &Part) {
        if let Some(lane) = self.lanes.remove(part) {
            lane.queue.stop(part.partition);
        }
    }

    /// Hands up to `max` records to `f`. Returns as soon as there are some, or a partition's end was reached, after
    /// `timeout` at the latest, with their number. With an error the records handed out before it count all the same.
    pub fn poll(
        &mut self,
        max: usize,
        timeout: Duration,
        f: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, Error> {
        reports::serve(&self.client, "read")?;
        let (lanes, client) = (&mut self.lanes, &self.client);
        let (mut handed_out, mut error) = (0, None);
        self.ready.drain(&mut self.scratch, max, timeout, &mut |fetched| match fetched {
            Fetched::Record(record) => {
                if lanes.admit(record.topic, record.partition, record.offset) {
                    handed_out += 1;
                    f(record);
                }
            }
            Fetched::Report(report) if report.code == RDKafkaErrorCode::PartitionEOF => {
                lanes.pass(report.topic.unwrap_or_default(), report.partition, report.offset);
            }
            Fetched::Report(report) => {
                if let Some(found) = reports::error(client, &report) {
                    error.get_or_insert(found);
                }
            }
        });
        match error {
            Some(error) => Err(error),
            None => Ok(handed_out),
        }
    }

    /// Up to where the partition was read: the last record's offset + 1, or the offset at which its end was seen.
    /// `None` = not assigned.
    pub fn position(&self, part: &Part) -> Option<i64> {
        self.lanes.get(part).map(|lane| lane.next)
    }

    /// Whether the partition was read up to `target`. False when it is not assigned.
    pub fn caught_up(&self, part: &Part, target: i64) -> bool {
        self.position(part).is_some_and(|position| position >= target)
    }

    /// Asks for a topic's partitions, once for all of them.
    fn learn(&mut self, part: &Part, timeout: Duration) -> Result<(), Error> {
        let action = || format!("read {part}");
        let count = probe::partition_count(&self.client, &part.topic, timeout)?;
        if !(0..count).contains(&part.partition) {
            return Err(Error::from_code(action(), RDKafkaErrorCode::UnknownPartition));
        }
        let topic =
            Topic::new(&self.client, &part.topic).map_err(|facts| Error::from_facts(action(), &facts))?;
        self.topics.insert(Arc::clone(&part.topic), (Arc::new(topic), count));
        Ok(())
    }

    fn begin(&mut self, part: &Part, offset: i64) -> Result<(), Error> {
        self.unassign(part);
        let action = || format!("read {part} from offset {offset}");
        let (topic, _) = &self.topics[&part.topic];
        let topic = Arc::clone(topic);
        topic
            .start(part.partition, offset, &self.ready)
            .map_err(|facts| Error::from_facts(action(), &facts))?;
        self.lanes.add(part.clone(), offset, topic);
        if let Some(lane) = self.lanes.get_mut(part) {
            lane.open = true;
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A fetcher that runs would be stopped by librdkafka too, but with a warning.
        for lane in self.lanes.iter() {
            lane.queue.stop(lane.part.partition);
        }
    }
}
