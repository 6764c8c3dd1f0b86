//! A run: servers, processes and a producer; faults for a while; then everything is well again, and must be right.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tape_harness::Tables;
use tape_service::Shutdown;
use tokio::runtime::Runtime;

use crate::check::{self, Difference};
use crate::faults::{Struck, strike};
use crate::feed::Feed;
use crate::fleet::{Exit, LOOK};
use crate::report::{self, Story};
use crate::sampler::Sampler;
use crate::schedule::{Fault, Plan, Target, draw};
use crate::stage::Stage;
use crate::topics;
use crate::world::{Disks, PROCESSORS, SINKS, lock};

/// A lag that has not fallen for so long will not fall any more.
const STALL_LIMIT: Duration = Duration::from_secs(120);
/// Longest wait for the tables, once the topics are right.
const TABLES_LIMIT: Duration = Duration::from_secs(90);
/// Time between two lines about progress.
const PROGRESS: Duration = Duration::from_secs(10);
/// Turn of the main loop.
const TURN: Duration = Duration::from_millis(20);

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) plan: Plan,
    pub(crate) partitions: i32,
    pub(crate) rate: u32,
    pub(crate) symbols: usize,
    /// The program under test.
    pub(crate) tape: PathBuf,
    /// A processor whose commits are broken: program and arguments.
    pub(crate) broken: Option<(PathBuf, Vec<String>)>,
    /// Each packet to and from the broker takes so long, all the time.
    pub(crate) slow: Duration,
    /// For logs, state, servers and the report.
    pub(crate) folder: PathBuf,
    /// Whether servers' data and state stay after a success, too.
    pub(crate) keep: bool,
}

impl Spec {
    /// Whether a verdict is what it must be: no difference, or some if commits are broken.
    pub(crate) fn accepts(&self, verdict: &Verdict) -> bool {
        match self.broken {
            Some(_) => !verdict.differences.is_empty(),
            None => verdict.differences.is_empty() && verdict.troubles.is_empty(),
        }
    }
}

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) differences: Vec<Difference>,
    pub(crate) troubles: Vec<String>,
    pub(crate) faults: usize,
}

/// Runs it all. An error says that the run itself failed.
pub(crate) fn run(spec: &Spec, stop: &Shutdown, runtime: &Runtime) -> Result<Verdict> {
    fs::create_dir_all(&spec.folder).with_context(|| format!("make {}", spec.folder.display()))?;
    let mut disks = Disks::default();
    let stage = Stage::build(spec, stop, runtime, &mut disks)?;
    let mut story = stage.story(spec);
    let records = stage.faults(spec, &mut story)?;
    let verdict = stage.prove(spec, records, &mut story)?;
    report::write(spec, &stage.world, &story, &verdict)?;
    let state = spec.folder.join("state");
    if !spec.accepts(&verdict) {
        disks.keep(&spec.folder.join("state-kept"))?;
    } else if !spec.keep {
        stage.world.servers.remove()?;
        drop((stage, disks));
        fs::remove_dir_all(&state).with_context(|| format!("delete {}", state.display()))?;
    }
    Ok(verdict)
}

/// The course of a run, on its stage.
impl Stage {
    fn story(&self, spec: &Spec) -> Story {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = i64::try_from(wall.as_millis()).unwrap_or(0);
        Story {
            wall_ms,
            schedule: draw(&spec.plan),
            struck: Vec::new(),
            exits: Vec::new(),
            sampler: Sampler::default(),
            wanted: None,
            updates: 0,
        }
    }

    /// Faults until the time is over; then everything is given back. Returns how many records were written.
    fn faults(&self, spec: &Spec, story: &mut Story) -> Result<usize> {
        let length = spec.plan.length;
        println!(
            "seed {}: {} faults in {} s; replay with --seed {0}",
            spec.plan.seed,
            story.schedule.len(),
            length.as_secs()
        );
        let mut waiting = story.schedule.clone().into_iter().peekable();
        let mut busy: BTreeMap<Target, JoinHandle<Struck>> = BTreeMap::new();
        let mut queue: Vec<Fault> = Vec::new();
        let (mut look_at, mut say_at) = (Instant::now(), Instant::now() + PROGRESS);
        loop {
            let now = Instant::now();
            let elapsed = now - self.world.started;
            let over = elapsed >= length || self.world.stop.is_requested();
            while let Some(fault) = waiting.next_if(|fault| !over && fault.at <= elapsed) {
                queue.push(fault);
            }
            collect(&mut busy, story);
            if over {
                queue.clear();
            }
            // A lane whose last fault took longer than planned starts its next one late.
            for fault in queue.extract_if(.., |fault| !busy.contains_key(&fault.target)).collect::<Vec<_>>() {
                let world = Arc::clone(&self.world);
                if busy.contains_key(&fault.target) {
                    continue;
                }
                busy.insert(fault.target, std::thread::spawn(move || strike(&world, &fault)));
            }
            self.tend(story)?;
            if look_at <= now {
                story.sampler.look(&self.world, now);
                look_at = now + Duration::from_secs(1);
            }
            if say_at <= now {
                self.say();
                say_at = now + PROGRESS;
            }
            if over && busy.is_empty() {
                break;
            }
            std::thread::sleep(TURN);
        }
        if self.world.stop.is_requested() {
            bail!("stopped");
        }
        let feed = lock(&self.feed).take().context("the feed runs")?;
        let records = feed.finish()?;
        self.written.set(records);
        println!("{:8.1} s  faults are over; {records} records written", self.world.seconds(Instant::now()));
        Ok(records)
    }

