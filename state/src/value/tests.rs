use proptest::prelude::*;

use super::{
    ClosedWindow, CodecError, LastBreakout, MAX_CLOSED_WINDOWS, MAX_VALUE_BYTES, META_VERSION, MetaValue,
    PaneValue, Print, SymbolValue, VALUE_VERSION,
};

/// Writes, compares with the golden bytes, and reads them.
macro_rules! check_golden {
    ($kind:ty, $value:expr, $golden:expr) => {{
        let (value, golden): ($kind, &[u8]) = ($value, $golden);
        let mut out = Vec::new();
        value.encode(&mut out).unwrap();
        assert_eq!(out, golden);
        check_reads!($kind, value, golden);
    }};
}

/// Reads golden bytes, also those that are not written any more; every prefix must be an error, and so must more bytes.
macro_rules! check_reads {
    ($kind:ty, $value:expr, $golden:expr) => {{
        let (value, golden): ($kind, &[u8]) = ($value, $golden);
        let mut out = golden.to_vec();
        assert_eq!(<$kind>::decode(golden), Ok(value));
        for end in 0..golden.len() {
            assert!(
                matches!(<$kind>::decode(&golden[..end]), Err(CodecError::Malformed(_))),
                "prefix of {end}"
            );
        }
        out.push(0);
        assert_eq!(<$kind>::decode(&out), Err(CodecError::Malformed("bytes behind the value")));
    }};
}

