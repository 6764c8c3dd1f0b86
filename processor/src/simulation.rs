//! Histories of a whole processor group on a simulated cluster, in one thread, from one seed.
//!
//! | file | holds |
//! |---|---|
//! | `fleet` | processes, the schedule, time, faults |
//! | `world`, `member` | the calls of a worker |
//! | `cluster`, `group` | the broker: logs, transactions, group |
//! | `disk` | stores, and what a crash leaves of them |
//! | `dice`, `weather` | chance that repeats, and how much goes wrong |
//!
//! The code under test is the processor's own: worker, tasks, commit, restore, recovery. In a history two or three processes
//! share two or three partitions of a rough little market. At any call a process may be killed (half of the time for longer than its
//! session), stand still, or see others go on inside the call; the broker goes away, answers are lost with or without the
//! deed, disks lose what was not flushed, are damaged or lost; members are fenced, revoked and given partitions in rounds.
//! Then all faults end, and everything must come to rest at the oracle's answer: each final row, alert, dead letter and late
//! record once, in order, and every store a prefix of the committed changelog.
//!
//! A seed that fails is printed; `SIMULATION_SEED=n cargo test -p tape-processor simulation` runs it alone.

mod cluster;
mod dice;
mod disk;
mod fleet;
mod group;
mod member;
mod weather;
mod world;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use tape_oracle::{Market, Oracle, Verdict};
use tape_proto::{aggregate, alert, dead_letter, partition};
use tape_service::Config;

use crate::commit::CommitOrder;
use cluster::{Cluster, Entry, Place};
use dice::Dice;
use disk::Snapshot;
use fleet::Sim;
use weather::Weather;

/// Time after which a calm system must have come to rest, ms.
const REST: u64 = 15 * 60_000;

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let settings = [
        ("APP_ID", "sim"),
        ("KAFKA_TOPIC_RAW_TRADES", "raw"),
        ("KAFKA_TOPIC_AGGREGATES", "aggregates"),
        ("KAFKA_TOPIC_ALERTS", "alerts"),
        ("KAFKA_TOPIC_LATE", "late"),
        ("KAFKA_TOPIC_DEAD_LETTERS", "dlq"),
        ("KAFKA_TOPIC_CHANGELOG", "changelog"),
        ("KAFKA_SESSION_TIMEOUT", "6s"),
        ("IDLE_TIMEOUT", "0"),
        ("ALERT_MIN_TRADES", "3"),
        ("HTTP_BIND_PROCESSOR", "off"),
        ("LOG_LEVEL", "debug"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Arc::new(Config::load(settings, None).expect("valid settings").config)
});

/// What a history came to.
#[derive(Debug)]
struct Outcome {
    faults: usize,
    rows: usize,
    alerts: usize,
    virtual_ms: u64,
}

/// Plays one history.
fn play(seed: u64, order: CommitOrder) -> Result<Outcome, String> {
    let mut dice = Dice::new(seed);
    let partitions = dice.pick(&[2, 3]);
    let market = Market {
        seed,
        records: dice.between(60, 220) as usize,
        symbols: dice.between(2, 6) as usize,
        start_ms: 1_700_000_000_000,
        step_ms: 6_000,
    };
    let (input, answer) = script(&market, partitions);
    let size = dice.pick(&[(1, 1), (2, 1), (3, 1), (2, 2)]);
    let weather = Weather::draw(&mut dice);
    let sim = Sim::new(dice, weather, Arc::clone(&CONFIG), order, input, size);
    sim.cluster.borrow_mut().group.partitions = partitions;

    run(&sim, |sim| sim.now_ms() > sim.storm)?;
    sim.calm_down();
    let calm_at = sim.now_ms();
    run(&sim, |sim| sim.is_done() || sim.now_ms() > calm_at + REST)?;
    if !sim.is_done() {
        return Err("does not come to rest".to_owned());
    }
    check_outputs(&sim.cluster.borrow(), &answer, partitions)?;
    check_stores(&sim)?;
    let rows = answer.oracles.iter().map(|oracle| oracle.rows.len()).sum();
    let alerts = answer.oracles.iter().map(|oracle| oracle.alerts.len()).sum();
    Ok(Outcome { faults: sim.faults(), rows, alerts, virtual_ms: sim.now_ms() })
}

