use std::collections::BTreeMap;

use tape_kafka::{Part, Record};
use tape_proto::dead_letter::{LATENESS_MS, REASON};
use tape_proto::messages::{AlertType, BreakoutAlert, Signal};
use tape_proto::output::OutputFormat;
use tape_proto::trade::{Trade, encode_protobuf};
use tape_service::Config;
use tape_state::{Key, MetaValue, PaneValue, Print};

use crate::lines::Kind;
use crate::span::{From, Printer, Start};

fn line(kind: Kind, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    kind.write(record, &mut out);
    String::from_utf8(out).expect("a line is text")
}

fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Record<'a> {
    Record::detached("t", 2, 41, key, value).with_timestamp(1_700_000_000_000, true)
}

#[test]
fn a_trade_is_flattened() {
    let value =
        br#"{ "symbol":"A", "price":"1.50", "size":2, "timestamp":7, "other":[1], "raw":"{\"T\":1}" }"#;
    assert_eq!(
        line(Kind::RawTrades, &record(Some(b"A"), Some(value))),
        r#"{"symbol":"A","price":1.5,"volume":2,"timestamp":7,"raw":"{\"T\":1}","partition":2,"offset":41,"append_time":1700000000000}"#
    );
    let mut value = Vec::new();
    encode_protobuf(&Trade::plain("A", 1_500_000_000, 2_000_000_000, 7), None, &mut value);
    assert_eq!(
        line(Kind::RawTrades, &record(Some(b"A"), Some(&value))),
        r#"{"symbol":"A","price":1.5,"volume":2,"timestamp":7,"partition":2,"offset":41,"append_time":1700000000000}"#
    );
}

