//! Metrics as tables: a crate writes down once what each of its metrics is. The recorder's help, docs/metrics.md and the tests read
//! the same lines.

use std::fmt::Write;

use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram};

const HEAD: &str = "\
# Metrics

<!-- Made from the tables of metrics in processor, sink and producer; a test compares. Change the tables, then run
     `cargo run --release -p tape --example metrics_reference > docs/metrics.md`. -->

Every role shows these on `/metrics` of its `HTTP_BIND_…` address, in the text format of Prometheus. A histogram has `_bucket`, `_sum`
and `_count`; the bounds of its buckets stand in `service/src/metrics.rs`. No metric has a label for a symbol.

- Gauges of a partition are 0 once the process has given the partition back, but for event times and the size of its last restore, which
  stay; the sink's lag and the connection of a cluster that is not wanted any more are NaN then.
- Counters without labels begin at 0; one with labels may appear with its first event.
- The last column names what an operator of Kafka Streams knows the same thing by.
";

/// What a metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// A value of now.
    Gauge,
    /// How often values lay where.
    Histogram,
}

/// A metric and everything that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// As Prometheus shows it; without the endings of a histogram.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one line.
    pub help: &'static str,
    /// The equivalent in Kafka Streams; empty: there is none.
    pub streams: &'static str,
}

impl Metric {
    /// A counter.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, labels: &[], help, streams: "" }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, labels: &[], help, streams: "" }
    }

    /// A histogram.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Histogram, labels: &[], help, streams: "" }
    }

    /// The same with labels.
    #[must_use]
    pub const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    /// The same with its equivalent in Kafka Streams.
    #[must_use]
    pub const fn like(self, streams: &'static str) -> Self {
        Self { streams, ..self }
    }

    /// The unit, which the name tells.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        match name.rsplit_once('_').map_or(name, |(_, last)| last) {
            "seconds" => "seconds",
            "bytes" => "bytes",
            _ => "count",
        }
    }

    /// Names of the series that it is shown as.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        match self.kind {
            Kind::Counter | Kind::Gauge => vec![self.name.to_owned()],
            Kind::Histogram => ["bucket", "sum", "count"].map(|end| format!("{}_{end}", self.name)).into(),
        }
    }
}

/// Gives the recorder the help of these, and begins the counters without labels at 0: a rate needs a value before the first event.
pub fn describe(metrics: &[Metric]) {
    for metric in metrics {
        match metric.kind {
            Kind::Counter => {
                describe_counter!(metric.name, metric.help);
                if metric.labels.is_empty() {
                    counter!(metric.name).increment(0);
                }
            }
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}

/// The page of all metrics as Markdown, a table for each subject.
#[must_use]
pub fn reference_markdown(subjects: &[(&str, &[Metric])]) -> String {
    let mut page = String::from(HEAD);
    for (title, metrics) in subjects {
        let _ = writeln!(page, "\n## {title}\n");
        page.push_str(
            "| Name | Type | Labels | Unit | Meaning | Kafka Streams |\n|---|---|---|---|---|---|\n",
        );
        for metric in *metrics {
            page.push_str(&row(metric));
        }
    }
    page
}

fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let labels = metric.labels.join(", ");
    let streams = metric.streams.split(", ").filter(|name| !name.is_empty());
    let streams = streams.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    format!("| `{}` | {kind} | {labels} | {} | {} | {streams} |\n", metric.name, metric.unit(), metric.help)
}
