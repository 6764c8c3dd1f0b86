//! The table of instructions: as a file that is kept beside the code, and as lines to read.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// What `tape-counts` prints first.
pub(crate) const HEAD: &str = "workload                 per       instructions         kept   change";

/// What the file says about itself.
const ABOUT: &str = "\
# Instructions an operation, counted by `make bench-counts`, written by `make bench-counts UPDATE=1`.
# They depend a little on compiler, C library and processor: compare what one machine counted.
workload\tper\tinstructions
";

/// A change up to this is not worth a sign, in percent.
const QUIET_PERCENT: u64 = 2;

/// What a workload takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// What one operation is.
    pub(crate) unit: String,
    /// Tenths of an instruction an operation.
    pub(crate) tenths: u64,
}

/// Counts by name of the workload.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Table(BTreeMap<String, Count>);

impl Table {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        lines
            .map(|line| parse_line(line).with_context(|| format!("not a line of counts: {line:?}")))
            .collect::<Result<_>>()
            .map(Table)
    }

    pub(crate) fn text(&self) -> String {
        let line =
            |(name, count): (&String, &Count)| format!("{name}\t{}\t{}\n", count.unit, decimal(count.tenths));
        ABOUT.to_owned() + &self.0.iter().map(line).collect::<String>()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Count> {
        self.0.get(name)
    }

    pub(crate) fn set(&mut self, name: &str, count: Count) {
        self.0.insert(name.to_owned(), count);
    }
}

fn parse_line(line: &str) -> Option<(String, Count)> {
    let mut cells = line.split('\t');
    let (name, unit, number) = (cells.next()?, cells.next()?, cells.next()?);
    let (whole, tenth) = number.split_once('.')?;
    let tenths = whole.parse::<u64>().ok()? * 10 + tenth.parse::<u64>().ok().filter(|tenth| *tenth < 10)?;
    Some((name.to_owned(), Count { unit: unit.to_owned(), tenths }))
}

fn decimal(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// One line to read: a change of more than [`QUIET_PERCENT`] has a sign behind it.
pub(crate) fn line(name: &str, found: &Count, kept: Option<&Count>) -> String {
    let shown = decimal(found.tenths);
    let start = format!("{name:<24} {:<8} {shown:>13}", found.unit);
    let Some(kept) = kept else { return format!("{start} {:>12} {:>8}", "-", "new") };
    let percent = (found.tenths as f64 / kept.tenths as f64 - 1.0) * 100.0;
    let sign = if found.tenths * 100 > kept.tenths * (100 + QUIET_PERCENT) {
        "  ▲ dearer"
    } else if found.tenths * 100 < kept.tenths * (100 - QUIET_PERCENT) {
        "  ▼ cheaper"
    } else {
        ""
    };
    format!("{start} {:>12} {percent:>+7.1}%{sign}", decimal(kept.tenths))
}

#[cfg(test)]
mod tests {
    use super::{Count, Table, line};

    fn count(tenths: u64) -> Count {
        Count { unit: "row".to_owned(), tenths }
    }

    #[test]
    fn reads_what_it_wrote() {
        let mut table = Table::default();
        table.set("close/windows", count(12_345));
        table.set("encode/partition", count(7));
        assert!(table.text().ends_with("close/windows\trow\t1234.5\nencode/partition\trow\t0.7\n"));
        assert_eq!(Table::parse(&table.text()).unwrap(), table);
        assert!(Table::parse("head\nclose/windows\trow\tmany\n").is_err());
    }

    #[test]
    fn signs_stand_behind_what_changed_by_more_than_two_percent() {
        for (found, end) in
            [(1_000, " +0.0%"), (1_020, " +2.0%"), (1_021, "▲ dearer"), (980, " -2.0%"), (979, "▼ cheaper")]
        {
            let line = line("step/calm", &count(found), Some(&count(1_000)));
            assert!(line.ends_with(end), "{line}");
        }
        assert!(line("step/calm", &count(1), None).ends_with("new"));
    }
}
