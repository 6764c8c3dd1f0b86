//! The state of a task computed anew from its input, for `tape check`. The same steps as the processor takes, without
//! effects and without commits.

use std::collections::BTreeMap;

use tape_analytics::{Effects, Record, Settings, Task};
use tape_kafka as kafka;
use tape_proto::trade;
use tape_state::{CodecError, MetaValue};

use crate::batch::StateBatch;
use crate::codec;
use crate::context::TopicIds;

/// A task on its way through its input.
pub struct Recomputation {
    settings: Settings,
    task: Task,
    /// Made and thrown away.
    effects: Effects,
    next_offset: i64,
    records: u64,
}

impl Recomputation {
    /// A task without state.
    pub fn new(settings: Settings) -> Self {
        let task = Task::new(settings.clone());
        Recomputation { settings, task, effects: Effects::default(), next_offset: 0, records: 0 }
    }

    /// Takes the next record of the partition.
    pub fn take(&mut self, record: &kafka::Record<'_>) {
        self.records += 1;
        self.next_offset = record.offset + 1;
        // What cannot be used touches no state.
        let Ok(decoded) = trade::decode(record.key, record.value) else { return };
        let step =
            Record { trade: codec::trade(&decoded), offset: record.offset, append_time: record.timestamp };
        let _ = self.task.step(&step, &mut self.effects);
        self.forget_effects();
    }

    /// Quiet input moved the watermark up to here; true when that is further than the records moved it.
    pub fn idle_until(&mut self, watermark: i64) -> bool {
        let meta = self.task.meta();
        let (Some(stream_time), true) = (meta.stream_time, meta.watermark < Some(watermark)) else {
            return false;
        };
        let elapsed = watermark - (stream_time - self.settings.watermark_delay_ms);
        self.task.idle(elapsed, self.next_offset, &mut self.effects);
        self.forget_effects();
        true
    }

    /// Records taken.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The state as keys and values of changelog and store. What a meta value says beside the task's clocks (topics,
    /// generation) does not follow from the input; it is taken from `known`.
    ///
    /// # Errors
    /// [`CodecError::Unstorable`] for a state that the processor could not have written either.
    pub fn state(mut self, known: &MetaValue) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, CodecError> {
        let id = |id: Option<[u8; 16]>| id.map(kafka::TopicId);
        let ids = TopicIds {
            input: id(known.input_id),
            changelog: id(known.changelog_id),
            partitions: known.partitions,
        };
        let mut changes = StateBatch::new(ids);
        changes.stage(&mut self.task, &self.settings)?;
        let kept = changes.entries().filter_map(|(key, value)| Some((key.to_vec(), value?.to_vec())));
        Ok(kept.collect())
    }

    fn forget_effects(&mut self) {
        self.effects.rows.clear();
        self.effects.alerts.clear();
    }
}
