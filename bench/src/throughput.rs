//! Section "throughput": a backlog, worked through by each contender alone, in interleaved rounds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::args::Args;
use crate::backlog::Backlog;
use crate::contender::{Contender, Recipe};
use crate::course::Figures;
use crate::dataset::Shape;
use crate::peers::{self, Which};
use crate::results::Run;
use crate::rig::Rig;
use crate::rows::{self, Table};
use crate::screen;
use crate::{fill, meter};

/// The input of everybody.
const INPUT: &str = "bench-trades";
pub(crate) const PARTITIONS: i32 = 3;

/// What runs.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Ceiling(&'static str),
    Tape(&'static [(&'static str, &'static str)]),
    Streams(&'static [(&'static str, &'static str)]),
    Flink(&'static [(&'static str, &'static str)]),
    /// `tape backtest` of the JSON lines or of the CSV file.
    Backtest(&'static str),
    File(&'static str),
}

/// Which rows must be the same as those of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    None,
    /// The last row of each window.
    Last,
    /// Final rows.
    Final,
}

/// A contender.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: &'static str,
    kind: Kind,
    rows: Rows,
    /// Slow and beside the point: in the first round only.
    once: bool,
}

const fn entry(name: &'static str, kind: Kind, rows: Rows) -> Entry {
    Entry { name, kind, rows, once: false }
}

const UPDATE: &[(&str, &str)] =
    &[("OUTPUT_MODE", "update"), ("TRIGGER_INTERVAL", "100ms"), ("COMMIT_INTERVAL", "100ms")];
const UPDATE_JSON: &[(&str, &str)] = &[
    ("OUTPUT_MODE", "update"),
    ("TRIGGER_INTERVAL", "100ms"),
    ("COMMIT_INTERVAL", "100ms"),
    ("OUTPUT_FORMAT", "json"),
];
const UPDATE_ALO: &[(&str, &str)] = &[
    ("OUTPUT_MODE", "update"),
    ("TRIGGER_INTERVAL", "100ms"),
    ("COMMIT_INTERVAL", "100ms"),
    ("PROCESSING_GUARANTEE", "at_least_once"),
];
const APPEND: &[(&str, &str)] = &[("OUTPUT_MODE", "append")];
const STREAMS_MEMORY: &[(&str, &str)] = &[("store", "memory")];
const FLINK: &[(&str, &str)] = &[("state", "hashmap"), ("bounded", "true")];
const FLINK_ROCKSDB: &[(&str, &str)] = &[("state", "rocksdb"), ("bounded", "true")];

/// Names that the report looks for.
pub(crate) const CONSUME: &str = "bare librdkafka consume";
pub(crate) const PARSE: &str = "consume + parse";
pub(crate) const TAPE_UPDATE: &str = "tape, exactly-once, update rows at each commit (100 ms)";
pub(crate) const TAPE_APPEND: &str = "tape, exactly-once, final rows";
pub(crate) const STREAMS: &str = "Kafka Streams, exactly_once_v2, RocksDB, commit 100 ms";
pub(crate) const FLINK_HEAP: &str = "Flink, exactly-once, heap state, checkpoint 10 s, final rows";
pub(crate) const BACKTEST_JSONL: &str = "tape backtest, JSON lines";
pub(crate) const BACKTEST_CSV: &str = "tape backtest, CSV";
pub(crate) const FILE_JSONL: &str = "read + parse JSON lines";
pub(crate) const FILE_CSV: &str = "read + parse CSV";

const ENTRIES: [Entry; 15] = [
    entry(CONSUME, Kind::Ceiling("consume"), Rows::None),
    entry(PARSE, Kind::Ceiling("parse"), Rows::None),
    entry(TAPE_UPDATE, Kind::Tape(UPDATE), Rows::Last),
    entry("tape, the same with rows as JSON", Kind::Tape(UPDATE_JSON), Rows::Last),
    entry("tape, the same at-least-once", Kind::Tape(UPDATE_ALO), Rows::Last),
    entry(TAPE_APPEND, Kind::Tape(APPEND), Rows::Final),
    entry("tape, exactly-once, default settings (update rows each 1 s)", Kind::Tape(&[]), Rows::Last),
    entry(STREAMS, Kind::Streams(&[]), Rows::Last),
    Entry {
        once: true,
        ..entry("Kafka Streams, the same with stores in memory", Kind::Streams(STREAMS_MEMORY), Rows::Last)
    },
    entry(FLINK_HEAP, Kind::Flink(FLINK), Rows::Final),
    Entry { once: true, ..entry("Flink, the same with RocksDB", Kind::Flink(FLINK_ROCKSDB), Rows::Final) },
    entry(FILE_JSONL, Kind::File("jsonl"), Rows::None),
    entry(BACKTEST_JSONL, Kind::Backtest("trades.jsonl"), Rows::None),
    entry(FILE_CSV, Kind::File("csv"), Rows::None),
    entry(BACKTEST_CSV, Kind::Backtest("trades.csv"), Rows::None),
];

/// Runs the section; each run is handed out as soon as it is there.
pub(crate) fn run(rig: &Rig, args: &Args, keep: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
    let shape = Shape::market(args.records());
    fill::topic(rig, INPUT, PARTITIONS, &shape)?;
    fill::files(&shape, &rig.path("trades.jsonl"), &rig.path("trades.csv"))?;
    // The rows of the first of tape's runs are what all others must have, too.
    let mut wanted = Wanted::default();
    warm_up(rig, args, shape.records, &mut wanted)?;
    for round in 1..=args.rounds() {
        for (number, entry) in ENTRIES.iter().enumerate() {
            if !is_wanted(rig, entry, round, args) {
                continue;
            }
            screen::now(&format!("round {round}: {}", entry.name));
            let app = format!("bench-{round}-{number}");
            let backlog = Backlog { rig, input: INPUT, records: shape.records, app };
            let figures = Stage { rig, backlog }
                .run(entry, &mut wanted)
                .with_context(|| format!("round {round}: {}", entry.name))?;
            screen::line(&format!("round {round}: {}: {}", entry.name, told(&figures)));
            keep(Run { name: entry.name.to_owned(), round, figures })?;
        }
    }
    rig.delete(INPUT)
}

/// A broker compiles its code while it works: whoever came first would pay for all that follow.
fn warm_up(rig: &Rig, args: &Args, records: u64, wanted: &mut Wanted) -> Result<()> {
    for (number, entry) in ENTRIES.iter().enumerate() {
        if [TAPE_UPDATE, TAPE_APPEND].contains(&entry.name) && is_wanted(rig, entry, 0, args) {
            screen::now(&format!("warm-up of the broker: {}", entry.name));
            let backlog = Backlog { rig, input: INPUT, records, app: format!("bench-0-{number}") };
            Stage { rig, backlog }.run(entry, wanted).context("warm-up")?;
        }
    }
    Ok(())
}

fn is_wanted(rig: &Rig, entry: &Entry, round: usize, args: &Args) -> bool {
    let built = match entry.kind {
        Kind::Streams(_) => peers::is_built(rig, Which::Streams),
        Kind::Flink(_) => peers::is_built(rig, Which::Flink),
        _ => true,
    };
    if !built && round == 1 {
        screen::line(&format!("left out: {}: bench/peers/build.sh makes it", entry.name));
    }
    built && (!entry.once || round == 1) && !(args.quick && entry.once) && args.takes(entry.name)
}

fn told(figures: &Figures) -> String {
    let names =
        [("rate", "M/s"), ("cpu", "µs a trade"), ("broker", "µs broker"), ("peak", "MiB"), ("seconds", "s")];
    let shown = names.iter().filter_map(|(name, unit)| Some(format!("{:.2} {unit}", figures.get(*name)?)));
    shown.collect::<Vec<_>>().join(", ")
}

/// Rows that all must have.
#[derive(Default)]
struct Wanted {
    table: Option<Table>,
}

impl Wanted {
    /// The first table is kept; others must equal it.
    fn compare(&mut self, found: Table, rows: Rows) -> Result<usize> {
        match &self.table {
            None => {
                let count = found.rows.len();
                self.table = Some(found);
                Ok(count)
            }
            Some(wanted) => wanted.must_equal(&found, rows == Rows::Final),
        }
    }
}

/// Where one contender runs.
struct Stage<'a> {
    rig: &'a Rig,
    backlog: Backlog<'a>,
}

impl Stage<'_> {
    fn run(&self, entry: &Entry, wanted: &mut Wanted) -> Result<Figures> {
        match entry.kind {
            Kind::Ceiling(mode) => self.ceiling(mode),
            Kind::Tape(settings) => self.tape(settings, entry.rows, wanted),
            Kind::Streams(args) => self.peer(Which::Streams, args, entry.rows, wanted),
            Kind::Flink(args) => self.peer(Which::Flink, args, entry.rows, wanted),
            Kind::Backtest(file) => self.backtest(file),
            Kind::File(mode) => self.file(mode),
        }
    }

    fn ceiling(&self, mode: &str) -> Result<Figures> {
        let args = ["--mode", mode, "--bootstrap", self.rig.bootstrap(), "--topic", INPUT];
        self.backlog.ceiling(&mut Contender::start(self.own(&args)?)?)
    }

    fn tape(&self, settings: &[(&str, &str)], compared: Rows, wanted: &mut Wanted) -> Result<Figures> {
        let (tape, mut figures) = self.backlog.tape(settings)?;
        let table = rows::of_tape(self.rig, &tape.topic("aggregates"))?;
        judge(&mut figures, table, compared, wanted)?;
        tape.lose_state()?;
        self.backlog.clear()?;
        Ok(figures)
    }

    fn peer(
        &self,
        which: Which,
        args: &[(&str, &str)],
        compared: Rows,
        wanted: &mut Wanted,
    ) -> Result<Figures> {
        let (peer, mut figures) = self.backlog.peer(which, args)?;
        let table = rows::of_peer(self.rig, &peer.output())?;
        judge(&mut figures, table, compared, wanted)?;
        peer.lose_state()?;
        self.backlog.clear()?;
        Ok(figures)
    }

    fn backtest(&self, file: &str) -> Result<Figures> {
        let path = |name: &str| self.rig.path(name).display().to_string();
        let args = ["backtest", &path(file), "--output", &path("rows.jsonl"), "--flush", "--json"];
        self.alone(self.recipe(self.rig.tape()?, &args))
    }

    fn file(&self, mode: &str) -> Result<Figures> {
        let path = self.rig.path(&format!("trades.{mode}"));
        self.alone(self.own(&["--mode", mode, "--file", &path.display().to_string()])?)
    }

    /// A ceiling, which is this program.
    fn own(&self, args: &[&str]) -> Result<Recipe> {
        let args: Vec<&str> = std::iter::once("ceiling").chain(args.iter().copied()).collect();
        Ok(self.recipe(std::env::current_exe()?, &args))
    }

    fn recipe(&self, program: PathBuf, args: &[&str]) -> Recipe {
        Recipe {
            name: self.backlog.app.clone(),
            program,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            environment: BTreeMap::new(),
            folder: self.rig.path("logs"),
        }
    }

    /// A process that ends by itself, from its start to its end.
    fn alone(&self, recipe: Recipe) -> Result<Figures> {
        let mut contender = Contender::start(recipe)?;
        let mut last = meter::Reading::default();
        let status = loop {
            // An ended process has no memory any more.
            last = meter::read(contender.pid()).unwrap_or(last);
            if let Some(status) = contender.ended()? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let seconds = contender.started.elapsed().as_secs_f64();
        if !status.success() {
            return Err(contender.failure(&status.to_string()));
        }
        let records = self.backlog.records as f64;
        Ok(Figures::from([
            ("rate".to_owned(), records / seconds / 1e6),
            ("cpu".to_owned(), last.cpu / records * 1e6),
            ("peak".to_owned(), last.peak),
            ("seconds".to_owned(), seconds),
            ("per_core".to_owned(), records / last.cpu / 1e6),
        ]))
    }
}

/// Rows first: without equal ones there are no figures.
fn judge(figures: &mut Figures, table: Table, compared: Rows, wanted: &mut Wanted) -> Result<()> {
    let seconds = figures.get("seconds").copied().unwrap_or(f64::INFINITY);
    for (name, value) in [
        ("rows", table.records as f64),
        ("rows_rate", table.records as f64 / seconds),
        ("windows", table.rows.len() as f64),
    ] {
        figures.insert(name.to_owned(), value);
    }
    figures.insert("compared".to_owned(), wanted.compare(table, compared)? as f64);
    Ok(())
}
