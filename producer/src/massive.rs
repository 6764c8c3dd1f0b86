//! Massive.com (until October 2025 Polygon.io): US stocks and crypto over a WebSocket.
//!
//! | module | holds |
//! |---|---|
//! | `cluster` | the vendor's clusters |
//! | `subscription` | settings → what is followed where |
//! | `wire` | control messages and statuses, for the session |
//! | `decode` | frames → trades and bars; pages of the REST interface → trades |
//! | `backfill` | gaps → calls of the REST interface → trades that were missed |
//! | `conditions` | sale conditions → which prices a print may set; `hours`: when New York trades |
//!
//! Everything here is without I/O; `live` is the shell. The protocol as the vendor publishes it:
//! <https://massive.com/docs/websocket>. It was written without a key: what the vendor does not publish is handled so that either
//! behaviour works.

pub(crate) mod backfill;
pub(crate) mod cluster;
pub(crate) mod conditions;
pub(crate) mod decode;
mod hours;
pub(crate) mod subscription;
pub(crate) mod wire;
