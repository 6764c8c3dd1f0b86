//! Questions about topics and changes of their settings that the crate does not wrap.

use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka_sys as sys;
use rdkafka_sys::RDKafkaErrorCode;

use super::calls::wait_for;
use super::options::AdminOptions;
use super::{ANSWER_GRACE, Consumer, Queue, code_of, take_error};
use crate::error::Facts;

/// The id that the cluster gave to a topic; `None` = the broker is too old to have them.
pub(crate) fn topic_id(
    client: &Arc<Consumer>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<[u8; 16]>, Facts> {
    let name = c_string(topic)?;
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    let options = AdminOptions::new(client, operation, timeout)?;
    let queue = Queue::new(client);
    let mut names = [name.as_ptr()];
    // SAFETY: client, name, options and queue are alive; the collection copies the name and the call copies the
    // collection, which is ours and destroyed once.
    unsafe {
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        sys::rd_kafka_DescribeTopics(
            client.client().native_ptr(),
            topics,
            options.ptr(),
            queue.queue.as_ptr(),
        );
        sys::rd_kafka_TopicCollection_destroy(topics);
    }
    let event = wait_for(&queue, sys::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT, timeout + ANSWER_GRACE)?;
    event.check()?;
    // SAFETY: the event is alive and of this kind; the answers belong to it and are copied.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event.event.as_ptr());
        let mut count = 0;
        let found = match result.is_null() {
            true => ptr::null_mut(),
            false => sys::rd_kafka_DescribeTopics_result_topics(result, &mut count),
        };
        if found.is_null() || count == 0 {
            return Err(Facts::of(RDKafkaErrorCode::UnknownTopicOrPartition));
        }
        let error = sys::rd_kafka_TopicDescription_error(*found);
        if !error.is_null() && sys::rd_kafka_error_code(error) as i32 != 0 {
            let detail = CStr::from_ptr(sys::rd_kafka_error_string(error)).to_string_lossy().into_owned();
            let code: RDKafkaErrorCode = sys::rd_kafka_error_code(error).into();
            return Err(Facts { detail, ..Facts::of(code) });
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(*found);
        if id.is_null() {
            return Ok(None);
        }
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&sys::rd_kafka_Uuid_most_significant_bits(id).to_be_bytes());
        bytes[8..].copy_from_slice(&sys::rd_kafka_Uuid_least_significant_bits(id).to_be_bytes());
        // Zero is what an answer without ids is filled with.
        Ok((bytes != [0; 16]).then_some(bytes))
    }
}

/// Sets settings of a topic, or takes them back (`None`: the broker's default holds again); the others stay.
pub(crate) fn alter_topic(
    client: &Arc<Consumer>,
    topic: &str,
    settings: &[(&str, Option<&str>)],
    timeout: Duration,
) -> Result<(), Facts> {
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS;
    let options = AdminOptions::new(client, operation, timeout)?;
    let resource = Resource::of_topic(topic)?;
    for (name, value) in settings {
        resource.add(name, *value)?;
    }
    let queue = Queue::new(client);
    let mut resources = [resource.resource.as_ptr()];
    // SAFETY: client, resource, options and queue are alive; the call copies what it needs.
    unsafe {
        sys::rd_kafka_IncrementalAlterConfigs(
            client.client().native_ptr(),
            resources.as_mut_ptr(),
            resources.len(),
            options.ptr(),
            queue.queue.as_ptr(),
        );
    }
    let event = wait_for(&queue, sys::RD_KAFKA_EVENT_INCREMENTALALTERCONFIGS_RESULT, timeout + ANSWER_GRACE)?;
    event.check()?;
    // SAFETY: the event is alive and of this kind; the answers belong to it and are copied.
    unsafe {
        let result = sys::rd_kafka_event_IncrementalAlterConfigs_result(event.event.as_ptr());
        let mut count = 0;
        let found = match result.is_null() {
            true => ptr::null_mut(),
            false => sys::rd_kafka_IncrementalAlterConfigs_result_resources(result, &mut count),
        };
        if found.is_null() || count == 0 {
            return Err(Facts::of(RDKafkaErrorCode::Fail));
        }
        match code_of(sys::rd_kafka_ConfigResource_error(*found) as i32) {
            RDKafkaErrorCode::NoError => Ok(()),
            code => {
                let text: *const c_char = sys::rd_kafka_ConfigResource_error_string(*found);
                let detail = match text.is_null() {
                    true => String::new(),
                    false => CStr::from_ptr(text).to_string_lossy().into_owned(),
                };
                Err(Facts { detail, ..Facts::of(code) })
            }
        }
    }
}

/// Settings of one topic to change; destroys them.
struct Resource {
    resource: NonNull<sys::rd_kafka_ConfigResource_t>,
}

impl Resource {
    fn of_topic(topic: &str) -> Result<Self, Facts> {
        let name = c_string(topic)?;
        let kind = sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
        // SAFETY: the name ends with a zero byte and is copied.
        let resource = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
        Ok(Self { resource: NonNull::new(resource).ok_or_else(|| Facts::of(RDKafkaErrorCode::Fail))? })
    }

    fn add(&self, name: &str, value: Option<&str>) -> Result<(), Facts> {
        let name = c_string(name)?;
        let text = value.map(c_string).transpose()?;
        let operation = match value {
            Some(_) => sys::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET,
            None => sys::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_DELETE,
        };
        let text = text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        // SAFETY: the resource is alive; name and value end with a zero byte (a deletion has no value) and are copied;
        // the error object is ours.
        unsafe {
            take_error(sys::rd_kafka_ConfigResource_add_incremental_config(
                self.resource.as_ptr(),
                name.as_ptr(),
                operation,
                text,
            ))
        }
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        // SAFETY: the resource is ours and destroyed once.
        unsafe { sys::rd_kafka_ConfigResource_destroy(self.resource.as_ptr()) }
    }
}

fn c_string(text: &str) -> Result<CString, Facts> {
    CString::new(text).map_err(|_| Facts::of(RDKafkaErrorCode::InvalidArgument))
}
