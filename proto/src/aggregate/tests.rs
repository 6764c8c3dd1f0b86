use super::*;
use proptest::prelude::*;

/// A final row in which every column differs.
fn full() -> StockAggregate {
    let mut row = StockAggregate {
        symbol: "AAPL".into(),
        window_start: 300_000,
        window_end: 600_000,
        avg_price: Some(1),
        max_price: Some(2),
        min_price: Some(3),
        open_price: Some(4),
        close_price: Some(5),
        vwap: Some(6),
        trade_count: 7,
        ma_5min: Some(8),
        side: -1,
        is_final: true,
        revision: 9,
        closed_by: ClosedBy::Idle.into(),
        bar_open: Some(10),
        bar_high: Some(11),
        bar_low: Some(12),
        bar_close: Some(13),
        bar_trades: 14,
        ..StockAggregate::default()
    };
    row.set_total_volume((1 << 64) + 15);
    row.set_bar_volume(16);
    row.set_bar_notional((2 << 64) + 17);
    row.set_bar_notional_size(18);
    row
}

/// A row of a window that is open and has no price.
fn bare() -> StockAggregate {
    let (symbol, window_end, trade_count) = ("AAPL".into(), 1, 1);
    StockAggregate { symbol, window_end, trade_count, ..StockAggregate::default() }
}

/// [`full`] byte by byte: this must be readable for ever.
#[rustfmt::skip]
const FULL: &[u8] = &[
    0x0a, 0x04, b'A', b'A', b'P', b'L',                         // 1: symbol
    0x10, 0xe0, 0xa7, 0x12,                                     // 2: window_start = 300000
    0x18, 0xc0, 0xcf, 0x24,                                     // 3: window_end = 600000
    0x20, 0x01,                                                 // 4: avg_price
    0x28, 0x02,                                                 // 5: max_price
    0x30, 0x03,                                                 // 6: min_price
    0x38, 0x04,                                                 // 7: open_price
    0x40, 0x05,                                                 // 8: close_price
    0x48, 0x06,                                                 // 9: vwap
    0x51, 0x0f, 0, 0, 0, 0, 0, 0, 0,                            // 10: total_volume, low half
    0x58, 0x02,                                                 // 11: total_volume, high half = 1, zigzag
    0x60, 0x07,                                                 // 12: trade_count
    0x68, 0x08,                                                 // 13: ma_5min
    0x70, 0x01,                                                 // 14: side = -1, zigzag
    0x78, 0x01,                                                 // 15: is_final
    0x80, 0x01, 0x09,                                           // 16: revision
    0x88, 0x01, 0x02,                                           // 17: closed_by = IDLE
    0x90, 0x01, 0x0a,                                           // 18: bar_open
    0x98, 0x01, 0x0b,                                           // 19: bar_high
    0xa0, 0x01, 0x0c,                                           // 20: bar_low
    0xa8, 0x01, 0x0d,                                           // 21: bar_close
    0xb1, 0x01, 0x10, 0, 0, 0, 0, 0, 0, 0,                      // 22: bar_volume, low half
    0xc0, 0x01, 0x0e,                                           // 24: bar_trades
    0xc9, 0x01, 0x11, 0, 0, 0, 0, 0, 0, 0,                      // 25: bar_notional, low half
    0xd0, 0x01, 0x04,                                           // 26: bar_notional, high half = 2, zigzag
    0xd9, 0x01, 0x12, 0, 0, 0, 0, 0, 0, 0,                      // 27: bar_notional_size, low half
];

#[rustfmt::skip]
const BARE: &[u8] = &[
    0x0a, 0x04, b'A', b'A', b'P', b'L',                         // 1: symbol
    0x18, 0x01,                                                 // 3: window_end
    0x60, 0x01,                                                 // 12: trade_count
];

fn encoded(row: &StockAggregate, format: OutputFormat) -> Vec<u8> {
    let mut out = Vec::new();
    encode(row, format, &mut out);
    out
}

#[test]
fn golden_bytes() {
    fn check(row: &StockAggregate, golden: &[u8]) {
        assert_eq!(encoded(row, OutputFormat::Protobuf), golden);
        assert_eq!(decode(golden).as_ref(), Ok(row));
    }
    check(&full(), FULL);
    check(&bare(), BARE);
}

#[test]
fn golden_json() {
    fn check(row: &StockAggregate, golden: &str) {
        assert_eq!(String::from_utf8(encoded(row, OutputFormat::Json)).unwrap(), golden);
        assert_eq!(decode(golden.as_bytes()).as_ref(), Ok(row));
    }
    check(
        &full(),
        concat!(
            r#"{"symbol":"AAPL","window_start":300000,"window_end":600000,"avg_price":0.000000001,"#,
            r#""max_price":0.000000002,"min_price":0.000000003,"open_price":0.000000004,"close_price":0.000000005,"#,
            r#""vwap":0.000000006,"total_volume":18446744073.709551631,"trade_count":7,"ma_5min":0.000000008,"#,
            r#""side":-1,"bar_open":0.00000001,"bar_high":0.000000011,"bar_low":0.000000012,"bar_close":0.000000013,"#,
            r#""bar_volume":0.000000016,"bar_trades":14,"bar_notional":36.893488147419103249,"#,
            r#""bar_notional_size":0.000000018,"is_final":true,"revision":9,"closed_by":"IDLE"}"#
        ),
    );
    check(
        &bare(),
        concat!(
            r#"{"symbol":"AAPL","window_start":0,"window_end":1,"avg_price":null,"max_price":null,"#,
            r#""min_price":null,"open_price":null,"close_price":null,"vwap":null,"total_volume":0,"trade_count":1,"#,
            r#""ma_5min":null,"side":0,"bar_open":null,"bar_high":null,"bar_low":null,"bar_close":null,"#,
            r#""bar_volume":0,"bar_trades":0,"bar_notional":0,"bar_notional_size":0,"is_final":false,"#,
            r#""revision":0,"closed_by":null}"#
        ),
    );
}

