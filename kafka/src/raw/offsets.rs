//! Ends of logs, asked of their leaders.

use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka_sys as sys;
use rdkafka_sys::{RDKafkaErrorCode, RDKafkaRespErr};

use super::calls::{Event, element_code, wait_for};
use super::options::AdminOptions;
use super::{ANSWER_GRACE, Consumer, Queue};
use crate::error::Facts;
use crate::part::Part;

/// Which end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogEnd {
    /// First offset.
    Low,
    /// Offset after the last one.
    High,
}

/// The end of a partition's log as the last fetch told it, without a question to the broker; `None` = nothing is known yet.
pub(crate) fn known_end(client: &Consumer, part: &Part) -> Option<i64> {
    let topic = CString::new(&*part.topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client is alive, the name ends with a zero byte, and both numbers are ours to be written.
    let code = unsafe {
        sys::rd_kafka_get_watermark_offsets(
            client.client().native_ptr(),
            topic.as_ptr(),
            part.partition,
            &mut low,
            &mut high,
        )
    };
    (code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// Asks the leaders for one end of each partition's log, by this isolation level (the level of the client does not
/// matter, unlike in the watermark query). The answers come in the order of `parts`.
pub(crate) fn list_offsets(
    client: &Arc<Consumer>,
    parts: &[Part],
    end: LogEnd,
    read_committed: bool,
    timeout: Duration,
) -> Result<Vec<Result<i64, RDKafkaErrorCode>>, Facts> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let spec = match end {
        LogEnd::Low => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST,
        LogEnd::High => sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST,
    };
    let mut list = TopicPartitionList::with_capacity(parts.len());
    for part in parts {
        list.add_partition(&part.topic, part.partition);
    }
    // SAFETY: the list is exclusively ours; specifications travel in the offset field.
    unsafe {
        let raw = list.ptr();
        let count = usize::try_from((*raw).cnt).unwrap_or(0);
        for element in std::slice::from_raw_parts_mut((*raw).elems, count) {
            element.offset = spec as i64;
        }
    }
    let queue = Queue::new(client);
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
    let options = AdminOptions::new(client, operation, timeout)?.isolated(read_committed)?;
    // SAFETY: client, list, options and queue are alive; the call copies list and options.
    unsafe {
        sys::rd_kafka_ListOffsets(
            client.client().native_ptr(),
            list.ptr(),
            options.ptr(),
            queue.queue.as_ptr(),
        );
    }
    let event = wait_for(&queue, sys::RD_KAFKA_EVENT_LISTOFFSETS_RESULT, timeout + ANSWER_GRACE)?;
    event.check()?;
    let answers = listed(&event);
    let answer = |part: &Part| {
        let found = answers
            .iter()
            .find(|(topic, partition, _)| *partition == part.partition && **topic == *part.topic);
        found.map_or(Err(RDKafkaErrorCode::UnknownTopicOrPartition), |(_, _, answer)| *answer)
    };
    Ok(parts.iter().map(answer).collect())
}

type Listed = (String, i32, Result<i64, RDKafkaErrorCode>);

fn listed(event: &Event<'_>) -> Vec<Listed> {
    // SAFETY: the event is alive and of this kind; the answers belong to it and are copied.
    unsafe {
        let result = sys::rd_kafka_event_ListOffsets_result(event.event.as_ptr());
        if result.is_null() {
            return Vec::new();
        }
        let mut count = 0;
        let infos = sys::rd_kafka_ListOffsets_result_infos(result, &mut count);
        if infos.is_null() {
            return Vec::new();
        }
        std::slice::from_raw_parts(infos, count)
            .iter()
            .map(|info| {
                let element = &*sys::rd_kafka_ListOffsetsResultInfo_topic_partition(*info);
                let topic = CStr::from_ptr(element.topic).to_string_lossy().into_owned();
                let answer = match element_code(element) {
                    // A partition whose leader was not found in time comes back without an error and without an offset.
                    RDKafkaErrorCode::NoError if element.offset < 0 => {
                        Err(RDKafkaErrorCode::LeaderNotAvailable)
                    }
                    RDKafkaErrorCode::NoError => Ok(element.offset),
                    code => Err(code),
                };
                (topic, element.partition, answer)
            })
            .collect()
    }
}
