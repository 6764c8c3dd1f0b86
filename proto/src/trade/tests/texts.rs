//! Columns of a file, and what is written: JSON and the messages of rejected records.

use super::*;

#[test]
fn columns_of_a_file() {
    fn check(change: impl FnOnce(&mut Fields<'static>), expected: Result<Trade<'_>, &str>) {
        let mut fields = Fields {
            symbol: Some("AAPL"),
            price: Some("175.50"),
            volume: Some("125000"),
            timestamp: Some("1704931200000"),
            ..Fields::default()
        };
        change(&mut fields);
        assert_eq!(crate::trade::check(&fields).map_err(|reject| reject.code()), expected, "{fields:?}");
    }
    check(|_| (), Ok(plain()));
    check(|fields| (fields.size, fields.volume) = (fields.volume, None), Ok(plain()));
    check(
        |fields| {
            (fields.high, fields.low, fields.open, fields.vwap) = (Some(""), Some(""), Some(""), Some(""));
            (fields.price_eligibility, fields.volume_eligible) = (Some(""), Some(""));
        },
        Ok(plain()),
    );
    check(|fields| fields.volume_eligible = Some("true"), Ok(plain()));
    check(|fields| fields.volume_eligible = Some("false"), Ok(Trade { volume_eligible: false, ..plain() }));
    check(
        |fields| fields.price_eligibility = Some("price"),
        Ok(Trade { price_eligibility: PriceEligibility::Price, ..plain() }),
    );
    check(|fields| fields.high = Some("180"), Ok(Trade { high: 180_000_000_000, ..plain() }));
    check(|fields| fields.size = Some(""), Err("size_and_volume"));
    check(|fields| fields.volume = None, Err("missing_size"));
    check(|fields| fields.volume = Some(""), Err("bad_size"));
    check(|fields| fields.price = Some(""), Err("bad_price"));
    check(|fields| fields.price = Some(" 1"), Err("bad_price"));
    check(|fields| fields.price = Some("1e400"), Err("price_range"));
    check(|fields| fields.timestamp = Some(""), Err("bad_timestamp"));
    check(|fields| fields.timestamp = None, Err("missing_timestamp"));
    check(|fields| fields.symbol = None, Err("missing_symbol"));
    check(|fields| fields.symbol = Some(""), Err("bad_symbol"));
    check(|fields| fields.volume_eligible = Some("TRUE"), Err("bad_volume_eligible"));
    check(|fields| fields.price_eligibility = Some("all"), Err("bad_price_eligibility"));
    check(|fields| fields.vwap = Some("180"), Err("outside_bar"));
}

#[test]
fn messages_name_the_field_the_value_and_the_limit() {
    fn check(json: &str, message: &str) {
        let reject = decode(Some(KEY), Some(json.as_bytes())).expect_err("a reason");
        assert_eq!(reject.to_string(), message);
    }
    let price = |price: &str| with("").replace("175.50", price);
    check(&price("-1.50"), "price -1.5 is out of range: it must be above 0 and at most 9000000000");
    check(
        &price("\"17,5\""),
        "price \"17,5\" is not a JSON number (or the same in quotes) of at most 64 bytes",
    );
    check(&price("null"), "price is missing; it is required");
    check(
        &with(r#","high":170"#),
        "price 175.5 is outside of 175.5 to 170, the low and high of the record (default: its price)",
    );
    check(
        &with("").replace("125000", "1e12"),
        "price 175.5 times size 1000000000000 is more than 10000000000000",
    );
    check(
        &with("").replace("1704931200000", "253402300800000"),
        "timestamp 253402300800000 is out of range: it must be 0 to 253402300799999",
    );
}

#[test]
fn json_as_written() {
    fn check(trade: &Trade<'_>, raw: Option<&str>, expected: &str) {
        let mut json = Vec::new();
        encode_json(trade, raw, &mut json);
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }
    check(
        &plain(),
        Some("{\"ev\":\"T\"}\n"),
        r#"{"symbol":"AAPL","price":175.5,"volume":125000,"timestamp":1704931200000,"raw":"{\"ev\":\"T\"}\n"}"#,
    );
    let bar = Trade {
        open: 170_000_000_000,
        high: 180_000_000_000,
        low: 160_000_000_000,
        vwap: 172_000_000_001,
        price_eligibility: PriceEligibility::Price,
        volume_eligible: false,
        ..Trade::plain("BTC-USD", 175_000_000_000, 1, 0)
    };
    check(
        &bar,
        None,
        concat!(
            r#"{"symbol":"BTC-USD","price":175,"volume":0.000000001,"timestamp":0,"open":170,"high":180,"low":160,"#,
            r#""vwap":172.000000001,"price_eligibility":"price","volume_eligible":false}"#
        ),
    );
}
