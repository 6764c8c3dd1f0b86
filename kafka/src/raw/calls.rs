//! Calls about groups and transactions.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::NativeClient;
use rdkafka::consumer::Consumer as _;
use rdkafka_sys as sys;
use rdkafka_sys::{RDKafkaErrorCode, RDKafkaRespErr};

use super::{Consumer, Queue, code_of, millis, take_error};
use crate::error::Facts;

/// Adds partitions to a group consumer's assignment. (The crate's version loses the code.)
pub(crate) fn incremental_assign(client: &Consumer, parts: &TopicPartitionList) -> Result<(), Facts> {
    // SAFETY: client and list are alive; the call copies the list and returns an error that is ours.
    unsafe { take_error(sys::rd_kafka_incremental_assign(client.client().native_ptr(), parts.ptr())) }
}

/// Takes partitions out of a group consumer's assignment.
pub(crate) fn incremental_unassign(client: &Consumer, parts: &TopicPartitionList) -> Result<(), Facts> {
    // SAFETY: as for `incremental_assign`.
    unsafe { take_error(sys::rd_kafka_incremental_unassign(client.client().native_ptr(), parts.ptr())) }
}

/// Moves the fetchers of the listed partitions; the outcome of each stands in the list.
pub(crate) fn seek(client: &Consumer, parts: &TopicPartitionList, timeout: Duration) -> Result<(), Facts> {
    // SAFETY: client and list are alive; the list is exclusively ours and receives an error code per element.
    unsafe {
        take_error(sys::rd_kafka_seek_partitions(client.client().native_ptr(), parts.ptr(), millis(timeout)))
    }
}

/// Commits the open transaction. (The crate's version flushes in steps of 100 ms first.)
pub(crate) fn commit_transaction(client: &NativeClient, timeout: Duration) -> Result<(), Facts> {
    // SAFETY: the client is alive; the error object is ours.
    unsafe { take_error(sys::rd_kafka_commit_transaction(client.ptr(), millis(timeout))) }
}

/// Who a consumer is in its group at this moment.
pub(crate) struct Membership {
    metadata: NonNull<sys::rd_kafka_consumer_group_metadata_t>,
}

// SAFETY: a plain record of strings and a number that nobody changes.
unsafe impl Send for Membership {}
// SAFETY: as above.
unsafe impl Sync for Membership {}

impl Membership {
    /// `None` = not in the group at this moment. Without a member id and a generation the broker would take the
    /// offsets of a transaction unchecked, so such a membership must never be used.
    pub(crate) fn of(client: &Consumer) -> Option<Self> {
        // SAFETY: the client is alive; the record is ours, its member id is a C string that lives as long.
        unsafe {
            let metadata = sys::rd_kafka_consumer_group_metadata(client.client().native_ptr());
            let membership = Self { metadata: NonNull::new(metadata)? };
            let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
            let member = sys::rd_kafka_consumer_group_metadata_member_id(metadata);
            let known = generation >= 0 && !member.is_null() && !CStr::from_ptr(member).is_empty();
            known.then_some(membership)
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // SAFETY: the record is ours and destroyed once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.metadata.as_ptr()) }
    }
}

/// Puts the offsets of a group into the open transaction.
pub(crate) fn send_offsets(
    client: &NativeClient,
    offsets: &TopicPartitionList,
    group: &Membership,
    timeout: Duration,
) -> Result<(), Facts> {
    // SAFETY: client, list and record are alive and copied by the call; the error object is ours.
    unsafe {
        take_error(sys::rd_kafka_send_offsets_to_transaction(
            client.ptr(),
            offsets.ptr(),
            group.metadata.as_ptr(),
            millis(timeout),
        ))
    }
}

/// The error that made a client unusable, if there is one.
pub(crate) fn fatal_error(client: &NativeClient) -> Option<Facts> {
    let mut text = [0 as c_char; 512];
    // SAFETY: the client is alive; the buffer is as large as we say and gets a terminated string.
    let code = unsafe { sys::rd_kafka_fatal_error(client.ptr(), text.as_mut_ptr(), text.len()) };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return None;
    }
    // SAFETY: the call above terminated the string.
    let detail = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned();
    Some(Facts { detail, fatal: true, ..Facts::of(code.into()) })
}

