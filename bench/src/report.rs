//! The report: tables of medians with their spread, ratios, machine and versions, and the plots. Made from raw figures alone.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::plot::{self, Bar};
use crate::results::{Results, Section, Spread};
use crate::throughput as names;

/// A column: title, figure, digits behind the point.
type Column = (&'static str, &'static str, usize);

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
    fs::create_dir_all(folder.join("images"))?;
    if let Some(section) = results.sections.get("throughput") {
        for (figure, title) in
            [("rate", "Millions of trades a second"), ("cpu", "Client processor time, µs a trade")]
        {
            let path = folder.join(format!("images/throughput-{figure}.svg"));
            let bars: Vec<Bar<'_>> = bars(section, figure);
            plot::bars(&path, title, &bars)?;
        }
    }
    fs::write(path, text(results)).with_context(|| format!("write {}", path.display()))
}

fn bars<'a>(section: &'a Section, figure: &str) -> Vec<Bar<'a>> {
    let bar = |name: &'a str| {
        Some(Bar { name, value: section.spread(name, figure)?, ours: name.starts_with("tape") })
    };
    section
        .names()
        .into_iter()
        .filter(|name| section.spread(name, "rate_whole").is_some())
        .filter_map(bar)
        .collect()
}

/// The report.
pub(crate) fn text(results: &Results) -> String {
    let mut out = "# Benchmark results\n\nMade by `tape-bench`; do not edit. `make bench` makes it again, \
                   [results.json](results.json) has every figure of every run.\n"
        .to_owned();
    if let Some(section) = results.sections.get("throughput") {
        throughput(&mut out, section);
    }
    out
}

fn throughput(out: &mut String, section: &Section) {
    head(out, "Throughput", section);
    let in_kafka = |name: &&str| section.spread(name, "rate_whole").is_some();
    let (kafka, files): (Vec<&str>, Vec<&str>) = section.names().into_iter().partition(in_kafka);
    let writers: Vec<&str> =
        kafka.iter().copied().filter(|name| section.spread(name, "rows").is_some()).collect();
    let _ = writeln!(out, "{READ_THROUGHPUT}\n");
    table(out, section, &kafka, THROUGHPUT);
    out.push_str("![rates](images/throughput-rate.svg)\n\n![processor time](images/throughput-cpu.svg)\n\n");
    let _ = writeln!(out, "{READ_OUTPUT}\n");
    table(out, section, &writers, OUTPUT);
    let _ = writeln!(out, "{READ_FILES}\n");
    table(out, section, &files, FILES);
    ratios(out, section);
}

fn ratios(out: &mut String, section: &Section) {
    out.push_str("| ratio of medians | | wanted |\n|---|---|---|\n");
    for (what, figure, above, below, wanted) in PROMISES {
        let values = section.spread(above, figure).zip(section.spread(below, figure));
        if let Some((above, below)) = values {
            let _ = writeln!(out, "| {what} | **{:.2}** | {wanted} |", above.median / below.median);
        }
    }
    out.push('\n');
}

/// Title, command, machine and versions.
fn head(out: &mut String, title: &str, section: &Section) {
    let _ = writeln!(out, "\n## {title}\n\n`{}`, {}\n", section.command, section.made);
    for (name, value) in &section.facts {
        let _ = writeln!(out, "- {name}: {value}");
    }
    out.push('\n');
}

/// A line for each name, a column for each figure that anybody has.
fn table(out: &mut String, section: &Section, names: &[&str], columns: &[Column]) {
    let used: Vec<&Column> = columns
        .iter()
        .filter(|(_, figure, _)| names.iter().any(|name| section.spread(name, figure).is_some()))
        .collect();
    let titles: Vec<&str> = used.iter().map(|(title, ..)| *title).collect();
    let _ = writeln!(out, "| | {} |", titles.join(" | "));
    let _ = writeln!(out, "|---{}|", "|---:".repeat(used.len()));
    for name in names {
        let cell = |(_, figure, digits): &&Column| {
            section.spread(name, figure).map_or_else(String::new, |spread| cell(spread, *digits))
        };
        let cells: Vec<String> = used.iter().map(cell).collect();
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    }
    out.push('\n');
}

/// The median, and the spread where there is one.
fn cell(Spread { median, min, max }: Spread, digits: usize) -> String {
    let middle = format!("{median:.digits$}");
    let (low, high) = (format!("{min:.digits$}"), format!("{max:.digits$}"));
    if low == high { middle } else { format!("{middle} ({low}–{high})") }
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
