//! Compiles the `.proto` files of `schema/` into the module `messages`, without an installed `protoc`.

#![allow(clippy::print_stdout, reason = "cargo reads its instructions from standard output")]

use std::error::Error;

/// The root of the import paths; package `tape.v1` lies in `tape/v1`, as protobuf tools expect.
const SCHEMA: &str = "schema";
const FILES: [&str; 3] = ["tape/v1/trade.proto", "tape/v1/aggregate.proto", "tape/v1/alert.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SCHEMA}");
    let descriptors = protox::compile(FILES, [SCHEMA])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
