//! The report: tables of medians with their spread, ratios, machine and versions, and the plots. Made from raw figures alone.

mod others;
mod tables;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::plot::{self, Bar};
use crate::results::{Results, Section};
use crate::throughput as names;
use tables::{Column, Promise, head, promises, table};

const THROUGHPUT: &[Column] = &[
    ("M trades/s", "rate", 3),
    ("client µs/trade", "cpu", 2),
    ("broker µs/trade", "broker", 2),
    ("peak MiB", "peak", 0),
    ("whole run: M/s", "rate_whole", 3),
    ("µs/trade", "cpu_whole", 2),
    ("first record s", "first", 2),
    ("seconds", "seconds", 2),
];
const OUTPUT: &[Column] = &[
    ("rows", "rows", 0),
    ("rows/s", "rows_rate", 0),
    ("windows", "windows", 0),
    ("rows compared, equal", "compared", 0),
    ("commits", "commits", 0),
    ("changelog records/trade", "changelog", 4),
    ("changelog bytes/trade", "changelog_bytes", 1),
    ("broker's disk bytes/trade", "disk", 1),
];
const FILES: &[Column] = &[
    ("M trades/s", "rate", 2),
    ("M trades/s per core", "per_core", 2),
    ("µs/trade", "cpu", 3),
    ("peak MiB", "peak", 0),
];

/// A ratio that the project promises: what, figure, of whom, to whom, at least.
const PROMISES: &[(&str, &str, &str, &str, &str)] = &[
    ("processor time, Kafka Streams : tape", "cpu", names::STREAMS, names::TAPE_UPDATE, "≥ 8, aim 10"),
    ("wall rate, tape : Kafka Streams", "rate", names::TAPE_UPDATE, names::STREAMS, "≥ 6"),
    ("processor time, Flink : tape", "cpu", names::FLINK_HEAP, names::TAPE_APPEND, "≥ 3, aim 4"),
    ("wall rate, tape : Flink", "rate", names::TAPE_APPEND, names::FLINK_HEAP, "≥ 2.5"),
    (
        "wall rate, tape (update rows) : consume + parse",
        "rate",
        names::TAPE_UPDATE,
        names::PARSE,
        "≥ 0.55, aim 0.7",
    ),
    (
        "wall rate, tape (final rows) : consume + parse",
        "rate",
        names::TAPE_APPEND,
        names::PARSE,
        "≥ 0.55, aim 0.7",
    ),
    (
        "rate per core, backtest : read + parse, JSON lines",
        "per_core",
        names::BACKTEST_JSONL,
        names::FILE_JSONL,
        "",
    ),
    ("rate per core, backtest : read + parse, CSV", "per_core", names::BACKTEST_CSV, names::FILE_CSV, ""),
];

/// A figure that the project promises.
const PROMISED: &[(&str, &str, &str, &str)] = &[
    ("peak memory of tape, update rows, MiB", "peak", names::TAPE_UPDATE, "< 300"),
    ("peak memory of tape, final rows, MiB", "peak", names::TAPE_APPEND, "< 300"),
    (
        "M trades/s per core, backtest, JSON lines",
        "per_core",
        names::BACKTEST_JSONL,
        "≥ 3, or the ceiling beside",
    ),
    ("M trades/s per core, backtest, CSV", "per_core", names::BACKTEST_CSV, "≥ 5, or the ceiling beside"),
];

const READ_THROUGHPUT: &str = "\
Each contender alone with the broker, in interleaved rounds; median (smallest–largest). The first figures are taken from a \
fifth of the records until everything is committed and visible to a read_committed reader, those of the whole run from the start of the \
process. Flink's rate ends when it has processed the last record: what it has to wait for then is its next checkpoint. Processor time is the operating system's count of all threads.";
const READ_OUTPUT: &str = "\
What a run left in Kafka. Before a figure counts, its rows must equal those of the first tape run of the same invocation: the \
last row of each window, or, for a contender that writes final rows, each final row: count, volume, highest, lowest, first and last price exactly, \
average and VWAP to 1e-9. `commits` is what tape counts itself. Changelog records are offsets, transaction markers included; bytes are those of the \
changelog's log on the broker's disk at the end.";
const READ_FILES: &str = "\
Files, no Kafka: `tape backtest` with all windows and alerts, beside one thread that only reads and parses each line.";

/// Writes the report and its plots.
pub(crate) fn write(results: &Results, path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let images = folder.join("images");
    fs::create_dir_all(&images)?;
    for (name, section) in &results.sections {
        for (figure, title) in plots(name) {
            plot::bars(&images.join(format!("{name}-{figure}.svg")), title, &bars(section, figure))?;
        }
    }
    fs::write(path, text(results)).with_context(|| format!("write {}", path.display()))
}

