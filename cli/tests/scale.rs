//! Processors with the identities of pods, under load: from one to three, a rolling restart, back to two. Nothing is lost, doubled or
//! changed, every stop is in order, and how long each partition stood still is shown.

mod role;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use role::{ASK, Role, committed, parts, tape_processor_group, until_empty};
use tape_harness::{
    Bench, DEADLINE, PARTITIONS, alerts_by_symbol, closing, expected, final_rows, place_of, wait_for,
};
use tape_kafka::{Isolation, Outgoing};
use tape_oracle::{Input, Market, Settings};

const SESSION: &str = "6s";
/// Records that are published at once, and how often: about 5,000 a second. The pace is the load, nothing is waited for.
const PORTION: usize = 500;
const PORTION_EVERY: Duration = Duration::from_millis(100);
/// How often the offsets are looked at: the resolution of what is measured.
const LOOK: Duration = Duration::from_millis(50);

struct Fleet<'a> {
    bench: &'a Bench,
    pods: BTreeMap<usize, Role>,
}

impl Fleet<'_> {
    fn start(&mut self, pod: usize) {
        let name = format!("tape-processor-{pod}");
        // As a volume of its own that follows the name.
        let state = self.bench.state.path().join(&name).display().to_string();
        let settings = [
            ("INSTANCE_ID", &*name),
            ("STATE_DIR", &state),
            ("WORKERS", "1"),
            ("KAFKA_SESSION_TIMEOUT", SESSION),
        ];
        self.pods.insert(pod, Role::start_as(&name, self.bench, &["process"], &settings));
    }

    /// SIGTERM; the exit code must be 0.
    fn stop(&mut self, pod: usize) {
        self.pods.remove(&pod).expect("it runs").stop();
    }

    /// Waits until these pods own all partitions, each at least one.
    fn settled(&self, pods: &[usize]) {
        let group = tape_processor_group(self.bench);
        let wanted: BTreeSet<String> = pods
            .iter()
            .map(|pod| format!("{}-tape-processor-{pod}-0", self.bench.config(&[]).app_id))
            .collect();
        wait_for("the partitions to be shared out", || {
            let Ok(Some(members)) = self.bench.admin.stable_members(&group, ASK) else { return false };
            let owners = members.iter().filter(|member| !member.parts.is_empty());
            let owners: BTreeSet<_> =
                owners.filter_map(|member| member.instance_id().map(str::to_owned)).collect();
            let owned: usize = members.iter().map(|member| member.parts.len()).sum();
            owners == wanted && owned == PARTITIONS as usize
        });
        let goal = self.ends();
        wait_for("each partition to go on", || {
            let reached = committed(self.bench);
            reached.iter().zip(&goal).all(|((_, at), goal)| at.is_some_and(|at| at >= *goal))
        });
    }

    fn ends(&self) -> Vec<i64> {
        ends(self.bench)
    }
}

fn ends(bench: &Bench) -> Vec<i64> {
    let input = &bench.config(&[]).topics.raw_trades;
    let ends = bench.admin.end_offsets(&parts(input), Isolation::ReadUncommitted, ASK).expect("ends");
    ends.into_iter().map(|(_, end)| end).collect()
}

/// The longest time that each partition stood still while it had something to read, since the last question.
struct Pauses {
    longest: Arc<std::sync::Mutex<Vec<Duration>>>,
}

impl Pauses {
    /// Looks until it is told that it is over.
    fn watch<'s>(scope: &'s thread::Scope<'s, '_>, bench: &'s Bench, is_over: &'s AtomicBool) -> Self {
        let longest = Arc::new(std::sync::Mutex::new(vec![Duration::ZERO; PARTITIONS as usize]));
        let seen = Arc::clone(&longest);
        scope.spawn(move || {
            let input = parts(&bench.config(&[]).topics.raw_trades);
            let observer = bench.admin.observer(&tape_processor_group(bench)).expect("an observer");
            let mut moved = vec![(Instant::now(), -1); PARTITIONS as usize];
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
                let (now, reached, ends) = (Instant::now(), observer.committed(&input, ASK), ends(bench));
                let mut longest = seen.lock().expect("nobody panics with it");
                for (partition, (_, at)) in reached.expect("offsets").iter().enumerate() {
                    let at = at.unwrap_or(0);
                    if at != moved[partition].1 || at >= ends[partition] {
                        moved[partition] = (now, at);
                    }
                    longest[partition] = longest[partition].max(now - moved[partition].0);
                }
            }
        });
        Self { longest }
    }

    fn tell(&self, what: &str) {
        let mut longest = self.longest.lock().expect("nobody panics with it");
        let shown: Vec<_> = longest.iter().map(|pause| format!("{:.1} s", pause.as_secs_f64())).collect();
        eprintln!("{what:32} partitions stood still for at most {}", shown.join(", "));
        longest.fill(Duration::ZERO);
    }
}

/// Publishes the market bit by bit until it is told that it is enough; then the rest at once. Returns everything.
fn feed(bench: &Bench, market: &Market, is_enough: &AtomicBool) -> Vec<Input> {
    let mut inputs = market.inputs();
    inputs.extend(closing(market));
    let config = bench.config(&[]);
    let topic = config.topics.raw_trades.as_str();
    // One for all portions: a client needs its time until it sends.
    let producer = bench.clients.producer(&config.producer).expect("a producer");
    for portion in inputs.chunks(PORTION) {
        for input in portion {
            let (key, value) = (input.key.as_deref(), input.value.as_deref());
            let partition = Some(place_of(input, PARTITIONS));
            let record = Outgoing { topic, partition, key, value, ..Outgoing::default() };
            while producer.send(&record).is_err() {}
        }
        if !is_enough.load(Ordering::Relaxed) {
            thread::sleep(PORTION_EVERY);
        }
    }
    producer.flush(DEADLINE).expect("everything is acknowledged");
    assert!(is_enough.load(Ordering::Relaxed), "the market lasts for the whole test");
    inputs
}

#[test]
fn replicas_come_and_go_under_load() {
    let bench = Bench::new("scale");
    let market = Market { seed: 3, records: 500_000, symbols: 60, start_ms: 1_700_000_000_000, step_ms: 5 };
    let (is_enough, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let inputs = thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(&bench, &market, &is_enough));
        let mut fleet = Fleet { bench: &bench, pods: BTreeMap::new() };
        fleet.start(0);
        fleet.settled(&[0]);
        let pauses = Pauses::watch(scope, &bench, &is_over);
        fleet.start(1);
        fleet.start(2);
        fleet.settled(&[0, 1, 2]);
        pauses.tell("from one to three");
        for pod in [2, 1, 0] {
            fleet.stop(pod);
            fleet.start(pod);
            fleet.settled(&[0, 1, 2]);
            pauses.tell(&format!("restart of pod {pod}"));
        }
        fleet.stop(2);
        fleet.settled(&[0, 1]);
        pauses.tell("from three to two");
        is_enough.store(true, Ordering::Relaxed);
        let inputs = feeding.join().expect("everything is published");
        bench.drain();
        is_over.store(true, Ordering::Relaxed);
        fleet.stop(1);
        fleet.stop(0);
        inputs
    });
    until_empty(&bench);

    let partitions = expected(&inputs, &Settings::default());
    assert_eq!(bench.final_rows(), final_rows(&partitions), "final rows, each once and in order");
    assert_eq!(bench.alerts(), alerts_by_symbol(&partitions), "alerts, each once and in order");
}
