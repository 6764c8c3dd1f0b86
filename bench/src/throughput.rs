//! Section "throughput": a backlog, worked through by each contender alone, in interleaved rounds.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::args::Args;
use crate::contender::{Contender, Recipe};
use crate::course::Figures;
use crate::dataset::Shape;
use crate::peers::{self, Peer, Which};
use crate::results::Run;
use crate::rig::Rig;
use crate::rows::{self, Table};
use crate::screen;
use crate::tape::Tape;
use crate::watch::Watch;
use crate::{fill, meter};

/// The input of everybody.
const INPUT: &str = "bench-trades";
pub(crate) const PARTITIONS: i32 = 3;
/// Longer than any trigger interval and checkpoint of an open run: then nothing more comes.
const QUIET: Duration = Duration::from_millis(1_800);

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
    for round in 1..=args.rounds() {
        for (number, entry) in ENTRIES.iter().enumerate() {
            if !is_wanted(rig, entry, round, args) {
                continue;
            }
            screen::now(&format!("round {round}: {}", entry.name));
            let app = format!("bench-{round}-{number}");
            let figures = Stage { rig, records: shape.records, app }
                .run(entry, &mut wanted)
                .with_context(|| format!("round {round}: {}", entry.name))?;
            screen::line(&format!("round {round}: {}: {}", entry.name, told(&figures)));
            keep(Run { name: entry.name.to_owned(), round, figures })?;
        }
    }
    rig.delete(INPUT)
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
    records: u64,
    app: String,
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
        let mut contender = Contender::start(self.own(&args)?)?;
        let quiet = Duration::ZERO;
        let watch = Watch {
            rig: self.rig,
            contender: &mut contender,
            group: None,
            input: INPUT,
            output: None,
            quiet,
        };
        watch.run()?.figures().context("it did not finish")
    }

    fn tape(&self, settings: &[(&str, &str)], compared: Rows, wanted: &mut Wanted) -> Result<Figures> {
        let tape = Tape::new(self.rig, &self.app, INPUT, settings)?;
        tape.create_topics()?;
        let output = tape.topic("aggregates");
        let before = meter::written(self.rig.broker).unwrap_or_default();
        let mut contender = tape.start("process")?;
        let course = Watch {
            rig: self.rig,
            contender: &mut contender,
            group: Some(tape.group()),
            input: INPUT,
            output: Some(&output),
            quiet: QUIET,
        }
        .run()?;
        let mut figures = course.figures().context("it did not finish")?;
        let metrics = tape.metrics()?;
        figures.insert(
            "commits".to_owned(),
            metrics.get("tape_processor_commits_total").copied().unwrap_or(0.0),
        );
        contender.stop()?;
        let table = rows::of_tape(self.rig, &output)?;
        self.count(&mut figures, &table, before)?;
        figures.insert("compared".to_owned(), wanted.compare(table, compared)? as f64);
        tape.lose_state()?;
        self.rig.delete(&self.app)?;
        Ok(figures)
    }

    fn peer(
        &self,
        which: Which,
        args: &[(&str, &str)],
        compared: Rows,
        wanted: &mut Wanted,
    ) -> Result<Figures> {
        let peer = Peer::new(self.rig, which, &self.app, INPUT, args);
        let output = peer.output();
        self.rig.create(&output, PARTITIONS)?;
        let before = meter::written(self.rig.broker).unwrap_or_default();
        let mut contender = Contender::start(peer.recipe(self.rig)?)?;
        let course = Watch {
            rig: self.rig,
            contender: &mut contender,
            group: (which == Which::Streams).then(|| self.app.clone()),
            input: INPUT,
            output: Some(&output),
            quiet: QUIET,
        }
        .run()?;
        let mut figures = course.figures().context("it did not finish")?;
        contender.stop()?;
        let table = rows::of_peer(self.rig, &output)?;
        self.count(&mut figures, &table, before)?;
        figures.insert("compared".to_owned(), wanted.compare(table, compared)? as f64);
        peer.lose_state()?;
        self.rig.delete(&self.app)?;
        Ok(figures)
    }

    /// What stands in Kafka after a run.
    fn count(&self, figures: &mut Figures, rows: &Table, written_before: f64) -> Result<()> {
        let seconds = figures.get("seconds").copied().unwrap_or(f64::INFINITY);
        let records = self.records as f64;
        let (mut offsets, mut bytes) = (0, 0);
        for topic in self.rig.topics(&self.app)?.iter().filter(|topic| topic.contains("changelog")) {
            offsets += self.rig.ends(&self.rig.parts(topic)?)?;
            bytes += self.rig.bytes(topic)?;
        }
        let written = meter::written(self.rig.broker).unwrap_or_default() - written_before;
        for (name, value) in [
            ("rows", rows.records as f64),
            ("rows_rate", rows.records as f64 / seconds),
            ("windows", rows.rows.len() as f64),
            ("changelog", offsets as f64 / records),
            ("changelog_bytes", bytes as f64 / records),
            ("disk", written / records),
        ] {
            figures.insert(name.to_owned(), value);
        }
        Ok(())
    }

    fn backtest(&self, file: &str) -> Result<Figures> {
        let environment = std::collections::BTreeMap::from([("LOG_LEVEL".to_owned(), "warn".to_owned())]);
        let path = |name: &str| self.rig.path(name).display().to_string();
        let args = ["backtest", &path(file), "--output", &path("rows.jsonl"), "--flush", "--json"];
        self.alone(Recipe {
            name: self.app.clone(),
            program: self.rig.tape()?,
            args: args.map(str::to_owned).to_vec(),
            environment,
            folder: self.rig.path("logs"),
        })
    }

    fn file(&self, mode: &str) -> Result<Figures> {
        let path = self.rig.path(&format!("trades.{mode}"));
        self.alone(self.own(&["--mode", mode, "--file", &path.display().to_string()])?)
    }

    /// A ceiling, which is this program.
    fn own(&self, args: &[&str]) -> Result<Recipe> {
        let args = std::iter::once(&"ceiling").chain(args).map(|arg| (*arg).to_owned()).collect();
        let program = std::env::current_exe()?;
        let folder = self.rig.path("logs");
        Ok(Recipe { name: self.app.clone(), program, args, environment: Default::default(), folder })
    }

    /// A process that ends by itself, from its start to its end.
    fn alone(&self, recipe: Recipe) -> Result<Figures> {
        let mut contender = Contender::start(recipe)?;
        let mut last = meter::Reading::default();
        let status = loop {
            last = meter::read(contender.pid()).filter(|reading| reading.cpu >= last.cpu).unwrap_or(last);
            if let Some(status) = contender.ended()? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let seconds = contender.started.elapsed().as_secs_f64();
        if !status.success() {
            return Err(contender.failure(&status.to_string()));
        }
        let records = self.records as f64;
        Ok(Figures::from([
            ("rate".to_owned(), records / seconds / 1e6),
            ("cpu".to_owned(), last.cpu / records * 1e6),
            ("peak".to_owned(), last.peak),
            ("seconds".to_owned(), seconds),
            ("per_core".to_owned(), records / last.cpu / 1e6),
        ]))
    }
}