fn run(sim: &Rc<Sim>, until: impl Fn(&Sim) -> bool) -> Result<(), String> {
    while !until(sim) {
        sim.run_one();
        sim.advance(1);
        if let Some(failure) = sim.failure.borrow().as_ref() {
            return Err(format!("a process stopped: {failure}"));
        }
    }
    Ok(())
}

/// What must come of a history.
struct Answer {
    /// By partition.
    oracles: Vec<Oracle>,
    /// Records that come too late for all their windows.
    late: usize,
}

/// The records to write, and what must come of them.
fn script(market: &Market, partitions: i32) -> (Vec<(Place, Entry)>, Answer) {
    let settings = tape_oracle::Settings { alert_min_trades: 3, ..tape_oracle::Settings::default() };
    let count = usize::try_from(partitions).expect("few");
    let mut oracles = vec![Oracle::new(settings); count];
    let mut offsets = vec![0; count];
    let closing = (0..partitions).map(|wanted| {
        let lands = |symbol: &String| partition::partition(symbol.as_bytes(), partitions) == wanted;
        market.closing(&(0..).map(|n| format!("END{n}")).find(lands).expect("some name lands there"))
    });
    let (mut script, mut late) = (Vec::new(), 0);
    for input in market.inputs().into_iter().chain(closing) {
        let place = input.key.as_deref().map_or(0, |key| partition::partition(key, partitions));
        let at = usize::try_from(place).expect("not negative");
        // Upstream may write transactions, whose markers leave gaps.
        if offsets[at] % 17 == 5 {
            script.push((("raw".to_owned(), place), Entry { marker: true, ..Entry::default() }));
            offsets[at] += 1;
        }
        let record = tape_oracle::Record { offset: offsets[at], append_time: None, trade: input.trade };
        late += usize::from(oracles[at].step(&record) == Verdict::Late);
        offsets[at] += 1;
        let entry = Entry { key: input.key, value: input.value, ..Entry::default() };
        script.push((("raw".to_owned(), place), entry));
    }
    (script, Answer { oracles, late })
}

/// Rows and alerts by symbol, dead letters by their place: each once.
fn check_outputs(cluster: &Cluster, answer: &Answer, partitions: i32) -> Result<(), String> {
    let oracles = &answer.oracles;
    let mut rows = BTreeMap::<String, Vec<tape_oracle::Row>>::new();
    let values = |topic: &str| {
        let values = cluster.visible(&(topic.to_owned(), 0)).filter_map(|(_, entry)| entry.value.as_deref());
        values.map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    for value in values("aggregates") {
        let row = tape_harness::outputs::row(&aggregate::decode(&value).map_err(|error| error.to_string())?);
        if row.is_final {
            rows.entry(row.symbol.clone()).or_default().push(row);
        }
    }
    let mut alerts = BTreeMap::<String, Vec<tape_oracle::Alert>>::new();
    for value in values("alerts") {
        let alert = tape_harness::outputs::alert(&alert::decode(&value).map_err(|error| error.to_string())?);
        alerts.entry(alert.symbol.clone()).or_default().push(alert);
    }
    compare("final rows", &rows, &tape_harness::final_rows(oracles))?;
    compare("alerts", &alerts, &tape_harness::alerts_by_symbol(oracles))?;
    let late = cluster.visible(&("late".to_owned(), 0)).count();
    if late != answer.late {
        return Err(format!("{late} late records instead of {}", answer.late));
    }
    check_letters(cluster, partitions)
}

/// Names the first difference.
fn compare<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &BTreeMap<String, Vec<T>>,
    wanted: &BTreeMap<String, Vec<T>>,
) -> Result<(), String> {
    for symbol in found.keys().chain(wanted.keys()) {
        let (found, wanted) = (found.get(symbol), wanted.get(symbol));
        let (found, wanted) = (found.map_or(&[][..], Vec::as_slice), wanted.map_or(&[][..], Vec::as_slice));
        let same = found.iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
        if same < found.len().max(wanted.len()) {
            let (found_at, wanted_at) = (found.get(same), wanted.get(same));
            let counts = (found.len(), wanted.len());
            return Err(format!(
                "{what} of {symbol}: {} instead of {}; number {same} is {found_at:?} instead of {wanted_at:?}",
                counts.0, counts.1
            ));
        }
    }
    Ok(())
}

