use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use tape_proto::trade::{decode, encode_json};

use super::Decoder;
use crate::massive::cluster::Cluster;
use crate::massive::conditions::Conditions;
use crate::venue::{Decode, Element};

/// The times of the good trades.
fn times(cluster: Cluster, frame: &[u8]) -> Vec<i64> {
    let mut found = Vec::new();
    Decoder::new(cluster, Arc::new(Conditions::published()), true).decode(frame, &mut |element| {
        if let Element::Trade(decoded) = element
            && decoded.trade.symbol == GOOD
        {
            found.push(decoded.trade.event_time);
        }
    });
    found
}

/// No single change makes one symbol of the other.
const GOOD: &str = "BRK.B";
const DAMAGED: &str = "AAA-A";

fn event(symbol: &str, id: i64) -> String {
    format!(
        r#"{{"ev":"T","sym":"{symbol}","i":"9{id}","x":4,"p":12.345,"s":7,"ds":"7.25","c":[37,"12"],"t":{id},"pt":17,"q":55,"z":3,"trfi":202,"note":{{"a":["]}}",{{}}]}}}}"#
    )
}

/// What can happen to an element. Only what hurts no other is here: it may still be a good one afterwards.
#[derive(Debug, Clone)]
enum Damage {
    Byte(Index, u8),
    Loss(Index),
    Extra(Index, u8),
    Cut(Index),
    Field(&'static str, &'static str),
    Whole(&'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\\0e-".to_vec())];
    let field = prop::sample::select(vec![
        ("12.345", "\"x\""),
        ("12.345", "-1"),
        ("12.345", "1e400"),
        ("\"AAA-A\"", "\"A B\""),
        ("\"AAA-A\"", "null"),
        ("\"T\"", "\"XT\""),
        ("\"T\"", "7"),
        ("\"ev\":\"T\",", ""),
        ("\"7.25\"", "\"-7\""),
        ("[37,\"12\"]", "[37,]"),
        ("[37,\"12\"]", "{\"a\":1}"),
    ]);
    let whole =
        prop::sample::select(vec!["", "null", "7", "\"x\"", "{}", "[]", "{\"ev\":", "{{{", "]", "\\", "\""]);
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        any::<Index>().prop_map(Damage::Loss),
        (any::<Index>(), byte).prop_map(|(at, byte)| Damage::Extra(at, byte)),
        any::<Index>().prop_map(Damage::Cut),
        field.prop_map(|(from, to)| Damage::Field(from, to)),
        whole.prop_map(Damage::Whole),
    ]
}

impl Damage {
    fn apply(&self, element: &str) -> Vec<u8> {
        let mut bytes = element.as_bytes().to_vec();
        let length = bytes.len();
        match self {
            Self::Byte(at, byte) => bytes[at.index(length)] = *byte,
            Self::Loss(at) => {
                bytes.remove(at.index(length));
            }
            Self::Extra(at, byte) => bytes.insert(at.index(length), *byte),
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Field(from, to) => bytes = element.replacen(from, to, 1).into_bytes(),
            Self::Whole(text) => bytes = text.as_bytes().to_vec(),
        }
        bytes
    }
}

/// A frame of such trades, and the times of the good ones.
fn frame(elements: &[Option<Damage>]) -> (Vec<u8>, Vec<i64>) {
    let mut frame = vec![b'['];
    let mut good = Vec::new();
    for (number, damage) in elements.iter().enumerate() {
        if number > 0 {
            frame.push(b',');
        }
        let id = 100_000 + number as i64;
        match damage {
            None => {
                frame.extend(event(GOOD, id).bytes());
                good.push(id);
            }
            Some(damage) => frame.extend(damage.apply(&event(DAMAGED, id))),
        }
    }
    frame.push(b']');
    (frame, good)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_wrong_with_elements_costs_no_other(
        elements in prop::collection::vec(prop::option::weighted(0.4, damage()), 1..12),
    ) {
        let (frame, good) = frame(&elements);
        prop_assert_eq!(times(Cluster::Stocks, &frame), good, "{}", String::from_utf8_lossy(&frame));
    }

    #[test]
    fn a_frame_that_is_cut_gives_what_was_whole(count in 1..6_usize, at in any::<Index>()) {
        let (frame, good) = frame(&vec![None; count]);
        let end = at.index(frame.len());
        let mut whole = 0;
        let mut length = 1;
        for id in &good {
            length += event(GOOD, *id).len();
            whole += usize::from(length <= end);
            length += 1;
        }
        prop_assert_eq!(times(Cluster::Stocks, &frame[..end]), &good[..whole]);
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        times(Cluster::Stocks, &bytes);
    }

    #[test]
    fn bytes_of_json_end_without_a_panic_and_give_records_that_are_accepted(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40),
        crypto in any::<bool>(),
    ) {
        let cluster = if crypto { Cluster::Crypto } else { Cluster::Stocks };
        let frame = pieces.concat();
        Decoder::new(cluster, Arc::new(Conditions::published()), true)
            .decode(frame.as_bytes(), &mut |element| assert_accepted(&element));
    }

    #[test]
    fn bars_of_any_numbers_are_accepted_or_bad(
        prices in prop::array::uniform5(number()),
        size in number(),
        end in number(),
    ) {
        let [o, h, l, c, vw] = prices;
        let frame = format!(
            r#"{{"ev":"AM","sym":"A","o":{o},"h":{h},"l":{l},"c":{c},"vw":{vw},"v":{size},"e":{end}}}"#
        );
        Decoder::new(Cluster::Stocks, Arc::new(Conditions::published()), false)
            .decode(frame.as_bytes(), &mut |element| assert_accepted(&element));
    }
}

const PIECES: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "{\"ev\"",
    ":\"T\",",
    ":\"XT\",",
    ":\"AM\",",
    "\"sym\":\"A\",",
    "\"pair\":\"A-B\",",
    "\"p\":1",
    "\"s\":2",
    "\"t\":3",
    "\"c\":[1]",
    "\"e\":9",
    "null",
    "1e9",
    "-",
    "é",
    "{\"ev\":\"T\",\"sym\":\"A\",\"p\":1,\"s\":2,\"t\":3}",
    "\"vw\":7",
    "\u{0}",
];

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..30_u32, -12..14_i32).prop_map(|(digits, exponent)| format!("{digits}e{exponent}")),
        (1..2_000_u32).prop_map(|cents| format!("\"{}.{:02}\"", cents / 100, cents % 100)),
        Just("null".to_owned()),
        Just("-0.5".to_owned()),
        Just("1790000000123.0".to_owned()),
    ]
}

/// What we publish is what a processor reads.
fn assert_accepted(element: &Element<'_>) {
    if let Element::Trade(decoded) = element {
        let mut value = Vec::new();
        encode_json(&decoded.trade, decoded.raw, &mut value);
        let read = decode(Some(decoded.trade.symbol.as_bytes()), Some(&value)).unwrap();
        assert_eq!(read, decoded.trade);
    }
}
