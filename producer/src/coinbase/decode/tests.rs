use proptest::prelude::*;
use tape_proto::trade::{Trade, decode, encode_json};

use super::*;

fn message(kind: &str, product: &str, id: u64) -> String {
    format!(
        r#"{{"type":"{kind}","trade_id":{id},"maker_order_id":"m-1","taker_order_id":"t-1","side":"sell","size":"0.00012345","price":"50123.45","product_id":"{product}","sequence":1{id},"time":"2026-01-31T14:30:00.123999Z"}}"#
    )
}

fn elements<'f>(decoder: &mut Decoder, frame: &'f str) -> Vec<Element<'f>> {
    let mut elements = Vec::new();
    decoder.decode(frame.as_bytes(), &mut |element| elements.push(element));
    elements
}

/// The elements of a frame in short.
fn short(decoder: &mut Decoder, frame: &str) -> String {
    let words = elements(decoder, frame).into_iter().map(|element| match element {
        Element::Trade(decoded) => decoded.kind.to_owned(),
        Element::Status => "status".to_owned(),
        Element::Ignored(name) => format!("-{name}"),
        Element::Missing { symbol, count } => format!("{symbol} lacks {count}"),
        Element::Bad { reason, message, .. } => {
            assert!(!message.is_empty() && !message.contains('\n'), "{message}");
            format!("!{reason}")
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn of_one(frame: &str) -> String {
    short(&mut Decoder::new(false), frame)
}

#[test]
fn a_match_is_a_trade() {
    let frame = format!(" {}\n", message("match", "BTC-USD", 7));
    let mut decoder = Decoder::new(true);
    match &elements(&mut decoder, &frame)[..] {
        [Element::Trade(decoded)] => {
            let expected = Trade::plain("BTC-USD", 50_123_450_000_000, 123_450, 1_769_869_800_123);
            assert_eq!((decoded.kind, &decoded.trade), ("match", &expected));
            assert_eq!((decoded.participant_time, decoded.unknown_conditions), (None, 0));
            assert_eq!(decoded.raw, Some(frame.trim()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_are_exact() {
    let frame = message("match", "SHIB-USD", 7)
        .replace("0.00012345", "987654321.123456789")
        .replace("50123.45", "0.000010001");
    match &elements(&mut Decoder::new(false), &frame)[..] {
        [Element::Trade(decoded)] => {
            assert_eq!((decoded.trade.price, decoded.trade.size), (10_001, 987_654_321_123_456_789));
            assert_eq!(decoded.raw, None);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_deliveries_are_one_and_holes_are_told_by_product() {
    let mut decoder = Decoder::new(false);
    let mut next = |kind: &str, product: &str, id| short(&mut decoder, &message(kind, product, id));
    assert_eq!(next("match", "BTC-USD", 100), "match");
    assert_eq!(next("match", "BTC-USD", 101), "match");
    assert_eq!(next("match", "BTC-USD", 101), "-duplicate");
    assert_eq!(next("match", "BTC-USD", 100), "-duplicate");
    assert_eq!(next("match", "ETH-USD", 5), "match");
    assert_eq!(next("match", "BTC-USD", 105), "BTC-USD lacks 3 match");
    assert_eq!(next("match", "ETH-USD", 6), "match");
    assert_eq!(next("match", "BTC-USD", 106), "match");
}

#[test]
fn the_last_match_before_a_subscription_begins_the_count() {
    let mut decoder = Decoder::new(false);
    let mut next = |kind: &str, id| short(&mut decoder, &message(kind, "BTC-USD", id));
    assert_eq!(next("last_match", 100), "-last_match");
    assert_eq!(next("match", 101), "match");
    // The connection was lost and is back.
    assert_eq!(next("last_match", 101), "-last_match");
    assert_eq!(next("match", 102), "match");
    assert_eq!(next("last_match", 104), "BTC-USD lacks 2 -last_match");
    assert_eq!(next("match", 105), "match");
    // The trade overtook the answer.
    assert_eq!(next("last_match", 104), "-last_match");
    assert_eq!(next("match", 106), "match");
    assert_eq!(next("match", 109), "BTC-USD lacks 2 match");
    let mut decoder = Decoder::new(false);
    assert_eq!(short(&mut decoder, &message("last_match", "BTC-USD", 100)), "-last_match");
    assert_eq!(short(&mut decoder, &message("match", "BTC-USD", 103)), "BTC-USD lacks 2 match");
}

#[test]
fn a_trade_that_is_refused_has_come() {
    let mut decoder = Decoder::new(false);
    assert_eq!(short(&mut decoder, &message("match", "A-B", 1)), "match");
    let bad = message("match", "A-B", 2).replace("50123.45", "-1");
    assert_eq!(short(&mut decoder, &bad), "!price_range");
    assert_eq!(short(&mut decoder, &message("match", "A-B", 3)), "match");
}

#[test]
fn the_largest_numbers_do_no_harm() {
    let mut decoder = Decoder::new(false);
    assert_eq!(short(&mut decoder, &message("last_match", "A-B", 0)), "-last_match");
    let found = short(&mut decoder, &message("match", "A-B", 18_446_744_073_709_551_615 / 10));
    assert_eq!(found, "A-B lacks 1844674407370955160 match");
}

#[test]
fn what_is_no_trade_has_a_name() {
    for (frame, expected) in [
        (r#"{"type":"subscriptions","channels":[]}"#, "status"),
        (r#"{"type":"error","message":"no"}"#, "status"),
        (r#"{"type":"heartbeat","last_trade_id":7,"product_id":"A-B","time":"x"}"#, "-heartbeat"),
        (r#"{"type":"tea_time"}"#, "-other"),
        (r#"{"type":null}"#, "-other"),
        ("{}", "-other"),
        ("", "!bad_json"),
        ("[]", "!bad_json"),
        (r#"{"type":7}"#, "!bad_json"),
        (r#"{"type":"match""#, "!bad_json"),
    ] {
        assert_eq!(of_one(frame), expected, "{frame}");
    }
}

#[test]
fn what_is_wrong_with_a_trade_has_a_reason() {
    let good = message("match", "BTC-USD", 7);
    for (from, to, expected) in [
        (r#""trade_id":7"#, r#""trade_id":null"#, "!no_trade_id"),
        (r#""trade_id":7"#, r#""trade_id":-7"#, "!bad_json"),
        (r#""trade_id":7"#, r#""trade_id":7,"trade_id":7"#, "!bad_json"),
        (r#""BTC-USD""#, "null", "!missing_symbol"),
        (r#""BTC-USD""#, r#""BTC USD""#, "!bad_symbol"),
        (r#""50123.45""#, r#""x""#, "!bad_price"),
        (r#""50123.45""#, "null", "!missing_price"),
        (r#""0.00012345""#, r#""-1""#, "!size_range"),
        ("2026-01-31T14:30:00.123999Z", "yesterday", "!bad_timestamp"),
        ("2026-01-31T14:30:00.123999Z", "1926-01-31T14:30:00Z", "!bad_timestamp"),
        (r#""2026-01-31T14:30:00.123999Z""#, "null", "!missing_timestamp"),
    ] {
        assert_eq!(of_one(&good.replace(from, to)), expected, "{to}");
    }
    let mut frame = good.into_bytes();
    frame.push(0xff);
    Decoder::new(false).decode(&frame, &mut |element| {
        assert!(matches!(element, Element::Bad { reason: "bad_utf8", text, .. } if text.ends_with('}')));
    });
}

proptest! {
    #[test]
    fn what_is_decoded_is_accepted(
        bytes in prop::collection::vec(any::<u8>(), 0..8),
        at in 0..300_usize,
        price in "[0-9]{1,12}(\\.[0-9]{1,12})?(e-?[0-9])?",
    ) {
        let mut frame = message("match", "BTC-USD", 7).replace("50123.45", &price).into_bytes();
        let at = at.min(frame.len());
        frame.splice(at..at, bytes);
        Decoder::new(true).decode(&frame, &mut |element| {
            if let Element::Trade(decoded) = element {
                let mut value = Vec::new();
                encode_json(&decoded.trade, decoded.raw, &mut value);
                let read = decode(Some(decoded.trade.symbol.as_bytes()), Some(&value)).unwrap();
                assert_eq!(read, decoded.trade);
            }
        });
    }

    /// Of any order of deliveries: no number twice, and what is told as missing is what was passed over.
    #[test]
    fn numbers_come_once_and_holes_add_up(ids in prop::collection::vec((any::<bool>(), 1..60_u64), 1..60)) {
        let mut decoder = Decoder::new(false);
        let (mut taken, mut missing, mut first) = (Vec::new(), 0, None);
        for (is_past, id) in ids {
            let kind = if is_past { "last_match" } else { "match" };
            decoder.decode(message(kind, "A-B", id).as_bytes(), &mut |element| match element {
                Element::Trade(_) => taken.push(id),
                Element::Missing { count, .. } => missing += count,
                _ => {}
            });
            let begin = *first.get_or_insert(if is_past { id + 1 } else { id });
            let highest = decoder.last["A-B"];
            prop_assert_eq!(taken.len() as u64 + missing, highest + 1 - begin);
        }
        prop_assert!(taken.is_sorted_by(|one, next| one < next));
    }
}
