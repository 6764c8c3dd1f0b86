//! A contender alone with a backlog: from its start until everything is committed and visible.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::contender::Contender;
use crate::course::Figures;
use crate::meter;
use crate::peers::{Peer, Which};
use crate::rig::Rig;
use crate::tape::Tape;
use crate::watch::Watch;

/// Longer than any trigger interval of an open run: then nothing more comes.
const QUIET: Duration = Duration::from_millis(1_800);

/// Where one contender runs, once.
pub(crate) struct Backlog<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) input: &'a str,
    pub(crate) records: u64,
    /// Its name; those of its topics begin with it.
    pub(crate) app: String,
}

impl Backlog<'_> {
    /// `tape process` with these settings. Its topics and its state are still there afterwards.
    pub(crate) fn tape(&self, settings: &[(&str, &str)]) -> Result<(Tape, Figures)> {
        let tape = Tape::new(self.rig, &self.app, self.input, settings)?;
        tape.create_topics()?;
        let written = self.written();
        let mut contender = tape.start("process")?;
        let mut figures = self.watch(&mut contender, Some(tape.group()), &tape.topic("aggregates"))?;
        let metrics = tape.metrics()?;
        let metric =
            |name: &str| metrics.get(&format!("tape_processor_{name}_total")).copied().unwrap_or(0.0);
        contender.stop()?;
        figures.insert("commits".to_owned(), metric("commits"));
        figures.insert("rows".to_owned(), metric("open_rows") + metric("final_rows"));
        figures.insert("state".to_owned(), meter::bytes_below(&tape.state, "") as f64 / 1_048_576.0);
        self.count(&mut figures, written)?;
        Ok((tape, figures))
    }

    /// A peer with these arguments. Its topics and its state are still there afterwards.
    pub(crate) fn peer(&self, which: Which, args: &[(&str, &str)]) -> Result<(Peer, Figures)> {
        let peer = Peer::new(self.rig, which, &self.app, self.input, args);
        let partitions = i32::try_from(self.rig.parts(self.input)?.len())?;
        self.rig.create(&peer.output(), partitions)?;
        let written = self.written();
        let mut contender = Contender::start(peer.recipe(self.rig)?)?;
        // Flink commits offsets at checkpoints alone: its own word is the better clock.
        let group = (which == Which::Streams).then(|| self.app.clone());
        let mut figures = self.watch(&mut contender, group, &peer.output())?;
        contender.stop()?;
        figures.insert("state".to_owned(), meter::bytes_below(&peer.state, "") as f64 / 1_048_576.0);
        self.count(&mut figures, written)?;
        Ok((peer, figures))
    }

    /// A ceiling, which writes nothing.
    pub(crate) fn ceiling(&self, contender: &mut Contender) -> Result<Figures> {
        let (input, quiet) = (self.input, Duration::ZERO);
        let watch = Watch { rig: self.rig, contender, group: None, input, output: None, quiet };
        watch.run()?.figures().context("it did not finish")
    }

    /// Deletes its topics.
    pub(crate) fn clear(&self) -> Result<()> {
        self.rig.delete(&self.app)
    }

    fn watch(&self, contender: &mut Contender, group: Option<String>, output: &str) -> Result<Figures> {
        let (input, output) = (self.input, Some(output));
        let watch = Watch { rig: self.rig, contender, group, input, output, quiet: QUIET };
        watch.run()?.figures().context("it did not finish")
    }

    fn written(&self) -> f64 {
        meter::written(self.rig.broker).unwrap_or_default()
    }

    /// What stands in Kafka after a run, per record of the input.
    fn count(&self, figures: &mut Figures, written_before: f64) -> Result<()> {
        let records = self.records as f64;
        let (mut offsets, mut bytes) = (0, 0);
        for topic in self.rig.topics(&self.app)?.iter().filter(|topic| topic.contains("changelog")) {
            offsets += self.rig.ends(&self.rig.parts(topic)?)?;
            bytes += self.rig.bytes(topic)?;
        }
        if offsets > 0 {
            figures.insert("changelog".to_owned(), offsets as f64 / records);
            figures.insert("changelog_bytes".to_owned(), bytes as f64 / records);
        }
        figures.insert("disk".to_owned(), (self.written() - written_before) / records);
        Ok(())
    }
}
