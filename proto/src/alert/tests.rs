use super::*;
use proptest::prelude::*;

fn encoded(alert: &BreakoutAlert, format: OutputFormat) -> Vec<u8> {
    let mut out = Vec::new();
    encode(alert, format, &mut out);
    out
}

fn alert(kind: AlertType, signal: Signal) -> BreakoutAlert {
    BreakoutAlert {
        symbol: "AAPL".into(),
        r#type: kind.into(),
        signal: signal.into(),
        timestamp: 300_000,
        current_price: Some(2_500_000_000),
        window_avg: Some(1),
    }
}

/// One alert byte by byte: this must be readable for ever.
#[rustfmt::skip]
const GOLDEN: &[u8] = &[
    0x0a, 0x04, b'A', b'A', b'P', b'L',                         // 1: symbol
    0x10, 0x03,                                                 // 2: type = DEATH_CROSS
    0x18, 0x02,                                                 // 3: signal = BEARISH
    0x20, 0xe0, 0xa7, 0x12,                                     // 4: timestamp = 300000
    0x28, 0x80, 0xf2, 0x8b, 0xa8, 0x09,                         // 5: current_price = 2500000000
    0x30, 0x01,                                                 // 6: window_avg = 1
];

#[test]
fn golden_bytes() {
    let alert = alert(AlertType::DeathCross, Signal::Bearish);
    assert_eq!(encoded(&alert, OutputFormat::Protobuf), GOLDEN);
    assert_eq!(decode(GOLDEN), Ok(alert));
}

#[test]
fn golden_json() {
    fn check(alert: &BreakoutAlert, kind: &str, signal: &str, prices: &str) {
        let golden =
            format!(r#"{{"symbol":"AAPL","type":"{kind}","signal":"{signal}","timestamp":300000,{prices}}}"#);
        assert_eq!(String::from_utf8(encoded(alert, OutputFormat::Json)).unwrap(), golden);
        assert_eq!(decode(golden.as_bytes()).as_ref(), Ok(alert));
    }
    let prices = r#""current_price":2.5,"window_avg":0.000000001"#;
    check(&alert(AlertType::Breakout, Signal::Bullish), "breakout", "BULLISH", prices);
    check(&alert(AlertType::GoldenCross, Signal::Bullish), "golden_cross", "BULLISH", prices);
    check(&alert(AlertType::DeathCross, Signal::Bearish), "death_cross", "BEARISH", prices);
    let volume = alert(AlertType::HighVolume, Signal::Neutral);
    let volume = BreakoutAlert { current_price: None, window_avg: None, ..volume };
    check(&volume, "high_volume", "NEUTRAL", r#""current_price":null,"window_avg":null"#);
}

#[test]
fn alerts_that_are_not_ours() {
    fn check(alert: &BreakoutAlert, column: &str) {
        for format in [OutputFormat::Protobuf, OutputFormat::Json] {
            let error = decode(&encoded(alert, format)).expect_err("not ours").to_string();
            assert!(error.starts_with(column), "{error}");
        }
    }
    let good = alert(AlertType::Breakout, Signal::Bullish);
    check(&BreakoutAlert { symbol: String::new(), ..good.clone() }, "symbol is not");
    check(&BreakoutAlert { r#type: 0, ..good.clone() }, "type is not breakout");
    check(&BreakoutAlert { r#type: 5, ..good.clone() }, "type is not breakout");
    check(&BreakoutAlert { signal: 0, ..good.clone() }, "signal is not BULLISH");
    check(&BreakoutAlert { signal: -1, ..good }, "signal is not BULLISH");
    for value in [&b""[..], b"{", b"{}", b"[]", b"\xff", b"{\"symbol\":\"\xff\"}"] {
        decode(value).expect_err("not an alert");
    }
}

proptest! {
    #[test]
    fn decoding_inverts_encoding(
        symbol in "[A-Za-z0-9.:/_-]{1,32}",
        (kind, signal) in (1..=4_i32, 1..=3_i32),
        timestamp in any::<i64>(),
        (current_price, window_avg) in any::<(Option<i64>, Option<i64>)>(),
    ) {
        let alert = BreakoutAlert { symbol, r#type: kind, signal, timestamp, current_price, window_avg };
        for format in [OutputFormat::Protobuf, OutputFormat::Json] {
            let decoded = decode(&encoded(&alert, format));
            prop_assert_eq!(decoded.as_ref(), Ok(&alert));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(value in any::<Vec<u8>>()) {
        let _ = decode(&value);
        let _ = decode(&[b"{", &value[..]].concat());
        let _ = decode(&[GOLDEN, &value[..]].concat());
    }
}
