//! What reaches the terminal in the end, and the exit code.
//!
//! - stdout carries data and nothing else; it is written through [`stdout`], so that a reader that has seen enough
//!   (`tape tail … | head`) ends the program quietly instead of with a panic.
//! - An error is one line each on stderr, `error: ` in front.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use tape_service::Failure;

/// `EX_USAGE` of sysexits, the code of every mistake that the user must correct.
const EXIT_USAGE: u8 = 64;

/// Room for a few hundred rows, so that a row costs no system call.
const STDOUT_BYTES: usize = 256 << 10;

/// Buffered standard output. Flush it: errors of a drop are lost.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(STDOUT_BYTES, io::stdout().lock())
}

/// Writes a whole text to standard output; `what` it is, should that fail.
pub(crate) fn print(what: &str, text: &str) -> Result<(), Failure> {
    let mut stdout = stdout();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| unwritten(what, error))
}

/// A failure to write `what`.
pub(crate) fn unwritten(what: &str, error: io::Error) -> Failure {
    Failure::Other(anyhow::Error::new(error).context(format!("{what} cannot be written")))
}

/// Shows help, version or a mistake of the command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_USAGE),
    }
}

/// Shows a failure, a line for each mistake.
pub(crate) fn failure(failure: &Failure) -> ExitCode {
    if is_closed_pipe(failure) {
        return ExitCode::SUCCESS;
    }
    for line in failure.to_string().lines().filter(|line| !line.trim().is_empty()) {
        eprintln!("error: {line}");
    }
    ExitCode::from(failure.exit_code())
}

/// Whoever read our output has seen enough.
fn is_closed_pipe(failure: &Failure) -> bool {
    let Failure::Other(error) = failure else { return false };
    let is_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_pipe))
}
