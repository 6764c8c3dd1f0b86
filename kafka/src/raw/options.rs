//! Options of admin calls.

use std::ffi::c_char;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka_sys as sys;
use rdkafka_sys::{RDKafkaErrorCode, RDKafkaRespErr};

use super::{Consumer, millis, take_error};
use crate::error::Facts;

/// Options of an admin call; destroys them.
pub(super) struct AdminOptions {
    options: NonNull<sys::rd_kafka_AdminOptions_t>,
}

impl AdminOptions {
    /// Options of this operation, which may take so long.
    pub(super) fn new(
        client: &Consumer,
        operation: sys::rd_kafka_admin_op_t,
        timeout: Duration,
    ) -> Result<Self, Facts> {
        let mut text = [0 as c_char; 256];
        // SAFETY: the client is alive, the options are ours, and the buffer is as large as we say.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(client.client().native_ptr(), operation);
            let options =
                Self { options: NonNull::new(options).ok_or_else(|| Facts::of(RDKafkaErrorCode::Fail))? };
            let code = sys::rd_kafka_AdminOptions_set_request_timeout(
                options.ptr(),
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

    /// The same with an isolation level.
    pub(super) fn isolated(self, read_committed: bool) -> Result<Self, Facts> {
        let level = match read_committed {
            true => sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
            false => sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
        };
        // SAFETY: the options are ours and alive; the error object is ours.
        unsafe { take_error(sys::rd_kafka_AdminOptions_set_isolation_level(self.ptr(), level))? };
        Ok(self)
    }

    /// Valid as long as `self`.
    pub(super) fn ptr(&self) -> *mut sys::rd_kafka_AdminOptions_t {
        self.options.as_ptr()
    }
}

impl Drop for AdminOptions {
    fn drop(&mut self) {
        // SAFETY: the options are ours and destroyed once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.options.as_ptr()) }
    }
}
