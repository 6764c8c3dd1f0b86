//! Tests of the whole on real servers: a [`Bench`] has topics, group, state and database of its own, the oracle says what must
//! stand in them.
//!
//! The servers come from the environment, as `make test` sets it (`KAFKA_BOOTSTRAP_SERVERS`, `DB_*`).

mod bench;
mod dice;
mod expected;
pub mod outputs;
mod read;
pub mod servers;
mod tables;

pub use bench::{Bench, DEADLINE, Output, Running, wait_for};
pub use dice::Dice;
pub use expected::{alerts_by_symbol, by_symbol, closing, closing_of, expected, final_rows, place_of};
pub use read::read_topic;
pub use tables::{AlertLine, RowLine, Tables};

/// Partitions of every topic of a test.
pub const PARTITIONS: i32 = 3;
