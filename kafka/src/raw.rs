//! The one module with `unsafe`: the calls of librdkafka that the rdkafka crate does not wrap, or wraps in a way
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
    reason = "batch consume, partition queues, raw commit, list offsets and topic ids exist only as C calls"
)]

mod calls;
mod message;
mod offsets;
mod options;
mod topics;

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka_sys as sys;
use rdkafka_sys::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::context::ConsumerEvents;
use crate::error::Facts;
use crate::part::Part;
use crate::record::Record;

pub(crate) use calls::{
    Membership, commit_offsets, commit_transaction, fatal_error, incremental_assign, incremental_unassign,
    seek, send_offsets,
};
pub(crate) use message::MessageHeaders;
pub(crate) use offsets::{LogEnd, known_end, list_offsets};
pub(crate) use topics::{alter_topic, topic_id};

use calls::Event;
use message::{fetched, prefetch};

/// The consumer behind groups, readers and probes.
pub(crate) type Consumer = BaseConsumer<ConsumerEvents>;

/// How much longer than its own time-out an admin answer may take, before we stop waiting for it.
const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// Most messages of one batch. Taking one out touches it, and so do reading and destroying it: a batch should
/// still be in the processor's caches when that is over.
const BATCH_MAX: usize = 256;

/// The value of a message so far ahead is asked for while another one is read: librdkafka's thread has just written it, and
/// the first look at it would wait for the other core.
const AHEAD: usize = 3;

/// librdkafka's time-outs are whole milliseconds; a wait that is not zero must not become zero.
pub(crate) fn millis(timeout: Duration) -> c_int {
    let rounded_up = timeout.as_nanos().div_ceil(1_000_000);
    c_int::try_from(rounded_up).unwrap_or(c_int::MAX)
}

/// The code of a response, also when the bindings do not know its number.
fn code_of(number: i32) -> RDKafkaErrorCode {
    if number == 0 {
        // What every record has.
        return RDKafkaErrorCode::NoError;
    }
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
        let max = max.max(1);
        let (mut count, mut wait) = (0, timeout);
        loop {
            let room = (max - count).min(BATCH_MAX);
            let mut batch = self.batch(scratch, room, wait);
            let filled = batch.filled;
            while let Some(fetched) = batch.advance() {
                f(fetched);
            }
            count += filled;
            if filled < room || count == max {
                return count;
            }
            wait = Duration::ZERO;
        }
    }

    /// A full batch call waits until `max` messages are there, or the time-out passes: so it is asked without
    /// waiting, and only when it finds nothing we wait, for one message.
    fn batch<'s>(&self, scratch: &'s mut Scratch, max: usize, timeout: Duration) -> Batch<'s> {
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
        if let Some(&later) = self.messages[..self.filled].get(self.next + AHEAD) {
            // SAFETY: as below, a message that is not handed out yet is alive.
            unsafe { prefetch(later) }
        }
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
