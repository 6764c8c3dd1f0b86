//! The quick scan and the general parser of JSON trades: where the scan answers, the parser gives the same answer.

use proptest::prelude::*;

use super::check::Values;
use super::laws::{damage, damaged, json, trades};
use super::{Trade, encode_json};
use super::{json as general, scan};

/// What the scan says is what the parser says. Whether the scan said something.
fn agree(value: &[u8]) -> bool {
    let mut scanned = Values::default();
    let has_answer = scan::read(value, &mut scanned).is_some();
    if has_answer {
        let text = String::from_utf8_lossy(value);
        assert_eq!(general::read(value), Ok(scanned), "{text}");
    }
    has_answer
}

/// A vendor's message, as it stands in `raw`.
const VENDOR: &str = r#"{"ev":"T","sym":"AAPL","x":4,"i":"12345","z":3,"p":114.125,"s":100,"c":[0,12],"t":1704931200000,"q":3681328}"#;

fn with_raw(trade: &Trade<'_>, raw: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_json(trade, raw, &mut out);
    out
}

/// Values that a producer writes and values beside the grammar: where each single byte is put to the test.
fn seeds() -> Vec<Vec<u8>> {
    let trade = Trade::plain("AAPL", 175_500_000_000, 125_000_000_000, 1_704_931_200_000);
    let bar = Trade {
        open: 175_000_000_001,
        high: 176_000_000_000,
        low: 170_100_000_000,
        vwap: 175_250_000_000,
        price_eligibility: super::PriceEligibility::Price,
        volume_eligible: false,
        ..trade.clone()
    };
    let texts = [
        r#"{"timestamp": 0, "size": 0.000000001, "price": 999999999.999999999, "symbol": "x"}"#,
        r#"{"a b":"\"\"","symbol":"AAPL","price":1,"volume":1,"timestamp":1,"raw":"12345678"}"#,
        r#"{"symbol":"AAPL","price":0.5,"volume":10,"timestamp":9007199254740993,"volume_eligible":true}"#,
    ];
    let mut seeds: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.extend([with_raw(&trade, Some(VENDOR)), with_raw(&bar, Some("é")), with_raw(&bar, None)]);
    seeds
}

#[test]
fn every_change_of_one_byte() {
    for seed in seeds() {
        let (mut taken, mut tried) = (0, 0);
        let mut look = |value: &[u8]| {
            taken += usize::from(agree(value));
            tried += 1;
        };
        look(&seed);
        for at in 0..seed.len() {
            look(&seed[..at]);
            look(&[&seed[..at], &seed[at + 1..]].concat());
            for byte in 0..=u8::MAX {
                look(&[&seed[..at], &[byte], &seed[at + 1..]].concat());
                look(&[&seed[..at], &[byte], &seed[at..]].concat());
            }
        }
        // Many a change gives a trade again; a scan that gave up early would agree with everything.
        let is_ascii = seed.is_ascii();
        assert!(!is_ascii || taken > tried / 50, "{taken} of {tried}: {}", String::from_utf8_lossy(&seed));
    }
}

#[test]
fn what_producers_write_goes_the_quick_way() {
    for seed in seeds() {
        assert_eq!(agree(&seed), seed.is_ascii(), "{}", String::from_utf8_lossy(&seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn trades_of_every_kind(trade in trades(), raw in prop::option::of("[ -~]{0,40}")) {
        let value = json(&trade, raw.as_deref());
        agree(&value);
        // 18 digits are the scan's limit.
        let short = trade.price.max(trade.high) < 1_000_000_000_000_000_000 && trade.size < 1_000_000_000_000_000_000;
        prop_assert!(!short || raw.is_some_and(|raw| raw.contains('\\')) || agree(&value));
    }

    #[test]
    fn damage_of_every_kind(trade in trades(), damage in damage()) {
        agree(&damaged(json(&trade, Some(VENDOR)), &damage));
    }

    #[test]
    fn objects_of_every_kind(members in prop::collection::vec(member(), 0..8)) {
        agree(format!("{{{}}}", members.join(",")).as_bytes());
    }
}

/// A member of an object: known and unknown names, values that fit them and others.
fn member() -> impl Strategy<Value = String> {
    let names = [
        "symbol",
        "price",
        "size",
        "volume",
        "timestamp",
        "open",
        "high",
        "low",
        "vwap",
        "price_eligibility",
        "volume_eligible",
        "raw",
        "pric",
        "price_",
        "\\u0070rice",
        "",
    ];
    let values = prop_oneof![
        "[0-9]{1,20}(\\.[0-9]{0,11})?([eE][+-]?[0-9]{1,2})?",
        "\"[A-Z]{1,4}\"",
        prop::sample::select(vec![
            "\"last\"",
            "\"price\"",
            "\"none\"",
            "true",
            "false",
            "null",
            "\"\\\\\"",
            "[]",
            "\"1.5\"",
            "-1",
            "\"a\\\"b\""
        ])
        .prop_map(str::to_owned),
    ];
    let spaces = prop::sample::select(vec!["", "", " ", "  "]);
    (prop::sample::select(names.to_vec()), values, spaces.clone(), spaces)
        .prop_map(|(name, value, before, after)| format!("{before}\"{name}\":{after}{value}"))
}
