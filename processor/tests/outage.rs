//! A broker that is killed while the processor works, and comes back. A test program of its own, with one test: others must
//! not run meanwhile.

use tape_harness::{Bench, alerts_by_symbol, closing, expected, final_rows, servers, wait_for};
use tape_oracle::{Market, Settings};

#[test]
fn a_killed_broker_changes_nothing() {
    let bench = Bench::new("outage");
    let market = Market { seed: 21, records: 90_000, symbols: 20, start_ms: 1_700_000_000_000, step_ms: 30 };
    let mut inputs = market.inputs();
    inputs.extend(closing(&market));
    let processor = bench.start(&[]);
    for chunk in inputs.chunks(inputs.len() / 3 + 1) {
        bench.publish(chunk);
        // Somewhere in the middle of it.
        wait_for("progress", || bench.lag().is_some_and(|lag| lag < 20_000));
        servers::kafka("kill");
        servers::kafka("start");
    }
    bench.drain();
    processor.stop().expect("stops in order");

    let partitions = expected(&inputs, &Settings::default());
    assert_eq!(bench.final_rows(), final_rows(&partitions));
    assert_eq!(bench.alerts(), alerts_by_symbol(&partitions));
}
