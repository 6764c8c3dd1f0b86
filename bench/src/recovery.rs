//! Section "recovery": from the start of the process, after a SIGKILL, to the first commit.
//!
//! Both sides get the same history: one trade for each symbol and minute, in windows that stay open. Then a steady trickle goes on
//! through kill and restart. The clock runs from the start of the process until the group's committed offset of some
//! partition (`first`), and of every one (`all`), lies beyond where it was when the process was killed.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tape_kafka::{Observer, Part};

use crate::args::Args;
use crate::contender::{Contender, Recipe, log_of};
use crate::course::Figures;
use crate::dataset::{MINUTE_MS, START_MS, Tick};
use crate::feed::{Feed, Source};
use crate::peers::{self, Peer, Which};
use crate::results::Run;
use crate::rig::{ASK, Rig};
use crate::tape::Tape;
use crate::throughput::PARTITIONS;
use crate::{fill, screen};

/// Minutes of the history.
const PANES: usize = 10;
/// Trades a second that come in all the time.
const TRICKLE: u64 = 1_000;
/// Longest wait for a history to be worked through, and for a recovery.
const LIMIT: Duration = Duration::from_secs(900);
const LOOK: Duration = Duration::from_millis(10);
/// A group that is behind by less than this has caught up.
const BEHIND: i64 = 2_000;
/// Time from the end of a backlog to the first kill: stores are flushed at least every 30 s, and a crash should meet them as they are
/// in the long run, not as a backlog has left them. And from a recovery to the next kill.
const SETTLE: Duration = Duration::from_secs(33);
const SETTLE_AGAIN: Duration = Duration::from_secs(8);

/// Windows of ten minutes that stay open for another quarter of an hour.
const TAPE_SETTINGS: &[(&str, &str)] = &[
    ("WINDOW_DURATION", "10m"),
    ("SLIDE_DURATION", "1m"),
    ("WATERMARK_DELAY", "15m"),
    ("MAX_FUTURE", "10s"),
];
const STREAMS_ARGS: &[(&str, &str)] = &[
    ("window-ms", "600000"),
    ("slide-ms", "60000"),
    ("grace-ms", "900000"),
    ("instance-id", "bench"),
    ("session-ms", "45000"),
];

/// Names that the report looks for.
pub(crate) const TAPE: &str = "tape";
pub(crate) const STREAMS: &str = "Kafka Streams";

/// The name of a case.
pub(crate) fn name(panes: usize, state: &str, who: &str) -> String {
    format!("{panes} panes, state {state}: {who}")
}

/// Runs the section.
pub(crate) fn run(rig: &Rig, args: &Args, keep: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
    let sizes: &[usize] = if args.quick { &[100] } else { &[100, 100_000] };
    for symbols in sizes {
        let rounds = if *symbols == 100 { args.rounds() } else { args.rounds().min(2) };
        for which in [None, Some(Which::Streams)] {
            if which.is_some_and(|which| !peers::is_built(rig, which)) {
                continue;
            }
            let who = which.map_or("tape", |_| "streams");
            let input = format!("recovery-{who}-{symbols}-input");
            history(rig, &input, *symbols)?;
            let app = format!("recovery-{who}-{symbols}");
            let side = match which {
                None => Side::Tape(Box::new(Tape::new(rig, &app, &input, TAPE_SETTINGS)?)),
                Some(which) => Side::Streams(Peer::new(rig, which, &app, &input, STREAMS_ARGS)),
            };
            let settle = if args.quick { SETTLE_AGAIN } else { SETTLE };
            Case { rig, side, input, symbols: *symbols, rounds, settle }.run(keep)?;
            rig.delete(&app)?;
        }
    }
    Ok(())
}

/// One trade of each symbol in each minute.
fn history(rig: &Rig, topic: &str, symbols: usize) -> Result<()> {
    let ticks = (0..PANES * symbols).map(|number| {
        let (pane, symbol) = (number / symbols, number % symbols);
        let within =
            i64::try_from(symbol).unwrap_or(0) * (MINUTE_MS - 1) / i64::try_from(symbols).unwrap_or(1);
        let event_time = START_MS + i64::try_from(pane).unwrap_or(0) * MINUTE_MS + within;
        Tick { number: number as u64, symbol, price: 1_000_000, volume: 100, event_time }
    });
    fill::write(rig, topic, PARTITIONS, (symbols, (PANES * symbols) as u64), ticks)
}

