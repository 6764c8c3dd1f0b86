use super::*;
use proptest::prelude::*;

fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Record<'a> {
    Record {
        topic: "raw-trades",
        partition: 2,
        offset: 7,
        timestamp: Some(5),
        key,
        value,
        headers: Vec::new(),
    }
}

fn text(letter: &DeadLetter<'_>, name: &str) -> Option<String> {
    let header = letter.headers.iter().rfind(|header| header.name == name)?;
    Some(String::from_utf8(header.value.clone()?.into_owned()).unwrap())
}

#[test]
fn a_small_record_is_kept_whole() {
    let original = Header::borrowed("tape-source", Some(b"file:3"));
    let null = Header::borrowed("empty", None);
    let mut record = record(Some(b"AAPL"), Some(b"junk"));
    record.headers = vec![original.clone(), null.clone()];
    let letter = DeadLetter::new(record, "bad_json", "the value is not one JSON object");
    assert_eq!((letter.key, letter.value), (Some(&b"AAPL"[..]), Some(&b"junk"[..])));
    assert_eq!(letter.headers[..2], [original, null]);
    let ours: Vec<_> = letter.headers[2..].iter().map(|header| &*header.name).collect();
    let names =
        [REASON, MESSAGE, TOPIC, PARTITION, OFFSET, TIMESTAMP, KEY_LENGTH, VALUE_LENGTH, HEADERS_LENGTH];
    assert_eq!(ours, names);
    let texts = ["bad_json", "the value is not one JSON object", "raw-trades", "2", "7", "5", "4", "4", "22"];
    assert_eq!(names.map(|name| text(&letter, name).unwrap()), texts);
}

#[test]
fn a_large_record_is_cut() {
    let (key, value) = ([b'k'; KEY_MAX_BYTES + 1], vec![b'v'; 900_000]);
    let letter = DeadLetter::new(record(Some(&key), Some(&value)), "bad_json", "");
    assert_eq!(letter.key.map(<[u8]>::len), Some(1024));
    assert_eq!(letter.value.map(<[u8]>::len), Some(65_536));
    assert_eq!(text(&letter, KEY_LENGTH).as_deref(), Some("1025"));
    assert_eq!(text(&letter, VALUE_LENGTH).as_deref(), Some("900000"));
}

#[test]
fn null_is_not_empty() {
    let null = DeadLetter::new(Record { timestamp: None, ..record(None, None) }, "null_value", "");
    assert_eq!((null.key, null.value), (None, None));
    assert_eq!(text(&null, KEY_LENGTH).as_deref(), Some("-1"));
    assert_eq!(text(&null, VALUE_LENGTH).as_deref(), Some("-1"));
    assert_eq!(text(&null, TIMESTAMP), None);
    let empty = DeadLetter::new(record(Some(b""), Some(b"")), "empty_value", "");
    assert_eq!((empty.key, empty.value), (Some(&b""[..]), Some(&b""[..])));
    assert_eq!(text(&empty, VALUE_LENGTH).as_deref(), Some("0"));
}

#[test]
fn headers_are_kept_while_they_fit() {
    fn check(sizes: &[usize], kept: usize) {
        let values: Vec<_> = sizes.iter().map(|size| vec![0; size - 1]).collect();
        let mut record = record(None, None);
        record.headers = values.iter().map(|value| Header::borrowed("h", Some(value))).collect();
        let letter = DeadLetter::new(record, "bad_json", "");
        assert_eq!(letter.headers.iter().filter(|header| header.name == "h").count(), kept, "{sizes:?}");
        let total: usize = sizes.iter().sum();
        assert_eq!(text(&letter, HEADERS_LENGTH), Some(total.to_string()));
    }
    check(&[], 0);
    check(&[HEADERS_MAX_BYTES], 1);
    check(&[HEADERS_MAX_BYTES + 1], 0);
    check(&[1, HEADERS_MAX_BYTES - 1, 1], 2);
    check(&[1, HEADERS_MAX_BYTES, 1], 1);
    check(&[1; HEADERS_MAX_BYTES + 5], HEADERS_MAX_BYTES);
}

#[test]
fn the_last_header_of_a_name_is_ours() {
    let mut again = record(None, None);
    again.headers = vec![Header::borrowed(REASON, Some(b"older"))];
    let letter = DeadLetter::new(again, "newer", &"é".repeat(MESSAGE_MAX_BYTES));
    assert_eq!(text(&letter, REASON).as_deref(), Some("newer"));
    assert_eq!(text(&letter, MESSAGE).unwrap().len(), MESSAGE_MAX_BYTES);
}

proptest! {
    #[test]
    fn the_size_is_bounded(
        sizes in prop::collection::vec(0..20_000_usize, 0..6),
        key in 0..3_000_usize,
        value in 0..200_000_usize,
        message in any::<String>(),
    ) {
        let bytes = vec![0; 200_000];
        let mut record = record(Some(&bytes[..key]), Some(&bytes[..value]));
        record.headers = sizes.iter().map(|size| Header::borrowed("name", Some(&bytes[..*size]))).collect();
        let letter = DeadLetter::new(record, "code", &message);
        let headers: usize = letter.headers.iter().map(Header::bytes).sum();
        prop_assert!(headers <= HEADERS_MAX_BYTES + MESSAGE_MAX_BYTES + 1024);
        prop_assert_eq!(letter.key.map(<[u8]>::len), Some(key.min(KEY_MAX_BYTES)));
        prop_assert_eq!(letter.value.map(<[u8]>::len), Some(value.min(VALUE_MAX_BYTES)));
    }
}
