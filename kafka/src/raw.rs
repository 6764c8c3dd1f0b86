//! The one file with `unsafe`: the calls of librdkafka that the rdkafka crate does not wrap, or wraps in a way
//! that is too slow or loses the error code. Everything it exports is safe to call.
//!
//! Invariants:
//! - A [`Queue`] or [`Topic`] holds its client by `Arc`: **the client outlives every handle to its insides**, and
//!   librdkafka's destructor (which waits for them) runs last.
//! - A fetched message lives until the callback that got it has returned; then it is destroyed, also when the
//!   callback panics. Nothing of it escapes: [`Fetched`] borrows.
//! - Enum values that come from the network are read as integers first: a code that the bindings do not know must
//!   not become an invalid Rust enum.
#![allow(
    unsafe_code,
    reason = "batch consume, partition queues, raw commit and list offsets exist only as C calls"
)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::NativeClient;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka_sys as sys;
use rdkafka_sys::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::context::ConsumerEvents;
use crate::error::Facts;
use crate::part::Part;
use crate::record::Record;

/// The consumer behind groups, readers and probes.
pub(crate) type Consumer = BaseConsumer<ConsumerEvents>;

/// How much longer than its own time-out an admin answer may take, before we stop waiting for it.
const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// Most messages of one batch: they are destroyed one by one, and their memory is not free before.
const BATCH_MAX: usize = 100_000;

/// librdkafka's time-outs are whole milliseconds; a wait that is not zero must not become zero.
pub(crate) fn millis(timeout: Duration) -> c_int {
    let rounded_up = timeout.as_nanos().div_ceil(1_000_000);
    c_int::try_from(rounded_up).unwrap_or(c_int::MAX)
}

/// The code of a response, also when the bindings do not know its number.
fn code_of(number: i32) -> RDKafkaErrorCode {
    match RDKafkaRespErr::try_from(number) {
        Ok(code) => code.into(),
        Err(_) => RDKafkaErrorCode::Unknown,
    }
}

/// What came out of a queue.
pub(crate) enum Fetched<'a> {
    /// A record.
    Record(Record<'a>),
    /// The fetcher reports something about a partition, or about the client when there is no topic.
    Report(Report<'a>),
}

/// Not a record: an error of a partition, or its end.
pub(crate) struct Report<'a> {
    /// Topic, if it is about one.
    pub(crate) topic: Option<&'a str>,
    /// Partition, if it is about one.
    pub(crate) partition: i32,
    /// Offset that the report is about; negative = none.
    pub(crate) offset: i64,
    /// What happened.
    pub(crate) code: RDKafkaErrorCode,
    /// librdkafka's text.
    pub(crate) text: Cow<'a, str>,
}

/// A queue of fetched messages.
pub(crate) struct Queue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    _client: Arc<Consumer>,
}

// SAFETY: librdkafka's queues are guarded by their own locks, and the handle has no thread affinity.
unsafe impl Send for Queue {}

impl Queue {
    /// A new queue that nothing is forwarded to yet.
    pub(crate) fn new(client: &Arc<Consumer>) -> Self {
        // SAFETY: the client is alive, because we hold its `Arc`.
        let queue = unsafe { sys::rd_kafka_queue_new(client.client().native_ptr()) };
        let queue =
            NonNull::new(queue).expect("rd_kafka_queue_new aborts the process rather than returning null");
        Self { queue, _client: Arc::clone(client) }
    }

    /// The fetch queue of a partition, **parked**: from now on librdkafka keeps what it fetches in it, and does not
    /// forward it to the consumer's own queue at the next assign (it marks a queue that the application has
    /// forwarded, also to nowhere, and leaves such a queue alone).
    pub(crate) fn of_partition(client: &Arc<Consumer>, part: &Part) -> Option<Self> {
        let topic = CString::new(&*part.topic).ok()?;
        // SAFETY: the client is alive and the name ends with a zero byte; the call copies it.
        let queue = unsafe {
            sys::rd_kafka_queue_get_partition(client.client().native_ptr(), topic.as_ptr(), part.partition)
        };
        let queue = Self { queue: NonNull::new(queue)?, _client: Arc::clone(client) };
        queue.park();
        Some(queue)
    }

    /// Keeps messages in this queue from now on. What was forwarded before stays where it is.
    pub(crate) fn park(&self) {
        // SAFETY: the queue is alive; null means "forward to nowhere".
        unsafe { sys::rd_kafka_queue_forward(self.queue.as_ptr(), ptr::null_mut()) }
    }

