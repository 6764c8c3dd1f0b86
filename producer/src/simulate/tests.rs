use std::collections::BTreeMap;

use proptest::prelude::*;
use tape_proto::partition::partition;
use tape_proto::trade::{EVENT_TIME_MAX, decode};

use super::*;

const PARTITIONS: i32 = 3;
/// 2026-01-05 12:00:00 UTC.
const NOON: i64 = 1_767_614_400_000;
const MINUTE: i64 = 60_000;

#[derive(Debug, Clone, PartialEq)]
struct Logged {
    partition: i32,
    number: u64,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    event_time: i64,
}

fn market(seconds: i64) -> Market {
    Market { end: Some(NOON + seconds * 1000), ..Market::default() }.with_symbols(&["AAPL".to_owned()])
}

/// Runs to the end with a clock that is far ahead.
fn run(market: &Market, start: i64, cursor: Cursor) -> (Vec<Logged>, Simulation) {
    let mut simulation = Simulation::new(market, start, Format::Json, cursor);
    let mut log = Vec::new();
    loop {
        match simulation.poll(i64::MAX) {
            Poll::Record(record) => log.push(Logged {
                partition: partition(record.key, PARTITIONS),
                number: record.number,
                key: record.key.to_vec(),
                value: record.value.map(<[u8]>::to_vec),
                event_time: record.event_time,
            }),
            Poll::Wait(_) => {}
            Poll::End => return (log, simulation),
        }
    }
}

fn whole(market: &Market) -> Vec<Logged> {
    run(market, NOON, Cursor::fresh(PARTITIONS as usize)).0
}

#[test]
fn the_same_market_trades_the_same() {
    let first = whole(&market(30));
    assert_eq!(first, whole(&market(30)));
    assert_ne!(first, whole(&Market { seed: 2, ..market(30) }));
    assert!(
        first.iter().map(|record| record.number).is_sorted_by(|before, next| before < next),
        "numbers grow"
    );
}

#[test]
fn where_it_begins_changes_nothing_that_follows() {
    let all = whole(&market(60));
    let (later, _) = run(&market(60), NOON + 20_000, Cursor::fresh(3));
    let from = all.iter().position(|record| record.number == later[0].number).unwrap();
    assert_eq!(all[from..], later);
}

/// A change here changes every demo and breaks the resume of running ones.
#[test]
fn its_first_records_stay_as_they_are() {
    let log = whole(&market(1));
    let first: Vec<_> =
        log[..2].iter().map(|record| String::from_utf8(record.value.clone().unwrap()).unwrap()).collect();
    assert_eq!(first, GOLDEN_VALUES);
    assert_eq!(log[0].number, (NOON as u64 / 1000) << PLACE_BITS);
    assert_eq!(market(1).source_id(), GOLDEN_ID);
}

const GOLDEN_VALUES: [&str; 2] = [
    r#"{"symbol":"TSLA","price":340.02,"volume":19,"timestamp":1767614400006}"#,
    r#"{"symbol":"TSLA","price":340.01,"volume":13,"timestamp":1767614400008}"#,
];
const GOLDEN_ID: &str = "simulate-fb01f391f9d82bc5";

#[test]
fn it_looks_like_a_market() {
    let market = market(7200);
    let log = whole(&market);
    let per_second = log.len() as f64 / 7200.0;
    assert!((150.0..300.0).contains(&per_second), "{per_second} trades per second of 200 asked for");
    let mut times: BTreeMap<&[u8], Vec<i64>> = BTreeMap::new();
    for record in &log {
        let trade = decode(Some(&record.key), record.value.as_deref()).unwrap();
        assert_eq!(trade.event_time, record.event_time);
        times.entry(&record.key).or_default().push(record.event_time);
    }
    assert_eq!(times.len(), 8, "every symbol trades");
    for (symbol, times) in times {
        let out_of_order =
            times.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64 / times.len() as f64;
        assert!((0.005..0.1).contains(&out_of_order), "{symbol:?}: {out_of_order} out of order");
        let mut latest = 0;
        for time in times {
            latest = latest.max(time);
            assert!(latest - time <= 2000 + 1000, "{symbol:?}: {} ms late", latest - time);
        }
    }
}

