//! The progress bar: bytes read of all, on stderr, only where a person looks at it.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The clock and the file positions are looked at once in so many records.
const RECORDS_PER_LOOK: u32 = 4096;

/// How often a bar without a known end turns.
const TICK: Duration = Duration::from_millis(100);

/// A bar, or nothing.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    records: u32,
}

impl Progress {
    /// `bytes`: how much there is to read, if known. `is_covered`: rows scroll over the terminal.
    pub(super) fn new(bytes: Option<u64>, is_covered: bool) -> Self {
        let is_seen = io::stderr().is_terminal() && !is_covered;
        Self { bar: is_seen.then(|| bar(bytes)), records: 0 }
    }

    /// A record was read.
    pub(super) fn turn(&mut self, bytes: impl FnOnce() -> u64) {
        let Some(bar) = &self.bar else { return };
        self.records += 1;
        if self.records == RECORDS_PER_LOOK {
            self.records = 0;
            bar.set_position(bytes());
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{wide_bar} {percent:>3} %  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {binary_bytes}  {binary_bytes_per_sec}  {elapsed}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}
