//! The value as a whole: keys, nulls, grammar, encoding, depth, names.

use super::*;

#[test]
fn unknown_fields_are_not_looked_into() {
    fn check(members: &str) {
        assert_eq!(accept(&with(members)), plain(), "{members}");
    }
    check(r#","raw":"{\"ev\":\"T\",\"p\":1}","raw":1"#);
    check(r#","x":{"a":1,"a":2,"price":3,"price":4,"symbol":null}"#);
    check(r#","x":"\ud800","\udfff":1,"price\ud800":2,"Price":3,"price ":4,"event_time":5"#);
    check(r#","x":[1e999999999999,-0,"\u0000",true,false,null,[],{}]"#);
    check(r#","":0,"":0"#);
    check(&format!(r#","{}":0"#, "a".repeat(100_000)));
    check(&format!(r#","{}":0"#, r"\u0061".repeat(100_000)));
    check(&format!(r#","x":"{}""#, "[{".repeat(1_000)));
    check(&format!(r#","x":"\"{}\\""#, "[{".repeat(1_000)));
}

#[test]
fn keys_and_values_that_are_not_there() {
    fn check(key: Option<&[u8]>, value: Option<&[u8]>, expected: &str) {
        let reject = decode(key, value).expect_err("nothing to decode");
        assert_eq!(reject.code(), expected, "{reject}");
    }
    let json = with("");
    check(Some(KEY), None, "null_value");
    check(None, None, "null_value");
    check(Some(KEY), Some(b""), "empty_value");
    check(None, Some(json.as_bytes()), "missing_key");
    check(Some(b"\xff\xfe"), Some(json.as_bytes()), "key_mismatch");
    check(Some(&[b'k'; 100_000]), Some(json.as_bytes()), "key_mismatch");
}

#[test]
fn names_stand_once() {
    fn check(members: &str, expected: &str) {
        assert_eq!(code(with(members)), expected, "{members}");
    }
    check(r#","symbol":"AAPL""#, "duplicate_field");
    check(r#","price":175.5"#, "duplicate_field");
    check(r#","pri\u0063e":175.5"#, "duplicate_field");
    check(r#","volume":null"#, "duplicate_field");
    check(r#","timestamp":[]"#, "duplicate_field");
    for name in ["high", "low", "open", "vwap", "price_eligibility", "volume_eligible"] {
        check(&format!(r#","{name}":null,"{name}":null"#), "duplicate_field");
    }
    check(r#","size":125000"#, "size_and_volume");
    check(r#","size":null"#, "size_and_volume");
    check(r#","siz\u0065":null"#, "size_and_volume");
}

#[test]
fn values_that_are_no_json_object() {
    fn check(value: impl AsRef<[u8]>, expected: &str) {
        assert_eq!(code(value), expected);
    }
    let json = with("");
    check(format!("\u{feff}{json}"), "byte_order_mark");
    for white in [' ', '\t', '\n', '\r'] {
        assert!(decode(Some(KEY), Some(format!("{white}{json}{white}").as_bytes())).is_ok());
        check(format!("{white}[{json}]"), "bad_json");
    }
    check(" ", "bad_json");
    check(format!("{json}{json}"), "bad_json");
    check(format!("{json},"), "bad_json");
    check(format!("{json}\0"), "bad_json");
    check(format!("{json}\u{feff}"), "bad_json");
    check(format!("{json}\u{a0}"), "bad_json");
    check(with(","), "bad_json");
    check(with(r#","x":"#), "bad_json");
    check(with(r#","x":1,"#), "bad_json");
    check(with(r#","x":tru"#), "bad_json");
    check(with(r#","x":nulll"#), "bad_json");
    check(with(r#","x":"\x""#), "bad_json");
    check(with(r#","x":"\u12g4""#), "bad_json");
    check(with(r#","x":"\u12"#), "bad_json");
    check(with(",\"x\":\"\n\""), "bad_json");
    check(with(",\"x\n\":1"), "bad_json");
    check(with(r#","x":[1,]"#), "bad_json");
    check(with(r#","x":{1:1}"#), "bad_json");
    check(with(r#","x":01"#), "bad_json");
    check(with(r#","x":[}"#), "bad_json");
    check(with(",x:1"), "bad_json");
    check(with(",/**/\"x\":1"), "bad_json");
    check("{", "bad_json");
    check("{\"", "bad_json");
    check(&json[..json.len() - 1], "bad_json");
    // A broken object has this reason, whatever its fields hold.
    check(r#"{"symbol":"","price":-1,"price":-1"#, "bad_json");
    for other in ["[]", "\"{}\"", "null", "1", "true"] {
        check(other, "bad_protobuf");
    }
}

#[test]
fn values_that_are_not_utf8() {
    fn check(unknown: &[u8]) {
        let (head, tail) = (with(r#","x":""#), b"\"}");
        let value = [&head.as_bytes()[..head.len() - 1], unknown, tail].concat();
        assert_eq!(code(value), "bad_utf8", "{unknown:x?}");
    }
    check(b"\xff");
    check(b"\xc3");
    check(b"\xc0\x80");
    check(b"\xed\xa0\x80");
    check(b"\xf4\x90\x80\x80");
}

#[test]
fn depth_is_limited() {
    fn check(opening: &str, closing: &str, levels: usize, expected: &str) {
        // The outer object is level 1.
        let inner = levels - 1;
        let json = with(&format!(r#","x":{}1{}"#, opening.repeat(inner), closing.repeat(inner)));
        let result = decode(Some(KEY), Some(json.as_bytes())).map(drop);
        assert_eq!(result.map_or_else(|reject| reject.code(), |()| "ok"), expected, "{opening} {levels}");
    }
    let text_with_brackets = (r#"["]]]","[[[","#, "]");
    let text_with_escapes = (r#"["\"[\\","#, "]");
    for (opening, closing) in [("[", "]"), (r#"{"a":"#, "}"), text_with_brackets, text_with_escapes] {
        check(opening, closing, 2, "ok");
        check(opening, closing, 128, "ok");
        check(opening, closing, 129, "too_deep");
        check(opening, closing, 50_000, "too_deep");
    }
    // In the place of a known field, too.
    let deep = format!(r#"{{"price":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    assert_eq!(code(deep), "too_deep");
    // Wide is not deep.
    let wide = with(&format!(r#","x":[{}1]"#, "[],{},".repeat(1_000)));
    assert_eq!(accept(&wide), plain());
}

#[test]
fn junk() {
    for value in
        [vec![b'x'; 900_000], vec![b'{'; 900_000], vec![0; 900_000], vec![0xff; 900_000], vec![b'"'; 900_000]]
    {
        code(value);
    }
    code(format!("{{{}", r#""a":"#.repeat(200_000)));
    code(format!(r#"{{"symbol":"{}"#, "\\".repeat(900_001)));
}
