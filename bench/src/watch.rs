//! Watches a contender work through a backlog.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tape_kafka::{Observer, Part};

use crate::contender::Contender;
use crate::course::{Course, Sample};
use crate::meter::{self, Reading};
use crate::rig::{ASK, Rig};
use crate::screen;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(25);
/// A run without progress for so long has failed.
const STALL: Duration = Duration::from_secs(90);

/// What is watched.
pub(crate) struct Watch<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) contender: &'a mut Contender,
    /// The group whose committed offsets are the progress; `None`: what the contender says counts.
    pub(crate) group: Option<String>,
    pub(crate) input: &'a str,
    pub(crate) output: Option<&'a str>,
    /// The run is over when nothing has changed for so long after the last record.
    pub(crate) quiet: Duration,
}

/// Questions to the broker about a run.
struct Questions {
    observer: Option<Observer>,
    input: Vec<Part>,
    output: Vec<Part>,
}

impl Watch<'_> {
    /// Until everything is done and visible; the contender runs on, if it does not end by itself.
    pub(crate) fn run(self) -> Result<Course> {
        let questions = Questions {
            observer: self.group.as_ref().map(|group| self.rig.admin.observer(group)).transpose()?,
            input: self.rig.parts(self.input)?,
            output: self.output.map_or_else(|| Ok(Vec::new()), |output| self.rig.parts(output))?,
        };
        let total = u64::try_from(self.rig.ends(&questions.input)?)?;
        let mut course = Course { samples: Vec::new(), total, said: self.group.is_none() };
        let mut changed = Instant::now();
        loop {
            let last = course.samples.last().copied().unwrap_or_default();
            let ended = self.contender.ended()?;
            let sample = self.look(&questions, &last, total)?;
            course.samples.push(sample);
            if (sample.records, sample.rows) != (last.records, last.rows) {
                changed = Instant::now();
                self.show(&sample, total);
            }
            let finished = sample.done && sample.records >= total;
            if finished && (changed.elapsed() >= self.quiet || ended.is_some()) {
                return Ok(course);
            }
            if let Some(status) = ended {
                bail!(self.contender.failure(&format!("ended too early: {status}")));
            }
            if changed.elapsed() > STALL {
                bail!(self.contender.failure(&format!("no progress: {} of {total} records", sample.records)));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn look(&self, questions: &Questions, last: &Sample, total: u64) -> Result<Sample> {
        let heard = self.contender.heard();
        let records = match &questions.observer {
            Some(observer) => {
                let committed = observer.committed(&questions.input, ASK)?;
                committed.iter().filter_map(|(_, offset)| *offset).map(i64::cast_unsigned).sum()
            }
            None => heard.records,
        };
        // Asked for only when they can be the last ones: each question takes processor time from the contender.
        let rows = if records < total { 0 } else { self.rig.ends(&questions.output)? };
        // One that has ended has taken what it had taken.
        let client = meter::read(self.contender.pid()).unwrap_or(last.client);
        let broker = meter::read(self.rig.broker).map_or(last.broker, |Reading { cpu, .. }| cpu);
        let at = self.contender.started.elapsed().as_secs_f64();
        let done = questions.observer.is_some() || heard.is_done();
        Ok(Sample { at, records, rows, done, client, broker })
    }

    fn show(&self, sample: &Sample, total: u64) {
        let rate = sample.records as f64 / sample.at / 1e6;
        let name = &self.contender.recipe.name;
        screen::now(&format!("{name}: {} of {total} records, {rate:.2} M/s so far", sample.records));
    }
}
