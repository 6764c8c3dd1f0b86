//! Frames of live feeds: any bytes to the decoders of all venues. See `producer/src/fuzzing.rs` for the laws.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tape_producer::fuzzing::frame(bytes));
