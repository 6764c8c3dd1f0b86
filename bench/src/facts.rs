//! When, how and on what a section was run.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::Result;

use crate::meter;
use crate::peers::{self, Which};
use crate::rig::Rig;

/// The wall clock, RFC 3339.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The command line of this process, without the folders of this machine.
pub(crate) fn command() -> String {
    let mut args = std::env::args().skip(1);
    let mut words = vec!["bench/run.sh".to_owned()];
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--folder" | "--out" => drop(args.next()),
            _ => words.push(arg),
        }
    }
    words.join(" ")
}

/// Machine and versions.
pub(crate) fn all(rig: &Rig) -> Result<Vec<(String, String)>> {
    let mut facts = meter::machine()?;
    let pom = std::fs::read_to_string(rig.root.join("deploy/local/kafka/pom.xml"))?;
    let kafka = pom.split("<kafka.version>").nth(1).and_then(|rest| rest.split('<').next());
    facts.push(("Kafka".to_owned(), kafka.unwrap_or("unknown").to_owned()));
    facts.push(("Java".to_owned(), first_line(&rig.java()?, "-version")));
    facts.push(("Rust".to_owned(), first_line(Path::new("rustc"), "--version")));
    facts.push(("tape".to_owned(), format!("{}, {}", first_line(&rig.tape()?, "--version"), revision(rig))));
    if peers::is_built(rig, Which::Streams) {
        facts.push(("Kafka Streams".to_owned(), peers::version(rig, Which::Streams, "kafka-streams-")?));
    }
    if peers::is_built(rig, Which::Flink) {
        facts.push(("Flink".to_owned(), peers::version(rig, Which::Flink, "flink-runtime-")?));
    }
    Ok(facts)
}

fn revision(rig: &Rig) -> String {
    let output =
        Command::new("git").current_dir(&rig.root).args(["describe", "--always", "--dirty"]).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn first_line(program: &Path, arg: &str) -> String {
    let Ok(output) = Command::new(program).arg(arg).output() else { return "unknown".to_owned() };
    // Java tells its version on the standard error.
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
}