#[test]
fn rows_that_are_not_ours() {
    fn check(change: impl FnOnce(&mut StockAggregate), column: &str) {
        let mut row = full();
        change(&mut row);
        for format in [OutputFormat::Protobuf, OutputFormat::Json] {
            let error = decode(&encoded(&row, format)).expect_err("not ours").to_string();
            assert!(error.starts_with(column), "{error}");
        }
    }
    check(|row| row.symbol.clear(), "symbol is not 1 to 32 bytes");
    check(|row| row.symbol = "A B".into(), "symbol is not 1 to 32 bytes");
    check(|row| row.window_end = row.window_start, "window_end is not after window_start");
    check(|row| row.side = 2, "side is not -1, 0 or 1");
    check(|row| row.trade_count = 1 << 63, "trade_count is not a count");
    check(|row| row.bar_trades = u64::MAX, "bar_trades is not a count");
    check(|row| row.is_final = false, "closed_by is not");
    check(|row| row.closed_by = 0, "closed_by is not");
    check(|row| row.closed_by = 5, "closed_by is not");
}

#[test]
fn json_that_is_not_ours() {
    fn check(from: &str, to: &str, expected: &str) {
        let json = String::from_utf8(encoded(&full(), OutputFormat::Json)).unwrap();
        let changed = json.replacen(from, to, 1);
        let error = decode(changed.as_bytes()).expect_err(to).to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
    check(r#""side":-1"#, r#""side":-1,"side":-1"#, "duplicate field");
    check(r#""side":-1,"#, "", "missing field");
    check("0.000000001", "\"1\"", "not a decimal");
    check("0.000000001", "1e300", "128 bits");
    check("0.000000001", "1e10", "64 bits");
    check("\"IDLE\"", "\"idle\"", "closed_by");
    check("true", "1", "bool");
    check("}", "}}", "trailing");
    let json = String::from_utf8(encoded(&full(), OutputFormat::Json)).unwrap();
    let more = json.replacen('{', r#"{ "new":[{"a":1}],"new":"\ud800","#, 1);
    assert_eq!(decode(more.as_bytes()), Ok(full()));
}

#[test]
fn empty_and_foreign_values() {
    for value in [&b""[..], b"{", b"{}", b"[]", b"\xff", b"{\"symbol\":\"\xff\"}", b"\n"] {
        decode(value).expect_err("not a row");
    }
}

fn rows() -> impl Strategy<Value = StockAggregate> {
    let price = || prop::option::of(any::<i64>());
    let closed = prop::sample::select(vec![None, Some(1), Some(2), Some(3), Some(4)]);
    let head = ("[A-Za-z0-9.:/_-]{1,32}", any::<i64>(), 1..=i64::MAX, -1..=1_i32, any::<i64>(), closed);
    let counts = (0..=i64::MAX as u64, 0..=i64::MAX as u64);
    let window = (price(), price(), price(), price(), price(), price(), price());
    let bar = (price(), price(), price(), price());
    let sums = any::<[i128; 4]>();
    (head, counts, window, bar, sums).prop_map(|(head, counts, window, bar, sums)| {
        let (symbol, start, length, side, revision, closed) = head;
        let mut row = StockAggregate {
            symbol,
            window_start: start.min(i64::MAX - length),
            window_end: start.min(i64::MAX - length) + length,
            avg_price: window.0,
            max_price: window.1,
            min_price: window.2,
            open_price: window.3,
            close_price: window.4,
            vwap: window.5,
            trade_count: counts.0,
            ma_5min: window.6,
            side,
            is_final: closed.is_some(),
            revision,
            closed_by: closed.unwrap_or_default(),
            bar_open: bar.0,
            bar_high: bar.1,
            bar_low: bar.2,
            bar_close: bar.3,
            bar_trades: counts.1,
            ..StockAggregate::default()
        };
        row.set_total_volume(sums[0]);
        row.set_bar_volume(sums[1]);
        row.set_bar_notional(sums[2]);
        row.set_bar_notional_size(sums[3]);
        assert_eq!([row.total_volume(), row.bar_volume(), row.bar_notional(), row.bar_notional_size()], sums);
        row
    })
}

proptest! {
    #[test]
    fn decoding_inverts_encoding(row in rows()) {
        for format in [OutputFormat::Protobuf, OutputFormat::Json] {
            let decoded = decode(&encoded(&row, format));
            prop_assert_eq!(decoded.as_ref(), Ok(&row), "{:?}", format);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(row in rows(), value in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
        let _ = decode(&value);
        let _ = decode(&[b"{", &value[..]].concat());
        for format in [OutputFormat::Protobuf, OutputFormat::Json] {
            let mut cut_short = encoded(&row, format);
            cut_short.truncate(cut.index(cut_short.len()));
            let _ = decode(&[&cut_short[..], &value[..]].concat());
        }
    }
}
