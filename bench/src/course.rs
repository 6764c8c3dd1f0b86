//! The course of a run over a backlog, and the figures that follow from it. Pure.

use std::collections::BTreeMap;

use crate::meter::Reading;

/// The first part of the records warms everybody up and is in no steady figure.
const WARM_UP: f64 = 0.2;

/// Numbers by name.
pub(crate) type Figures = BTreeMap<String, f64>;

/// A look at a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Seconds since the process was started.
    pub(crate) at: f64,
    /// Records done.
    pub(crate) records: u64,
    /// Offsets of the output, as a read_committed reader sees it.
    pub(crate) rows: i64,
    /// The contender says that it is done, or needs not say it.
    pub(crate) done: bool,
    pub(crate) client: Reading,
    /// Processor seconds of the broker.
    pub(crate) broker: f64,
}

/// Looks at a run, in order.
pub(crate) struct Course {
    pub(crate) samples: Vec<Sample>,
    pub(crate) total: u64,
    /// Progress is what the contender says, not what it has committed: then it may wait for its next checkpoint with nothing
    /// left to do, and that is no part of its rate.
    pub(crate) said: bool,
}

impl Course {
    /// The first look at which everything was done and visible.
    pub(crate) fn finish(&self) -> Option<&Sample> {
        let rows = self.samples.last()?.rows;
        self.samples.iter().find(|sample| sample.done && sample.records >= self.total && sample.rows == rows)
    }

    /// Rates in millions a second, processor time in µs per record, memory in MiB, times in seconds.
    ///
    /// | figure | over |
    /// |---|---|
    /// | `rate`, `cpu`, `broker` | from a fifth of the records until everything is committed and visible; the rate of one that only says what it has done: until it says so |
    /// | `rate_whole`, `cpu_whole`, `seconds` | from the start of the process |
    /// | `first` | until the first record was done |
    pub(crate) fn figures(&self) -> Option<Figures> {
        let finish = self.finish()?;
        let warm = (self.total as f64 * WARM_UP) as u64;
        let begin = self.samples.iter().find(|sample| sample.records >= warm.max(1))?;
        let first = self.samples.iter().find(|sample| sample.records > 0)?;
        let (start, total) = (self.samples.first()?, self.total as f64);
        let end =
            if self.said { self.samples.iter().find(|sample| sample.records >= self.total)? } else { finish };
        let (seconds, records) = (end.at - begin.at, finish.records.saturating_sub(begin.records) as f64);
        let mut figures = Figures::from([
            ("rate_whole".to_owned(), total / finish.at / 1e6),
            ("cpu_whole".to_owned(), finish.client.cpu / total * 1e6),
            ("broker_whole".to_owned(), (finish.broker - start.broker) / total * 1e6),
            ("seconds".to_owned(), finish.at),
            ("first".to_owned(), first.at),
            ("peak".to_owned(), finish.client.peak),
        ]);
        // A run so short that it jumps from nothing to its end has no steady part.
        if seconds > 0.0 && records > 0.0 {
            figures.insert("rate".to_owned(), records / seconds / 1e6);
            figures.insert("cpu".to_owned(), (finish.client.cpu - begin.client.cpu) / records * 1e6);
            figures.insert("broker".to_owned(), (finish.broker - begin.broker) / records * 1e6);
        }
        Some(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::{Course, Sample};
    use crate::meter::Reading;

    fn sample(at: f64, records: u64, rows: i64, cpu: f64) -> Sample {
        let client = Reading { cpu, peak: at };
        Sample { at, records, rows, done: true, client, broker: cpu / 10.0 }
    }

    #[test]
    fn figures_leave_the_warm_up_out() {
        let samples = vec![
            sample(1.0, 0, 0, 1.0),
            sample(2.0, 200, 1, 2.0),
            sample(3.0, 600, 2, 3.0),
            sample(4.0, 1_000, 2, 3.5),
            sample(5.0, 1_000, 3, 4.0),
            sample(6.0, 1_000, 3, 4.1),
        ];
        let said =
            Course { samples: samples.clone(), total: 1_000, said: true }.figures().expect("it has finished");
        assert!((said["rate"] - 800.0 / 2.0 / 1e6).abs() < 1e-12 && said["seconds"] == 5.0);
        let figures = Course { samples, total: 1_000, said: false }.figures().expect("it has finished");
        assert_eq!(figures["seconds"], 5.0, "rows became visible later than the records");
        assert!((figures["rate"] - 800.0 / 3.0 / 1e6).abs() < 1e-12);
        assert!((figures["cpu"] - 2.0 / 800.0 * 1e6).abs() < 1e-6);
        assert!((figures["cpu_whole"] - 4_000.0).abs() < 1e-6 && figures["first"] == 2.0);
    }

    #[test]
    fn an_unfinished_run_has_no_figures() {
        assert!(Course { samples: vec![sample(1.0, 5, 0, 1.0)], total: 10, said: false }.figures().is_none());
    }
}
