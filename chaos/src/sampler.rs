//! Memory of each process, and lines of its log by level, once a second.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, anyhow};
use plotters::prelude::{ChartBuilder, IntoDrawingArea, LineSeries, RGBColor, SVGBackend, WHITE};

use crate::world::{World, lock};

/// A look at a process.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: f64,
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) mebibytes: f64,
    /// Seconds since it was started.
    pub(crate) age: f64,
}

/// Lines that a process wrote between two looks: errors, warnings, others.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) at: Instant,
    pub(crate) name: String,
    pub(crate) counts: [usize; 3],
}

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Sampler {
    pub(crate) samples: Vec<Sample>,
    pub(crate) lines: Vec<Lines>,
    read: BTreeMap<PathBuf, u64>,
}

impl Sampler {
    /// Looks at every process.
    pub(crate) fn look(&mut self, world: &World, now: Instant) {
        for (target, member) in world.members() {
            let (pid, age, log) = {
                let member = lock(member);
                (member.pid(), member.started.elapsed().as_secs_f64(), member.recipe.log.clone())
            };
            if let Some(pid) = pid
                && let Some(mebibytes) = resident(pid)
            {
                let (at, name) = (world.seconds(now), target.to_string());
                self.samples.push(Sample { at, name, pid, mebibytes, age });
            }
            let counts = self.new_lines(&log);
            if counts.iter().sum::<usize>() > 0 {
                self.lines.push(Lines { at: now, name: target.to_string(), counts });
            }
        }
    }

    fn new_lines(&mut self, log: &Path) -> [usize; 3] {
        let from = self.read.entry(log.to_owned()).or_default();
        let mut text = Vec::new();
        let read = File::open(log).and_then(|mut file| {
            file.seek(SeekFrom::Start(*from))?;
            file.read_to_end(&mut text)
        });
        // A line that is half written is read the next time.
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if read.is_ok() {
            *from += end as u64;
        }
        count_levels(&String::from_utf8_lossy(&text[..end]))
    }

    /// `seconds,process,pid,mebibytes`.
    pub(crate) fn csv(&self) -> String {
        let mut text = "seconds,process,pid,mebibytes\n".to_owned();
        for Sample { at, name, pid, mebibytes, .. } in &self.samples {
            let _ = writeln!(text, "{at:.1},{name},{pid},{mebibytes:.1}");
        }
        text
    }

    /// Resident memory over time, one line a process.
    pub(crate) fn plot(&self, path: &Path) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| anyhow!("draw {}: {error}", path.display());
        let area = SVGBackend::new(path, (1_000, 400)).into_drawing_area();
        area.fill(&WHITE).map_err(|error| failed(&error))?;
        let end = self.samples.last().map_or(1.0, |sample| sample.at);
        let top = self.samples.iter().map(|sample| sample.mebibytes).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..end, 0.0..top * 1.1)
            .map_err(|error| failed(&error))?;
        chart.configure_mesh().draw().map_err(|error| failed(&error))?;
        for (number, name) in self.names().iter().enumerate() {
            let points = self.samples.iter().filter(|sample| sample.name == *name);
            let points = points.map(|sample| (sample.at, sample.mebibytes));
            let series = LineSeries::new(points, &COLOURS[number % COLOURS.len()]);
            chart.draw_series(series).map_err(|error| failed(&error))?;
        }
        area.present().map_err(|error| failed(&error))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let names: std::collections::BTreeSet<_> = self.samples.iter().map(|sample| &sample.name).collect();
        names.into_iter().cloned().collect()
    }
}

const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
];

/// Resident memory of a process, MiB.
fn resident(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1_024.0)
}

/// Errors, warnings and other lines of a log.
pub(crate) fn count_levels(text: &str) -> [usize; 3] {
    let mut counts = [0; 3];
    for line in text.lines() {
        let level = line.split_ascii_whitespace().take(3).find_map(|word| match word {
            "ERROR" => Some(0),
            "WARN" => Some(1),
            _ => None,
        });
        counts[level.unwrap_or(2)] += 1;
    }
    counts
}

/// Slope of a straight line through the points, per unit of x; 0 for fewer than two.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (mean_x, mean_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (mean_x / count, mean_y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x))
    });
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{count_levels, resident, slope};

    #[test]
    fn levels_are_counted() {
        let text = "2026-01-01T00:00:00Z  WARN librdkafka: x\n2026-01-01T00:00:00Z ERROR y\nplain ERROR far away\n \
                    a b c ERROR\n";
        assert_eq!(count_levels(text), [2, 1, 1]);
    }

    #[test]
    fn slopes() {
        assert!((slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) - 2.0).abs() < 1e-9);
        assert!(slope(&[(1.0, 1.0)]).abs() < 1e-9 && slope(&[]).abs() < 1e-9);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(resident(std::process::id()).is_some_and(|mebibytes| mebibytes > 0.5));
    }
}
