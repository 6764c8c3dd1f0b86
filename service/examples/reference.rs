//! Writes the reference page of all settings to stdout (docs/configuration.md is its output).

use std::io::{self, Write};

fn main() -> io::Result<()> {
    io::stdout().write_all(tape_service::config::reference_markdown().as_bytes())
}
