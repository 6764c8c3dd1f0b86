//! What a run tells: the schedule as it went, downtime by kind of fault, memory, lines of log, and every difference with the
//! faults around it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::check::{Difference, Wanted};
use crate::faults::Struck;
use crate::fleet::Exit;
use crate::run::{Spec, Verdict};
use crate::sampler::{Sample, Sampler, slope};
use crate::schedule::{Fault, Kind, Target};
use crate::topics::Line;
use crate::world::{PROCESSORS, World};

/// A fault is felt for so long after it was mended: the group deals with the process that is back.
const AFTERMATH: Duration = Duration::from_secs(8);
/// Differences that are printed.
const SHOWN: usize = 8;
/// The contract's figures: a process that restarts in place, and a survivor that takes over (session time-out + 2 s).
const IN_PLACE: Duration = Duration::from_secs(1);
const TAKE_OVER: Duration = Duration::from_secs(8);

/// What happened.
pub(crate) struct Story {
    /// When the run began, epoch ms.
    pub(crate) wall_ms: i64,
    pub(crate) schedule: Vec<Fault>,
    pub(crate) struck: Vec<Struck>,
    pub(crate) exits: Vec<Exit>,
    pub(crate) sampler: Sampler,
    pub(crate) wanted: Option<Wanted>,
    pub(crate) updates: usize,
}

/// Prints the first differences, each with the faults around it.
pub(crate) fn place(differences: &[Difference], log: &[Vec<Line>], world: &World, story: &Story) {
    for difference in differences.iter().take(SHOWN) {
        println!("DIFFERENCE: {}", difference.what);
        let Some(partition) = difference.partition else { continue };
        let lines = usize::try_from(partition).ok().and_then(|partition| log.get(partition));
        let line =
            difference.offset.zip(lines).and_then(|(offset, lines)| lines.get(usize::try_from(offset).ok()?));
        let Some(line) = line else {
            println!("    in partition {partition}");
            continue;
        };
        let at = (line.append_time - story.wall_ms) as f64 / 1_000.0;
        println!("    in partition {partition}, input of {at:.1} s");
        let around = story.struck.iter().filter(|struck| {
            let (began, mended) = (world.seconds(struck.began), world.seconds(struck.mended));
            (began - 1.0..mended + 10.0).contains(&at)
        });
        for struck in around {
            println!("    near {} at {:.1} s", struck.fault, world.seconds(struck.began));
        }
    }
    if differences.len() > SHOWN {
        println!("… and {} more", differences.len() - SHOWN);
    }
}

/// Writes `report.md` and prints its table.
pub(crate) fn write(spec: &Spec, world: &World, story: &Story, verdict: &Verdict) -> Result<()> {
    let figures: Vec<Figure<'_>> = story.struck.iter().map(|struck| figure(world, story, struck)).collect();
    let table = table(&figures);
    let measured = measured(&figures);
    let memory = memory(&story.sampler);
    println!("\n{table}\n{measured}\n{memory}");
    let mut text = format!(
        "# Chaos, seed {}\n\n{} faults in {} s on {} processors and {} sinks, {} records.\n\n",
        spec.plan.seed,
        verdict.faults,
        spec.plan.length.as_secs(),
        spec.plan.processors,
        spec.plan.sinks,
        story.wanted.as_ref().map_or(0, |wanted| wanted.records),
    );
    let _ = writeln!(
        text,
        "**{}**\n\n{}\n\n{table}\n{measured}\n{memory}\n![memory](memory.svg)\n",
        outcome(verdict),
        sizes(story)
    );
    text.push_str("## Faults as they went\n\n| s | fault | hit | lasted s | partitions | downtime s | log lines: errors, warnings, others | note |\n|---|---|---|---|---|---|---|---|\n");
    for figure in &figures {
        let struck = figure.struck;
        let [errors, warnings, others] = figure.lines;
        let _ = writeln!(
            text,
            "| {:.1} | {} | {} | {:.1} | {:?} | {} | {errors}, {warnings}, {others} | {} |",
            world.seconds(struck.began),
            struck.fault.kind.name(),
            struck.fault.target,
            (struck.mended - struck.began).as_secs_f64(),
            struck.affected.1,
            figure.downtime.map_or_else(String::new, |downtime| format!("{:.2}", downtime.as_secs_f64())),
            struck.note
        );
    }
    text.push_str("\n## Ends that nobody asked for\n\n");
    for exit in &story.exits {
        let _ = writeln!(text, "- {:.1} s: {} {}", world.seconds(exit.at), exit.name, exit.how);
        exit.last_lines.iter().for_each(|line| text.push_str(&format!("  > {line}\n")));
    }
    text.push_str("\n## Differences and troubles\n\n");
    for line in verdict.differences.iter().map(|difference| &difference.what).chain(&verdict.troubles) {
        let _ = writeln!(text, "- {line}");
    }
    fs::write(spec.folder.join("report.md"), text)?;
    Ok(())
}

