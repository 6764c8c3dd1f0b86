use proptest::prelude::*;

use super::{CodecError, Key, MAX_KEY_BYTES, is_key_shaped};

fn bytes(key: Key<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    key.encode(&mut out).unwrap();
    out
}

#[test]
fn golden_bytes() {
    #[track_caller]
    fn check(key: Key<'_>, expected: &[u8]) {
        assert_eq!(bytes(key), expected);
        assert_eq!(Key::decode(expected), Ok(key));
    }
    check(Key::Meta, &[0]);
    check(Key::Symbol("A"), b"\x01A");
    check(Key::Symbol("BTC-USD"), b"\x07BTC-USD");
    check(Key::Pane("A", 0), b"\x01A\0\0\0\0\0\0\0\0");
    check(Key::Pane("AAPL", 1_704_931_200_000), b"\x04AAPL\x00\x00\x01\x8c\xf5\xd1\x8c\x00");
    check(Key::Pane("A", i64::MAX), b"\x01A\x7f\xff\xff\xff\xff\xff\xff\xff");
}

#[test]
fn encoding_appends_or_leaves_the_buffer_alone() {
    let mut out = vec![9];
    Key::Symbol("AB").encode(&mut out).unwrap();
    assert_eq!(out, b"\x09\x02AB");
    for refused in [
        Key::Symbol(""),
        Key::Pane("", 1),
        Key::Pane("A", -1),
        Key::Symbol(&"X".repeat(33)),
        Key::Symbol(&"X".repeat(300)),
    ] {
        assert!(matches!(refused.encode(&mut out), Err(CodecError::Unstorable(_))), "{refused:?}");
        assert_eq!(out, b"\x09\x02AB");
    }
}

#[test]
fn foreign_bytes_are_refused() {
    #[track_caller]
    fn check(foreign: &[u8]) {
        assert!(matches!(Key::decode(foreign), Err(CodecError::Malformed(_))), "{foreign:?}");
    }
    check(b"");
    check(b"\0\0");
    check(b"\x01");
    check(b"\x02A");
    check(b"\x01AB");
    check(b"\x01A\0\0\0\0\0\0\0");
    check(b"\x01A\0\0\0\0\0\0\0\0\0");
    check(b"\x01A\xff\xff\xff\xff\xff\xff\xff\xff");
    check(b"\x01\xff");
    check(b"\xff");
    check(&[33; 34]);
    check(&[255; 256]);
}

#[test]
fn keys_of_a_symbol_stand_together() {
    let mut keys = [
        Key::Pane("AA", 5),
        Key::Symbol("B"),
        Key::Pane("A", 1_000_000),
        Key::Meta,
        Key::Pane("A", 999),
        Key::Symbol("AA"),
        Key::Symbol("A"),
        Key::Pane("B", 0),
    ];
    keys.sort_by_key(|key| bytes(*key));
    assert_eq!(
        keys,
        [
            Key::Meta,
            Key::Symbol("A"),
            Key::Pane("A", 999),
            Key::Pane("A", 1_000_000),
            Key::Symbol("B"),
            Key::Pane("B", 0),
            Key::Symbol("AA"),
            Key::Pane("AA", 5),
        ]
    );
}

proptest! {
    #[test]
    fn every_key_reads_back(symbol in "[A-Za-z0-9.:/_-]{1,32}", start in 0..=i64::MAX) {
        for key in [Key::Meta, Key::Symbol(&symbol), Key::Pane(&symbol, start)] {
            let encoded = bytes(key);
            prop_assert!(encoded.len() <= MAX_KEY_BYTES && is_key_shaped(&encoded));
            prop_assert_eq!(Key::decode(&encoded), Ok(key));
        }
    }

    #[test]
    fn any_bytes_are_a_key_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(key) = Key::decode(&bytes) {
            prop_assert_eq!(self::bytes(key), bytes);
        }
    }

    #[test]
    fn order_of_bytes_is_order_of_time(a in 0..=i64::MAX, b in 0..=i64::MAX) {
        prop_assert_eq!(bytes(Key::Pane("X", a)).cmp(&bytes(Key::Pane("X", b))), a.cmp(&b));
    }
}
