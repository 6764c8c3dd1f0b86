//! Section "growth": tape alone; what a trade costs with more symbols, more partitions, more windows.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::args::Args;
use crate::backlog::Backlog;
use crate::dataset::Shape;
use crate::results::Run;
use crate::rig::Rig;
use crate::{fill, screen};

/// One case; the first is what the others are compared with.
struct Case {
    symbols: usize,
    partitions: i32,
    window: &'static str,
    slide: &'static str,
}

const fn case(symbols: usize, partitions: i32, window: &'static str, slide: &'static str) -> Case {
    Case { symbols, partitions, window, slide }
}

const MODES: [&str; 2] = ["append", "update"];

const CASES: [Case; 7] = [
    case(1_000, 3, "5m", "1m"),
    case(10, 3, "5m", "1m"),
    case(100_000, 3, "5m", "1m"),
    case(1_000, 12, "5m", "1m"),
    case(1_000, 48, "5m", "1m"),
    case(1_000, 3, "1h", "1m"),
    case(1_000, 3, "5m", "1s"),
];

/// The name of a case, as the report looks for it.
pub(crate) fn name(mode: &str, symbols: usize, partitions: i32, windows: &str) -> String {
    format!("{mode}: {symbols} symbols, {partitions} partitions, {windows}")
}

/// Runs the section.
pub(crate) fn run(rig: &Rig, args: &Args, keep: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
    let records = args.records();
    let input = |case: &Case| format!("growth-{}-{}", case.symbols, case.partitions);
    let windows = |case: &Case| format!("{}/{}", case.window, case.slide);
    let named = |mode, case: &Case| name(mode, case.symbols, case.partitions, &windows(case));
    let taken = |case: &&Case| MODES.iter().any(|mode| args.takes(&named(mode, case)));
    let inputs: BTreeSet<(String, usize, i32)> =
        CASES.iter().filter(taken).map(|case| (input(case), case.symbols, case.partitions)).collect();
    for (topic, symbols, partitions) in &inputs {
        fill::topic(rig, topic, *partitions, &Shape { symbols: *symbols, ..Shape::market(records) })?;
    }
    let mut number = 0;
    for mode in MODES {
        for case in CASES.iter().filter(|case| args.takes(&named(mode, case))) {
            number += 1;
            let name = named(mode, case);
            screen::now(&name);
            let topic = input(case);
            let backlog = Backlog { rig, input: &topic, records, app: format!("tape-growth-{number}") };
            let partitions = case.partitions.to_string();
            let settings = [
                ("OUTPUT_MODE", mode),
                ("WINDOW_DURATION", case.window),
                ("SLIDE_DURATION", case.slide),
                ("KAFKA_PARTITIONS", &partitions),
            ];
            let (tape, mut figures) = backlog.tape(&settings).with_context(|| name.clone())?;
            let (rows, seconds) = (figures["rows"], figures["seconds"]);
            figures.insert("rows_rate".to_owned(), rows / seconds);
            figures.insert("rows_per_trade".to_owned(), rows / records as f64);
            tape.lose_state()?;
            backlog.clear()?;
            screen::line(&format!(
                "{name}: {:.2} µs a trade, {:.0} MiB, {:.3} changelog records a trade, {rows:.0} rows",
                figures["cpu_whole"],
                figures["peak"],
                figures.get("changelog").copied().unwrap_or(0.0)
            ));
            keep(Run { name, round: 1, figures })?;
        }
    }
    rig.delete("growth-")
}
