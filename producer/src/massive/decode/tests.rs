use std::sync::Arc;

use tape_proto::trade::{PriceEligibility, Trade};

use super::Decoder;
use crate::massive::cluster::Cluster;
use crate::massive::conditions::Conditions;
use crate::venue::{Decode, Decoded, Element};

const STOCK_TRADE: &str = r#"{"ev":"T","sym":"AAA","i":"901","x":4,"p":12.345,"s":7,"ds":"7.25","c":[37],"t":1790000000123,"pt":1790000000119,"q":55,"z":3,"trfi":202,"trft":1790000000120}"#;
const STOCK_BAR: &str = r#"{"ev":"AM","sym":"AAA","v":300,"dv":"300.5","av":9000,"dav":"9001.25","op":12.1,"vw":12.3,"o":12.2,"c":12.4,"h":12.5,"l":12.2,"a":12.28,"z":60,"s":1790000040000,"e":1790000100000}"#;
const CRYPTO_TRADE: &str = r#"{"ev":"XT","pair":"BTC-USD","p":50123.4,"s":1.5e-05,"c":[2],"i":"a1","x":1,"t":1790000000123,"r":1790000000160}"#;

fn elements(cluster: Cluster, frame: &str) -> Vec<Element<'_>> {
    let mut elements = Vec::new();
    Decoder::new(cluster, Arc::new(Conditions::published()), false)
        .decode(frame.as_bytes(), &mut |element| elements.push(element));
    elements
}

/// The one trade of a frame.
fn decoded(cluster: Cluster, frame: &str) -> Decoded<'_> {
    match elements(cluster, frame).pop() {
        Some(Element::Trade(decoded)) => decoded,
        other => panic!("{other:?}: {frame}"),
    }
}

fn stock(frame: &str) -> Trade<'_> {
    decoded(Cluster::Stocks, frame).trade
}

/// The reason of the one bad element of a frame.
fn reason(cluster: Cluster, frame: &str) -> &'static str {
    match &elements(cluster, frame)[..] {
        [Element::Bad { reason, message, .. }] => {
            assert!(!message.is_empty() && !message.contains('\n'), "{message}");
            reason
        }
        other => panic!("{other:?}: {frame}"),
    }
}

const NANO: i64 = 1_000_000_000;

#[test]
fn a_stock_trade() {
    let found = decoded(Cluster::Stocks, STOCK_TRADE);
    let expected = Trade {
        price_eligibility: PriceEligibility::None,
        ..Trade::plain("AAA", 12_345_000_000, 7_250_000_000, 1_790_000_000_123)
    };
    assert_eq!((found.kind, found.trade), ("T", expected));
    assert_eq!(
        (found.participant_time, found.unknown_conditions, found.raw),
        (Some(1_790_000_000_119), 0, None)
    );
}

#[test]
fn a_stock_bar() {
    let expected = Trade {
        open: 12_200_000_000,
        high: 12_500_000_000,
        low: 12_200_000_000,
        vwap: 12_300_000_000,
        ..Trade::plain("AAA", 12_400_000_000, 300_500_000_000, 1_790_000_099_999)
    };
    let found = decoded(Cluster::Stocks, STOCK_BAR);
    assert_eq!((found.kind, found.trade, found.participant_time), ("AM", expected, None));
}

#[test]
fn crypto_trades_have_a_side_and_no_conditions() {
    let expected = Trade::plain("BTC-USD", 50_123_400_000_000, 15_000, 1_790_000_000_123);
    let found = decoded(Cluster::Crypto, CRYPTO_TRADE);
    assert_eq!((found.kind, found.trade, found.unknown_conditions), ("XT", expected, 0));
    // Nobody reads the side.
    decoded(Cluster::Crypto, &CRYPTO_TRADE.replace("[2]", "{\"sell\":[]}"));
}

#[test]
fn crypto_bars() {
    for ev in ["XA", "XAS"] {
        let frame = format!(
            r#"[{{"ev":"{ev}","pair":"BTC-USD","o":2,"c":3,"h":4,"l":1,"v":0.5,"vw":2.5,"z":1,"s":60000,"e":120000}}]"#
        );
        let bar = Trade {
            open: 2 * NANO,
            high: 4 * NANO,
            low: NANO,
            vwap: 5 * NANO / 2,
            ..Trade::plain("BTC-USD", 3 * NANO, 500_000_000, 119_999)
        };
        let found = decoded(Cluster::Crypto, &frame);
        assert_eq!((found.kind, found.trade), (ev, bar));
    }
}

