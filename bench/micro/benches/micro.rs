//! The time that each workload takes an operation.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tape_micro::{WORKLOADS, Work, measured};

fn all(criterion: &mut Criterion) {
    for workload in WORKLOADS {
        let mut work = (workload.make)();
        work.arrange();
        let operations = work.run();
        let (group, name) = workload.name.split_once('/').expect("a name is group/name");
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(operations));
        group.bench_function(name, |bencher| bencher.iter_custom(|runs| time(&mut *work, runs)));
    }
}

/// The time of so many runs, without their preparation.
fn time(work: &mut dyn Work, runs: u64) -> Duration {
    let one = |_| {
        work.arrange();
        let start = Instant::now();
        measured(work);
        start.elapsed()
    };
    (0..runs).map(one).sum()
}

criterion_group! {
    name = micro;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    targets = all
}
criterion_main!(micro);