/// An event of a queue of our own; destroys it.
pub(super) struct Event<'q> {
    pub(super) event: NonNull<sys::rd_kafka_event_t>,
    pub(super) _queue: PhantomData<&'q Queue>,
}

impl Event<'_> {
    pub(super) fn kind(&self) -> i32 {
        // SAFETY: the event is alive.
        unsafe { sys::rd_kafka_event_type(self.event.as_ptr()) }
    }

    pub(super) fn check(&self) -> Result<(), Facts> {
        // SAFETY: the event is alive; its text is a C string of the event, copied here.
        let (code, detail) = unsafe {
            let code: RDKafkaErrorCode = sys::rd_kafka_event_error(self.event.as_ptr()).into();
            (code, CStr::from_ptr(sys::rd_kafka_event_error_string(self.event.as_ptr())))
        };
        match code {
            RDKafkaErrorCode::NoError => Ok(()),
            code => Err(Facts { detail: detail.to_string_lossy().into_owned(), ..Facts::of(code) }),
        }
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        // SAFETY: the event is ours and destroyed once.
        unsafe { sys::rd_kafka_event_destroy(self.event.as_ptr()) }
    }
}

/// Commits offsets of a group and waits for the broker's answer. (The crate's version waits without a limit.)
pub(crate) fn commit_offsets(
    client: &Arc<Consumer>,
    offsets: &TopicPartitionList,
    timeout: Duration,
) -> Result<(), Facts> {
    let queue = Queue::new(client);
    // SAFETY: client, list and queue are alive; the list is copied; without a callback the answer becomes an event
    // of the queue, and the fetcher holds its own reference to it.
    let code = unsafe {
        sys::rd_kafka_commit_queue(
            client.client().native_ptr(),
            offsets.ptr(),
            queue.queue.as_ptr(),
            None,
            ptr::null_mut(),
        )
    };
    if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(Facts::of(code.into()));
    }
    let event = wait_for(&queue, sys::RD_KAFKA_EVENT_OFFSET_COMMIT, timeout)?;
    event.check()?;
    // SAFETY: the list belongs to the event and is only read while the event is alive.
    unsafe {
        let list = sys::rd_kafka_event_topic_partition_list(event.event.as_ptr());
        elements(list).iter().try_for_each(|element| match element_code(element) {
            RDKafkaErrorCode::NoError => Ok(()),
            code => Err(Facts::of(code)),
        })
    }
}

pub(super) fn wait_for(queue: &Queue, kind: i32, timeout: Duration) -> Result<Event<'_>, Facts> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match queue.event(left) {
            Some(event) if event.kind() == kind => return Ok(event),
            Some(_) => {}
            None if left.is_zero() => return Err(Facts::of(RDKafkaErrorCode::OperationTimedOut)),
            None => {}
        }
    }
}

/// The elements of a partition list.
///
/// # Safety
/// `list` is null, or a list that lives for `'a` and is not changed meanwhile.
unsafe fn elements<'a>(
    list: *const sys::rd_kafka_topic_partition_list_t,
) -> &'a [sys::rd_kafka_topic_partition_t] {
    if list.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise; the list says how many elements it has.
    unsafe {
        match usize::try_from((*list).cnt) {
            Ok(count) if count > 0 => std::slice::from_raw_parts((*list).elems, count),
            _ => &[],
        }
    }
}

pub(super) fn element_code(element: &sys::rd_kafka_topic_partition_t) -> RDKafkaErrorCode {
    // SAFETY: the field is a live integer of this size; it may hold a number that the Rust enum does not know.
    code_of(unsafe { ptr::addr_of!(element.err).cast::<i32>().read() })
}
