//! What belongs to a whole process: signals, exit codes, log lines on stderr, the environment. This program
//! starts itself again as the process under test (`child …`), so it has no test harness.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tape_service::config::{Log, LogFormat};
use tape_service::{Config, Failure, Shutdown, logs};

/// Everything here takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(30);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [child, what, rest @ ..] = arguments.as_slice()
        && child == "child"
    {
        let result = match what.as_str() {
            "stop" => stop(),
            "hang" => hang(),
            "file" => log_to_file(Path::new(&rest[0])),
            "config" => configure(rest.first().map(Path::new)),
            other => panic!("no such child: {other}"),
        };
        if let Err(failure) = result {
            // As `main` of the program does.
            write_stderr(&failure.to_string());
            std::process::exit(i32::from(failure.exit_code()));
        }
        return;
    }
    for signal in [Signal::INT, Signal::TERM] {
        one_signal_stops_in_order(signal);
        two_signals_end_at_once(signal);
    }
    the_first_log_wins_and_files_are_json();
    configuration_comes_from_the_process();
    mistakes_end_with_64();
}

// ---- children ----

fn json() -> Log {
    Log { level: "debug".to_owned(), format: Some(LogFormat::Json) }
}

fn write_stderr(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

fn stop() -> Result<(), Failure> {
    logs::init(&json())?;
    logs::init(&Log { level: "off".to_owned(), format: Some(LogFormat::Text) })?;
    runtime().block_on(async {
        let shutdown = Shutdown::new();
        shutdown.on_signals()?;
        log::warn!(target: "librdkafka", "a line of the log facade");
        tracing::info!("ready");
        shutdown.requested().await;
        tracing::info!("done");
        Ok(())
    })
}

fn hang() -> Result<(), Failure> {
    logs::init(&json())?;
    runtime().block_on(async {
        Shutdown::new().on_signals()?;
        tracing::info!("ready");
        std::future::pending().await
    })
}

fn log_to_file(path: &Path) -> Result<(), Failure> {
    let file = std::fs::File::create(path).expect("a file");
    logs::init_file(&Log { level: "info".to_owned(), format: None }, file)?;
    tracing::info!(answer = 42, "in the file");
    Ok(())
}

fn configure(flag: Option<&Path>) -> Result<(), Failure> {
    let loaded = Config::from_process(flag)?;
    for value in loaded.values {
        write_stderr(&value.to_string());
    }
    Ok(())
}

// ---- parent ----

/// A child with its lines of stderr. Killed when dropped.
struct Started {
    child: Child,
    lines: Receiver<String>,
}

impl Started {
    fn new(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .arg("child")
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let (sender, lines) = channel();
        let stderr = child.stderr.take().expect("piped");
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        Self { child, lines }
    }

    /// The next log line's message, level and target.
    fn log_line(&self) -> (String, String, String) {
        let line = self.lines.recv_timeout(DEADLINE).expect("a line in time");
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let text =
            |name: &str| value[name].as_str().unwrap_or_else(|| panic!("{line} has no {name}")).to_owned();
        (text("message"), text("level"), text("target"))
    }

    fn wait_for(&self, part: &str) {
        while !self.log_line().0.contains(part) {}
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("sent");
    }

    fn end(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                break status;
            }
            assert!(Instant::now() < deadline, "the child does not end");
            std::thread::yield_now();
        };
        (status, self.lines.iter().collect())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn one_signal_stops_in_order(signal: Signal) {
    let child = Started::new(&["stop"], &[]);
    let expected = ("a line of the log facade", "WARN", "librdkafka");
    let (message, level, target) = child.log_line();
    assert_eq!((message.as_str(), level.as_str(), target.as_str()), expected);
    child.wait_for("ready");
    child.signal(signal);
    child.wait_for("stopping in order");
    child.wait_for("done");
    assert_eq!(child.end().0.code(), Some(0));
}

fn two_signals_end_at_once(signal: Signal) {
    let child = Started::new(&["hang"], &[]);
    child.wait_for("ready");
    child.signal(signal);
    child.wait_for("stopping in order");
    // Until a second has passed since the first, another signal is the same request.
    let first = Instant::now();
    child.signal(signal);
    while first.elapsed() <= Duration::from_secs(1) {
        std::thread::yield_now();
    }
    child.signal(signal);
    child.wait_for("second signal");
    assert_eq!(child.end().0.code(), Some(130));
}

fn the_first_log_wins_and_files_are_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let (status, lines) = Started::new(&["file", path.to_str().expect("UTF-8")], &[]).end();
    assert_eq!((status.code(), lines), (Some(0), Vec::new()));
    let text = std::fs::read_to_string(&path).expect("a file");
    let value: Value = serde_json::from_str(text.trim_end()).expect("one JSON line");
    assert_eq!((&value["message"], &value["answer"]), (&"in the file".into(), &42.into()));
}

fn configuration_comes_from_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (first, second) = (write("a.toml", "app_id = \"a\""), write("b.toml", "app_id = \"b\""));
    let check = |arguments: &[&str], environment: &[(&str, &str)], expected: &str| {
        let (status, lines) = Started::new(arguments, environment).end();
        assert_eq!(status.code(), Some(0), "{lines:?}");
        assert!(lines.iter().any(|line| line == expected), "{expected} is missing in {lines:?}");
    };
    check(&["config"], &[], "APP_ID = tape (default)");
    check(&["config"], &[("TAPE_CONFIG", &first)], "APP_ID = a (file)");
    check(&["config"], &[("TAPE_CONFIG", "")], "APP_ID = tape (default)");
    check(&["config", &second], &[("TAPE_CONFIG", &first)], "APP_ID = b (file)");
    check(&["config", &second], &[("APP_ID", "c")], "APP_ID = c (environment)");
}

fn mistakes_end_with_64() {
    let environment = [("TAPE_CONFIG", "/nowhere"), ("DB_PORT", "x"), ("TAPE_FOO", "1")];
    let (status, lines) = Started::new(&["config"], &environment).end();
    assert_eq!((status.code(), lines.len()), (Some(64), 3), "{lines:?}");
    for part in ["TAPE_CONFIG=\"/nowhere\": cannot read", "DB_PORT=\"x\"", "TAPE_FOO (environment)"] {
        assert!(lines.iter().any(|line| line.starts_with(part)), "{part} is missing in {lines:?}");
    }
}
