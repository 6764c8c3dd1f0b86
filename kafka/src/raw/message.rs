//! A fetched message, read in place.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr;

use rdkafka_sys as sys;
use rdkafka_sys::{RDKafkaErrorCode, RDKafkaRespErr};

use super::{Fetched, Report, code_of};
use crate::record::Record;

/// Reads a message in place.
///
/// # Safety
/// `message` is alive for `'a`, and so is `topic`, the name of its topic; `err` is its error number.
pub(super) unsafe fn fetched<'a>(
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

/// Asks for the first lines of a message's value, if the processor has an instruction for it.
///
/// # Safety
/// `message` is alive.
pub(super) unsafe fn prefetch(message: *const sys::rd_kafka_message_t) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        const LINES: usize = 4;
        // SAFETY: the caller keeps the message alive; plain fields are read.
        let (start, length) = unsafe { ((*message).payload.cast::<i8>(), (*message).len) };
        for line in 0..LINES.min(length.div_ceil(LINE)) {
            // SAFETY: a hint; no address is read for it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE)) }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = message;
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
