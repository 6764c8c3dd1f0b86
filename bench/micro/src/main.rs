//! `tape-counts`: how many instructions each workload takes an operation, beside what the kept table says.
//!
//! Each workload runs in a process of its own under valgrind, which counts from the entry into
//! [`tape_micro::measured`] until its return. The environment is always the same, so the addresses are, and the seeds of
//! hash tables that follow from them: the same program on the same machine gives the same numbers.

mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use tape_micro::{WORKLOADS, Workload, measured};

use table::{Count, Table};

/// Instructions per operation of each workload, compared with a kept table
#[derive(Debug, Parser)]
#[command(name = "tape-counts", version)]
struct Args {
    /// The kept table
    #[arg(default_value = "bench/counts.tsv")]
    table: PathBuf,
    /// Write the table instead of comparing with it
    #[arg(long)]
    update: bool,
    /// Only workloads with this in their name; the others keep what the table says
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    only: String,
    /// Do one workload; valgrind counts
    #[arg(long, hide = true)]
    run: Option<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    match &args.run {
        Some(name) => run(name),
        None => count(&args),
    }
}

/// Counts and shows what was found, one line after the other.
fn count(args: &Args) -> Result<()> {
    let kept = match fs::read_to_string(&args.table) {
        Ok(text) => Table::parse(&text).with_context(|| format!("{}", args.table.display()))?,
        Err(_) => Table::default(),
    };
    let folder = tempfile::tempdir()?;
    let program = plain_copy(folder.path())?;
    println!("{}", table::HEAD);
    let mut new = Table::default();
    for workload in WORKLOADS {
        let before = kept.get(workload.name);
        if workload.name.contains(&args.only) {
            let found = count_one(&program, workload)?;
            println!("{}", table::line(workload.name, &found, before));
            new.set(workload.name, found);
        } else if let Some(before) = before {
            new.set(workload.name, before.clone());
        }
    }
    if args.update {
        fs::write(&args.table, new.text()).with_context(|| format!("{}", args.table.display()))?;
    }
    Ok(())
}

/// This program without its debug information, which older valgrinds cannot read; the names stay.
fn plain_copy(folder: &Path) -> Result<PathBuf> {
    let copy = folder.join("tape-counts");
    let mut strip = Command::new("strip");
    strip.arg("--strip-debug").arg("-o").arg(&copy).arg(env::current_exe()?);
    let status =
        strip.status().context("cannot run strip, which belongs to the linker's package (binutils)")?;
    ensure!(status.success(), "strip: {status}");
    Ok(copy)
}

/// Runs one workload under valgrind.
fn count_one(program: &Path, workload: &Workload) -> Result<Count> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*tape_micro*measured*",
        ])
        .arg(program)
        .args(["--run", workload.name])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .context("cannot run valgrind; VALGRIND=1 deploy/local/install.sh installs it")?;
    let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let operations = said.trim().parse::<u64>().ok().filter(|_| output.status.success());
    // `==pid== Collected : 12345`
    let collected =
        log.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<u64>().ok());
    let (Some(operations), Some(instructions)) = (operations, collected) else {
        bail!("{}: {}\n{log}", workload.name, output.status);
    };
    ensure!(instructions > 0 && operations > 0, "{}: nothing was counted\n{log}", workload.name);
    Ok(Count { unit: workload.unit.to_owned(), tenths: (instructions * 10 + operations / 2) / operations })
}

/// Does a workload once to fill buffers and caches, and once for the count. Prints the number of operations.
fn run(name: &str) -> Result<()> {
    let workload = WORKLOADS
        .iter()
        .find(|workload| workload.name == name)
        .with_context(|| format!("no workload {name}"))?;
    let mut work = (workload.make)();
    work.arrange();
    work.run();
    work.arrange();
    println!("{}", measured(&mut *work));
    Ok(())
}
