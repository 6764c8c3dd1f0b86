use super::*;

#[test]
fn headers_come_in_order_and_the_last_of_a_name_counts() {
    let list = [("a", Some(&b"1"[..])), ("b", None), ("a", Some(&b"2"[..]))];
    let record = Record::detached("t", 0, 7, None, None).with_headers(&list).with_timestamp(5, true);
    let names: Vec<String> = record.headers().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["a", "b", "a"]);
    assert_eq!(record.header("a"), Some(Some(&b"2"[..])));
    assert_eq!(record.header("b"), Some(None));
    assert_eq!(record.header("c"), None);
    assert_eq!(record.append_time(), Some(5));
    assert_eq!(record.with_timestamp(5, false).append_time(), None);
}