    /// Moves what is in this queue, and all that follows, to another one.
    pub(crate) fn forward(&self, to: &Self) {
        // SAFETY: both queues are alive; librdkafka counts references, so either may be dropped first.
        unsafe { sys::rd_kafka_queue_forward(self.queue.as_ptr(), to.queue.as_ptr()) }
    }

    /// Hands up to `max` messages to `f`, each valid during its call. Returns as soon as there is something, after
    /// `timeout` at the latest. The number counts reports too.
    pub(crate) fn drain(
        &self,
        scratch: &mut Scratch,
        max: usize,
        timeout: Duration,
        f: &mut dyn FnMut(Fetched<'_>),
    ) -> usize {
        let mut batch = self.batch(scratch, max, timeout);
        let count = batch.filled;
        while let Some(fetched) = batch.advance() {
            f(fetched);
        }
        count
    }

    /// A full batch call waits until `max` messages are there, or the time-out passes: so it is asked without
    /// waiting, and only when it finds nothing we wait, for one message.
    fn batch<'s>(&self, scratch: &'s mut Scratch, max: usize, timeout: Duration) -> Batch<'s> {
        let max = max.clamp(1, BATCH_MAX);
        scratch.0.clear();
        scratch.0.resize(max, ptr::null_mut());
        let mut filled = self.take_now(&mut scratch.0);
        if filled == 0 && !timeout.is_zero() {
            // SAFETY: the queue is alive; a null answer means "nothing in time".
            let first = unsafe { sys::rd_kafka_consume_queue(self.queue.as_ptr(), millis(timeout)) };
            if !first.is_null() {
                scratch.0[0] = first;
                filled = 1 + self.take_now(&mut scratch.0[1..]);
            }
        }
        Batch { messages: &mut scratch.0, filled, next: 0, destroyed: 0, name: None }
    }

    fn take_now(&self, room: &mut [*mut sys::rd_kafka_message_t]) -> usize {
        if room.is_empty() {
            return 0;
        }
        // SAFETY: the queue is alive and `room` has space for as many pointers as we say.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, room.as_mut_ptr(), room.len())
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// Waits for the next event; `None` = not in time.
    fn event(&self, timeout: Duration) -> Option<Event<'_>> {
        // SAFETY: the queue is alive; a null answer means "nothing in time".
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), millis(timeout)) };
        NonNull::new(event).map(|event| Event { event, _queue: PhantomData })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and used nowhere else; the client is still alive, its `Arc` is dropped after.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// Room for the pointers of a batch, kept between calls. Empty between calls.
pub(crate) struct Scratch(Vec<*mut sys::rd_kafka_message_t>);

// SAFETY: between calls it holds no live pointer: a batch destroys what it took before it ends.
unsafe impl Send for Scratch {}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }
}

/// Messages taken out of a queue; destroys them.
struct Batch<'s> {
    messages: &'s mut Vec<*mut sys::rd_kafka_message_t>,
    filled: usize,
    /// Index of the next message to hand out.
    next: usize,
    /// Messages before this index are destroyed.
    destroyed: usize,
    /// Topic of the message handed out last, and its name: valid as long as that message is alive.
    name: Option<(*mut sys::rd_kafka_topic_t, NonNull<str>)>,
}

impl Batch<'_> {
    /// Hands out the next message. The one before is destroyed only after the name of this one is known, so that a
    /// name may be kept from message to message of the same topic.
    fn advance(&mut self) -> Option<Fetched<'_>> {
        if self.next == self.filled {
            return None;
        }
        let message = self.messages[self.next];
        self.next += 1;
        // SAFETY: librdkafka filled the first `filled` places with live messages, and each is destroyed only after
        // `next` has passed it.
        let (topic, err) = unsafe { ((*message).rkt, ptr::addr_of!((*message).err).cast::<i32>().read()) };
        let name = self.topic_name(topic);
        self.destroy_until(self.next - 1);
        // SAFETY: the name belongs to the topic that `message` holds alive; the returned borrow ends before the next
        // call can destroy `message`.
        let name = name.map(|name| unsafe { &*name.as_ptr() });
        // SAFETY: as above, the message is alive as long as the borrow of `self`.
        Some(unsafe { fetched(message, name, err) })
    }

    fn topic_name(&mut self, topic: *mut sys::rd_kafka_topic_t) -> Option<NonNull<str>> {
        if topic.is_null() {
            self.name = None;
            return None;
        }
        if let Some((known, name)) = self.name
            && known == topic
        {
            return Some(name);
        }
        // SAFETY: the topic is alive (its message is); its name is a C string that lives as long as the topic.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(topic)) };
        let name = NonNull::from(name.to_str().unwrap_or("(topic name is not UTF-8)"));
        self.name = Some((topic, name));
        Some(name)
    }

    fn destroy_until(&mut self, end: usize) {
        while self.destroyed < end {
            let message = self.messages[self.destroyed];
            self.destroyed += 1;
            // SAFETY: the message is ours and is destroyed once: `destroyed` has just moved past it.
            unsafe { sys::rd_kafka_message_destroy(message) }
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.destroy_until(self.filled);
        self.messages.clear();
    }
}

