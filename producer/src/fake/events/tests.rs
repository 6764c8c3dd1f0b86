use tape_proto::decimal::parse_nanos;

use super::*;

/// A Tuesday, 14:00 UTC.
const TIME: i64 = 1_790_085_600_000;

fn trade(symbol: &'static str, price: i64, size: i128, after: i64) -> Trade<'static> {
    Trade::plain(symbol, price * 1_000_000, size * 1_000_000, TIME + after)
}

fn play(trades: &[Trade<'_>]) -> Vec<Event> {
    let mut elements = Elements::default();
    let mut out = Vec::new();
    for (number, trade) in trades.iter().enumerate() {
        elements.trade(trade, number as u64, &mut out);
    }
    elements.finish(&mut out);
    out
}

fn of_kind<'a>(events: &'a [Event], kind: &str) -> Vec<&'a str> {
    events.iter().filter(|event| event.channel_kind == kind).map(|event| event.json.as_str()).collect()
}

#[test]
fn a_number_keeps_its_value_and_small_ones_have_an_exponent() {
    for (nanos, text) in [
        (0, "0"),
        (1, "1e-09"),
        (42_000, "4.2e-05"),
        (99_999, "9.9999e-05"),
        (100_000, "0.0001"),
        (50_123_400_000_000, "50123.4"),
    ] {
        assert_eq!(number(nanos), text);
    }
    for nanos in (0..200_000).chain((0..100).map(|power| 3_i128.pow(power % 70))) {
        assert_eq!(parse_nanos(&number(nanos)), Ok(nanos));
    }
}

#[test]
fn a_trade_has_the_fields_of_its_cluster() {
    let events = play(&[trade("BRK.B", 12_345, 7_250, 123), trade("BTC-USD", 50_123_400, 1, 124)]);
    let stock: serde_json::Value = serde_json::from_str(of_kind(&events, "T")[0]).unwrap();
    assert_eq!(stock["sym"], "BRK.B");
    assert_eq!((&stock["p"], &stock["s"], &stock["ds"]), (&12.345.into(), &7.into(), &"7.25".into()));
    assert_eq!((&stock["i"], &stock["q"], &stock["t"]), (&"0".into(), &0.into(), &(TIME + 123).into()));
    assert!(stock["pt"].as_i64().unwrap() <= TIME + 123);
    assert_eq!(stock.get("trfi").is_some(), stock["x"] == 4);
    assert!(stock.get("c").is_none());

    let crypto: serde_json::Value = serde_json::from_str(of_kind(&events, "XT")[0]).unwrap();
    assert_eq!((&crypto["pair"], &crypto["p"]), (&"BTC-USD".into(), &50_123.4.into()));
    assert!(crypto["r"].as_i64().unwrap() >= TIME + 124);
    assert!(events.iter().all(|event| (event.cluster == Cluster::Crypto) == (event.symbol == "BTC-USD")));
}

#[test]
fn the_same_trades_give_the_same_elements_and_each_form_occurs() {
    let trades: Vec<_> = (0..500).map(|n| trade("BTC-USD", 100 + n, 5, n)).collect();
    let events = play(&trades);
    assert_eq!(events, play(&trades));
    for part in [r#""i":"a"#, r#","i":1"#, r#""c":[0]"#, r#""c":[1]"#, r#""c":[2]"#] {
        assert!(events.iter().any(|event| event.json.contains(part)), "{part}");
    }
    assert!(of_kind(&events, "XT").iter().any(|json| !json.contains(r#""c":"#)));
}

#[test]
fn eligibility_becomes_a_condition() {
    let mut odd = trade("A", 10, 5, 0);
    odd.price_eligibility = PriceEligibility::None;
    let mut repeat = odd.clone();
    repeat.volume_eligible = false;
    let events = play(&[odd, repeat]);
    assert!(of_kind(&events, "T")[0].contains(r#""c":[37]"#));
    assert!(of_kind(&events, "T")[1].contains(r#""c":[15]"#));
    // Nothing sets a price.
    assert_eq!(events.len(), 2);
}

#[test]
fn bars_come_when_their_time_is_over() {
    let mut uncounted = trade("A", 13_000, 9_000, 900);
    uncounted.volume_eligible = false;
    let events = play(&[
        trade("A", 12_000, 1_500, 0),
        uncounted,
        trade("A", 11_000, 500, 999),
        // Ends the first second.
        trade("BTC-USD", 20, 2, 1_000),
        // Too late for its second, not for its minute.
        trade("A", 10_000, 1_000, 998),
        trade("A", 12_500, 1_000, 60_000),
    ]);
    let kinds: Vec<_> = events.iter().map(|event| event.channel_kind.as_ref()).collect();
    assert_eq!(kinds, ["T", "T", "T", "A", "XT", "T", "XAS", "AM", "XA", "T", "A", "AM"]);
    let start = TIME;
    let second = format!(
        r#"{{"ev":"A","sym":"A","v":2,"dv":"2","av":2,"dav":"2","op":12,"vw":11.75,"o":12,"c":11,"h":13,"l":11,"a":11.75,"z":0,"s":{start},"e":{}}}"#,
        start + 1_000
    );
    assert_eq!(of_kind(&events, "A")[0], second);
    let minute = format!(
        r#"{{"ev":"AM","sym":"A","v":3,"dv":"3","av":3,"dav":"3","op":12,"vw":11.166666666,"o":12,"c":10,"h":13,"l":10,"a":11.166666666,"z":0,"s":{start},"e":{}}}"#,
        start + 60_000
    );
    assert_eq!(of_kind(&events, "AM")[0], minute);
    let crypto = format!(
        r#"{{"ev":"XAS","pair":"BTC-USD","o":0.02,"c":0.02,"h":0.02,"l":0.02,"v":0.002,"vw":0.02,"z":0,"s":{},"e":{}}}"#,
        start + 1_000,
        start + 2_000
    );
    assert_eq!(of_kind(&events, "XAS"), [crypto]);
    assert!(of_kind(&events, "AM")[1].contains(r#""dv":"1","av":4,"dav":"4","op":12,"#));
}

#[test]
fn an_element_of_a_file_stays_as_it_is() {
    for (line, kind, symbol) in [
        (r#"{"ev":"T","sym":"A","p":1.50,"x":{"y":[]}} "#, "T", "A"),
        (r#"{"p":1e-5,"pair":"BTC-USD","ev":"XT"}"#, "XT", "BTC-USD"),
        (r#"{"ev":"LULD","T":"A","t":1}"#, "LULD", "A"),
    ] {
        let event = from_line(line).unwrap();
        assert_eq!((&*event.channel_kind, &*event.symbol, &*event.json), (kind, symbol, line.trim()));
    }
    for line in
        ["", "[]", r#"{"ev":"T"}"#, r#"{"ev":"ZZ","sym":"A"}"#, r#"{"sym":"A"}"#, r#"{"ev":"T","sym":1}"#]
    {
        assert_eq!(from_line(line), None, "{line}");
    }
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let huge = Trade::plain("A", i64::MAX, i128::MAX, i64::MAX);
    let early = Trade::plain("B-C", i64::MIN, i128::MIN, i64::MIN);
    assert!(!play(&[early, huge]).is_empty());
}
