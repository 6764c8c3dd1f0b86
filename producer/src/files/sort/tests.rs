use proptest::prelude::*;

use super::*;

/// Time, text and whether it is too long; the line is the place.
type Row = (Option<i64>, Vec<u8>, bool);

fn sorted(rows: &[Row], limit: usize) -> Vec<(u64, Vec<u8>, bool)> {
    let mut sort = Sort::new(limit);
    for (line, (time, text, is_too_long)) in (1..).zip(rows) {
        sort.push(*time, line, text, *is_too_long).unwrap();
    }
    assert_eq!(sort.rows(), rows.len() as u64);
    let mut sorted = sort.finish().unwrap();
    let mut found = Vec::new();
    while sorted.advance().unwrap() {
        found.push((sorted.line(), sorted.text().to_vec(), sorted.is_too_long()));
        assert_eq!(sorted.progress(), (found.len() as u64, rows.len() as u64));
    }
    assert!(!sorted.advance().unwrap());
    found
}

#[test]
fn rows_come_by_time_then_line() {
    let row = |time, text: &str| (time, text.as_bytes().to_vec(), false);
    let rows = [row(Some(5), "a"), row(None, "b"), row(Some(3), ""), row(Some(5), "d"), row(Some(4), "e")];
    for limit in [0, 60, CHUNK_BYTES] {
        let lines: Vec<u64> = sorted(&rows, limit).into_iter().map(|(line, ..)| line).collect();
        assert_eq!(lines, [3, 5, 1, 2, 4], "chunks of {limit} bytes");
    }
    assert_eq!(sorted(&[], 0), []);
}

proptest! {
    #[test]
    fn equals_a_sort_in_memory_whatever_the_chunk(
        rows in proptest::collection::vec(
            (
                proptest::option::weighted(0.9, 0_i64..20),
                proptest::collection::vec(any::<u8>(), 0..30),
                proptest::bool::weighted(0.1),
            ),
            0..80,
        ),
        limit in 0_usize..2_000,
    ) {
        let mut time = i64::MIN;
        let mut expected: Vec<_> = (1..)
            .zip(rows.clone())
            .map(|(line, (own, text, is_too_long))| {
                time = own.unwrap_or(time);
                (time, (line, text, is_too_long))
            })
            .collect();
        expected.sort_by_key(|(time, _)| *time);
        let expected: Vec<_> = expected.into_iter().map(|(_, row)| row).collect();
        prop_assert_eq!(sorted(&rows, limit), expected);
    }
}