/// The run in one line.
pub(crate) fn outcome(verdict: &Verdict) -> String {
    format!(
        "{} faults, {} differences, {} troubles",
        verdict.faults,
        verdict.differences.len(),
        verdict.troubles.len()
    )
}

/// How much was compared.
pub(crate) fn sizes(story: &Story) -> String {
    let Some(wanted) = &story.wanted else { return String::new() };
    format!(
        "Compared: {} final rows, {} alerts, {} dead letters, {} late records; {} rows that are not final.",
        wanted.rows.values().map(Vec::len).sum::<usize>(),
        wanted.alerts.values().map(Vec::len).sum::<usize>(),
        wanted.dead_letters.len(),
        wanted.late.values().sum::<usize>(),
        story.updates
    )
}

/// A fault in numbers.
struct Figure<'a> {
    struck: &'a Struck,
    /// Longest stretch without progress of a partition that was hit.
    downtime: Option<Duration>,
    /// Process start to the first committed record of the last of its partitions.
    in_place: Option<Duration>,
    /// Kill to the first committed record of the last of its partitions, by another process.
    take_over: Option<Duration>,
    /// Errors, warnings and other lines of the process that wrote most.
    lines: [usize; 3],
}

fn figure<'a>(world: &World, story: &Story, struck: &'a Struck) -> Figure<'a> {
    let (group, partitions) = &struck.affected;
    let course = world.watch.course(*group);
    let window = (struck.began, struck.mended + AFTERMATH);
    let gap = |partition: &i32| course.longest_gap(*partition, window, Instant::now());
    let downtime = partitions.iter().map(gap).max();
    let all_after = |moment: Instant| {
        let moved = partitions.iter().map(|partition| course.first_after(*partition, moment));
        moved.map(|at| at.map(|at| at - moment)).max().flatten()
    };
    let calm = is_undisturbed(story, struck);
    let kind = struck.fault.kind;
    let in_place =
        (calm && kind == Kind::ProcessorKill).then(|| struck.restarted.and_then(all_after)).flatten();
    let take_over = (calm && kind == Kind::ProcessorKillLong).then(|| all_after(struck.began)).flatten();
    drop(course);
    Figure { struck, downtime, in_place, take_over, lines: lines(story, struck, window) }
}

/// No other fault that hits the same partitions is near.
fn is_undisturbed(story: &Story, struck: &Struck) -> bool {
    let end = struck.mended + Duration::from_secs(2);
    story.struck.iter().all(|other| {
        let itself = other.fault.number == struck.fault.number;
        let elsewhere = other.affected.0 != struck.affected.0;
        let apart = other.began > end || other.mended + AFTERMATH < struck.began;
        itself || elsewhere || apart
    })
}

/// Lines of the process that wrote most, of those that a fault hits.
fn lines(story: &Story, struck: &Struck, (from, until): (Instant, Instant)) -> [usize; 3] {
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let hit = struck.fault.target.to_string();
    for lines in &story.sampler.lines {
        let is_hit = match struck.fault.target {
            Target::Processor(_) | Target::Sink(_) => lines.name == hit,
            Target::Broker => true,
            Target::Database => lines.name.starts_with("sink"),
        };
        if is_hit && from <= lines.at && lines.at < until {
            let sum = counts.entry(&lines.name).or_default();
            sum.iter_mut().zip(lines.counts).for_each(|(sum, count)| *sum += count);
        }
    }
    counts.into_values().max_by_key(|counts| counts[0] + counts[1]).unwrap_or_default()
}

