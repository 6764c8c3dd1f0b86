use std::collections::BTreeMap;
use std::io;

use tape_analytics::{Alert, Effects, Record, Row, Scope, Settings, Task};
use tape_processor::codec;
use tape_proto::partition::partition;
use tape_proto::trade;

use super::super::entry::{AlertEntry, Cell, RowEntry};
use super::super::recompute::{IdleClosings, Recomputed, Replay};
use super::super::tables::Tables;
use super::{Report, Tally, run, tally};
use crate::backtest::Engine;

const PARTITIONS: i32 = 3;
/// Every so many records of the live side its input falls silent for a while.
const SILENCE_EVERY: usize = 700;
const SILENCE_MS: i64 = 90_000;
/// After all of the market, so that the guard rejects only what is decades ahead.
const APPENDED: i64 = 1_700_100_000_000;

/// What the live system would have made of a log: rows and alerts in the tables, and the log itself.
struct Live {
    tables: Tables,
    /// (partition, offset, key, value).
    log: Vec<(i32, i64, Vec<u8>, Vec<u8>)>,
}

/// Drives tasks as the processor does, with silences that close windows by the clock.
fn live() -> Live {
    let market = tape_oracle::Market {
        seed: 5,
        records: 5_000,
        symbols: 5,
        start_ms: 1_700_000_000_000,
        step_ms: 300,
    };
    let mut tasks: Vec<_> = (0..PARTITIONS).map(|_| (Task::new(Settings::default()), 0_i64)).collect();
    let (mut effects, mut log) = (Effects::default(), Vec::new());
    for (number, input) in market.inputs().into_iter().enumerate() {
        let (Some(key), Some(value)) = (input.key, input.value) else { continue };
        let of_key = partition(&key, PARTITIONS);
        let (task, next) = &mut tasks[of_key as usize];
        if number % SILENCE_EVERY == SILENCE_EVERY - 1 {
            task.idle(SILENCE_MS, *next, &mut effects);
        }
        if let Ok(trade) = trade::decode(Some(&key), Some(&value)) {
            let record = Record { trade: codec::trade(&trade), offset: *next, append_time: Some(APPENDED) };
            let _ = task.step(&record, &mut effects);
        }
        log.push((of_key, *next, key, value));
        *next += 1;
    }
    let mut rows = effects.rows;
    for (task, next) in &mut tasks {
        task.open_rows(Scope::All, *next, &mut rows);
    }
    let alerts = effects.alerts.iter().map(AlertEntry::from).collect();
    Live { tables: Tables { rows: rows.iter().map(RowEntry::from).collect(), alerts }, log }
}

fn recompute(live: &Live) -> Recomputed {
    let closings = IdleClosings::of(&live.tables.rows).by_partition(PARTITIONS);
    let mut replay = Replay::new(Engine::new(Settings::default(), PARTITIONS), closings);
    for (partition, offset, key, value) in &live.log {
        let record = tape_kafka::Record::detached("raw-trades", *partition, *offset, Some(key), Some(value));
        replay.take(&record.with_timestamp(APPENDED, true));
    }
    replay.finish()
}

fn counts(report: &Report) -> Vec<(&'static str, [usize; 4])> {
    let numbers = |tally: &Tally| [tally.equal, tally.different, tally.missing, tally.extra];
    report.tallies.iter().map(|tally| (tally.name, numbers(tally))).collect()
}

#[test]
fn an_undisturbed_system_has_no_differences() {
    let live = live();
    let report = run(&recompute(&live), &live.tables, 5);
    assert_eq!(report.differences(), 0, "{:?}", report.tallies);
    for (name, [equal, ..]) in counts(&report) {
        assert!(equal > 0 || name == "crosses closed by IDLE", "{name}: nothing was compared");
    }
}

#[test]
fn every_kind_of_damage_is_seen() {
    let clean = live();
    let recomputed = recompute(&clean);
    let report = |damage: &dyn Fn(&mut Tables)| {
        let mut tables = Tables { rows: clean.tables.rows.clone(), alerts: clean.tables.alerts.clone() };
        damage(&mut tables);
        run(&recomputed, &tables, 5)
    };
    let of = |report: &Report, name: &str| {
        let found = report.tallies.iter().find(|tally| tally.name == name);
        let found = found.unwrap_or_else(|| panic!("no tally {name}"));
        (found.different, found.missing, found.extra, found.examples.first().cloned().unwrap_or_default())
    };
    let nudged = report(&|tables| {
        let Cell::Double(volume) = &mut tables.rows[0].cells[7] else { panic!("a volume is never null") };
        *volume = volume.next_up();
    });
    let (different, missing, extra, example) = of(&nudged, "rows closed by RECORD");
    assert_eq!(
        (different, missing, extra, nudged.differences()),
        (1, 0, 0, 1),
        "the last bit of a double counts"
    );
    assert!(example.contains("total_volume is"), "{example}");

    let lost = report(&|tables| drop(tables.rows.remove(0)));
    assert_eq!(of(&lost, "rows closed by RECORD").1, 1);
    assert_eq!(lost.differences(), 1);

    let twice = report(&|tables| {
        let copy = RowEntry { symbol: "OTHER".to_owned(), ..tables.rows[0].clone() };
        tables.rows.push(copy);
    });
    assert_eq!(of(&twice, "rows closed by RECORD").2, 1);

    let lost = report(&|tables| drop(tables.alerts.remove(0)));
    assert_eq!(lost.differences(), 1);

    let changed = report(&|tables| tables.alerts[0].cells[1] = Cell::Null);
    assert_eq!(of(&changed, "alerts").0, 1);
}

#[test]
fn open_rows_are_compared_but_for_views_of_the_moment() {
    let live = live();
    let recomputed = recompute(&live);
    let with = |column: usize| {
        let mut tables = Tables { rows: live.tables.rows.clone(), alerts: live.tables.alerts.clone() };
        let open = tables.rows.iter_mut().rfind(|row| row.closing == super::Closing::Open);
        open.expect("the log ends with open windows").cells[column] = Cell::Integer(-7);
        run(&recomputed, &tables, 5).differences()
    };
    for (column, name) in super::ROW_COLUMNS.iter().enumerate() {
        let expected = usize::from(!super::OF_THE_MOMENT.contains(name));
        assert_eq!(with(column), expected, "{name}");
    }
}

#[test]
fn examples_are_limited() {
    let cells = [Cell::Integer(1), Cell::Null];
    let expected: BTreeMap<_, _> = (0..100).map(|key| (key, &cells[..])).collect();
    let tally = tally("things", &expected, &BTreeMap::new(), (&super::ALERT_COLUMNS, &[]), 3);
    assert_eq!((tally.missing, tally.examples.len()), (100, 3));
}

/// The collector keeps crosses of the clock apart from everything else.
#[test]
fn crosses_of_the_clock_are_kept_apart() {
    use crate::backtest::Sink;
    struct Nothing;
    impl Sink for Nothing {
        fn row(&mut self, _: &Row) -> io::Result<()> {
            Ok(())
        }
        fn alert(&mut self, _: &Alert) -> io::Result<()> {
            Ok(())
        }
    }
    let live = live();
    let recomputed = recompute(&live);
    let total = recomputed.alerts.len() + recomputed.idle_crosses.len();
    assert!(total >= live.tables.alerts.len());
    let mut engine = Engine::new(Settings::default(), 1);
    engine.close_idle(0, i64::MAX / 2, &mut Nothing).expect("an empty partition has nothing to close");
}
