use super::*;

#[test]
fn a_header_is_read_as_it_was_written() {
    let mut out = b"left from before".to_vec();
    for (id, number) in [("replay-1", 0), ("a:b", 7), ("", u64::MAX)] {
        write_header(id, number, &mut out);
        assert_eq!(read_header(&out), Some((id, number)), "{id}");
    }
    for strange in [&b""[..], b"no number", b"id:", b"id:-1", b"id:18446744073709551616", b"\xff:1"] {
        assert_eq!(read_header(strange), None, "{strange:?}");
    }
}

#[test]
fn covers_what_the_partition_of_the_key_has() {
    let last = vec![Some(5), None, Some(9)];
    let cursor = Cursor::new(last.clone());
    for key in ["AAPL", "TSLA", "BTC-USD", "NVDA", "MSFT", "ETH-USD"] {
        let expected = last[partition(key.as_bytes(), 3) as usize];
        assert_eq!(cursor.last_of(key.as_bytes()), expected, "{key}");
        for number in 0..12 {
            let is_covered = expected.is_some_and(|last| number <= last);
            assert_eq!(cursor.covers(key.as_bytes(), number), is_covered, "{key} {number}");
        }
    }
    assert!(!cursor.is_fresh());
}

#[test]
fn a_fresh_cursor_covers_nothing() {
    for partitions in [0, 1, 3] {
        let cursor = Cursor::fresh(partitions);
        assert!(cursor.is_fresh());
        assert!(!cursor.covers(b"AAPL", 0));
    }
}
