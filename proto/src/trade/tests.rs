//! Tables: what is accepted and as what, what is rejected and why. Here each field and the relations between fields.

mod objects;
mod texts;

use super::*;

const KEY: &[u8] = b"AAPL";

/// The trade of most tables.
fn plain() -> Trade<'static> {
    Trade::plain("AAPL", 175_500_000_000, 125_000_000_000_000, 1_704_931_200_000)
}

/// The JSON of [`plain`] with more members behind it.
fn with(members: &str) -> String {
    format!(r#"{{"symbol":"AAPL","price":175.50,"volume":125000,"timestamp":1704931200000{members}}}"#)
}

fn accept(json: &str) -> Trade<'_> {
    decode(Some(KEY), Some(json.as_bytes())).unwrap_or_else(|reject| panic!("{json}: {reject}"))
}

fn code(value: impl AsRef<[u8]>) -> &'static str {
    let value = value.as_ref();
    match decode(Some(KEY), Some(value)) {
        Ok(trade) => panic!("accepted {} as {trade:?}", String::from_utf8_lossy(value)),
        Err(reject) => {
            let message = reject.to_string();
            assert!(!message.is_empty() && message.len() < 400 && !message.contains('\n'), "{message:?}");
            reject.code()
        }
    }
}

#[test]
fn a_plain_trade_borrows_its_symbol() {
    let json = with("");
    let trade = accept(&json);
    assert_eq!(trade, plain());
    assert!(matches!(trade.symbol, Cow::Borrowed(_)));
}