/// Who recovers.
enum Side {
    Tape(Box<Tape>),
    Streams(Peer),
}

impl Side {
    fn name(&self) -> &'static str {
        match self {
            Side::Tape(_) => TAPE,
            Side::Streams(_) => STREAMS,
        }
    }

    fn group(&self) -> String {
        match self {
            Side::Tape(tape) => tape.group(),
            Side::Streams(peer) => peer.app.clone(),
        }
    }

    fn prepare(&self, rig: &Rig) -> Result<()> {
        match self {
            Side::Tape(tape) => tape.create_topics(),
            Side::Streams(peer) => rig.create(&peer.output(), PARTITIONS),
        }
    }

    /// Each start has a log of its own.
    fn recipe(&self, rig: &Rig, start: usize) -> Result<Recipe> {
        let recipe = match self {
            Side::Tape(tape) => tape.recipe("process"),
            Side::Streams(peer) => peer.recipe(rig)?,
        };
        Ok(Recipe { name: format!("{}-{start}", recipe.name), ..recipe })
    }

    fn lose_state(&self) -> Result<()> {
        match self {
            Side::Tape(tape) => tape.lose_state(),
            Side::Streams(peer) => peer.lose_state(),
        }
    }

    /// Seconds from the start of the process to each phase that it tells of, and records restored.
    fn phases(&self, contender: &Contender) -> Result<Figures> {
        match self {
            Side::Tape(_) => {
                let log = fs::read_to_string(log_of(&contender.recipe))?;
                Ok(phases_of_log(&log, contender.started_ms))
            }
            Side::Streams(_) => {
                let heard = contender.heard();
                let since = |word: &str| {
                    let at = heard.at.get(word)?;
                    Some((format!("phase_{word}"), (*at as f64 - contender.started_ms) / 1e3))
                };
                let mut figures: Figures =
                    ["start", "restored", "running"].iter().filter_map(|word| since(word)).collect();
                figures.insert("restored".to_owned(), heard.restored as f64);
                Ok(figures)
            }
        }
    }
}

/// When tape began, had its partitions, and ran, by its log.
fn phases_of_log(log: &str, started_ms: f64) -> Figures {
    let mut figures = Figures::new();
    for line in log.lines() {
        let Some(at) = line.split_ascii_whitespace().next() else { continue };
        let Ok(at) = humantime::parse_rfc3339(at) else { continue };
        let Ok(at) = at.duration_since(std::time::UNIX_EPOCH) else { continue };
        let since = at.as_secs_f64() - started_ms / 1e3;
        let phases = [
            ("processor starts", "phase_start"),
            (" assigned ", "phase_assigned"),
            (" running ", "phase_running"),
        ];
        for (_, phase) in phases.iter().filter(|(mark, _)| line.contains(mark)) {
            // The last task counts.
            figures.insert((*phase).to_owned(), since);
        }
        let restored = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("restored="));
        if let Some(restored) = restored.and_then(|restored| restored.parse::<f64>().ok()) {
            *figures.entry("restored".to_owned()).or_default() += restored;
        }
    }
    figures
}

/// One side with one history.
struct Case<'a> {
    rig: &'a Rig,
    side: Side,
    input: String,
    symbols: usize,
    rounds: usize,
    settle: Duration,
}

