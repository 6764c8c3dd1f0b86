use std::collections::BTreeMap;
use std::io;

use tape_analytics::{Alert, Reject, Row, Settings};
use tape_proto::partition::partition;
use tape_proto::trade::{self, Trade};

use super::{Engine, PARTITIONS_MAX, Place, Placed, Refusal, Sink, Unreadable};

#[derive(Default)]
struct Seen {
    rows: Vec<Row>,
    alerts: Vec<Alert>,
}

impl Sink for Seen {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.rows.push(row.clone());
        Ok(())
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        self.alerts.push(alert.clone());
        Ok(())
    }
}

fn at(partition: Option<i32>, offset: Option<i64>, append_time: Option<i64>) -> Place {
    Place { partition, offset, append_time }
}

fn accept(engine: &mut Engine, place: Place, symbol: &str, time: i64) -> Placed {
    let trade = Trade::plain(symbol, 1, 1, time);
    engine.accept(place, &trade, &mut Seen::default()).expect("memory can be written")
}

fn next_offset(engine: &Engine, partition: usize) -> i64 {
    engine.lanes.get(partition).map_or(0, |lane| lane.next_offset)
}

#[test]
fn records_are_placed_by_field_symbol_or_default() {
    let mut engine = Engine::new(Settings::default(), 3);
    let mut place = |place, symbol| {
        let placed = accept(&mut engine, place, symbol, 0);
        assert_eq!(placed.refusal, None);
        (placed.partition, placed.offset)
    };
    // Of three partitions A has the second, D the first (computed apart).
    assert_eq!(place(Place::default(), "A"), (1, 0));
    assert_eq!(place(Place::default(), "D"), (0, 0));
    assert_eq!(place(Place::default(), "A"), (1, 1));
    assert_eq!(place(at(Some(7), None, None), "A"), (7, 0));
    assert_eq!(place(at(Some(7), Some(40), None), "A"), (7, 40));
    assert_eq!(place(at(Some(7), None, None), "A"), (7, 41));
    assert_eq!(place(at(None, Some(9), None), "A"), (1, 9));
    assert_eq!(next_offset(&engine, 1), 10);
    assert_eq!(next_offset(&engine, 9), 0);
}

#[test]
fn unreadable_records_take_an_offset() {
    let mut engine = Engine::new(Settings::default(), 3);
    let mut refuse = |place, symbol| {
        let placed = engine.refuse(place, Unreadable { symbol, code: "bad_price" });
        (placed.partition, placed.offset)
    };
    assert_eq!(refuse(Place::default(), Some("A")), (1, 0));
    assert_eq!(refuse(Place::default(), None), (0, 0));
    assert_eq!(refuse(at(Some(1), Some(5), None), None), (1, 5));
    assert_eq!(accept(&mut engine, Place::default(), "A", 0).offset, 6);
    assert_eq!(engine.counts().records, 4);
    assert_eq!(engine.counts().rejected, BTreeMap::from([("bad_price", 3)]));
}

#[test]
fn what_no_log_holds_is_refused_and_moves_nothing() {
    let mut engine = Engine::new(Settings::default(), 1);
    assert_eq!(accept(&mut engine, at(None, Some(5), None), "A", 0).refusal, None);
    for (place, refusal) in [
        (at(None, Some(5), None), Refusal::Order { next: 6 }),
        (at(None, Some(0), None), Refusal::Order { next: 6 }),
        (at(Some(PARTITIONS_MAX), None, None), Refusal::Partition),
        (at(Some(-1), None, None), Refusal::Partition),
        (at(None, None, Some(-10_001)), Refusal::Logic(Reject::Future { ahead_ms: 10_001 })),
    ] {
        assert_eq!(accept(&mut engine, place, "A", 0).refusal, Some(refusal));
    }
    // A rejected record has its place in the log; one that is not in its order has none.
    assert_eq!(next_offset(&engine, 0), 7);
    assert_eq!(engine.counts().rejected.values().sum::<u64>(), 5);
}

#[test]
fn partitions_do_not_close_each_others_windows() {
    let settings = Settings { watermark_delay_ms: 0, max_future_ms: 0, ..Settings::default() };
    let mut engine = Engine::new(settings, 3);
    let mut seen = Seen::default();
    for (symbol, time) in [("A", 0), ("D", 1_000_000), ("A", 299_999)] {
        engine.accept(Place::default(), &Trade::plain(symbol, 1, 1, time), &mut seen).expect("memory");
    }
    assert!(seen.rows.iter().all(|row| row.window_start < 0), "only windows that end before A's last trade");
    let open = engine.open_rows();
    assert_eq!(open.iter().filter(|row| &*row.symbol == "A").count(), 5);
    engine.finish(&mut seen).expect("memory");
    let revisions: Vec<_> =
        seen.rows.iter().rev().take(6).map(|row| (row.symbol.to_string(), row.revision)).collect();
    assert_eq!(revisions[0], ("A".to_owned(), 2), "partition 1 is flushed after partition 0");
    assert_eq!(revisions[5], ("D".to_owned(), 1));
}

/// The engine against the naive implementation, on a rough market in three partitions.
#[test]
fn the_engine_agrees_with_the_oracle() {
    const PARTITIONS: i32 = 3;
    /// After all of the market, so that the guard rejects only what is decades ahead.
    const APPENDED: i64 = 1_700_100_000_000;
    let market = tape_oracle::Market {
        seed: 11,
        records: 6_000,
        symbols: 6,
        start_ms: 1_700_000_000_000,
        step_ms: 300,
    };
    let mut engine = Engine::new(Settings::default(), PARTITIONS);
    let mut seen = Seen::default();
    let mut oracles: Vec<_> =
        (0..PARTITIONS).map(|_| tape_oracle::Oracle::new(tape_oracle::Settings::default())).collect();
    for input in market.inputs() {
        let key = input.key.as_deref().unwrap_or_default();
        let of_key = partition(key, PARTITIONS);
        let offset = next_offset(&engine, of_key as usize);
        let record = tape_oracle::Record { offset, append_time: Some(APPENDED), trade: input.trade };
        oracles[of_key as usize].step(&record);
        let place = at(Some(of_key), None, Some(APPENDED));
        match trade::decode(input.key.as_deref(), input.value.as_deref()) {
            Ok(trade) => drop(engine.accept(place, &trade, &mut seen).expect("memory")),
            Err(reject) => drop(engine.refuse(place, Unreadable { symbol: None, code: reject.code() })),
        }
    }
    engine.finish(&mut seen).expect("memory");
    oracles.iter_mut().for_each(tape_oracle::Oracle::finish);
    let mut expected: Vec<_> = oracles
        .iter()
        .flat_map(|oracle| &oracle.rows)
        .map(|row| {
            (row.symbol.clone(), row.window_start, row.revision, row.total_volume, row.ma_5min, row.side)
        })
        .collect();
    let mut rows: Vec<_> = seen
        .rows
        .iter()
        .map(|row| {
            (row.symbol.to_string(), row.window_start, row.revision, row.total_volume, row.ma_5min, row.side)
        })
        .collect();
    expected.sort();
    rows.sort();
    assert!(rows.len() > 200, "the market closes windows: {}", rows.len());
    assert_eq!(rows, expected);
    let alerts: usize = oracles.iter().map(|oracle| oracle.alerts.len()).sum();
    assert!(alerts > 0, "the market has alerts");
    assert_eq!(seen.alerts.len(), alerts);
}
