//! The recorder and its buckets.

use super::{install, render};

#[test]
fn installing_twice_and_at_once_is_one_recorder() {
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| install().is_ok())).collect();
    for thread in threads {
        assert!(thread.join().expect("no panic"), "every caller sees it installed");
    }
    ::metrics::counter!("tape_install_test_total").increment(2);
    install().expect("again");
    assert!(render().contains("tape_install_test_total 2\n"));
}

#[test]
fn every_histogram_has_classic_buckets() {
    install().expect("installed");
    ::metrics::histogram!("tape_test_seconds").record(0.008);
    ::metrics::histogram!("tape_test_bytes").record(5000.0);
    ::metrics::histogram!("tape_test_records").record(7.0);
    let text = render();
    for line in [
        "# TYPE tape_test_seconds histogram",
        "tape_test_seconds_bucket{le=\"0.0075\"} 0",
        "tape_test_seconds_bucket{le=\"0.01\"} 1",
        "tape_test_seconds_bucket{le=\"300\"} 1",
        "tape_test_seconds_bucket{le=\"+Inf\"} 1",
        "tape_test_seconds_count 1",
        "tape_test_bytes_bucket{le=\"4096\"} 0",
        "tape_test_bytes_bucket{le=\"16384\"} 1",
        "tape_test_records_bucket{le=\"3\"} 0",
        "tape_test_records_bucket{le=\"10\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
    }
    assert!(!text.contains("quantile="), "a summary: {text}");
}

#[test]
fn buckets_rise() {
    for buckets in [super::SECONDS, super::BYTES, super::COUNTS] {
        assert!(buckets.is_sorted_by(|left, right| left < right), "{buckets:?}");
    }
}