#[test]
fn golden_bytes_of_version_1_pane() {
    check_golden!(PaneValue, PaneValue::default(), &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let pane = PaneValue {
        records: 3,
        prices: 300,
        sum_price: 526_500_000_000,
        sum_size: i128::from(u64::MAX),
        notional: -1,
        notional_size: 125,
        high: Some(175_500_000_000),
        low: Some(0),
        open: Some(Print { time: 1_704_931_200_000, offset: 7, price: 175_500_000_000 }),
        close: None,
    };
    check_golden!(
        PaneValue,
        pane,
        &[
            1, 3, 251, 44, 1, // records, prices
            253, 0, 226, 176, 43, 245, 0, 0, 0, // sum_price, twice its value because it is signed
            254, 254, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0, // sum_size
            1, 250, // notional, notional_size
            1, 253, 0, 246, 58, 185, 81, 0, 0, 0, 1, 0, // high, low
            1, 253, 0, 24, 163, 235, 25, 3, 0, 0, 14, 253, 0, 246, 58, 185, 81, 0, 0, 0, // open
            0,
        ]
    );
}

#[test]
fn golden_bytes_of_version_1_symbol() {
    check_golden!(SymbolValue, SymbolValue::default(), &[1, 0, 0, 0, 0]);
    let symbol = SymbolValue {
        closed: vec![
            ClosedWindow { start: -60_000, avg: None, side: 0 },
            ClosedWindow { start: 0, avg: Some(1_000_000_000), side: -1 },
        ],
        breakout: Some(LastBreakout { side: 1, time: 1_704_931_200_000 }),
        disarmed: true,
        above: false,
    };
    check_golden!(
        SymbolValue,
        symbol,
        &[
            1, 2, // two windows
            252, 191, 212, 1, 0, 0, 0, // start −60,000, no average, side 0
            0, 1, 252, 0, 148, 53, 119, 255, // start 0, average 1, side −1
            1, 1, 253, 0, 24, 163, 235, 25, 3, 0, 0, // breakout
            1, 0,
        ]
    );
}

#[test]
fn golden_bytes_of_version_1_meta() {
    check_reads!(MetaValue, MetaValue::default(), &[1, 0, 0, 0, 0, 0]);
    let meta = MetaValue {
        stream_time: Some(1_704_931_200_000),
        watermark: Some(1_704_931_140_000),
        window_ms: 300_000,
        slide_ms: 60_000,
        generation: 1,
        input_id: None,
        changelog_id: None,
        partitions: None,
    };
    check_reads!(
        MetaValue,
        meta,
        &[
            1, 1, 253, 0, 24, 163, 235, 25, 3, 0, 0, // stream time
            1, 253, 64, 67, 161, 235, 25, 3, 0, 0, // watermark
            252, 192, 39, 9, 0, 252, 192, 212, 1, 0, // window, slide
            1,
        ]
    );
}

#[test]
fn golden_bytes_of_version_2_meta() {
    check_reads!(MetaValue, MetaValue::default(), &[2, 0, 0, 0, 0, 0, 0, 0]);
    let meta = MetaValue {
        stream_time: Some(1_704_931_200_000),
        watermark: None,
        window_ms: 300_000,
        slide_ms: 60_000,
        generation: 300,
        input_id: Some([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 251]),
        changelog_id: Some([255; 16]),
        partitions: None,
    };
    check_reads!(
        MetaValue,
        meta,
        &[
            2, 1, 253, 0, 24, 163, 235, 25, 3, 0, 0, // stream time
            0, // watermark
            252, 192, 39, 9, 0, 252, 192, 212, 1, 0, // window, slide
            251, 44, 1, // generation
            1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
            251, // id of the input, bytes as they are
            1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        ]
    );
}

#[test]
fn golden_bytes_of_version_3_meta() {
    check_golden!(MetaValue, MetaValue::default(), &[3, 0, 0, 0, 0, 0, 0, 0, 0]);
    let meta = MetaValue {
        stream_time: None,
        watermark: Some(1_704_931_140_000),
        window_ms: 300_000,
        slide_ms: 60_000,
        generation: 2,
        input_id: None,
        changelog_id: Some([7; 16]),
        partitions: Some(300),
    };
    check_golden!(
        MetaValue,
        meta,
        &[
            3, 0, 1, 253, 64, 67, 161, 235, 25, 3, 0, 0, // watermark
            252, 192, 39, 9, 0, 252, 192, 212, 1, 0, // window, slide
            2, 0, // generation, id of the input
            1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // id of the changelog
            1, 251, 44, 1, // partitions
        ]
    );
}

#[test]
fn another_version_is_told_apart_from_damage() {
    let newer = MetaValue::decode(&[META_VERSION + 1, 1, 2, 3]).unwrap_err();
    assert_eq!(newer, CodecError::Newer { found: 4, known: 3 });
    assert_eq!(
        newer.to_string(),
        "written by a newer version of tape (format 4, this one reads up to 3); use that version or `tape reset`"
    );
    assert_eq!(PaneValue::decode(&[255; 100_000]), Err(CodecError::Newer { found: 255, known: 1 }));
    assert_eq!(PaneValue::decode(&[]), Err(CodecError::Malformed("empty value")));
    assert_eq!(PaneValue::decode(&[0; 11]), Err(CodecError::Malformed("value with version byte 0")));
    assert_eq!(PaneValue::decode(&[1; 100_000]), Err(CodecError::Malformed("value longer than 64 KiB")));
}

#[test]
fn the_largest_values_fit_the_limit() {
    let window = ClosedWindow { start: i64::MIN, avg: Some(i64::MIN), side: -1 };
    let mut symbol = SymbolValue {
        closed: vec![window; MAX_CLOSED_WINDOWS],
        breakout: Some(LastBreakout { side: -1, time: i64::MIN }),
        disarmed: true,
        above: true,
    };
    let mut out = Vec::new();
    symbol.encode(&mut out).unwrap();
    assert!(out.len() <= MAX_VALUE_BYTES, "{} bytes", out.len());
    assert_eq!(SymbolValue::decode(&out).as_ref(), Ok(&symbol));

    symbol.closed.push(window);
    let before = out.clone();
    assert!(matches!(symbol.encode(&mut out), Err(CodecError::Unstorable(_))));
    assert_eq!(out, before);
    symbol.closed.truncate(1);
    symbol.closed[0].side = 2;
    assert!(matches!(symbol.encode(&mut out), Err(CodecError::Unstorable(_))));
}

#[test]
fn a_lying_length_asks_for_no_memory() {
    // A list of 2^64 − 1 windows, then of as many as would just pass the limit.
    let lie = [1, 253, 255, 255, 255, 255, 255, 255, 255, 255];
    assert!(matches!(SymbolValue::decode(&lie), Err(CodecError::Malformed(_))));
    assert!(matches!(SymbolValue::decode(&[1, 251, 0, 255, 0]), Err(CodecError::Malformed(_))));
    // 1,441 windows of three bytes each are within the memory limit but beyond the contract.
    let mut many = vec![1, 251];
    many.extend_from_slice(&1441_u16.to_le_bytes());
    many.extend(std::iter::repeat_n([0, 0, 0], 1441).flatten());
    many.extend([0, 0, 0]);
    assert_eq!(
        SymbolValue::decode(&many),
        Err(CodecError::Malformed("more than 1440 closed windows of a symbol"))
    );
    // A side of 2.
    assert_eq!(
        SymbolValue::decode(&[1, 1, 0, 0, 2, 0, 0, 0]),
        Err(CodecError::Malformed("a side outside -1..=1"))
    );
}

fn print() -> impl Strategy<Value = Print> {
    any::<(i64, i64, i64)>().prop_map(|(time, offset, price)| Print { time, offset, price })
}

fn pane() -> impl Strategy<Value = PaneValue> {
    let sums = any::<(u64, u64, i128, i128, i128, i128)>();
    let prices = any::<(Option<i64>, Option<i64>)>();
    (sums, prices, proptest::option::of(print()), proptest::option::of(print())).prop_map(
        |((records, prices, sum_price, sum_size, notional, notional_size), (high, low), open, close)| {
            PaneValue {
                records,
                prices,
                sum_price,
                sum_size,
                notional,
                notional_size,
                high,
                low,
                open,
                close,
            }
        },
    )
}

fn symbol() -> impl Strategy<Value = SymbolValue> {
    let window = (any::<(i64, Option<i64>)>(), -1_i8..=1).prop_map(|((start, avg), side)| ClosedWindow {
        start,
        avg,
        side,
    });
    let breakout = (-1_i8..=1, any::<i64>()).prop_map(|(side, time)| LastBreakout { side, time });
    let closed = proptest::collection::vec(window, 0..40);
    (closed, proptest::option::of(breakout), any::<(bool, bool)>())
        .prop_map(|(closed, breakout, (disarmed, above))| SymbolValue { closed, breakout, disarmed, above })
}

fn meta() -> impl Strategy<Value = MetaValue> {
    let topics = any::<(Option<[u8; 16]>, Option<[u8; 16]>, Option<u32>)>();
    (any::<(Option<i64>, Option<i64>, i64, i64, u32)>(), topics).prop_map(
        |(
            (stream_time, watermark, window_ms, slide_ms, generation),
            (input_id, changelog_id, partitions),
        )| MetaValue {
            stream_time,
            watermark,
            window_ms,
            slide_ms,
            generation,
            input_id,
            changelog_id,
            partitions,
        },
    )
}

proptest! {
    #[test]
    fn every_value_reads_back(pane in pane(), symbol in symbol(), meta in meta()) {
        let mut out = Vec::new();
        pane.encode(&mut out).unwrap();
        prop_assert_eq!(PaneValue::decode(&out), Ok(pane));
        out.clear();
        symbol.encode(&mut out).unwrap();
        prop_assert_eq!(SymbolValue::decode(&out), Ok(symbol));
        out.clear();
        meta.encode(&mut out).unwrap();
        prop_assert_eq!(MetaValue::decode(&out), Ok(meta));
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        for version in [bytes[0], VALUE_VERSION, META_VERSION] {
            bytes[0] = version;
            let _ = (PaneValue::decode(&bytes), SymbolValue::decode(&bytes), MetaValue::decode(&bytes));
        }
    }

    #[test]
    fn a_damaged_value_is_a_value_or_an_error(symbol in symbol(), at in any::<prop::sample::Index>(), with: u8) {
        let mut out = Vec::new();
        symbol.encode(&mut out).unwrap();
        let at = at.index(out.len());
        out[at] = with;
        if let Ok(read) = SymbolValue::decode(&out) {
            let mut again = Vec::new();
            read.encode(&mut again).unwrap();
            prop_assert_eq!(SymbolValue::decode(&again), Ok(read));
        }
    }
}