/// Reads a message in place.
///
/// # Safety
/// `message` is alive for `'a`, and so is `topic`, the name of its topic; `err` is its error number.
unsafe fn fetched<'a>(
    message: *const sys::rd_kafka_message_t,
    topic: Option<&'a str>,
    err: i32,
) -> Fetched<'a> {
    // SAFETY: the caller keeps the message alive; only plain fields are read through the reference.
    let fields = unsafe {
        (
            (*message).partition,
            (*message).offset,
            bytes((*message).key, (*message).key_len),
            bytes((*message).payload, (*message).len),
        )
    };
    let (partition, offset, key, value) = fields;
    let code = code_of(err);
    let (RDKafkaErrorCode::NoError, Some(topic)) = (code, topic) else {
        // The payload of a message with an error is librdkafka's text.
        let text = value.map_or(Cow::Borrowed(""), String::from_utf8_lossy);
        return Fetched::Report(Report { topic, partition, offset, code, text });
    };
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is alive and `kind` is a place for the answer.
    let timestamp = unsafe { sys::rd_kafka_message_timestamp(message, &mut kind) };
    let bare = Record::detached(topic, partition, offset, key, value);
    let bare = match kind {
        sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => bare,
        sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => {
            bare.with_timestamp(timestamp, false)
        }
        sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => {
            bare.with_timestamp(timestamp, true)
        }
    };
    Fetched::Record(Record::native(bare, MessageHeaders { message, _message: PhantomData }))
}

/// Bytes of a message; a null pointer is a null key or value, an empty one is not.
///
/// # Safety
/// Unless null, `start` points to `len` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: the caller's promise; the pointer is not null.
    Some(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) })
}

/// The headers of a live message, parsed when the first one is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageHeaders<'a> {
    message: *const sys::rd_kafka_message_t,
    _message: PhantomData<&'a sys::rd_kafka_message_t>,
}

impl<'a> MessageHeaders<'a> {
    /// The header at `index`: name and value.
    pub(crate) fn get(&self, index: usize) -> Option<(Cow<'a, str>, Option<&'a [u8]>)> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive for `'a`. The call parses on first use and keeps the result in the message;
        // this type is neither `Send` nor `Sync`, so no other thread does the same.
        let answer = unsafe { sys::rd_kafka_message_headers(self.message, &mut headers) };
        if answer != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || headers.is_null() {
            return None;
        }
        let (mut name, mut value, mut len) = (ptr::null::<c_char>(), ptr::null::<c_void>(), 0);
        // SAFETY: the headers belong to the live message; the three places receive the answer.
        let answer = unsafe { sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut len) };
        if answer != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: on success the name is a C string and the value null or `len` bytes, owned by the message.
        Some(unsafe { (CStr::from_ptr(name).to_string_lossy(), bytes(value, len)) })
    }
}

/// A topic that a reader fetches from without a group.
pub(crate) struct Topic {
    topic: NonNull<sys::rd_kafka_topic_t>,
    _client: Arc<Consumer>,
}

// SAFETY: librdkafka's topic handles are thread-safe and have no thread affinity.
unsafe impl Send for Topic {}
// SAFETY: as above; every call on a handle takes librdkafka's own locks.
unsafe impl Sync for Topic {}

