//! Wire formats: what stands in the keys, values and headers of the topics, and nothing else.
//!
//! | topic | key | value | module |
//! |---|---|---|---|
//! | `raw-trades`, `raw-trades-late` | symbol | JSON or protobuf, told apart by the first byte | [`trade`] |
//! | `stock-aggregates` | symbol | protobuf or JSON | [`aggregate`] |
//! | `breakout-alerts` | symbol | protobuf or JSON | [`alert`] |
//! | `raw-trades-dlq` | as it was | as it was, cut | [`dead_letter`] |
//!
//! Every producer chooses the partition with [`partition::partition`], so that a symbol lies in the same partition of
//! every topic, whatever client wrote it.
//!
//! Invariant: no number passes through floating point on its way in or out; [`decimal`] is the only reader and writer of
//! decimals. The two functions that return `f64` are for columns that are floating point in the database.
//!
//! Invariant: decoding any bytes ends with a value or an error, never with a panic, and allocates at most a small multiple
//! of the bytes given.
//!
//! Invariant: no I/O, no clock, no configuration; nothing here knows another crate of the workspace.

pub mod aggregate;
pub mod alert;
pub mod dead_letter;
pub mod decimal;
mod json;
pub mod messages;
pub mod output;
pub mod partition;
pub mod trade;
