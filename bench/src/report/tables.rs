//! Tables of medians, and figures beside what is wanted of them.

use std::fmt::Write as _;

use crate::results::{Section, Spread};

/// A column: title, figure, digits behind the point.
pub(super) type Column = (&'static str, &'static str, usize);

/// A figure of one contender, or its ratio to that of another, and what it should be.
pub(super) struct Promise {
    pub(super) what: String,
    pub(super) figure: &'static str,
    pub(super) of: String,
    pub(super) to: Option<String>,
    pub(super) wanted: &'static str,
}

/// The promises of which there are figures.
pub(super) fn promises(out: &mut String, section: &Section, promises: &[Promise]) {
    let value = |promise: &Promise| {
        let above = section.spread(&promise.of, promise.figure)?.median;
        match &promise.to {
            None => Some(above),
            Some(below) => Some(above / section.spread(below, promise.figure)?.median),
        }
    };
    out.push_str("| of the medians | | wanted |\n|---|---:|---|\n");
    for promise in promises {
        if let Some(value) = value(promise) {
            let _ = writeln!(out, "| {} | **{value:.2}** | {} |", promise.what, promise.wanted);
        }
    }
    out.push('\n');
}

/// Title, command, machine and versions.
pub(super) fn head(out: &mut String, title: &str, section: &Section) {
    let _ = writeln!(out, "\n## {title}\n\n`{}`, {}\n", section.command, section.made);
    for (name, value) in &section.facts {
        let _ = writeln!(out, "- {name}: {value}");
    }
    out.push('\n');
}

/// A line for each name, a column for each figure that anybody has.
pub(super) fn table(out: &mut String, section: &Section, names: &[&str], columns: &[Column]) {
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
