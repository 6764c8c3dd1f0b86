//! Coinbase Exchange: trades of crypto pairs over a WebSocket, without a key.
//!
//! | module | holds |
//! |---|---|
//! | `subscription` | settings → which products |
//! | `wire` | control messages and answers, for the session |
//! | `decode` | frames → trades |
//!
//! Only the channel `matches` is followed: each trade once, of each product in the order of its number. Everything here is without
//! I/O; `live` is the shell. The protocol as the venue publishes it: <https://docs.cdp.coinbase.com/exchange/websocket-feed>.

pub(crate) mod decode;
pub(crate) mod subscription;
pub(crate) mod wire;
