//! Writes the reference page of all metrics to stdout (docs/metrics.md is its output).

use std::io::{self, Write};

use tape_service::metrics::{Metric, reference_markdown};

/// Every metric of the project, by subject.
pub(crate) const SUBJECTS: [(&str, &[Metric]); 5] = [
    ("Processor", tape_processor::METRICS),
    ("Sink", tape_sink::METRICS),
    ("Producer", tape_producer::METRICS),
    ("Producer: live feeds", tape_producer::LIVE_METRICS),
    ("Producer: backfill", tape_producer::BACKFILL_METRICS),
];

fn main() -> io::Result<()> {
    io::stdout().write_all(reference_markdown(&SUBJECTS).as_bytes())
}