#[test]
fn numbers_come_in_many_forms() {
    for (text, nanos) in [
        ("12.5", 12_500_000_000),
        ("\"12.5\"", 12_500_000_000),
        ("12.0", 12 * NANO),
        ("1E2", 100 * NANO),
        ("4.2e-05", 42_000),
        ("\"4.2e-05\"", 42_000),
        ("1.0000000005", NANO),
        ("1.0000000015", NANO + 2),
        (r#""\u0031""#, NANO),
    ] {
        let frame = format!(r#"{{"ev":"T","sym":"A","p":{text},"s":{text},"t":1}}"#);
        assert_eq!(stock(&frame), Trade::plain("A", nanos, nanos.into(), 1), "{text}");
    }
    for text in
        ["1790000000123", "\"1790000000123\"", "1790000000123.0", "1.790000000123e12", "\"1790000000123.0\""]
    {
        let frame = format!(r#"{{"ev":"T","sym":"A","p":1,"s":1,"t":{text},"pt":{text}}}"#);
        let found = decoded(Cluster::Stocks, &frame);
        assert_eq!(
            (found.trade.event_time, found.participant_time),
            (1_790_000_000_123, Some(1_790_000_000_123))
        );
    }
}

#[test]
fn the_exact_size_is_the_size() {
    let size = |members: &str| stock(&format!(r#"{{"ev":"T","sym":"A","p":1,"t":1,{members}}}"#)).size;
    assert_eq!(size(r#""s":0,"ds":"0.25""#), 250_000_000);
    assert_eq!(size(r#""ds":3,"s":9"#), 3_000_000_000);
    assert_eq!(size(r#""ds":null,"s":9"#), 9_000_000_000);
    assert_eq!(size(r#""s":0"#), 0);
    let bar = |members: &str| stock(&format!(r#"{{"ev":"A","sym":"A","c":1,"e":1,{members}}}"#)).size;
    assert_eq!(bar(r#""v":9,"dv":"9.5""#), 9_500_000_000);
    assert_eq!(bar(r#""v":9.25"#), 9_250_000_000);
}

#[test]
fn a_bar_ends_a_millisecond_before_its_end() {
    let time = |ev: &str, members: &str| {
        stock(&format!(r#"{{"ev":"{ev}","sym":"A","c":1,"v":1,{members}}}"#)).event_time
    };
    assert_eq!(time("AM", r#""s":60000,"e":120000"#), 119_999);
    assert_eq!(time("AM", r#""e":"1.2e5""#), 119_999);
    assert_eq!(time("AM", r#""s":60000"#), 119_999);
    assert_eq!(time("A", r#""s":60000,"e":null"#), 60_999);
}

#[test]
fn a_vwap_is_moved_into_its_bar() {
    for (vw, expected) in [
        ("15", 15),
        ("9.9999", 10),
        ("20.0001", 20),
        ("0", 10),
        ("-1", 10),
        ("1e15", 20),
        ("null", 12),
        ("\"11\"", 11),
    ] {
        let frame = format!(r#"{{"ev":"A","sym":"A","o":11,"h":20,"l":10,"c":12,"v":1,"vw":{vw},"e":1}}"#);
        assert_eq!(stock(&frame).vwap, expected * NANO, "{vw}");
    }
}

#[test]
fn conditions_decide_what_a_trade_may_set() {
    use PriceEligibility::{Last, None, Price};
    // Noon and six in the evening in New York.
    let (noon, evening) = (1_782_921_600_000_i64, 1_782_943_200_000_i64);
    for (c, time, expected) in [
        ("null", noon, (Last, true, 0)),
        ("[]", noon, (Last, true, 0)),
        ("[ ]", noon, (Last, true, 0)),
        ("[14,41]", noon, (Last, true, 0)),
        (r#"[ "10" , 14.0 ]"#, noon, (Price, true, 0)),
        ("[12]", noon, (None, true, 0)),
        ("[12]", evening, (Last, true, 0)),
        ("[12,37]", evening, (None, true, 0)),
        ("[16]", noon, (None, false, 0)),
        ("[44,-1]", noon, (None, true, 2)),
    ] {
        let frame = format!(r#"{{"ev":"T","sym":"A","p":1,"s":1,"t":{time},"c":{c}}}"#);
        let Decoded { trade, unknown_conditions, .. } = decoded(Cluster::Stocks, &frame);
        let found = (trade.price_eligibility, trade.volume_eligible, unknown_conditions);
        assert_eq!(found, expected, "{c} {time}");
    }
}

#[test]
fn events_of_other_kinds_are_labels() {
    use Cluster::{Crypto, Stocks};
    for (cluster, ev, expected) in [
        (Stocks, "Q", Element::Ignored("Q")),
        (Stocks, "LULD", Element::Ignored("LULD")),
        (Stocks, "XT", Element::Ignored("XT")),
        (Crypto, "T", Element::Ignored("T")),
        (Crypto, "A", Element::Ignored("A")),
        (Stocks, "T.AAA", Element::Ignored("other")),
        (Stocks, "", Element::Ignored("other")),
        (Crypto, "status", Element::Status),
    ] {
        assert_eq!(elements(cluster, &format!(r#"[{{"ev":"{ev}","T":"A","t":1}}]"#)), [expected], "{ev}");
    }
}

#[test]
fn what_is_wrong_has_a_reason() {
    for (frame, expected) in [
        (r#"[{"sym":"A"}]"#, "missing_ev"),
        (r#"[{"ev":null}]"#, "missing_ev"),
        (r#"[{}]"#, "missing_ev"),
        (r#"[{"ev":7}]"#, "bad_ev"),
        (r#"[{"ev":"T","p":1,"s":1,"t":1}]"#, "missing_symbol"),
        (r#"[{"ev":"T","sym":7,"p":1,"s":1,"t":1}]"#, "bad_symbol"),
        (r#"[{"ev":"T","sym":"A B","p":1,"s":1,"t":1}]"#, "bad_symbol"),
        (r#"[{"ev":"T","sym":"A","p":null,"s":1,"t":1}]"#, "missing_price"),
        (r#"[{"ev":"T","sym":"A","p":"","s":1,"t":1}]"#, "bad_price"),
        (r#"[{"ev":"T","sym":"A","p":0,"s":1,"t":1}]"#, "price_range"),
        (r#"[{"ev":"T","sym":"A","p":[1],"s":1,"t":1}]"#, "bad_price"),
        (r#"[{"ev":"T","sym":"A","p":1,"t":1}]"#, "missing_size"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1,"ds":"x","t":1}]"#, "bad_size"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":-1,"t":1}]"#, "size_range"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1}]"#, "missing_timestamp"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1,"t":1.5}]"#, "bad_timestamp"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1,"t":999999999999999}]"#, "timestamp_range"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1,"t":1,"c":37}]"#, "bad_conditions"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1,"t":1,"c":[1,]}]"#, "bad_json"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1,"t":1,"c":[1,null]}]"#, "bad_conditions"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1,"t":1,"c":[[1]]}]"#, "bad_conditions"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1,"t":1,"c":[1.5]}]"#, "bad_conditions"),
        (r#"[{"ev":"T","sym":"A","p":1,"s":1,"t":1,"p":1}]"#, "duplicate_field"),
        (r#"[{"ev":"T","sym":"A","p":9e9,"s":1e12,"t":1}]"#, "notional_range"),
        (r#"[{"ev":"A","sym":"A","c":3,"v":1,"h":2,"l":1,"e":1}]"#, "outside_bar"),
        (r#"[{"ev":"A","sym":"A","c":1,"v":1,"e":0}]"#, "bad_timestamp"),
        (r#"[{"ev":"A","sym":"A","c":1,"v":1,"vw":"x","e":1}]"#, "bad_vwap"),
        (r#"[{"ev":"A","sym":"A","c":1,"h":100,"v":1e12,"vw":11,"e":1}]"#, "notional_range"),
        (r#"[{"ev":"T" "sym":"A"}]"#, "bad_json"),
        (r#"[7]"#, "bad_json"),
        (r#"["{\"ev\""]"#, "bad_json"),
        (r#"[{"ev":"Q"]"#, "bad_json"),
        ("", "frame"),
        (" hello", "frame"),
        ("\"T\"", "frame"),
        ("\u{feff}[]", "frame"),
        ("[", "bad_json"),
        ("{", "bad_json"),
    ] {
        assert_eq!(reason(Cluster::Stocks, frame), expected, "{frame}");
    }
    let many = format!(r#"[{{"ev":"T","sym":"A","p":1,"s":1,"t":1,"c":[{}]}}]"#, ["1"; 65].join(","));
    assert_eq!(reason(Cluster::Stocks, &many), "bad_conditions");
    stock(&many.replacen("[1,", "[", 1));
}

#[test]
fn frames_are_arrays_or_one_object() {
    let count = |frame: &str| elements(Cluster::Stocks, frame).len();
    assert_eq!(count("[]"), 0);
    assert_eq!(count(" [ ] \n"), 0);
    assert_eq!(count(STOCK_TRADE), 1);
    assert_eq!(count(&format!(" [\n{STOCK_TRADE} ,\t{STOCK_BAR}\r\n] ")), 2);
    let spaced = r#"{ "ev" : "T" , "sym" : "A" , "p" : 1 , "s" : 2 , "t" : 3 , "new" : { "a" : [ ] } }"#;
    assert_eq!(stock(spaced), Trade::plain("A", NANO, 2_000_000_000, 3));
}

#[test]
fn garbage_costs_itself() {
    let kinds = |frame: &str| -> String {
        let kind = |element: &Element<'_>| match element {
            Element::Trade(_) => 'T',
            Element::Bad { .. } => 'b',
            _ => '?',
        };
        elements(Cluster::Stocks, frame).iter().map(kind).collect()
    };
    let t = STOCK_TRADE;
    assert_eq!(kinds(&format!("[{t},{t}")), "TTb");
    assert_eq!(kinds(&format!("[{t},{}", &t[..40])), "Tb");
    assert_eq!(kinds(&format!("[{t},{},{t}]", &t[..20])), "TbT");
    assert_eq!(kinds(&format!("[{t},{t},]")), "TTb");
    assert_eq!(kinds(&format!("[{t} oops {t}]")), "TbT");
    assert_eq!(kinds(&format!("[{t}] oops")), "Tb");
    assert_eq!(kinds(&format!("[{t},null,{t}]")), "TbT");
    assert_eq!(kinds(&format!("[{t},[{t}],{t}]")), "TbTbT");
}

#[test]
fn bytes_that_are_no_utf8_cost_their_element() {
    let mut frame = format!("[{STOCK_TRADE},{STOCK_TRADE}]").into_bytes();
    let at = frame.iter().position(|byte| *byte == b'A').unwrap();
    frame[at] = 0xff;
    let mut found = Vec::new();
    Decoder::new(Cluster::Stocks, Arc::new(Conditions::published()), false).decode(&frame, &mut |element| {
        found.push(match element {
            Element::Bad { reason, text, .. } => (reason, text.len()),
            _ => ("trade", 0),
        });
    });
    assert_eq!(found, [("bad_utf8", at - 1), ("trade", 0)]);
}

#[test]
fn raw_is_the_element_as_it_came() {
    let frame = format!("[ {STOCK_TRADE} , {{ \"ev\" : \"Q\" }} ]");
    let mut raws = Vec::new();
    Decoder::new(Cluster::Stocks, Arc::new(Conditions::published()), true).decode(
        frame.as_bytes(),
        &mut |element| {
            if let Element::Trade(decoded) = element {
                raws.push(decoded.raw);
            }
        },
    );
    assert_eq!(raws, [Some(STOCK_TRADE)]);
}

#[test]
fn a_symbol_may_be_written_with_escapes() {
    let frame = r#"{"ev":"T","sym":"BRK\u002eB","p":1,"s":1,"t":1}"#;
    assert_eq!(stock(frame).symbol, "BRK.B");
    assert_eq!(reason(Cluster::Stocks, r#"{"ev":"T","sym":"\ud800","p":1,"s":1,"t":1}"#), "bad_symbol");
}