    /// Looks after the processes.
    fn tend(&self, story: &mut Story) -> Result<()> {
        for (_, member) in self.world.members() {
            // One that a fault is busy with is looked after by the fault.
            let Ok(mut member) = member.try_lock() else { continue };
            let exits = member.tend(Instant::now())?;
            drop(member);
            for exit in exits {
                self.report_exit(&exit);
                story.exits.push(exit);
            }
        }
        let feed_is_over = lock(&self.feed).as_ref().is_some_and(Feed::has_ended);
        if feed_is_over && let Some(feed) = lock(&self.feed).take() {
            feed.finish()?;
            bail!("the producer ended by itself");
        }
        Ok(())
    }

    fn report_exit(&self, exit: &Exit) {
        println!("{:8.1} s  {} {}", self.world.seconds(exit.at), exit.name, exit.how);
        exit.last_lines.iter().for_each(|line| println!("              | {line}"));
        if exit.code == Some(64) {
            self.world.trouble(format!("{} wants something corrected: exit code 64", exit.name));
        }
    }

    fn say(&self) {
        let alive = self.world.members().filter(|(_, member)| lock(member).pid().is_some()).count();
        let all = self.world.processors.len() + self.world.sinks.len();
        let lag = |group| {
            let lag = self.world.watch.course(group).lag;
            lag.map_or_else(|| "?".to_owned(), |lag| lag.to_string())
        };
        let sent = lock(&self.feed).as_ref().map_or(self.written.get(), Feed::sent);
        println!(
            "{:8.1} s  {alive} of {all} processes; {sent} records; lag: processors {}, sinks {}",
            self.world.seconds(Instant::now()),
            lag(PROCESSORS),
            lag(SINKS)
        );
    }

    /// Waits until everything is read, and compares.
    fn prove(&self, spec: &Spec, records: usize, story: &mut Story) -> Result<Verdict> {
        self.drain(story)?;
        println!("{:8.1} s  comparing with the oracle", self.world.seconds(Instant::now()));
        let log = topics::read_input(&self.clients, &self.source.topic)?;
        let wanted = check::expect(&self.source, records, &log)?;
        let found = topics::read_outputs(&self.clients, &self.config.topics)?;
        let mut differences = check::topics(&wanted, &found);
        let tables = Tables::open(&self.config.db);
        let compare = || check::tables(&wanted, &tables.rows(), &tables.alerts());
        let (started, mut in_tables) = (Instant::now(), compare());
        // While the topics are wrong the tables are, too.
        while differences.is_empty() && !in_tables.is_empty() && started.elapsed() < TABLES_LIMIT {
            self.tend(story)?;
            std::thread::sleep(Duration::from_secs(1));
            in_tables = compare();
        }
        differences.extend(in_tables);
        report::place(&differences, &log, &self.world, story);
        story.updates = found.updates;
        story.wanted = Some(wanted);
        self.stop_all(story)?;
        fs::write(spec.folder.join("memory.csv"), story.sampler.csv())?;
        story.sampler.plot(&spec.folder.join("memory.svg"))?;
        let troubles = lock(&self.world.troubles).clone();
        Ok(Verdict { differences, troubles, faults: story.struck.len() })
    }

    /// Until the processors have committed everything that is in the input.
    fn drain(&self, story: &mut Story) -> Result<()> {
        let begun = Instant::now();
        let (mut least, mut fell, mut say_at) = (i64::MAX, Instant::now(), Instant::now());
        loop {
            let (lag, at) = {
                let course = self.world.watch.course(PROCESSORS);
                (course.lag.unwrap_or(i64::MAX), course.lag_at)
            };
            if lag == 0 && at.is_some_and(|at| at > begun) {
                return Ok(());
            }
            if lag < least {
                (least, fell) = (lag, Instant::now());
            }
            if fell.elapsed() > STALL_LIMIT || self.world.stop.is_requested() {
                let secs = fell.elapsed().as_secs();
                bail!("the lag of the processors has not fallen below {least} for {secs} s: they hang");
            }
            if say_at <= Instant::now() {
                self.say();
                say_at = Instant::now() + PROGRESS / 2;
            }
            self.tend(story)?;
            story.sampler.look(&self.world, Instant::now());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// All processes must stop in order.
    fn stop_all(&self, story: &mut Story) -> Result<()> {
        for (target, member) in self.world.members() {
            let asked = Instant::now();
            lock(member).terminate()?;
            while !lock(member).has_stopped(asked)? {
                std::thread::sleep(LOOK);
            }
            for exit in lock(member).tend(Instant::now())? {
                self.report_exit(&exit);
                self.world.trouble(format!("{target} did not stop in order at the end: {}", exit.how));
                story.exits.push(exit);
            }
        }
        Ok(())
    }
}

/// Takes the faults that are over.
fn collect(busy: &mut BTreeMap<Target, JoinHandle<Struck>>, story: &mut Story) {
    let over: Vec<Target> =
        busy.iter().filter(|(_, thread)| thread.is_finished()).map(|(target, _)| *target).collect();
    for target in over {
        if let Some(Ok(struck)) = busy.remove(&target).map(JoinHandle::join) {
            story.struck.push(struck);
        }
    }
}