#[test]
fn what_is_no_trade_keeps_its_place() {
    for (key, value, code) in [
        (Some(&b"A"[..]), None, "null_value"),
        (Some(b"B"), Some(&br#"{"symbol":"A","price":1,"size":2,"timestamp":7}"#[..]), "key_mismatch"),
        (Some(b"A"), Some(b"{\"symbol\":\"A\",\n\"price\":"), "bad_json"),
        (Some(b"A"), Some(b"\xff\xff"), "bad_protobuf"),
    ] {
        let line = line(Kind::RawTrades, &record(key, value));
        assert!(line.starts_with(&format!(r#"{{"error":"{code}: "#)), "{line}");
        assert!(line.ends_with(r#","partition":2,"offset":41,"append_time":1700000000000}"#), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn late_records_show_their_headers() {
    let headers: &[(&str, Option<&[u8]>)] = &[("x", None), (LATENESS_MS, Some(b"12"))];
    let value = br#"{"symbol":"A","price":1,"size":2,"timestamp":7}"#;
    assert_eq!(
        line(Kind::Late, &record(Some(b"A"), Some(value)).with_headers(headers)),
        r#"{"symbol":"A","price":1,"volume":2,"timestamp":7,"headers":{"tape-lateness-ms":"12","x":null},"partition":2,"offset":41,"append_time":1700000000000}"#
    );
}

#[test]
fn dead_letters_are_shown_whatever_they_hold() {
    let headers: &[(&str, Option<&[u8]>)] =
        &[(REASON, Some(b"first")), ("raw", Some(&[0xff, 0])), (REASON, Some(b"bad_price"))];
    assert_eq!(
        line(Kind::DeadLetters, &record(None, Some(&[0xfe])).with_headers(headers)),
        r#"{"key":null,"value":{"hex":"fe"},"headers":{"raw":{"hex":"ff00"},"tape-dlq-reason":"bad_price"},"partition":2,"offset":41,"append_time":1700000000000}"#
    );
}

#[test]
fn alerts_are_decoded_in_both_formats() {
    let mut alert =
        BreakoutAlert { symbol: "A".into(), timestamp: 9, current_price: Some(5), ..Default::default() };
    alert.set_type(AlertType::Breakout);
    alert.set_signal(Signal::Bullish);
    for format in [OutputFormat::Json, OutputFormat::Protobuf] {
        let mut value = Vec::new();
        tape_proto::alert::encode(&alert, format, &mut value);
        assert_eq!(
            line(Kind::Alerts, &record(Some(b"A"), Some(&value))),
            r#"{"symbol":"A","type":"breakout","signal":"BULLISH","timestamp":9,"current_price":0.000000005,"window_avg":null,"partition":2,"offset":41,"append_time":1700000000000}"#
        );
    }
    assert!(line(Kind::Aggregates, &record(None, Some(b"{}"))).starts_with(r#"{"error":""#));
}

#[test]
fn the_changelog_is_decoded() {
    let encoded = |key: Key<'_>| {
        let mut out = Vec::new();
        key.encode(&mut out).expect("a key of the contract");
        out
    };
    let mut value = Vec::new();
    let print = Print { time: 1, offset: 2, price: 1_500_000_000 };
    let pane = PaneValue { records: 1, sum_size: 1 << 80, close: Some(print), ..PaneValue::default() };
    pane.encode(&mut value).expect("a pane of the contract");
    assert_eq!(
        line(Kind::Changelog, &record(Some(&encoded(Key::Pane("A", 60_000))), Some(&value))),
        r#"{"key":{"symbol":"A","pane":60000},"value":{"records":1,"prices":0,"sum_price":0,"sum_size":1208925819614629.174706176,"notional":0,"notional_size":0,"high":null,"low":null,"open":null,"close":{"time":1,"offset":2,"price":1.5}},"partition":2,"offset":41,"append_time":1700000000000}"#
    );
    value.clear();
    MetaValue { stream_time: Some(5), ..MetaValue::default() }.encode(&mut value).expect("a meta value");
    let meta = line(Kind::Changelog, &record(Some(&encoded(Key::Meta)), Some(&value)));
    assert!(meta.starts_with(r#"{"key":"meta","value":{"stream_time":5,"watermark":null,"#), "{meta}");
    let deleted = line(Kind::Changelog, &record(Some(&encoded(Key::Symbol("A"))), None));
    assert!(deleted.starts_with(r#"{"key":{"symbol":"A"},"value":null,"#), "{deleted}");
}

#[test]
fn only_our_topics_are_known() {
    let config = Config::load([], None).expect("defaults are sound").config;
    assert_eq!(Kind::of("raw-trades-late", &config).ok(), Some(Kind::Late));
    assert_eq!(Kind::of("tape-changelog", &config).ok(), Some(Kind::Changelog));
    let refused = Kind::of("raw-trade", &config).expect_err("no such topic").to_string();
    assert!(refused.contains("raw-trades, stock-aggregates"), "{refused}");
}

#[test]
fn offsets_outside_of_the_log_are_moved_into_it() {
    for (text, expected) in [("earliest", 5), ("latest", 9), ("0", 5), ("7", 7), ("10", 9)] {
        assert_eq!(text.parse::<From>().map(|from| from.offset(5, 9)), Ok(expected));
    }
    for text in ["", "-1", "first", "1.5"] {
        assert!(text.parse::<From>().is_err(), "{text}");
    }
}

#[test]
fn the_printer_stops_at_ends_and_limit() {
    let lines = |ends: Option<BTreeMap<i32, i64>>, left: u64| {
        let end =
            |(partition, end): (&i32, &i64)| Start { part: Part::new("t", *partition), from: 0, end: *end };
        let ends: Option<Vec<_>> = ends.map(|ends: BTreeMap<i32, i64>| ends.iter().map(end).collect());
        let mut output = Vec::new();
        let mut printer = Printer::new(&mut output, Some(left), ends.as_deref());
        for (partition, offset) in [(0, 3), (1, 3), (0, 4), (1, 4)] {
            let record = Record::detached("t", partition, offset, None, None);
            printer.take(&record, |record, line| Kind::DeadLetters.write(record, line));
        }
        drop(printer);
        output.iter().filter(|byte| **byte == b'\n').count()
    };
    assert_eq!(lines(None, u64::MAX), 4);
    assert_eq!(lines(None, 3), 3);
    assert_eq!(lines(Some(BTreeMap::from([(0, 4), (1, 5)])), u64::MAX), 3);
    assert_eq!(lines(Some(BTreeMap::from([(0, 3), (1, 0)])), u64::MAX), 0);
}
