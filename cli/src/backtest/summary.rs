//! What a run was: counts, and how long it took.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use tape_analytics::AlertKind;

/// Counts of a log that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// All records, rejected and late ones included.
    pub(crate) records: u64,
    /// Records that could not be used, by reason.
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    /// Records of which every window was closed.
    pub(crate) late: u64,
    /// Records that counted in some of their windows only.
    pub(crate) late_partial: u64,
    /// Final rows.
    pub(crate) rows: u64,
    /// Alerts, by type.
    pub(crate) alerts: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(super) fn reject(&mut self, code: &'static str) {
        *self.rejected.entry(code).or_default() += 1;
    }

    pub(super) fn alert(&mut self, kind: AlertKind) {
        let kind = match kind {
            AlertKind::Breakout => "breakout",
            AlertKind::GoldenCross => "golden_cross",
            AlertKind::DeathCross => "death_cross",
            AlertKind::HighVolume => "high_volume",
        };
        *self.alerts.entry(kind).or_default() += 1;
    }
}

/// Counts and time.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    #[serde(flatten)]
    counts: &'a Counts,
    seconds: f64,
    trades_per_second: u64,
}

impl<'a> Summary<'a> {
    pub(super) fn new(counts: &'a Counts, took: Duration) -> Self {
        let seconds = (took.as_secs_f64() * 1000.0).round() / 1000.0;
        let rate = counts.records as f64 / took.as_secs_f64().max(1e-6);
        Self { counts, seconds, trades_per_second: rate as u64 }
    }

    /// One line of JSON.
    pub(super) fn json(&self) -> String {
        // Numbers and plain names: nothing of it can fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let counts = self.counts;
        let rejected: u64 = counts.rejected.values().sum();
        let alerts: u64 = counts.alerts.values().sum();
        let lines = [
            ("records", counts.records, String::new()),
            ("rejected", rejected, list(&counts.rejected)),
            (
                "late",
                counts.late,
                format!("dropped; {} more counted in some of their windows", counts.late_partial),
            ),
            ("rows", counts.rows, String::new()),
            ("alerts", alerts, list(&counts.alerts)),
        ];
        let width = lines.iter().map(|(_, count, _)| grouped(*count).len()).max().unwrap_or_default();
        let mut text = String::new();
        for (name, count, detail) in lines {
            let detail = if detail.is_empty() { detail } else { format!("  {detail}") };
            let _ = writeln!(text, "{name:8}  {:>width$}{detail}", grouped(count));
        }
        let _ = writeln!(
            text,
            "{:8}  {:>width$}  {} records/s",
            "time",
            format!("{:.2} s", self.seconds),
            grouped(self.trades_per_second)
        );
        text
    }
}

fn list(counts: &BTreeMap<&'static str, u64>) -> String {
    counts.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect::<Vec<_>>().join(", ")
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