fn table(figures: &[Figure<'_>]) -> String {
    let mut kinds: BTreeMap<Kind, Vec<&Figure<'_>>> = BTreeMap::new();
    for figure in figures {
        kinds.entry(figure.struck.fault.kind).or_default().push(figure);
    }
    let mut text = "| fault | count | downtime s: median | p90 | max | log lines: errors and warnings, median | max |\n|---|---|---|---|---|---|---|\n".to_owned();
    for (kind, figures) in kinds {
        let downtimes: Vec<_> =
            figures.iter().filter_map(|figure| figure.downtime).map(|time| time.as_secs_f64()).collect();
        let bad: Vec<_> = figures.iter().map(|figure| (figure.lines[0] + figure.lines[1]) as f64).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.0} | {:.0} |",
            kind.name(),
            figures.len(),
            shown(&downtimes, 0.5),
            shown(&downtimes, 0.9),
            shown(&downtimes, 1.0),
            quantile(&bad, 0.5).unwrap_or(0.0),
            quantile(&bad, 1.0).unwrap_or(0.0)
        );
    }
    text
}

fn shown(values: &[f64], at: f64) -> String {
    quantile(values, at).map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

/// The value that this share of the values does not exceed.
fn quantile(values: &[f64], at: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * at).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

fn measured(figures: &[Figure<'_>]) -> String {
    let line = |what: &str, limit: Duration, values: Vec<f64>| {
        let holds = |at| quantile(&values, at).map(|value| value <= limit.as_secs_f64());
        let word = |holds: Option<bool>| match holds {
            Some(true) => "holds",
            Some(false) => "MISSED",
            None => "not seen",
        };
        format!(
            "{what}: {} times, median {} s ({} the {} s), max {} s ({})\n",
            values.len(),
            shown(&values, 0.5),
            word(holds(0.5)),
            limit.as_secs(),
            shown(&values, 1.0),
            word(holds(1.0))
        )
    };
    let seconds = |pick: fn(&Figure<'_>) -> Option<Duration>| {
        figures
            .iter()
            .filter(|figure| figure.struck.affected.0 == PROCESSORS)
            .filter_map(pick)
            .map(|time| time.as_secs_f64())
            .collect()
    };
    line(
        "In place after SIGKILL, process start to first committed record",
        IN_PLACE,
        seconds(|figure| figure.in_place),
    ) + &line(
        "\nSurvivor takes over, kill to first committed record",
        TAKE_OVER,
        seconds(|figure| figure.take_over),
    )
}

/// Memory by process: a minute after its start, and at its end.
fn memory(sampler: &Sampler) -> String {
    let mut text = "| process | MiB 60 s after a start | MiB at the end | highest | slope of the longest life, MiB per hour (after its first minute) |\n|---|---|---|---|---|\n".to_owned();
    for name in sampler.names() {
        let samples: Vec<&Sample> = sampler.samples.iter().filter(|sample| sample.name == name).collect();
        let settled: Vec<f64> = samples
            .iter()
            .filter(|sample| (60.0..61.5).contains(&sample.age))
            .map(|sample| sample.mebibytes)
            .collect();
        let mut lives: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in samples.iter().filter(|sample| sample.age > 60.0) {
            lives.entry(sample.pid).or_default().push((sample.age / 3_600.0, sample.mebibytes));
        }
        let longest = lives.into_values().max_by_key(Vec::len).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {name} | {} | {:.0} | {:.0} | {:.1} ({:.0} s) |",
            quantile(&settled, 0.5).map_or_else(|| "-".to_owned(), |value| format!("{value:.0}")),
            samples.last().map_or(0.0, |sample| sample.mebibytes),
            samples.iter().map(|sample| sample.mebibytes).fold(0.0, f64::max),
            slope(&longest),
            longest.len()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values = [3.0, 1.0, 2.0, 4.0];
        assert_eq!(quantile(&values, 0.5), Some(2.0));
        assert_eq!(quantile(&values, 0.9), Some(4.0));
        assert_eq!(quantile(&values, 1.0), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
