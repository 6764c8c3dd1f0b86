//! Faults at work: what is taken away, and given back after a while.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tape_harness::Dice;

use crate::fleet::LOOK;
use crate::proxy::{By, Mode};
use crate::schedule::{Fault, Kind, Target};
use crate::world::World;

/// Name of the file that fills a disk.
const FILLER: &str = "filler";
/// Bytes that are damaged at once.
const DAMAGE: usize = 64;

/// A fault that is over.
#[derive(Clone, Debug)]
pub(crate) struct Struck {
    pub(crate) fault: Fault,
    pub(crate) began: Instant,
    /// Everything was given back: processes started, servers serving.
    pub(crate) mended: Instant,
    /// When the process that was hit was started again.
    pub(crate) restarted: Option<Instant>,
    /// Group and partitions that were hit.
    pub(crate) affected: (usize, Vec<i32>),
    pub(crate) note: String,
}

/// Strikes, waits, mends.
pub(crate) fn strike(world: &World, fault: &Fault) -> Struck {
    let affected = world.affected(fault.target);
    let began = Instant::now();
    println!("{:8.1} s  {fault}", world.seconds(began));
    let result = act(world, fault);
    let mended = Instant::now();
    let (restarted, note) = match result {
        Ok(done) => done,
        Err(error) => {
            world.trouble(format!("fault {fault} could not be carried out: {error:#}"));
            (None, format!("{error:#}"))
        }
    };
    Struck { fault: fault.clone(), began, mended, restarted, affected, note }
}

/// When a process was started again, and what is worth a note.
type Done = (Option<Instant>, String);

fn act(world: &World, fault: &Fault) -> Result<Done> {
    let (target, lasts) = (fault.target, fault.lasts);
    match fault.kind {
        Kind::ProcessorKill | Kind::ProcessorKillLong | Kind::SinkKill | Kind::SinkKillLong => {
            member(world, target)?.kill()?;
            wait(world, lasts);
            restart(world, target)
        }
        Kind::ProcessorTerm | Kind::ProcessorTermLong | Kind::SinkTerm => {
            stop(world, target)?;
            wait(world, lasts);
            restart(world, target)
        }
        Kind::ProcessorFreeze | Kind::SinkFreeze => {
            member(world, target)?.freeze(true)?;
            wait(world, lasts);
            member(world, target)?.freeze(false)?;
            Ok((None, String::new()))
        }
        Kind::CorruptSst | Kind::DeletedState => {
            stop(world, target)?;
            let state = member(world, target)?.recipe.state.clone().context("it has no state folder")?;
            let note = if fault.kind == Kind::CorruptSst {
                damage(&state, fault.luck)?
            } else {
                delete_contents(&state)?;
                String::new()
            };
            wait(world, lasts);
            Ok((restart(world, target)?.0, note))
        }
        Kind::FullDisk => full_disk(world, fault),
        Kind::ProcessorCut | Kind::SinkCut => network(world, fault, Mode::Silent),
        Kind::ProcessorReset => network(world, fault, Mode::Refused),
        Kind::ProcessorDelay => network(world, fault, delay(fault)),
        Kind::SinkDatabaseCut => database_network(world, fault, Mode::Silent),
        Kind::SinkDatabaseReset => database_network(world, fault, Mode::Refused),
        Kind::NetworkCut => whole_network(world, fault, Mode::Silent),
        Kind::NetworkDelay => whole_network(world, fault, delay(fault)),
        Kind::BrokerTerm | Kind::BrokerKill | Kind::BrokerAway => {
            let hard = fault.kind == Kind::BrokerKill
                || (fault.kind == Kind::BrokerAway && fault.luck.is_multiple_of(2));
            world.servers.kafka(if hard { "kill" } else { "stop" })?;
            wait(world, lasts);
            world.servers.kafka("start")?;
            Ok((None, if hard { "SIGKILL" } else { "SIGTERM" }.to_owned()))
        }
        Kind::DatabaseRestart | Kind::DatabaseKill => {
            world.servers.postgres(if fault.kind == Kind::DatabaseKill { "kill" } else { "stop" })?;
            wait(world, lasts);
            world.servers.postgres("start")?;
            Ok((None, String::new()))
        }
    }
}

