use super::*;

const TRADE: &str = r#"{"ev":"T","sym":"ÄÖÜ","p":12.5,"s":7,"c":[37],"t":1790000000123}"#;
const BAR: &str = r#"{"ev":"XA","pair":"BTC-USD","o":1,"c":2,"h":3,"l":1,"v":5,"s":0,"e":60000}"#;

#[test]
fn whatever_the_way_it_is_no_event_any_more() {
    for (valid, symbol, price) in [(TRADE, "sym", "p"), (BAR, "pair", "c")] {
        let mut kinds = std::collections::HashSet::new();
        for hash in 0..7 {
            let mut json = valid.to_owned();
            let is_torn = spoil(&mut json, hash);
            let fields: Option<Map<String, Value>> = serde_json::from_str(&json).ok();
            // The parser refuses deep nesting, too: only a torn one is no JSON by its own text.
            let broken = match &fields {
                None if is_torn => "torn",
                None => "nested",
                Some(fields) if !fields.contains_key("ev") => "ev",
                Some(fields) if !fields[symbol].is_string() => "symbol",
                Some(fields) if !fields[price].is_number() => "price",
                Some(_) => panic!("valid: {json}"),
            };
            assert_eq!(is_torn, broken == "torn");
            kinds.insert(broken);
        }
        assert_eq!(kinds.len(), 5);
    }
}
