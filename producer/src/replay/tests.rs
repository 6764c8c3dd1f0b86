use proptest::prelude::*;
use tape_proto::partition::partition;

use super::*;
use crate::pace::Pace;

const PARTITIONS: i32 = 3;

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    fn replay(&self, names: &[&str]) -> Replay {
        let files = names.iter().map(|name| self.folder.path().join(name)).collect();
        Replay { files, ..Replay::default() }
    }
}

/// A record as the log has it: partition, number, key, value.
type Logged = (i32, u64, String, String);

fn run(replay: &Replay, format: Format, cursor: Cursor) -> (Vec<Logged>, ReplayFeed) {
    let mut feed = ReplayFeed::open(replay, format, cursor).unwrap();
    let mut log = Vec::new();
    let mut now = 0;
    loop {
        match feed.poll(now).unwrap() {
            Poll::Record(record) => log.push((
                partition(record.key, PARTITIONS),
                record.number,
                String::from_utf8(record.key.to_vec()).unwrap(),
                String::from_utf8_lossy(record.value.unwrap()).into_owned(),
            )),
            Poll::Wait(until) => now = until,
            Poll::End => return (log, feed),
        }
    }
}

#[test]
fn json_goes_out_as_it_came_and_everything_else_is_encoded() {
    let line = r#"{"symbol":"A","price":1.50,"size":2,"timestamp":3,"raw":"{\"ev\":\"T\"}","note":[1]}"#;
    let folder = Folder::new(&[("a.jsonl", line), ("b.csv", "symbol,price,size,timestamp\nB,1.50,2,4\n")]);
    let replay = folder.replay(&["a.jsonl", "b.csv"]);
    let (log, _) = run(&replay, Format::Json, Cursor::fresh(3));
    let values: Vec<_> = log.iter().map(|(.., value)| value.as_str()).collect();
    assert_eq!(values, [line, r#"{"symbol":"B","price":1.5,"volume":2,"timestamp":4}"#]);

    let mut feed = ReplayFeed::open(&replay, Format::Protobuf, Cursor::fresh(3)).unwrap();
    for symbol in ["A", "B"] {
        let Poll::Record(record) = feed.poll(0).unwrap() else { panic!("two records") };
        let trade = tape_proto::trade::decode(Some(record.key), record.value).unwrap();
        assert_eq!((trade.symbol.as_ref(), trade.price), (symbol, 1_500_000_000));
        let has_raw = record.value.unwrap().windows(10).any(|bytes| bytes == br#"{"ev":"T"}"#);
        assert_eq!(has_raw, symbol == "A", "the vendor's message survives");
    }
}

#[test]
fn lines_that_are_no_trades_are_noted_and_not_sent() {
    let folder = Folder::new(&[("a.csv", "symbol,price,size,timestamp\nA,1,2,3\nA,0,2,3\nA,1\nA,1,2,4\n")]);
    let rejects = folder.folder.path().join("rejects.jsonl");
    let replay = Replay { rejects: Some(rejects.clone()), ..folder.replay(&["a.csv"]) };
    let (log, feed) = run(&replay, Format::Json, Cursor::fresh(3));
    let numbers: Vec<_> = log.iter().map(|(_, number, ..)| *number).collect();
    assert_eq!(numbers, [0, 3], "a rejected line has a number");
    assert_eq!(feed.progress().rejected, 2);
    assert_eq!(feed.rejected().keys().copied().collect::<Vec<_>>(), ["bad_columns", "price_range"]);
    let noted: Vec<serde_json::Value> = std::fs::read_to_string(rejects)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(noted.len(), 2);
    assert_eq!((noted[0]["line"].as_u64(), noted[0]["record"].as_u64()), (Some(3), Some(1)));
    assert_eq!(
        (noted[0]["reason"].as_str(), noted[0]["text"].as_str()),
        (Some("price_range"), Some("A,0,2,3"))
    );
}

#[test]
fn a_pace_makes_records_wait_but_not_those_that_are_skipped() {
    let folder =
        Folder::new(&[("a.csv", "symbol,price,size,timestamp\nA,1,1,1000\nA,1,1,9000\nA,1,1,9500\n")]);
    let replay = Replay { pace: Pace::Speed(1.0), ..folder.replay(&["a.csv"]) };
    let times = |cursor: Cursor| {
        let mut feed = ReplayFeed::open(&replay, Format::Json, cursor).unwrap();
        let (mut now, mut times) = (50_000, Vec::new());
        loop {
            match feed.poll(now).unwrap() {
                Poll::Record(_) => times.push(now),
                Poll::Wait(until) => {
                    assert!(until > now);
                    now = until;
                }
                Poll::End => return times,
            }
        }
    };
    assert_eq!(times(Cursor::fresh(1)), [50_000, 58_000, 58_500]);
    assert_eq!(times(Cursor::new(vec![Some(0)])), [50_000, 50_500]);
}

#[test]
fn a_long_way_to_the_first_record_asks_back() {
    let mut text = "symbol,price,size,timestamp\n".to_owned();
    for time in 0..30_000 {
        text.push_str(&format!("A,1,1,{time}\n"));
    }
    let folder = Folder::new(&[("a.csv", &text)]);
    let mut feed =
        ReplayFeed::open(&folder.replay(&["a.csv"]), Format::Json, Cursor::new(vec![Some(29_998)])).unwrap();
    let mut asked = 0;
    while let Poll::Wait(until) = feed.poll(7).unwrap() {
        assert_eq!(until, 7, "at once");
        asked += 1;
    }
    assert_eq!(asked, 2);
    assert_eq!(feed.progress().skipped, 29_999);
}

#[test]
fn an_id_follows_the_files_and_how_they_are_read() {
    let text = "symbol,price,size,timestamp\nA,1,1,1\nA,1,1,2\n";
    let folder = Folder::new(&[("a.csv", text), ("b.csv", text)]);
    let id = |replay: &Replay| source_id(replay).unwrap();
    let first = id(&folder.replay(&["a.csv"]));
    assert_eq!(first, id(&folder.replay(&["a.csv"])), "always the same");
    assert!(first.starts_with("replay-"));
    assert_ne!(first, id(&folder.replay(&["b.csv"])), "another name");
    assert_ne!(first, id(&folder.replay(&["a.csv", "b.csv"])), "more files");
    let absolute = Layout { absolute_size: true, ..Layout::default() };
    assert_ne!(first, id(&Replay { layout: absolute, ..folder.replay(&["a.csv"]) }), "read otherwise");
    let grown = Folder::new(&[("a.csv", &format!("{text}A,1,1,3\n"))]);
    assert_eq!(first, id(&grown.replay(&["a.csv"])), "a file that has grown is the same source");
    let other = Folder::new(&[("a.csv", &text.replace("A,1,1,1", "A,1,1,0"))]);
    assert_ne!(first, id(&other.replay(&["a.csv"])), "another file under the same name");
}

proptest! {
    /// Whole = cut anywhere, each partition where it likes, and continued.
    #[test]
    fn a_replay_that_is_continued_equals_one_that_was_not_cut(
        rows in proptest::collection::vec((0_usize..6, 0_i64..100, proptest::bool::weighted(0.1)), 0..60),
        cuts in proptest::array::uniform3(0.0_f64..1.0),
    ) {
        let symbols = ["AAPL", "TSLA", "BTC-USD", "NVDA", "MSFT", "ETH-USD"];
        let mut texts = ["symbol,price,size,timestamp\n".to_owned(), "symbol,price,size,timestamp\n".to_owned()];
        for (place, (symbol, time, is_bad)) in rows.iter().enumerate() {
            let price = if *is_bad { "none".to_owned() } else { (place + 1).to_string() };
            texts[place % 2].push_str(&format!("{},{price},1,{time}\n", symbols[*symbol]));
        }
        let folder = Folder::new(&[("a.csv", &texts[0]), ("b.csv", &texts[1])]);
        let replay = folder.replay(&["a.csv", "b.csv"]);
        let (whole, _) = run(&replay, Format::Json, Cursor::fresh(PARTITIONS as usize));
        let mut partitions: Vec<Vec<Logged>> = vec![Vec::new(); PARTITIONS as usize];
        for record in &whole {
            partitions[record.0 as usize].push(record.clone());
        }
        let mut log: Vec<Vec<Logged>> = partitions
            .iter()
            .zip(cuts)
            .map(|(records, cut)| records[..(records.len() as f64 * cut) as usize].to_vec())
            .collect();
        let last = log.iter().map(|records| records.last().map(|(_, number, ..)| *number)).collect();
        let (rest, feed) = run(&replay, Format::Json, Cursor::new(last));
        prop_assert_eq!(rest.len() as u64 + feed.progress().skipped, whole.len() as u64);
        for record in rest {
            log[record.0 as usize].push(record);
        }
        prop_assert_eq!(log, partitions);
    }
}

/// A flat file of crypto: every third row of three symbols, in the order of the symbols.
fn flat(rows: i64) -> String {
    let mut text = "ticker,conditions,exchange,id,participant_timestamp,price,size\n".to_owned();
    for (symbol, name) in ["X:BTCUSD", "X:ETH-USD", "X:SOLUSDT"].iter().enumerate() {
        for place in (0..rows).filter(|place| place % 3 == symbol as i64) {
            text.push_str(&format!("{name},1,1,i,{}000000,{},1\n", 1000 + place, place + 1));
        }
    }
    text
}

#[test]
fn a_flat_file_is_written_by_time_and_continued() {
    let folder = Folder::new(&[("day.csv", &flat(30_000))]);
    let replay = folder.replay(&["day.csv"]);
    let mut feed = ReplayFeed::open(&replay, Format::Json, Cursor::fresh(3)).unwrap();
    assert!(matches!(feed.poll(7), Ok(Poll::Wait(7))), "sorts step by step");
    let (log, feed) = run(&replay, Format::Json, Cursor::fresh(3));
    assert_eq!(log.len(), 30_000);
    assert_eq!(feed.progress().bytes_read, feed.progress().bytes_total.unwrap());
    let keys: Vec<_> = log.iter().take(4).map(|(_, _, key, _)| key.as_str()).collect();
    assert_eq!(keys, ["BTC-USD", "ETH-USD", "SOL-USDT", "BTC-USD"]);
    assert!(log.iter().zip(0..).all(|((_, number, ..), place)| *number == place));
    let (rest, _) = run(&replay, Format::Json, Cursor::new(vec![Some(20_000); 3]));
    assert_eq!(rest, log[20_001..]);
}

#[test]
fn a_flat_file_that_has_grown_is_another_source() {
    let id = |rows| {
        let folder = Folder::new(&[("day.csv", &flat(rows))]);
        source_id(&folder.replay(&["day.csv"])).unwrap()
    };
    assert_eq!(id(30), id(30));
    assert_ne!(id(30), id(31));
}
