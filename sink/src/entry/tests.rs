use tape_proto::dead_letter::{MESSAGE, OFFSET, PARTITION, REASON, TOPIC, VALUE_LENGTH};
use tape_proto::output::OutputFormat;

use super::*;
use crate::letter::{REFUSED, SQLSTATE, UNDECODABLE};

fn incoming(table: Table, value: Option<&[u8]>) -> Incoming<'_> {
    Incoming {
        slot: Slot { table, partition: 3 },
        topic: "topic",
        offset: 42,
        timestamp: Some(1_000),
        append_time: Some(1_000),
        key: Some(b"AAPL"),
        value,
        headers: vec![Header::borrowed("origin", Some(b"x"))],
    }
}

fn row_bytes(change: impl FnOnce(&mut StockAggregate)) -> Vec<u8> {
    let mut row = StockAggregate {
        symbol: "AAPL".to_owned(),
        window_start: 0,
        window_end: 300_000,
        ..StockAggregate::default()
    };
    change(&mut row);
    let mut bytes = Vec::new();
    aggregate::encode(&row, OutputFormat::Protobuf, &mut bytes);
    bytes
}

fn header<'a>(letter: &'a Letter, name: &str) -> Option<&'a str> {
    let value = letter.headers.iter().rev().find(|(found, _)| found == name)?.1.as_deref()?;
    std::str::from_utf8(value).ok()
}

#[test]
fn a_row_is_a_row() {
    let bytes = row_bytes(|_| {});
    let entry = Entry::judge(incoming(Table::Aggregates, Some(&bytes)));
    assert!(matches!(&entry.content, Content::Row(row, _) if row.symbol == "AAPL"));
    assert_eq!((entry.offset, entry.append_time), (42, Some(1_000)));
    assert!(entry.bytes >= bytes.len());
}

#[test]
fn what_is_no_row_is_refused_with_its_reason() {
    let check = |table: Table, value: Option<&[u8]>, reason: &str| {
        let entry = Entry::judge(incoming(table, value));
        let Content::Refused { letter, delivered } = entry.content else {
            panic!("taken for a row: {value:?}");
        };
        assert!(!delivered);
        assert_eq!(header(&letter, REASON), Some(UNDECODABLE));
        let message = header(&letter, MESSAGE).unwrap();
        assert!(message.contains(reason), "{message}");
        assert_eq!(header(&letter, TOPIC), Some("topic"));
        assert_eq!(header(&letter, PARTITION), Some("3"));
        assert_eq!(header(&letter, OFFSET), Some("42"));
        assert_eq!(header(&letter, "origin"), Some("x"));
        assert_eq!(header(&letter, SQLSTATE), None);
    };
    check(Table::Aggregates, None, "null");
    check(Table::Aggregates, Some(b"\xff\xff\xff"), "protobuf");
    check(Table::Aggregates, Some(b"{"), "JSON");
    check(Table::Alerts, Some(b""), "symbol");
    let far = row_bytes(|row| row.window_end = i64::MAX);
    check(Table::Aggregates, Some(&far), "window_end is 9223372036854775807 ms");
    let past = row_bytes(|row| row.window_start = i64::MIN);
    check(Table::Aggregates, Some(&past), "window_start is -9223372036854775808 ms");
    check(Table::Aggregates, Some(&[b'{'; VALUE_BYTES_MAX + 1]), "a value of 65537 bytes");
}

#[test]
fn junk_waits_in_memory_only_as_long_as_its_dead_letter() {
    let junk = vec![b'x'; 900_000];
    let entry = Entry::judge(incoming(Table::Alerts, Some(&junk)));
    assert!(entry.bytes < 2 * VALUE_BYTES_MAX, "{} bytes", entry.bytes);
    let Content::Refused { letter, .. } = entry.content else { panic!("taken for an alert") };
    assert_eq!(header(&letter, VALUE_LENGTH), Some("900000"));
    assert_eq!(letter.value.unwrap().len(), VALUE_BYTES_MAX);
}

#[test]
fn a_row_that_the_database_refused_keeps_its_bytes() {
    let bytes = row_bytes(|_| {});
    let mut entry = Entry::judge(incoming(Table::Aggregates, Some(&bytes)));
    let refusal =
        Refusal { code: REFUSED, text: "value out of range".to_owned(), sqlstate: Some("22003".to_owned()) };
    entry.refuse("stock-aggregates", &refusal);
    let Content::Refused { letter, .. } = &entry.content else { panic!("not refused") };
    assert_eq!(letter.value.as_deref(), Some(&bytes[..]));
    assert_eq!(letter.key.as_deref(), Some(&b"AAPL"[..]));
    assert_eq!(header(letter, SQLSTATE), Some("22003"));
    assert_eq!(header(letter, REASON), Some(REFUSED));
    assert_eq!(header(letter, TOPIC), Some("stock-aggregates"));
    assert_eq!(header(letter, "origin"), Some("x"));
}