/// Figures of a section that are drawn.
fn plots(section: &str) -> &'static [(&'static str, &'static str)] {
    match section {
        "throughput" => {
            &[("rate", "Millions of trades a second"), ("cpu", "Client processor time, µs a trade")]
        }
        "latency" => &[("p99", "99 of 100 trades are visible within ms")],
        "recovery" => &[("first", "Seconds from the start of the process to the first commit")],
        "growth" => &[("cpu_whole", "Client processor time of the whole run, µs a trade")],
        "sink" => &[("rate", "Records a second into PostgreSQL")],
        "live" => &[("cpu", "Processor time of a record, µs")],
        _ => &[],
    }
}

fn bars<'a>(section: &'a Section, figure: &str) -> Vec<Bar<'a>> {
    let bar = |name: &'a str| {
        let ours =
            !["Kafka Streams", "Flink", "consume", "read +", "bare"].iter().any(|other| name.contains(other));
        Some(Bar { name, value: section.spread(name, figure)?, ours })
    };
    // What reads a file is another matter.
    let in_kafka = |name: &&str| section.spread(name, "per_core").is_none();
    section.names().into_iter().filter(in_kafka).filter_map(bar).collect()
}

/// Tells of a section.
type Writer = fn(&mut String, &Section);

/// The report.
pub(crate) fn text(results: &Results) -> String {
    let mut out = "# Benchmark results\n\nMade by `tape-bench`; do not edit. `make bench` makes it again, \
                   [results.json](results.json) has every figure of every run.\n"
        .to_owned();
    let sections: [(&str, Writer); 6] = [
        ("throughput", throughput),
        ("latency", others::latency),
        ("recovery", others::recovery),
        ("growth", others::growth),
        ("sink", others::sink),
        ("live", others::live),
    ];
    for (name, write) in sections {
        if let Some(section) = results.sections.get(name) {
            write(&mut out, section);
            for (figure, title) in plots(name) {
                let _ = writeln!(out, "![{title}](images/{name}-{figure}.svg)\n");
            }
        }
    }
    out
}

fn throughput(out: &mut String, section: &Section) {
    head(out, "Throughput", section);
    let in_kafka = |name: &&str| section.spread(name, "rate_whole").is_some();
    let (kafka, files): (Vec<&str>, Vec<&str>) = section.names().into_iter().partition(in_kafka);
    let writers: Vec<&str> =
        kafka.iter().copied().filter(|name| section.spread(name, "rows").is_some()).collect();
    promises(out, section, &promised());
    let _ = writeln!(out, "{READ_THROUGHPUT}\n");
    table(out, section, &kafka, THROUGHPUT);
    let _ = writeln!(out, "{READ_OUTPUT}\n");
    table(out, section, &writers, OUTPUT);
    let _ = writeln!(out, "{READ_FILES}\n");
    table(out, section, &files, FILES);
}

fn promised() -> Vec<Promise> {
    let ratio = |&(what, figure, of, to, wanted): &(&str, &'static str, &str, &str, &'static str)| Promise {
        what: what.to_owned(),
        figure,
        of: of.to_owned(),
        to: Some(to.to_owned()),
        wanted,
    };
    let value = |&(what, figure, of, wanted): &(&str, &'static str, &str, &'static str)| Promise {
        what: what.to_owned(),
        figure,
        of: of.to_owned(),
        to: None,
        wanted,
    };
    PROMISES.iter().map(ratio).chain(PROMISED.iter().map(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::{names, text, write};
    use crate::course::Figures;
    use crate::results::{Results, Run, Section};

    fn results() -> Results {
        let run = |name: &str, round, rate: f64| {
            let figures = [("rate", rate), ("rate_whole", rate), ("cpu", 1.0 / rate), ("rows", 5.0)];
            let figures: Figures = figures.map(|(name, value)| (name.to_owned(), value)).into();
            Run { name: name.to_owned(), round, figures }
        };
        let runs = vec![
            run(names::TAPE_UPDATE, 1, 1.0),
            run(names::STREAMS, 1, 0.125),
            run(names::TAPE_UPDATE, 2, 1.5),
            run(names::TAPE_UPDATE, 3, 1.25),
        ];
        let facts = vec![("Kafka".to_owned(), "4.3.1".to_owned())];
        let section = Section { made: "today".to_owned(), command: "x".to_owned(), facts, runs };
        Results { sections: [("throughput".to_owned(), section)].into() }
    }

    #[test]
    fn the_report_has_medians_spreads_and_ratios() {
        let text = text(&results());
        assert!(text.contains("| 1.250 (1.000–1.500) |"), "{text}");
        assert!(text.contains("wall rate, tape : Kafka Streams | **10.00** | ≥ 6 |"), "{text}");
        assert!(text.contains("- Kafka: 4.3.1"));
        assert!(!text.contains("Flink : tape"), "no ratio without both");
    }

    #[test]
    fn it_is_written_with_its_plots() {
        let folder = tempfile::tempdir().expect("a folder");
        write(&results(), &folder.path().join("RESULTS.md")).expect("written");
        let plot = std::fs::read_to_string(folder.path().join("images/throughput-rate.svg")).expect("a plot");
        assert!(plot.contains("Kafka Streams") && plot.contains("1.25"));
    }
}