impl Case<'_> {
    fn run(&self, keep: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
        self.side.prepare(self.rig)?;
        let parts = self.rig.parts(&self.input)?;
        let observer = self.rig.admin.observer(&self.side.group())?;
        let mut start = 0;
        let mut contender = Contender::start(self.side.recipe(self.rig, start)?)?;
        self.catch_up(&observer, &parts, &mut contender)?;
        let last_minute = START_MS + i64::try_from(PANES)? * MINUTE_MS - 1;
        let source = Source {
            topic: self.input.clone(),
            partitions: PARTITIONS,
            rate: TRICKLE,
            symbols: self.symbols,
            event_time: Some(last_minute),
        };
        let feed = Feed::start(self.rig, source, mpsc::channel().0)?;
        std::thread::sleep(self.settle);
        for round in 1..=self.rounds {
            for lost in [false, true] {
                self.catch_up(&observer, &parts, &mut contender)?;
                std::thread::sleep(SETTLE_AGAIN);
                contender.kill()?;
                if lost {
                    self.side.lose_state()?;
                }
                let before = offsets(&observer, &parts)?;
                start += 1;
                contender = Contender::start(self.side.recipe(self.rig, start)?)?;
                let mut figures = self.first_commit(&observer, &parts, &before, &mut contender)?;
                figures.extend(self.side.phases(&contender)?);
                let state = if lost { "lost" } else { "kept" };
                let name = name(self.symbols * PANES, state, self.side.name());
                let (first, all) = (figures["first"], figures["all"]);
                screen::line(&format!(
                    "round {round}: {name}: first commit {first:.2} s, all partitions {all:.2} s"
                ));
                keep(Run { name, round, figures })?;
            }
        }
        contender.stop()?;
        feed.stop()?;
        self.side.lose_state()
    }

    /// Waits until the group is near the end of its input.
    fn catch_up(&self, observer: &Observer, parts: &[Part], contender: &mut Contender) -> Result<()> {
        let began = Instant::now();
        loop {
            let done: i64 = offsets(observer, parts)?.values().sum();
            let end = self.rig.ends(parts)?;
            screen::now(&format!("{}: {done} of {end} records", contender.recipe.name));
            if end - done < BEHIND.min(end / 2) {
                return Ok(());
            }
            self.look(contender, began)?;
            std::thread::sleep(LOOK * 10);
        }
    }

    fn first_commit(
        &self,
        observer: &Observer,
        parts: &[Part],
        before: &BTreeMap<i32, i64>,
        contender: &mut Contender,
    ) -> Result<Figures> {
        let mut first = None;
        loop {
            let now = offsets(observer, parts)?;
            let at = contender.started.elapsed().as_secs_f64();
            let moved = |part: &Part| now.get(&part.partition) > before.get(&part.partition);
            if parts.iter().any(moved) {
                first.get_or_insert(at);
            }
            if let Some(first) = first.filter(|_| parts.iter().all(moved)) {
                return Ok(Figures::from([("first".to_owned(), first), ("all".to_owned(), at)]));
            }
            self.look(contender, contender.started)?;
            std::thread::sleep(LOOK);
        }
    }

    /// Fails when it has ended or takes too long.
    fn look(&self, contender: &mut Contender, began: Instant) -> Result<()> {
        if let Some(status) = contender.ended()? {
            return Err(contender.failure(&format!("ended: {status}")));
        }
        if began.elapsed() > LIMIT {
            bail!(contender.failure(&format!("not done after {} s", LIMIT.as_secs())));
        }
        Ok(())
    }
}

/// Committed offsets by partition.
fn offsets(observer: &Observer, parts: &[Part]) -> Result<BTreeMap<i32, i64>> {
    let committed = observer.committed(parts, ASK).context("ask for committed offsets")?;
    Ok(committed.into_iter().map(|(part, offset)| (part.partition, offset.unwrap_or(0))).collect())
}

#[cfg(test)]
mod tests {
    use super::phases_of_log;

    #[test]
    fn phases_are_read_from_the_log() {
        let log = "2026-01-01T00:00:01.5Z  INFO tape_processor: processor starts workers=2\n\
                   2026-01-01T00:00:02Z  INFO tape_processor::worker: assigned worker=0\n\
                   2026-01-01T00:00:03Z  INFO x: running task=0 restored=5 bytes=1\n\
                   2026-01-01T00:00:04Z  INFO x: running task=1 restored=7 bytes=1\nno time at all\n";
        let figures = phases_of_log(log, 1_767_225_601_000.0);
        let near = |name: &str, wanted: f64| (figures[name] - wanted).abs() < 1e-6;
        assert!(near("phase_start", 0.5) && near("phase_assigned", 1.0) && near("phase_running", 3.0));
        assert!(near("restored", 12.0), "{figures:?}");
    }
}
