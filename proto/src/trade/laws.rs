//! Properties of the codecs and the bytes of the protobuf message.

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::messages;

/// Any trade inside the limits.
pub(super) fn trades() -> impl Strategy<Value = Trade<'static>> {
    let prices = prop_oneof![
        [1..=PRICE_MAX, 1..=PRICE_MAX, 1..=PRICE_MAX, 1..=PRICE_MAX, 1..=PRICE_MAX],
        prop::array::uniform5(1..1_000_000_000_000_i64),
        (1..=PRICE_MAX).prop_map(|price| [price; 5]),
    ];
    let eligibility =
        prop::sample::select(vec![PriceEligibility::None, PriceEligibility::Price, PriceEligibility::Last]);
    let symbol = "[A-Za-z0-9.:/_-]{1,32}";
    (symbol, prices, any::<u128>(), 0..=EVENT_TIME_MAX, eligibility, any::<bool>()).prop_map(
        |(symbol, mut prices, size, event_time, price_eligibility, volume_eligible)| {
            prices.sort_unstable();
            prices[1..4].rotate_left((size % 3) as usize);
            let [low, price, open, vwap, high] = prices;
            let size_max = SIZE_MAX.min(NOTIONAL_MAX / i128::from(vwap.max(price)));
            let size = (size % (size_max.unsigned_abs() + 1)).cast_signed();
            Trade {
                symbol: symbol.into(),
                price,
                size,
                event_time,
                open,
                high,
                low,
                vwap,
                price_eligibility,
                volume_eligible,
            }
        },
    )
}

pub(super) fn json(trade: &Trade<'_>, raw: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_json(trade, raw, &mut out);
    out
}

fn protobuf(trade: &Trade<'_>, raw: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_protobuf(trade, raw, &mut out);
    out
}

/// A change to a value: what to do, where (per mille of its length) and with which byte.
pub(super) fn damage() -> impl Strategy<Value = Vec<(u8, usize, u8)>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\\-+.eE0159tfn u".to_vec())];
    prop::collection::vec((0..4_u8, 0..1000_usize, byte), 1..6)
}

