//! Metrics of a role, read back from their Prometheus text: what is shown and judged is what a dashboard would show.

use std::collections::BTreeMap;

/// Series by metric name: labels as they stand in the text, and the value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Gauges {
    series: BTreeMap<String, Vec<(String, f64)>>,
}

impl Gauges {
    /// Reads the text format; lines that are no series are passed over.
    pub(crate) fn parse(text: &str) -> Self {
        let mut gauges = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.trim_end_matches('}')),
                None => (series, ""),
            };
            gauges.series.entry(name.to_owned()).or_default().push((labels.to_owned(), value));
        }
        gauges
    }

    /// Sum over all labels; 0 for a metric that is not there.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let values = self.of(name).iter().map(|(_, value)| value).filter(|value| value.is_finite());
        // The empty sum of floats is -0, which would be shown.
        values.sum::<f64>() + 0.0
    }

    /// Value for each value of one label.
    pub(crate) fn by_label(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (labels, value) in self.of(name) {
            if let Some(key) = label_value(labels, label) {
                *sums.entry(key.to_owned()).or_default() += value;
            }
        }
        sums
    }

    /// A quantile (0 to 1) of what a histogram has recorded since `before`, from its buckets: the upper bound of the bucket
    /// in which it lies, infinite beyond the last one. `None`: nothing was recorded.
    pub(crate) fn quantile_since(&self, before: &Self, name: &str, quantile: f64) -> Option<f64> {
        let (now, before) = (self.buckets(name), before.buckets(name));
        let count =
            |bound: &str, buckets: &BTreeMap<String, f64>| buckets.get(bound).copied().unwrap_or_default();
        let mut grown: Vec<(f64, f64)> = now
            .keys()
            .filter_map(|bound| Some((bound_of(bound)?, count(bound, &now) - count(bound, &before))))
            .collect();
        grown.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let total = grown.last().map(|(_, count)| *count).filter(|total| *total > 0.0)?;
        grown.iter().find(|(_, count)| *count >= total * quantile).map(|(bound, _)| *bound)
    }

    /// Cumulative counts of a histogram by upper bound, over all other labels.
    fn buckets(&self, name: &str) -> BTreeMap<String, f64> {
        self.by_label(&format!("{name}_bucket"), "le")
    }

    fn of(&self, name: &str) -> &[(String, f64)] {
        self.series.get(name).map_or(&[], Vec::as_slice)
    }
}

fn label_value<'a>(labels: &'a str, label: &str) -> Option<&'a str> {
    labels.split(',').find_map(|pair| pair.trim().strip_prefix(label)?.strip_prefix("=\"")?.strip_suffix('"'))
}

fn bound_of(text: &str) -> Option<f64> {
    if text == "+Inf" { Some(f64::INFINITY) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::Gauges;

    const TEXT: &str = "\
# HELP a_total of things
# TYPE a_total counter
a_total{type=\"x\",worker=\"0\"} 3
a_total{type=\"y\",worker=\"0\"} 4
a_total{type=\"x\",worker=\"1\"} 10
b 1.5e3
c NaN
s_bucket{le=\"0.1\"} 2
s_bucket{le=\"0.5\"} 9
s_bucket{le=\"+Inf\"} 10
s_count 10
broken
";

    #[test]
    fn series_are_summed_and_told_apart() {
        let gauges = Gauges::parse(TEXT);
        assert_eq!(
            (gauges.sum("a_total"), gauges.sum("b"), gauges.sum("c"), gauges.sum("d")),
            (17.0, 1500.0, 0.0, 0.0)
        );
        assert!(gauges.sum("d").is_sign_positive());
        let by_type: Vec<_> = gauges.by_label("a_total", "type").into_iter().collect();
        assert_eq!(by_type, [("x".to_owned(), 13.0), ("y".to_owned(), 4.0)]);
    }

    #[test]
    fn quantiles_come_from_what_was_recorded_since() {
        let now = Gauges::parse(TEXT);
        let quantile = |before: &Gauges, quantile| now.quantile_since(before, "s", quantile);
        let nothing = Gauges::default();
        assert_eq!(
            [0.1, 0.5, 0.9, 0.99].map(|q| quantile(&nothing, q)),
            [Some(0.1), Some(0.5), Some(0.5), Some(f64::INFINITY)]
        );
        let before =
            Gauges::parse("s_bucket{le=\"0.1\"} 2\ns_bucket{le=\"0.5\"} 2\ns_bucket{le=\"+Inf\"} 2\n");
        assert_eq!(quantile(&before, 0.1), Some(0.5), "the first two are from before");
        assert_eq!(quantile(&now, 0.5), None, "nothing since");
        assert_eq!(now.quantile_since(&nothing, "t", 0.5), None);
    }
}