/// Every record that is poison has one dead letter.
fn check_letters(cluster: &Cluster, partitions: i32) -> Result<(), String> {
    let header = |entry: &Entry, name: &str| {
        let found = entry.headers.iter().find(|(found, _)| found == name);
        found.and_then(|(_, value)| String::from_utf8(value.clone()?).ok()?.parse::<i64>().ok())
    };
    let mut letters: Vec<_> = cluster
        .visible(&("dlq".to_owned(), 0))
        .map(|(_, entry)| (header(entry, dead_letter::PARTITION), header(entry, dead_letter::OFFSET)))
        .collect();
    letters.sort_unstable();
    let mut wanted = Vec::new();
    for partition in 0..partitions {
        for (offset, entry) in cluster.visible(&("raw".to_owned(), partition)) {
            if tape_proto::trade::decode(entry.key.as_deref(), entry.value.as_deref()).is_err() {
                wanted.push((Some(i64::from(partition)), Some(offset)));
            }
        }
    }
    // One kind of poison decodes and lies in the future.
    letters.retain(|letter| wanted.contains(letter));
    if letters == wanted { Ok(()) } else { Err("dead letters are missing or doubled".to_owned()) }
}

/// The disk holds only committed state: each store is what the committed changelog says up to the store's offset.
fn check_stores(sim: &Sim) -> Result<(), String> {
    let (cluster, mut wrong) = (sim.cluster.borrow(), None);
    sim.each_folder(|partition, folder| {
        let store = folder.applied();
        let mut replayed = Snapshot { next: store.next, ..Snapshot::default() };
        for (offset, entry) in cluster.visible(&("changelog".to_owned(), partition)) {
            if offset >= store.next.unwrap_or(0) {
                break;
            }
            let key = entry.key.clone().unwrap_or_default();
            match &entry.value {
                Some(value) => drop(replayed.content.insert(key, value.clone())),
                None => drop(replayed.content.remove(&key)),
            }
        }
        if replayed != *store && !folder.is_damaged {
            wrong = Some(format!("the store of partition {partition} is not a prefix of the changelog"));
        }
    });
    wrong.map_or(Ok(()), Err)
}

mod tests {
    use std::cell::Cell;
    use std::ops::{AddAssign, Range};
    use std::sync::Arc;

    use super::{CONFIG, CommitOrder, Dice, Market, Outcome, Sim, Weather, check_outputs, play, run, script};

    /// What many histories came to.
    #[derive(Debug, Default)]
    struct Total {
        histories: u64,
        faults: usize,
        rows: usize,
        alerts: usize,
        virtual_hours: f64,
    }

    impl AddAssign<Outcome> for Total {
        fn add_assign(&mut self, outcome: Outcome) {
            self.histories += 1;
            self.faults += outcome.faults;
            self.rows += outcome.rows;
            self.alerts += outcome.alerts;
            self.virtual_hours += outcome.virtual_ms as f64 / 3.6e6;
        }
    }

