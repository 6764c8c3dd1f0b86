//! Which records are handed out: **each record of a partition once, in order, and only while its lane is open**.
//!
//! A lane is a partition that we read. It knows the next offset to hand out. librdkafka drops what a seek or an
//! unassign made stale, but a rebalance pauses and resumes its fetchers by themselves, and a batch that is being
//! taken at that moment may come a second time: a record below `next` is one that was handed out already.

use crate::part::Part;

/// A partition that we read, with its fetch queue.
pub(crate) struct Lane<Q> {
    pub(crate) part: Part,
    /// Next offset to hand out.
    pub(crate) next: i64,
    /// Whether records are handed out.
    pub(crate) open: bool,
    /// librdkafka has given the partition up: its offset is not in the log any more.
    pub(crate) dead: bool,
    pub(crate) queue: Q,
}

/// The partitions that a consumer reads.
pub(crate) struct Lanes<Q> {
    lanes: Vec<Lane<Q>>,
    /// Index of the lane found last: the next record is most likely of the same one.
    last: usize,
}

impl<Q> Lanes<Q> {
    pub(crate) fn new() -> Self {
        Self { lanes: Vec::new(), last: 0 }
    }

    /// Adds a closed lane.
    pub(crate) fn add(&mut self, part: Part, next: i64, queue: Q) {
        self.lanes.push(Lane { part, next, open: false, dead: false, queue });
    }

    pub(crate) fn remove(&mut self, part: &Part) -> Option<Lane<Q>> {
        let index = self.lanes.iter().position(|lane| lane.part == *part)?;
        Some(self.lanes.swap_remove(index))
    }

    pub(crate) fn get(&self, part: &Part) -> Option<&Lane<Q>> {
        self.lanes.iter().find(|lane| lane.part == *part)
    }

    pub(crate) fn get_mut(&mut self, part: &Part) -> Option<&mut Lane<Q>> {
        self.lanes.iter_mut().find(|lane| lane.part == *part)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lane<Q>> {
        self.lanes.iter()
    }

    /// May this record be handed out? Moves the lane behind it if so.
    pub(crate) fn admit(&mut self, topic: &str, partition: i32, offset: i64) -> bool {
        match self.find(topic, partition) {
            Some(lane) if lane.open && offset >= lane.next => {
                lane.next = offset + 1;
                true
            }
            _ => false,
        }
    }

    /// The partition was read up to `offset`, though no record stood there (the end of the partition, behind
    /// transaction markers and compacted records).
    pub(crate) fn pass(&mut self, topic: &str, partition: i32, offset: i64) {
        if let Some(lane) = self.find(topic, partition)
            && lane.open
        {
            lane.next = lane.next.max(offset);
        }
    }

    /// Nothing comes of this partition any more.
    pub(crate) fn kill(&mut self, part: &Part) {
        if let Some(lane) = self.get_mut(part) {
            lane.open = false;
            lane.dead = true;
        }
    }

    fn find(&mut self, topic: &str, partition: i32) -> Option<&mut Lane<Q>> {
        let is_it = |lane: &Lane<Q>| lane.part.partition == partition && *lane.part.topic == *topic;
        if !self.lanes.get(self.last).is_some_and(is_it) {
            self.last = self.lanes.iter().position(is_it)?;
        }
        self.lanes.get_mut(self.last)
    }
}

#[cfg(test)]
mod tests;
