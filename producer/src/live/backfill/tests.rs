use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tape_proto::trade::{Fields, check, decode_value};

use super::*;
use crate::fake::events::Elements;
use crate::fake::rest::{Archive, RestOptions, RestServer};
use crate::fake::{Event as Played, Next, Tape};
use crate::massive::conditions::Conditions;
use crate::venue::{Decode, Element};

/// So long everything may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Event time of the first trade: an old tape.
const BEGIN: i64 = 1_700_000_000_000;
const KEY: &str = "k3y";

/// A trade each 10 ms for a minute.
fn tape() -> Vec<Played> {
    let (mut elements, mut events) = (Elements::default(), Vec::new());
    for number in 0..6_000_u64 {
        let time = (BEGIN + 10 * number.cast_signed()).to_string();
        let price = format!("{}.{:02}", 100 + number % 7, number % 100);
        for symbol in ["AAA", "BRK.B", "BTC-USD"] {
            let fields = Fields {
                symbol: Some(symbol),
                price: Some(&price),
                size: Some("0.5"),
                timestamp: Some(&time),
                ..Fields::default()
            };
            elements.trade(&check(&fields).unwrap(), number, &mut events);
        }
    }
    events.retain(|event| matches!(&*event.channel_kind, "T" | "XT"));
    events
}

fn decoders() -> [Decoder; 2] {
    Cluster::ALL.map(|cluster| Decoder::new(cluster, Arc::new(Conditions::published()), false))
}

fn config(server: &RestServer) -> Config {
    let settings = [
        ("MASSIVE_BACKFILL", "true".to_owned()),
        ("MASSIVE_REST_URL", format!("http://{}", server.address())),
        ("MASSIVE_CALLS_PER_MINUTE", "0".to_owned()),
        ("WATERMARK_DELAY", "1h".to_owned()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    Config::load(settings.to_vec(), None).unwrap().config
}

/// A publisher without brokers.
struct Rig {
    backfill: Backfill,
    decoders: [Decoder; 2],
    now: Duration,
    /// Symbol and value.
    published: Vec<(String, Vec<u8>)>,
}

impl Rig {
    fn new(server: &RestServer) -> Self {
        let key = Secret::new(KEY.to_owned());
        let backfill = Backfill::new(&config(server), key, decoders()).unwrap();
        Self { backfill, decoders: decoders(), now: Duration::ZERO, published: Vec::new() }
    }

    /// Hears an element. Our clock is an hour ahead of the tape.
    fn hear(&mut self, event: &Played, clock: i64) {
        let cluster = if event.symbol.contains('-') { Cluster::Crypto } else { Cluster::Stocks };
        let Self { backfill, decoders, now, published } = self;
        decoders[cluster as usize].decode(event.json.as_bytes(), &mut |element| {
            let Element::Trade(decoded) = element else { panic!("{element:?}") };
            let mut value = Vec::new();
            encode(&decoded.trade, decoded.raw, Format::Json, &mut value);
            let is_free = backfill.live(&decoded, &value, clock, *now);
            backfill.effects(|record| published.push((record.symbol.clone(), record.value.clone())));
            if is_free {
                published.push((event.symbol.clone(), value));
            }
        });
    }

    /// Waits until no job is open.
    async fn fill(&mut self) -> crate::massive::backfill::Figures {
        let begun = Instant::now();
        loop {
            self.now += Duration::from_millis(50);
            let Self { backfill, now, published, .. } = self;
            backfill.turn(*now);
            backfill.effects(|record| published.push((record.symbol.clone(), record.value.clone())));
            backfill.report(*now);
            let figures = backfill.plan.figures(*now);
            if figures.pending == 0 {
                return figures;
            }
            assert!(begun.elapsed() < DEADLINE, "{figures:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn server(options: RestOptions) -> (RestServer, Vec<Played>) {
    let archive = Archive::default();
    let mut tape = archive.record(tape().into_iter());
    let mut events = Vec::new();
    while let Next::Event(event) = tape.next(0) {
        events.push(event);
    }
    (RestServer::start(options, archive).await.unwrap(), events)
}

#[tokio::test]
async fn what_nobody_heard_is_published_in_its_place() {
    let options = RestOptions {
        key: Some(KEY.to_owned()),
        page_rows: 500,
        statuses: vec![500, 200, 429],
        ..RestOptions::default()
    };
    let (server, events) = server(options).await;
    let mut rig = Rig::new(&server);
    let clock = BEGIN + 3_600_000;
    let (down, up) = (20_000_i64, 41_000_i64);
    let heard_from = |range: std::ops::Range<i64>| {
        (range.start / 10 * 3..range.end / 10 * 3).map(|index| usize::try_from(index).unwrap())
    };
    for index in heard_from(0..down) {
        rig.now = Duration::from_millis(index as u64 / 3 * 10);
        rig.hear(&events[index], clock + index as i64 / 3 * 10);
    }
    rig.now = Duration::from_millis(up.cast_unsigned());
    for (cluster, channels) in
        [(Cluster::Stocks, &["T.AAA", "T.BRK.B"][..]), (Cluster::Crypto, &["XT.BTC-USD"])]
    {
        let channels: BTreeSet<String> = channels.iter().map(|channel| (*channel).to_owned()).collect();
        rig.backfill
            .gap(&Gap { feed: cluster as usize, range: (clock + down, clock + up), channels }, rig.now);
    }
    for index in heard_from(up..60_000) {
        rig.hear(&events[index], clock + index as i64 / 3 * 10);
    }
    let figures = rig.fill().await;
    assert_eq!((figures.filled, figures.added, figures.failures, figures.given_up), (3, 3 * 2_100, 2, 0));
    for symbol in ["AAA", "BRK.B", "BTC-USD"] {
        let values = rig.published.iter().filter(|(name, _)| name == symbol).map(|(_, value)| value);
        let times: Vec<i64> = values.map(|value| decode_value(value).unwrap().event_time).collect();
        assert_eq!(times, (0..6_000).map(|number| BEGIN + 10 * number).collect::<Vec<_>>(), "{symbol}");
    }
    assert!(server.calls().iter().all(|call| !call.contains(KEY)));
}

#[tokio::test]
async fn a_wrong_key_ends_it() {
    let (server, events) =
        server(RestOptions { key: Some("other".to_owned()), ..RestOptions::default() }).await;
    let mut rig = Rig::new(&server);
    let channels = BTreeSet::from(["T.AAA".to_owned(), "T.BRK.B".to_owned()]);
    rig.backfill.gap(&Gap { feed: 0, range: (BEGIN, BEGIN + 10_000), channels }, rig.now);
    rig.hear(&events[0], BEGIN);
    assert!(rig.published.is_empty());
    let figures = rig.fill().await;
    assert_eq!((figures.calls, figures.given_up, rig.published.len()), (1, 2, 1));
}

#[test]
fn a_gap_is_told_by_our_clock() {
    let seconds = Duration::from_secs;
    let before = now_ms();
    let gap = Gap::new(0, (seconds(10), seconds(40)), BTreeSet::new(), seconds(50));
    let after = now_ms();
    assert_eq!(gap.range.1 - gap.range.0, 30_000);
    assert!((before - 10_000..=after - 10_000).contains(&gap.range.1));
}