fn member(world: &World, target: Target) -> Result<std::sync::MutexGuard<'_, crate::fleet::Member>> {
    world.member(target).with_context(|| format!("{target} is no process of this run"))
}

fn stop(world: &World, target: Target) -> Result<()> {
    member(world, target)?.terminate()?;
    let asked = Instant::now();
    while !member(world, target)?.has_stopped(asked)? {
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn restart(world: &World, target: Target) -> Result<Done> {
    let mut member = member(world, target)?;
    member.release()?;
    Ok((Some(member.started), String::new()))
}

/// Waits, unless the run is to end.
fn wait(world: &World, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end && !world.stop.is_requested() {
        std::thread::sleep(Duration::from_millis(20).min(end.saturating_duration_since(Instant::now())));
    }
}

fn delay(fault: &Fault) -> Mode {
    Mode::Slow(Duration::from_millis(20 + fault.luck % 280))
}

fn note(mode: Mode) -> Done {
    let text = match mode {
        Mode::Slow(delay) => format!("{} ms each way", delay.as_millis()),
        _ => String::new(),
    };
    (None, text)
}

fn network(world: &World, fault: &Fault, mode: Mode) -> Result<Done> {
    let link = world.link(fault.target).context("no network leads there")?;
    link.set(By::One, mode);
    wait(world, fault.lasts);
    link.set(By::One, Mode::Open);
    Ok(note(mode))
}

fn database_network(world: &World, fault: &Fault, mode: Mode) -> Result<Done> {
    let Target::Sink(number) = fault.target else { anyhow::bail!("{} has no database", fault.target) };
    let link = world.to_database.get(number).context("no network leads there")?;
    link.set(By::One, mode);
    wait(world, fault.lasts);
    link.set(By::One, Mode::Open);
    Ok(note(mode))
}

fn whole_network(world: &World, fault: &Fault, mode: Mode) -> Result<Done> {
    world.to_kafka.iter().for_each(|link| link.set(By::All, mode));
    wait(world, fault.lasts);
    world.to_kafka.iter().for_each(|link| link.set(By::All, Mode::Open));
    Ok(note(mode))
}

fn full_disk(world: &World, fault: &Fault) -> Result<Done> {
    let state = member(world, fault.target)?.recipe.state.clone().context("it has no state folder")?;
    // Beside the state, on the same file system: its own processes never look there.
    let filler = state.parent().context("a folder has a parent")?.join(FILLER);
    let bytes = fill(&filler)?;
    wait(world, fault.lasts);
    fs::remove_file(&filler)?;
    Ok((None, format!("{} MiB of filler", bytes >> 20)))
}

/// Writes until the disk is full, with ever smaller pieces, so that not a byte is left.
fn fill(path: &Path) -> Result<u64> {
    let mut file = fs::File::create(path)?;
    let mut written = 0;
    for piece in [1 << 20, 1 << 12, 1_usize] {
        let bytes = vec![0x5a; piece];
        while let Ok(count @ 1..) = file.write(&bytes) {
            written += count as u64;
        }
    }
    Ok(written)
}

/// Flips bytes in the middle of a table of a store. Which one was it?
fn damage(state: &Path, luck: u64) -> Result<String> {
    let mut dice = Dice::new(luck);
    let mut tables = Vec::new();
    collect(state, &mut tables)?;
    tables.sort();
    if tables.is_empty() {
        return Ok("no table to damage".to_owned());
    }
    let path = &tables[dice.index(tables.len())];
    let mut bytes = fs::read(path)?;
    let at = dice.index(bytes.len().saturating_sub(DAMAGE).max(1));
    bytes.iter_mut().skip(at).take(DAMAGE).for_each(|byte| *byte ^= 0xa5);
    fs::write(path, &bytes)?;
    let name = path.strip_prefix(state).unwrap_or(path).display();
    Ok(format!("{name}: {DAMAGE} of {} bytes at {at}", bytes.len()))
}

/// Tables of live stores below a folder.
fn collect(folder: &Path, tables: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let set_aside = path.to_string_lossy().contains(".corrupt-");
        if path.is_dir() && !set_aside {
            collect(&path, tables)?;
        } else if path.extension().is_some_and(|extension| extension == "sst") {
            tables.push(path);
        }
    }
    Ok(())
}

fn delete_contents(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
    }
    Ok(())
}