pub(super) fn damaged(mut value: Vec<u8>, damage: &[(u8, usize, u8)]) -> Vec<u8> {
    for &(kind, place, byte) in damage {
        let at = place * value.len() / 1000;
        match kind {
            0 => value.insert(at, byte),
            1 if !value.is_empty() => value[at] = byte,
            2 if !value.is_empty() => drop(value.remove(at)),
            3 => value.truncate(at),
            _ => {}
        }
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn decoding_inverts_encoding(trade in trades(), raw in prop::option::of(any::<String>())) {
        let key = trade.symbol.as_bytes();
        for value in [json(&trade, raw.as_deref()), protobuf(&trade, raw.as_deref())] {
            let decoded = decode(Some(key), Some(&value));
            prop_assert_eq!(decoded.as_ref(), Ok(&trade), "{}", String::from_utf8_lossy(&value));
        }
    }

    #[test]
    fn encoding_appends(trade in trades()) {
        let mut out = b"before".to_vec();
        encode_json(&trade, None, &mut out);
        encode_protobuf(&trade, None, &mut out);
        prop_assert_eq!(out, [&b"before"[..], &json(&trade, None), &protobuf(&trade, None)].concat());
    }

    #[test]
    fn the_raw_message_travels_unchanged(trade in trades(), raw in any::<String>()) {
        let from_json: serde_json::Value = serde_json::from_slice(&json(&trade, Some(&raw))).unwrap();
        let from_protobuf = messages::Trade::decode(&protobuf(&trade, Some(&raw))[..]).unwrap();
        prop_assert_eq!(from_json["raw"].as_str(), Some(raw.as_str()));
        prop_assert_eq!(from_protobuf.raw, Some(raw));
    }

    #[test]
    fn no_bytes_make_it_panic(key in prop::option::of(any::<Vec<u8>>()), value in any::<Vec<u8>>()) {
        let _ = decode(key.as_deref(), Some(&value));
        let _ = decode(key.as_deref(), Some(&[b"{", &value[..]].concat()));
    }

    /// Whatever was done to a value, it is rejected or means something inside the limits.
    #[test]
    fn damage_is_noticed_or_harmless(trade in trades(), damage in damage(), as_json in any::<bool>()) {
        let value = if as_json { json(&trade, Some("[{\"a\":1}]")) } else { protobuf(&trade, Some("raw")) };
        let value = damaged(value, &damage);
        match decode(Some(trade.symbol.as_bytes()), Some(&value)) {
            Err(reject) => prop_assert!(reject.to_string().len() < 1000),
            Ok(decoded) => {
                prop_assert_eq!(&decoded.symbol, &trade.symbol);
                let again = json(&decoded, None);
                let again = decode(Some(trade.symbol.as_bytes()), Some(&again));
                prop_assert_eq!(again.as_ref(), Ok(&decoded));
            }
        }
    }

    #[test]
    fn no_message_begins_like_json(symbol in any::<String>(), price in any::<Option<i64>>(), high in any::<i64>(), raw in any::<String>()) {
        let message = messages::Trade { symbol, price, size_high: high, raw: Some(raw), ..messages::Trade::default() };
        let first = message.encode_to_vec()[0];
        prop_assert!(!b"{ \t\n\r\xef".contains(&first), "{first:#x}");
    }
}

/// The message byte by byte, every field set: this must be readable for ever.
#[rustfmt::skip]
const FULL: &[u8] = &[
    0x12, 0x07, b'B', b'T', b'C', b'-', b'U', b'S', b'D',     // 2: symbol
    0x18, 0x80, 0x98, 0xc6, 0xae, 0xcf, 0x31,                 // 3: timestamp = 1704931200000
    0x28, 0xac, 0x02,                                         // 5: price = 300
    0x31, 0x00, 0x00, 0xa0, 0xde, 0xc5, 0xad, 0xc9, 0x35,     // 6: size, low half
    0x38, 0x6c,                                               // 7: size, high half = 54, zigzag
    0x40, 0x90, 0x03,                                         // 8: high = 400
    0x48, 0x01,                                               // 9: low = 1
    0x50, 0x02,                                               // 10: open = 2
    0x58, 0x03,                                               // 11: vwap = 3
    0x60, 0x02,                                               // 12: price_eligibility = PRICE
    0x68, 0x00,                                               // 13: volume_eligible = false
    0x72, 0x02, b'{', b'}',                                   // 14: raw
];

/// A plain trade.
#[rustfmt::skip]
const PLAIN: &[u8] = &[
    0x12, 0x04, b'A', b'A', b'P', b'L',                       // 2: symbol
    0x18, 0x80, 0x98, 0xc6, 0xae, 0xcf, 0x31,                 // 3: timestamp = 1704931200000
    0x28, 0x80, 0xf6, 0xf5, 0xe4, 0x8d, 0x05,                 // 5: price = 175500000000
    0x31, 0x00, 0xe8, 0x76, 0x48, 0x17, 0x00, 0x00, 0x00,     // 6: size = 100000000000, low half
];

#[test]
fn golden_bytes() {
    fn check(trade: &Trade<'_>, raw: Option<&str>, golden: &[u8]) {
        assert_eq!(protobuf(trade, raw), golden);
        assert_eq!(decode(Some(trade.symbol.as_bytes()), Some(golden)).as_ref(), Ok(trade));
    }
    let full = Trade {
        symbol: "BTC-USD".into(),
        price: 300,
        size: SIZE_MAX,
        event_time: 1_704_931_200_000,
        open: 2,
        high: 400,
        low: 1,
        vwap: 3,
        price_eligibility: PriceEligibility::Price,
        volume_eligible: false,
    };
    check(&full, Some("{}"), FULL);
    check(&Trade::plain("AAPL", 175_500_000_000, 100_000_000_000, 1_704_931_200_000), None, PLAIN);
}

#[test]
fn messages_of_other_writers() {
    fn check(what: &str, value: &[u8], expected: Result<(), &str>) {
        let result = decode(Some(b"AAPL"), Some(value)).map(drop);
        assert_eq!(result.map_err(|reject| reject.code()), expected, "{what}");
    }
    let more = |fields: &[u8]| [PLAIN, fields].concat();
    check("an unknown field", &more(&[0xf8, 0x01, 0x05]), Ok(()));
    check("another order", &[&PLAIN[6..], &PLAIN[..6]].concat(), Ok(()));
    check("an explicit default", &more(&[0x60, 0x00]), Ok(()));
    check("no price for averages", &more(&[0x60, 0x01]), Ok(()));
    check("an unknown eligibility", &more(&[0x60, 0x04]), Err("bad_price_eligibility"));
    check(
        "a negative eligibility",
        &more(&[0x60, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        Err("bad_price_eligibility"),
    );
    check("a negative size", &more(&[0x38, 0x01]), Err("size_range"));
    check("a size above 2^64 units", &more(&[0x38, 0x02]), Ok(()));
    check(
        "a size far too large",
        &more(&[0x38, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        Err("size_range"),
    );
    check("no symbol", &PLAIN[6..], Err("missing_symbol"));
    check("no timestamp", &[&PLAIN[..6], &PLAIN[13..]].concat(), Err("missing_timestamp"));
    check("no price", &[&PLAIN[..13], &PLAIN[20..]].concat(), Err("missing_price"));
    check("no size", &PLAIN[..20], Err("missing_size"));
    check("only the high half of a size", &[&PLAIN[..20], &[0x38, 0x00]].concat(), Err("missing_size"));
    check("a price of 0", &more(&[0x28, 0x00]), Err("price_range"));
    check(
        "a timestamp below 0",
        &more(&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        Err("timestamp_range"),
    );
    check("a vwap outside", &more(&[0x58, 0x03]), Err("outside_bar"));
    check("a symbol that is not UTF-8", &more(&[0x12, 0x01, 0xff]), Err("bad_protobuf"));
    check("a raw message that is not UTF-8", &more(&[0x72, 0x01, 0xff]), Err("bad_protobuf"));
    check("a length beyond the end", &more(&[0x72, 0xff, 0xff, 0xff, 0xff, 0x07]), Err("bad_protobuf"));
    check("half a message", &PLAIN[..25], Err("bad_protobuf"));
    check("another type", &more(&[0x2a, 0x01, 0x00]), Err("bad_protobuf"));
    check("groups without an end", &more(&[0xfb; 100_000]), Err("bad_protobuf"));
}