impl Topic {
    /// The topic of this name; asks nobody.
    pub(crate) fn new(client: &Arc<Consumer>, name: &str) -> Result<Self, Facts> {
        let name = CString::new(name).map_err(|_| Facts::of(RDKafkaErrorCode::InvalidTopic))?;
        // SAFETY: the client is alive, the name ends with a zero byte, and null means "default topic settings".
        let topic =
            unsafe { sys::rd_kafka_topic_new(client.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        let topic = NonNull::new(topic).ok_or_else(|| Facts::of(last_error()))?;
        Ok(Self { topic, _client: Arc::clone(client) })
    }

    /// Starts to fetch a partition into `queue`.
    pub(crate) fn start(&self, partition: i32, offset: i64, queue: &Queue) -> Result<(), Facts> {
        // SAFETY: topic and queue are alive; the fetcher holds its own reference to the queue.
        let answer = unsafe {
            sys::rd_kafka_consume_start_queue(self.topic.as_ptr(), partition, offset, queue.queue.as_ptr())
        };
        if answer == 0 { Ok(()) } else { Err(Facts::of(last_error())) }
    }

    /// Stops to fetch a partition; waits for librdkafka's own thread, never for a broker.
    pub(crate) fn stop(&self, partition: i32) {
        // SAFETY: the topic is alive. An error means that the partition was not being fetched.
        let _ = unsafe { sys::rd_kafka_consume_stop(self.topic.as_ptr(), partition) };
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the handle is ours; the client is still alive, its `Arc` is dropped after this.
        unsafe { sys::rd_kafka_topic_destroy(self.topic.as_ptr()) }
    }
}

fn last_error() -> RDKafkaErrorCode {
    // SAFETY: reads a thread-local variable of librdkafka.
    unsafe { sys::rd_kafka_last_error() }.into()
}

/// Takes over an error object: its answers, or `Ok` for none.
///
/// # Safety
/// `error` is null, or an error object that nobody else will destroy.
unsafe fn take_error(error: *mut sys::rd_kafka_error_t) -> Result<(), Facts> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the object is alive until destroyed here, once; its strings are copied before.
    unsafe {
        let facts = Facts {
            code: sys::rd_kafka_error_code(error).into(),
            detail: CStr::from_ptr(sys::rd_kafka_error_string(error)).to_string_lossy().into_owned(),
            fatal: sys::rd_kafka_error_is_fatal(error) != 0,
            requires_abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
            retriable: sys::rd_kafka_error_is_retriable(error) != 0,
        };
        sys::rd_kafka_error_destroy(error);
        Err(facts)
    }
}

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
struct Event<'q> {
    event: NonNull<sys::rd_kafka_event_t>,
    _queue: PhantomData<&'q Queue>,
}

impl Event<'_> {
    fn kind(&self) -> i32 {
        // SAFETY: the event is alive.
        unsafe { sys::rd_kafka_event_type(self.event.as_ptr()) }
    }

    fn check(&self) -> Result<(), Facts> {
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

fn wait_for(queue: &Queue, kind: i32, timeout: Duration) -> Result<Event<'_>, Facts> {
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

fn element_code(element: &sys::rd_kafka_topic_partition_t) -> RDKafkaErrorCode {
    // SAFETY: the field is a live integer of this size; it may hold a number that the Rust enum does not know.
    code_of(unsafe { ptr::addr_of!(element.err).cast::<i32>().read() })
}

/// Which end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogEnd {
    /// First offset.
    Low,
    /// Offset after the last one.
    High,
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
    let options = AdminOptions::list_offsets(client, read_committed, timeout)?;
    // SAFETY: client, list, options and queue are alive; the call copies list and options.
    unsafe {
        sys::rd_kafka_ListOffsets(
            client.client().native_ptr(),
            list.ptr(),
            options.options.as_ptr(),
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

/// Options of an admin call; destroys them.
struct AdminOptions {
    options: NonNull<sys::rd_kafka_AdminOptions_t>,
}

impl AdminOptions {
    fn list_offsets(client: &Consumer, read_committed: bool, timeout: Duration) -> Result<Self, Facts> {
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
        let level = match read_committed {
            true => sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
            false => sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
        };
        let mut text = [0 as c_char; 256];
        // SAFETY: the client is alive, the options are ours, and the buffer is as large as we say.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(client.client().native_ptr(), operation);
            let options =
                Self { options: NonNull::new(options).ok_or_else(|| Facts::of(RDKafkaErrorCode::Fail))? };
            take_error(sys::rd_kafka_AdminOptions_set_isolation_level(options.options.as_ptr(), level))?;
            let code = sys::rd_kafka_AdminOptions_set_request_timeout(
                options.options.as_ptr(),
                millis(timeout).max(1),
                text.as_mut_ptr(),
                text.len(),
            );
            match code {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(options),
                code => Err(Facts::of(code.into())),
            }
        }
    }
}

impl Drop for AdminOptions {
    fn drop(&mut self) {
        // SAFETY: the options are ours and destroyed once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.options.as_ptr()) }
    }
}
