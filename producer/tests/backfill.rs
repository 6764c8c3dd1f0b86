//! Gaps of the live feed, filled from the vendor's REST interface, on sockets and a real broker: what was traded is in the log, each
//! trade once and in its place, whether the feed delivered it or not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here, with the line")]

mod broker;
mod live;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use broker::{assert_alike, market, until};
use live::{Feed, symbol_of, traded};
use serde_json::Value;
use tape_producer::fake::rest::{Archive, RestOptions, RestServer};
use tape_producer::fake::{Behaviour, Fault, Next, Options, Playback, Tape};
use tape_producer::simulate::Market;

/// A trade, as far as both sides of the vendor tell the same of it: symbol, event time, price, size.
type Trade = (String, i64, String, String);

/// A tape that tells what it has played, in order.
struct Told<T> {
    tape: T,
    played: Arc<Mutex<Vec<String>>>,
}

impl<T: Tape> Tape for Told<T> {
    fn next(&mut self, now_ms: i64) -> Next {
        let next = self.tape.next(now_ms);
        if let Next::Event(event) = &next
            && matches!(&*event.channel_kind, "T" | "XT")
        {
            self.played.lock().unwrap().push(event.json.clone());
        }
        next
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_connection_missed_is_in_the_log_in_its_place() {
    let faults = [
        // The margin in front of a gap, two seconds, is to lie behind the first trades: what it holds of the time before them is
        // written, too, but in no place that could be foretold.
        Fault::Drop { after: 3000 },
        Fault::Drop { after: 3000 },
        Fault::DropInside { after: 25 },
        Fault::Close { after: 40, code: 1001 },
        Fault::DropInside { after: 10 },
        Fault::Close { after: 15, code: 1000 },
    ];
    let behaviour = Behaviour { script: faults.map(Some).to_vec(), ..Behaviour::default() };
    // The market runs on while nobody listens.
    let options = Options { behaviour, audience: 0, frame_events: 10, ..Options::default() };
    let market = traded(Market { start: None, end: None, rate: 1000, disorder_ms: 0, ..market(0) });
    let (archive, played) = (Archive::default(), Arc::default());
    let tape = Told { tape: archive.record(Playback::simulate(&market)), played: Arc::clone(&played) };
    let rest = RestServer::start(RestOptions::default(), archive).await.unwrap();
    let url = format!("http://{}", rest.address());
    let settings =
        [("MASSIVE_BACKFILL", "true"), ("MASSIVE_REST_URL", &url), ("MASSIVE_CALLS_PER_MINUTE", "0")];
    let feed = Feed::start("backfill", options, tape, &settings).await;
    let running = feed.produce();

    until("all faults", || running.is_finished() || feed.server.counters().kills >= 6).await;
    let goal = feed.delivered().len() + 3000;
    until("events after them", || running.is_finished() || feed.delivered().len() >= goal).await;
    feed.end().await;
    let delivered = feed.delivered();
    let expected = between(&played.lock().unwrap(), &delivered);
    let all: usize = expected.values().map(Vec::len).sum();
    assert!(all > delivered.len() + 100, "the faults cost {} of {all} trades", all - delivered.len());
    until("the gaps' trades", || running.is_finished() || feed.topic.len() >= all).await;
    running.stop().await.unwrap();

    let mut log = BTreeMap::new();
    for (key, value, _) in feed.topic.read().into_iter().flatten() {
        log.entry(key).or_insert_with(Vec::new).push(record(&value));
    }
    for (symbol, trades) in &expected {
        assert_alike(symbol, &log[symbol], trades);
    }
    assert_eq!(log.len(), expected.len());
}

/// The trades of each symbol from the first that was delivered to the last, with those that were not.
fn between(played: &[String], delivered: &[String]) -> BTreeMap<String, Vec<Trade>> {
    let mut ends = BTreeMap::new();
    for event in delivered {
        ends.entry(symbol_of(event)).or_insert((event, event)).1 = event;
    }
    let mut trades = BTreeMap::new();
    for (symbol, (first, last)) in ends {
        let own = played.iter().filter(|event| symbol_of(event) == symbol);
        let from_first = own.skip_while(|event| *event != first);
        let mut is_over = false;
        let to_last = from_first.take_while(|event| !std::mem::replace(&mut is_over, *event == last));
        let own = to_last.map(|event| element(event)).collect();
        trades.insert(symbol, own);
    }
    trades
}

fn element(event: &str) -> Trade {
    let read: Value = serde_json::from_str(event).unwrap();
    let size = read.get("ds").map_or_else(|| decimal(&read["s"]), decimal);
    (symbol_of(event), read["t"].as_i64().unwrap(), decimal(&read["p"]), size)
}

fn record(value: &str) -> Trade {
    let read: Value = serde_json::from_str(value).unwrap();
    let symbol = read["symbol"].as_str().unwrap().to_owned();
    (symbol, read["timestamp"].as_i64().unwrap(), decimal(&read["price"]), decimal(&read["volume"]))
}

/// A number or a text with one, in one spelling.
fn decimal(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse::<f64>().unwrap().to_string()
}
