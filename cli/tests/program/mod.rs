//! The program under test, in an environment that holds nothing but what a test says.

#![allow(dead_code, reason = "each file of tests uses its own part")]

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

/// One run of `tape`.
pub(crate) struct Tape {
    command: Command,
    stdin: Vec<u8>,
}

impl Tape {
    /// In this folder, with no settings: what the machine has in its environment must not matter.
    pub(crate) fn new(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tape"));
        command.env_clear().env("HOME", folder).current_dir(folder);
        Self { command, stdin: Vec::new() }
    }

    pub(crate) fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// The settings that reach the servers of the test run.
    pub(crate) fn servers(&mut self) -> &mut Self {
        for name in ["KAFKA_BOOTSTRAP_SERVERS", "DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD"] {
            let value = std::env::var(name);
            let value = value.unwrap_or_else(|_| panic!("{name} is not set: run it through `make test`"));
            self.env(name, &value);
        }
        self
    }

    pub(crate) fn stdin(&mut self, bytes: Vec<u8>) -> &mut Self {
        self.stdin = bytes;
        self
    }

    /// Runs it to its end.
    pub(crate) fn output(&mut self) -> Output {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("it was piped");
        let bytes = std::mem::take(&mut self.stdin);
        // A program that does not read its input closes it: no fault of the test.
        let writer = thread::spawn(move || {
            let _ = stdin.write_all(&bytes);
        });
        let output = child.wait_with_output().expect("the program ends");
        writer.join().expect("the writer of the input ends");
        output
    }

    /// Runs it to its end; whoever reads its output went away before the first byte.
    pub(crate) fn output_of_closed_pipe(&mut self) -> Output {
        let child = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("the program starts");
        drop(child.stdout.take());
        child.wait_with_output().expect("the program ends")
    }
}

/// Bytes of the program as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