/// Prices and volumes move so that there is something to see: of each symbol the five-minute average turns several times in
/// two hours, and some windows, not all, pass the default `HIGH_VOLUME_THRESHOLD`.
#[test]
fn trends_turn_and_volumes_burst() {
    let mut minutes: BTreeMap<(Vec<u8>, i64), (f64, f64, f64)> = BTreeMap::new();
    for record in whole(&market(7200)) {
        let trade = decode(Some(&record.key), record.value.as_deref()).unwrap();
        let minute = minutes.entry((record.key.clone(), record.event_time / MINUTE)).or_default();
        minute.0 += trade.price as f64;
        minute.1 += 1.0;
        minute.2 += trade.size as f64 / 1e9;
    }
    let (mut turns, mut windows, mut high) = (0, 0, 0);
    for symbol in market(1).symbols {
        let of_symbol: Vec<_> = minutes
            .iter()
            .filter(|((key, _), _)| key == symbol.as_bytes())
            .map(|(_, minute)| *minute)
            .collect();
        let averages: Vec<f64> = of_symbol
            .windows(5)
            .map(|window| {
                window.iter().map(|minute| minute.0).sum::<f64>()
                    / window.iter().map(|minute| minute.1).sum::<f64>()
            })
            .collect();
        let sides: Vec<_> =
            averages.windows(5).map(|five| five[4] * 5.0 > five.iter().sum::<f64>()).collect();
        turns += sides.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let volumes = of_symbol.windows(5).map(|window| window.iter().map(|minute| minute.2).sum::<f64>());
        for volume in volumes {
            windows += 1;
            high += i32::from(volume > 1e6);
        }
    }
    assert!((20..200).contains(&turns), "{turns} turns of the trend over 8 symbols in 2 hours");
    assert!(high > 10 && high < windows / 3, "{high} of {windows} windows have a high volume");
}

#[test]
fn late_trades_and_poison_come_when_asked_for() {
    let market = Market { late_share: 0.01, poison_share: 0.02, ..market(300) };
    let log = whole(&market);
    let share = |count: usize| count as f64 / log.len() as f64;
    let (mut late, mut rejects) = (0, BTreeMap::<_, usize>::new());
    for record in &log {
        let arrival = (record.number >> PLACE_BITS) as i64 * 1000;
        late += usize::from(arrival - record.event_time > LATE_MIN_MS - 1000);
        match decode(Some(&record.key), record.value.as_deref()) {
            Ok(trade) if trade.event_time == EVENT_TIME_MAX => *rejects.entry("future").or_default() += 1,
            Ok(_) => {}
            Err(reject) => *rejects.entry(reject.code()).or_default() += 1,
        }
    }
    assert!((0.007..0.013).contains(&share(late)), "{late} late of {}", log.len());
    let poison = rejects.values().sum();
    assert!((0.016..0.024).contains(&share(poison)), "{poison} poison of {}", log.len());
    assert!(rejects.len() >= 11, "many ways: {rejects:?}");
}

#[test]
fn a_partition_that_nobody_trades_in_holds_nothing_back() {
    let market = Market { symbols: vec!["AAPL".to_owned()], ..market(3600) };
    let mine = partition(b"AAPL", PARTITIONS) as usize;
    let mut last = vec![None; 3];
    last[mine] = Some(((NOON / 1000 + 3590) as u64) << PLACE_BITS);
    let (rest, simulation) = run(&market, NOON, Cursor::new(last));
    assert!(simulation.skipped() < 2000, "{} read again", simulation.skipped());
    assert!(!rest.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whole = cut anywhere, each partition where it likes, and continued.
    #[test]
    fn a_simulation_that_is_continued_equals_one_that_was_not_cut(
        seed in 0_u64..1000,
        cuts in proptest::array::uniform3(0.0_f64..1.0),
        poison_share in prop_oneof![Just(0.0), Just(0.1)],
    ) {
        let market = Market { seed, poison_share, late_share: 0.05, ..market(20) };
        let mut partitions: Vec<Vec<Logged>> = vec![Vec::new(); PARTITIONS as usize];
        for record in whole(&market) {
            partitions[record.partition as usize].push(record);
        }
        let mut log: Vec<Vec<Logged>> = partitions
            .iter()
            .zip(cuts)
            .map(|(records, cut)| records[..(records.len() as f64 * cut) as usize].to_vec())
            .collect();
        let last = log.iter().map(|records| records.last().map(|record| record.number)).collect();
        let (rest, _) = run(&market, NOON, Cursor::new(last));
        for record in rest {
            log[record.partition as usize].push(record);
        }
        prop_assert_eq!(log, partitions);
    }

    /// Whatever the clock does, nothing is given before it has happened, and the records are those of any other clock.
    #[test]
    fn it_never_passes_the_clock(ticks in proptest::collection::vec(-50_i64..400, 1..200)) {
        let market = market(20);
        let expected = whole(&market);
        let mut simulation = Simulation::new(&market, NOON, Format::Json, Cursor::fresh(3));
        let (mut now, mut given) = (NOON - 1000, 0);
        for tick in ticks {
            now += tick;
            loop {
                match simulation.poll(now) {
                    Poll::Record(record) => {
                        prop_assert!(record.event_time <= now, "{} at {now}", record.event_time);
                        prop_assert_eq!(record.number, expected[given].number);
                        given += 1;
                    }
                    Poll::Wait(until) => {
                        prop_assert!(until > now, "a live market waits for the future");
                        break;
                    }
                    Poll::End => {
                        prop_assert_eq!(given, expected.len());
                        break;
                    }
                }
            }
        }
    }
}