#[test]
fn forms_of_one_trade() {
    fn check(json: &str) {
        assert_eq!(accept(json), plain(), "{json}");
    }
    check(r#"{"symbol":"AAPL","price":175.50,"size":125000,"timestamp":1704931200000}"#);
    check(r#"{"timestamp":"1704931200000","volume":"125000.0","price":"1755e-1","symbol":"AAPL"}"#);
    check("{ \"symbol\" :\t\"AAPL\" ,\r\n\"price\":1.755E+2,\"size\":125e3,\"timestamp\":1704931200000 } \n");
    check(
        r#"{"\u0073ymbol":"A\u0041PL","p\u0072ice":"17\u0035.5","size":125000,"timestamp":"17049312\u00300000"}"#,
    );
    check(&with(
        r#","high":null,"low":null,"open":null,"vwap":null,"price_eligibility":null,"volume_eligible":null"#,
    ));
    check(&with(r#","high":175.5,"low":"175.5","open":175.50,"vwap":175.5,"price_eligibility":"last""#));
    check(&with(r#","volume_eligible":true,"price_eligibility":"l\u0061st""#));
}

#[test]
fn optional_fields_are_read() {
    fn check(members: &str, expected: Trade<'_>) {
        assert_eq!(accept(&with(members)), expected, "{members}");
    }
    let bar = Trade {
        open: 170_000_000_000,
        high: 180_000_000_000,
        low: 160_000_000_000,
        vwap: 172_000_000_001,
        ..plain()
    };
    check(r#","high":180,"low":160,"open":170,"vwap":172.000000001"#, bar);
    check(r#","high":180"#, Trade { high: 180_000_000_000, ..plain() });
    check(r#","volume_eligible":false"#, Trade { volume_eligible: false, ..plain() });
    for eligibility in [PriceEligibility::None, PriceEligibility::Price, PriceEligibility::Last] {
        let members = format!(r#","price_eligibility":"{}""#, eligibility.text());
        check(&members, Trade { price_eligibility: eligibility, ..plain() });
    }
}

#[test]
fn limits_are_judged_after_rounding() {
    fn check(price: &str, size: &str, expected: Result<(i64, i128), &str>) {
        let json = format!(r#"{{"symbol":"AAPL","price":{price},"size":{size},"timestamp":0}}"#);
        let result = decode(Some(KEY), Some(json.as_bytes()));
        let result = result.map(|trade| (trade.price, trade.size)).map_err(|reject| reject.code());
        assert_eq!(result, expected, "{json}");
    }
    check("9000000000", "0", Ok((PRICE_MAX, 0)));
    check("9000000000.0000000004", "0", Ok((PRICE_MAX, 0)));
    check("9000000000.0000000005", "0", Ok((PRICE_MAX, 0)));
    check("9000000000.0000000006", "0", Err("price_range"));
    check("9e9", "-1e-30", Ok((PRICE_MAX, 0)));
    check("1e-9", "-0", Ok((1, 0)));
    check("0.0000000006", "0", Ok((1, 0)));
    check("5e-10", "0", Err("price_range"));
    check("1e-400", "0", Err("price_range"));
    check("0", "0", Err("price_range"));
    check("-1", "0", Err("price_range"));
    check("1e400", "0", Err("price_range"));
    check("1e999999999999", "0", Err("price_range"));
    check("0e99999", "0", Err("price_range"));
    check("1e-9", "1e12", Ok((1, SIZE_MAX)));
    check("1e-9", "1000000000000.0000000005", Ok((1, SIZE_MAX)));
    check("1e-9", "1000000000000.0000000006", Err("size_range"));
    check("1e-9", "-1e-9", Err("size_range"));
    check("1e-9", "-1e400", Err("size_range"));
    // Price times size, at most 1e13, and far beyond 128 bits.
    check("10", "1e12", Ok((10_000_000_000, SIZE_MAX)));
    check("10.000000001", "1e12", Err("notional_range"));
    check("9e9", "1e12", Err("notional_range"));
    check("9e9", "1111.111111111", Ok((PRICE_MAX, 1_111_111_111_111)));
    check("9e9", "1111.111111112", Err("notional_range"));
}

#[test]
fn relations_between_prices() {
    fn check(members: &str, expected: &str) {
        let result = decode_owned(&with(members));
        assert_eq!(result.map_or_else(|reject| reject.code(), |()| "ok"), expected, "{members}");
    }
    fn decode_owned(json: &str) -> Result<(), Reject> {
        decode(Some(KEY), Some(json.as_bytes())).map(drop)
    }
    check(r#","high":175.4"#, "outside_bar");
    check(r#","low":175.6"#, "outside_bar");
    check(r#","high":175.5,"low":175.5"#, "ok");
    // High and low default to the price.
    check(r#","vwap":175.500000001"#, "outside_bar");
    check(r#","vwap":175.500000001,"high":175.500000001"#, "ok");
    check(r#","open":175.499999999"#, "outside_bar");
    check(r#","open":175.499999999,"low":175.499999999"#, "ok");
    check(r#","high":170,"low":180"#, "outside_bar");
    check(r#","high":9000000000.1"#, "high_range");
    check(r#","low":0"#, "low_range");
    check(r#","open":-1"#, "open_range");
    check(r#","vwap":1e300"#, "vwap_range");
    check(r#","vwap":1e9,"high":1e9"#, "notional_range");
    check(r#","vwap":8e7,"high":8e7"#, "ok");
}

#[test]
fn numbers_in_quotes_are_the_same_numbers() {
    fn check(price: &str, expected: &str) {
        let json = format!(r#"{{"symbol":"AAPL","price":{price},"size":1,"timestamp":0}}"#);
        let result = decode(Some(KEY), Some(json.as_bytes())).map(drop);
        assert_eq!(result.map_or_else(|reject| reject.code(), |()| "ok"), expected, "{json}");
    }
    let zeros = "0".repeat(61);
    check(&format!("1.{zeros}0"), "ok");
    check(&format!("1.{zeros}00"), "bad_price");
    check(&format!("\"1.{zeros}0\""), "ok");
    check(&format!("\"1.{zeros}00\""), "bad_price");
    check(&format!("\"1.{}\"", r"\u0030".repeat(62)), "ok");
    check(&format!("\"{}\"", r"\u0031".repeat(64)), "price_range");
    check(&format!("\"{}\"", r"\u0031".repeat(65)), "bad_price");
    check(&format!("\"{}\"", "1".repeat(900_000)), "bad_price");
    for text in ["", " 1", "1 ", "1\\n", "+1", "01", "1.", ".1", "NaN", "1,5", "0x1", "\\\"1\\\"", "\\ud800"]
    {
        check(&format!("\"{text}\""), "bad_price");
    }
    for value in ["true", "[]", "{}", "[1]", r#"{"price":1}"#] {
        check(value, "bad_price");
    }
    check("null", "missing_price");
    for not_json in ["NaN", "+1", "01", "1.", ".1", "-", "1e", "0x1", "Infinity", "'1'", ""] {
        check(not_json, "bad_json");
    }
}

#[test]
fn timestamps_are_digits_only() {
    fn check(timestamp: &str, expected: Result<i64, &str>) {
        let json = format!(r#"{{"symbol":"AAPL","price":1,"size":1,"timestamp":{timestamp}}}"#);
        let result = decode(Some(KEY), Some(json.as_bytes()));
        let result = result.map(|trade| trade.event_time).map_err(|reject| reject.code());
        assert_eq!(result, expected, "{json}");
    }
    check("0", Ok(0));
    check("\"0\"", Ok(0));
    check("253402300799999", Ok(EVENT_TIME_MAX));
    check("\"253402300799999\"", Ok(EVENT_TIME_MAX));
    check("253402300800000", Err("timestamp_range"));
    check("9223372036854775808", Err("timestamp_range"));
    check(&"9".repeat(64), Err("timestamp_range"));
    check(&"9".repeat(65), Err("bad_timestamp"));
    for text in [
        "1.7e12", "17.0", "-1", "-0", "1e3", "\"1.0\"", "\"-1\"", "\"+1\"", "\"01\"", "\"00\"", "\"\"",
        "\" 1\"",
    ] {
        check(text, Err("bad_timestamp"));
    }
    check("true", Err("bad_timestamp"));
    check("01", Err("bad_json"));
    check("null", Err("missing_timestamp"));
}

#[test]
fn symbols() {
    fn check(symbol: &str, key: &str, expected: &str) {
        let json = format!(r#"{{"symbol":{symbol},"price":1,"size":1,"timestamp":0}}"#);
        let result = decode(Some(key.as_bytes()), Some(json.as_bytes())).map(drop);
        assert_eq!(result.map_or_else(|reject| reject.code(), |()| "ok"), expected, "{json} {key}");
    }
    let longest = "S".repeat(32);
    check(&format!("\"{longest}\""), &longest, "ok");
    check(&format!("\"{longest}S\""), &format!("{longest}S"), "bad_symbol");
    check(&format!("\"{}\"", r"\u0053".repeat(32)), &longest, "ok");
    check(&format!("\"{}\"", "S".repeat(900_000)), "S", "bad_symbol");
    check(r#""X:BTC-USD/a_1.z""#, "X:BTC-USD/a_1.z", "ok");
    check(r#""BTC\/USD""#, "BTC/USD", "ok");
    for symbol in
        [r#""""#, r#""A B""#, r#""é""#, r#""A\n""#, r#""\ud800""#, "1", "true", r#"["AAPL"]"#, r#""A\"""#]
    {
        check(symbol, "A B", "bad_symbol");
    }
    check("null", "AAPL", "missing_symbol");
    check(r#""AAPL""#, "aapl", "key_mismatch");
    check(r#""AAPL""#, "AAPL ", "key_mismatch");
    check(r#""AAPL""#, "", "key_mismatch");
}

#[test]
fn required_fields_and_types() {
    fn check(json: &str, expected: &str) {
        assert_eq!(code(json), expected, "{json}");
    }
    check("{}", "missing_symbol");
    check(r#"{"symbol":"AAPL"}"#, "missing_price");
    check(r#"{"symbol":"AAPL","price":1}"#, "missing_size");
    check(r#"{"symbol":"AAPL","price":1,"volume":null}"#, "missing_size");
    check(r#"{"symbol":"AAPL","price":1,"size":1}"#, "missing_timestamp");
    for value in ["1", "true", "\"\"", "\"Last\"", "\"both\"", "[]", "\" none\""] {
        check(&with(&format!(r#","price_eligibility":{value}"#)), "bad_price_eligibility");
    }
    for value in ["1", "0", "\"true\"", "\"\"", "[]", "\"false\""] {
        check(&with(&format!(r#","volume_eligible":{value}"#)), "bad_volume_eligible");
    }
}
