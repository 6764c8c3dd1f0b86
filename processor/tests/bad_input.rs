//! Records that cannot be used: each becomes a dead letter with its reason, the rest goes on, and no clock moves.

use std::time::{SystemTime, UNIX_EPOCH};

use tape_harness::Bench;
use tape_oracle::Input;

/// A record with the key `A`.
fn record(value: impl Into<Vec<u8>>) -> Input {
    Input { key: Some(b"A".to_vec()), value: Some(value.into()), trade: None }
}

fn trade(fields: &str) -> Input {
    record(format!(r#"{{"symbol":"A","price":1.5,"size":2,"timestamp":1700000000000{fields}}}"#))
}

#[test]
fn each_bad_record_becomes_a_dead_letter_with_its_reason() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let hour_ahead = now + 3_600_000;
    let cases: Vec<(Input, &str)> = vec![
        (record(b"{".to_vec()), "bad_json"),
        (record(vec![0xff; 900_000]), "bad_protobuf"),
        (record([b"{\"symbol\":\"".to_vec(), vec![b'x'; 900_000]].concat()), "bad_json"),
        (record(b"{\"symbol\":\"\xff\"}".to_vec()), "bad_utf8"),
        (record(Vec::new()), "empty_value"),
        (Input { value: None, ..record("") }, "null_value"),
        (Input { key: None, ..trade("") }, "missing_key"),
        (Input { key: Some(b"B".to_vec()), ..trade("") }, "key_mismatch"),
        (trade(r#","price":1"#), "duplicate_field"),
        (trade(r#","volume":1"#), "size_and_volume"),
        (trade(r#","high":1"#), "outside_bar"),
        (trade(r#","price_eligibility":"maybe""#), "bad_price_eligibility"),
        (record(r#"{"symbol":"","price":1,"size":1,"timestamp":1}"#), "bad_symbol"),
        (record(r#"{"symbol":"A","price":0,"size":1,"timestamp":1}"#), "price_range"),
        (record(r#"{"symbol":"A","price":1e400,"size":1,"timestamp":1}"#), "price_range"),
        (record(r#"{"symbol":"A","price":NaN,"size":1,"timestamp":1}"#), "bad_json"),
        (record(r#"{"symbol":"A","price":true,"size":1,"timestamp":1}"#), "bad_price"),
        (record(r#"{"symbol":"A","price":1,"size":-1,"timestamp":1}"#), "size_range"),
        (record(r#"{"symbol":"A","price":1,"size":1,"timestamp":-1}"#), "bad_timestamp"),
        (
            record(format!(r#"{{"symbol":"A","price":1,"size":1,"timestamp":{hour_ahead}}}"#)),
            "future_timestamp",
        ),
        (record(r#"{"symbol":"A","price":9000000000,"size":1000000,"timestamp":1}"#), "notional_range"),
    ];
    let bench = Bench::new("bad");
    let mut inputs = vec![trade("")];
    for (input, _) in &cases {
        inputs.push(input.clone());
        inputs.push(trade(""));
    }
    bench.publish(&inputs);
    let processor = bench.start(&[("OUTPUT_MODE", "complete"), ("TRIGGER_INTERVAL", "0")]);
    bench.drain();
    processor.stop().expect("stops in order");

    let letters = bench.read(&bench.config(&[]).topics.dead_letters);
    let mut reasons: Vec<_> = letters.iter().map(|letter| header(letter, "tape-dlq-reason")).collect();
    let mut wanted: Vec<_> = cases.iter().map(|(_, reason)| (*reason).to_owned()).collect();
    reasons.sort();
    wanted.sort();
    assert_eq!(reasons, wanted);
    for letter in &letters {
        assert!(letter.value.as_ref().is_none_or(|value| value.len() <= 64 * 1024));
        assert_eq!(header(letter, "tape-dlq-topic"), bench.config(&[]).topics.raw_trades);
    }
    let lengths = letters.iter().map(|letter| header(letter, "tape-dlq-value-length"));
    assert_eq!(lengths.filter(|length| length.starts_with("9000")).count(), 2, "the full length is kept");
    // Every good trade was counted, and none of the bad ones has closed or opened anything.
    let rows = &bench.rows()["A"];
    let newest = rows.iter().map(|row| row.trade_count).max();
    assert_eq!(newest, Some(u64::try_from(cases.len() + 1).expect("few")));
    assert!(
        rows.iter()
            .all(|row| !row.is_final && (1_699_999_700_000..=1_700_000_000_000).contains(&row.window_start))
    );
}

fn header(letter: &tape_harness::Output, name: &str) -> String {
    String::from_utf8(letter.headers[name].clone()).expect("text")
}
