//! The whole way of a trade, with its processes killed: what stands in Kafka and PostgreSQL equals the oracle's answer.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tape_harness::{Bench, Tables, alerts_by_symbol, closing, expected, final_rows, wait_for};
use tape_oracle::{Market, Settings};

/// A process of `tape` that does not outlive the test.
struct Process(Child, PathBuf);

impl Process {
    fn start(bench: &Bench, role: &str) -> Self {
        let log = bench.state.path().join(format!("{role}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_tape"))
            .arg(role)
            .env_clear()
            .envs(bench.environment(&[("LOG_LEVEL", "info")]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("tape starts");
        Process(child, log)
    }

    /// SIGKILL: nothing is flushed, nothing is said.
    fn kill(mut self) {
        self.0.kill().expect("it still runs");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.1).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("{}:\n{}", self.1.display(), lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// A number that differs from one call to the next, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).expect("31 bits fit") % end
    }
}

/// 300,000 trades with disorder, lateness and poison. The processor is killed five times while it reads, the sink twice.
#[test]
fn kills_change_nothing() {
    let bench = Bench::new("killed");
    bench.create_database();
    let market = Market { seed: 11, records: 300_000, symbols: 50, start_ms: 1_700_000_000_000, step_ms: 12 };
    let mut inputs = market.inputs();
    inputs.extend(closing(&market));
    let mut dice = Dice(11);

    let mut processor = Process::start(&bench, "process");
    let mut sink = Process::start(&bench, "sink");
    let chunks: Vec<_> = inputs.chunks(inputs.len() / 6 + 1).collect();
    for (number, chunk) in chunks.iter().enumerate() {
        bench.publish(chunk);
        if number == 0 {
            continue;
        }
        // Somewhere on the way through this chunk.
        let left = dice.below(i64::try_from(chunk.len()).expect("small"));
        wait_for("progress", || bench.lag().is_some_and(|lag| lag <= left));
        processor.kill();
        if number % 2 == 0 {
            sink.kill();
            sink = Process::start(&bench, "sink");
        }
        processor = Process::start(&bench, "process");
    }
    bench.drain();

    let partitions = expected(&inputs, &Settings::default());
    let (rows, alerts) = (final_rows(&partitions), alerts_by_symbol(&partitions));
    assert!(rows.values().map(Vec::len).sum::<usize>() > 1_000 && alerts.len() > 40);
    assert_eq!(bench.final_rows(), rows, "final rows in Kafka, each once and in order");
    assert_eq!(bench.alerts(), alerts, "alerts in Kafka, each once and in order");

    let tables = bench.tables();
    let wanted: Vec<_> = rows.values().flatten().map(Tables::row_line).collect();
    let final_in_table = || tables.rows().values().filter(|line| line["is_final"] == "true").count();
    wait_for("the sink to have written every final row", || final_in_table() >= wanted.len());
    let mut wanted_alerts: Vec<_> = alerts.values().flatten().map(Tables::alert_line).collect();
    wanted_alerts.sort_by(|a, b| (&a.0, a.2, &a.1, &a.3).cmp(&(&b.0, b.2, &b.1, &b.3)));
    wait_for("the sink to have written every alert", || tables.alerts().len() >= wanted_alerts.len());
    let (found, found_alerts) = (tables.rows(), tables.alerts());
    for (key, line) in wanted {
        assert_eq!(found.get(&key), Some(&line), "{key:?}");
    }
    assert_eq!(final_in_table(), rows.values().map(Vec::len).sum::<usize>());
    assert_eq!(found_alerts, wanted_alerts);
    drop((processor, sink));
}
