//! Raw figures: what `results.json` holds, and medians over rounds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::course::Figures;

/// Everything measured so far, section by section; each may be of another day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) sections: BTreeMap<String, Section>,
}

/// A section of the benchmark, as it was run last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Section {
    /// When it began, RFC 3339.
    pub(crate) made: String,
    pub(crate) command: String,
    /// Machine and versions, in the order of the report.
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) runs: Vec<Run>,
}

/// A run of one contender.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) round: usize,
    pub(crate) figures: Figures,
}

/// A figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Results {
    /// What stands in the file; nothing if there is none.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| format!("write {}", path.display()))
    }
}

impl Section {
    /// Names of contenders, in the order of their first runs.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for run in &self.runs {
            if !names.contains(&run.name.as_str()) {
                names.push(&run.name);
            }
        }
        names
    }

    /// A figure of a contender over its rounds; `None` if it has none.
    pub(crate) fn spread(&self, name: &str, figure: &str) -> Option<Spread> {
        let runs = self.runs.iter().filter(|run| run.name == name);
        Spread::of(runs.filter_map(|run| run.figures.get(figure).copied()).collect())
    }
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Spread { median: percentile(&values, 0.5), min, max })
    }
}

/// The value below which this share of the sorted values lies, halfway values in between; 0 of nothing.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::{Figures, Results, Run, Section, Spread, percentile};

    #[test]
    fn percentiles() {
        let values = [1.0, 2.0, 3.0, 4.0, 10.0];
        assert_eq!(percentile(&values, 0.5), 3.0);
        assert_eq!(percentile(&values, 1.0), 10.0);
        assert_eq!(percentile(&values, 0.0), 1.0);
        assert_eq!(percentile(&[1.0, 2.0], 0.5), 1.5);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_spread_is_over_the_rounds_of_one_name() {
        let run = |name: &str, round, rate| Run {
            name: name.to_owned(),
            round,
            figures: Figures::from([("rate".to_owned(), rate)]),
        };
        let runs = vec![run("a", 1, 3.0), run("b", 1, 9.0), run("a", 2, 1.0), run("a", 3, 2.0)];
        let section = Section { runs, ..Section::default() };
        assert_eq!(section.names(), ["a", "b"]);
        assert_eq!(section.spread("a", "rate"), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(section.spread("a", "cpu"), None);
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.json");
        let mut results = Results::load(&path).expect("nothing yet");
        results.sections.insert("x".to_owned(), Section { made: "today".to_owned(), ..Section::default() });
        results.save(&path).expect("saved");
        assert_eq!(Results::load(&path).expect("loaded").sections["x"].made, "today");
    }
}