    /// Plays these seeds on all cores, up to the first one that fails on each.
    fn play_all(seeds: &Range<u64>, order: CommitOrder) -> (Total, Option<(u64, String)>) {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = |thread: usize| {
            let seeds = seeds.clone().skip(thread).step_by(threads);
            std::thread::spawn(move || {
                let mut total = Total::default();
                for seed in seeds {
                    match std::panic::catch_unwind(|| play(seed, order)) {
                        Ok(Ok(outcome)) => total += outcome,
                        Ok(Err(why)) => return (total, Some((seed, why))),
                        Err(_) => return (total, Some((seed, "a panic".to_owned()))),
                    }
                }
                (total, None)
            })
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        let (mut total, mut failure) = (Total::default(), None);
        for share in shares {
            let (part, failed) = share.join().expect("panics are caught");
            total.histories += part.histories;
            total.faults += part.faults;
            total.rows += part.rows;
            total.alerts += part.alerts;
            total.virtual_hours += part.virtual_hours;
            failure = failure.into_iter().chain(failed).min();
        }
        (total, failure)
    }

    #[test]
    fn ten_thousand_histories_end_at_the_oracle() {
        if let Ok(seed) = std::env::var("SIMULATION_SEED") {
            // The whole story, with the simulation's own lines.
            let _ = tape_service::logs::init(&CONFIG.log);
            let outcome = play(seed.parse().expect("a number"), CommitOrder::Right);
            eprintln!("seed {seed}: {outcome:?}");
            assert!(outcome.is_ok());
            return;
        }
        let (total, failure) = play_all(&(0..10_000), CommitOrder::Right);
        eprintln!("{total:?}");
        assert_eq!(failure, None, "SIMULATION_SEED=n runs one seed alone");
        // The weather was bad enough, and something was computed in it.
        assert!(total.faults > 100_000 && total.rows > 500_000 && total.alerts > 20_000, "{total:?}");
    }

    #[test]
    fn broken_commit_orders_are_seen() {
        for order in [CommitOrder::StateFirst, CommitOrder::OffsetsOutside] {
            let (_, failure) = play_all(&(0..500), order);
            assert!(failure.is_some(), "{order:?} went unseen");
        }
    }

    /// A dead process has left a transaction open that holds the offset of one partition back.
    #[test]
    fn a_restore_that_must_wait_holds_nobody_up() {
        let market =
            Market { seed: 5, records: 200, symbols: 6, start_ms: 1_700_000_000_000, step_ms: 6_000 };
        let (input, answer) = script(&market, 2);
        let calm = Weather { crash: 0, stall: 0, hiccup: 0, outage: 0, slow: 0 };
        let sim = Sim::new(Dice::new(5), calm, Arc::clone(&CONFIG), CommitOrder::Right, input, (1, 1));
        sim.cluster.borrow_mut().group.partitions = 2;
        let open_until = 60_000;
        let orphan = sim.cluster.borrow_mut().begin("somebody-else", open_until);
        sim.cluster.borrow_mut().add_offsets(orphan, [(1, 0)].into_iter());
        let end = |partition| sim.cluster.borrow().end(&("raw".to_owned(), partition));
        let committed = |partition| sim.cluster.borrow().committed.get(&partition).copied();

        // The longest stretch in which the other partition had input and committed none of it.
        let (seen, since, longest) = (Cell::new(None), Cell::new(sim.now_ms()), Cell::new(0));
        run(&sim, |sim| {
            let now = sim.now_ms();
            // The last offset may be that of a transaction marker, which brings nothing to commit.
            let is_idle = committed(0) >= Some(end(0) - 1);
            if committed(0) != seen.replace(committed(0)) || is_idle {
                since.set(now);
            }
            longest.set(longest.get().max(now - since.get()));
            now > open_until
        })
        .expect("nothing fails");
        assert_eq!(committed(1), None, "the offset is still held");
        assert!(committed(0) > Some(end(0) / 2), "{:?} of {}", committed(0), end(0));
        assert!(longest.get() < 500, "{} ms without a commit", longest.get());
        sim.calm_down();
        run(&sim, Sim::is_done).expect("nothing fails");
        check_outputs(&sim.cluster.borrow(), &answer, 2).expect("equal to the oracle");
    }

    #[test]
    fn a_seed_gives_one_history() {
        for seed in 0..20 {
            let outcomes = [0; 2].map(|_| format!("{:?}", play(seed, CommitOrder::Right)));
            assert_eq!(outcomes[0], outcomes[1]);
        }
    }
}
