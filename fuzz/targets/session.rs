//! Stories of a connection: any inputs, pauses and frames to the session. See `producer/src/fuzzing.rs` for the laws.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tape_producer::fuzzing::session(bytes));
