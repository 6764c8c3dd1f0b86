use proptest::prelude::*;
use tape_proto::trade::PriceEligibility::{self, Last, None, Price};

use super::{Conditions, Eligibility, HEADER, PUBLISHED};

/// Noon and six in the evening in New York, 2026-07-01.
const NOON: i64 = 1_782_921_600_000;
const EVENING: i64 = NOON + 6 * 3_600_000;

fn judged(ids: &[i64], time: i64) -> (PriceEligibility, bool, usize) {
    let Eligibility { price, volume, unknown } = Conditions::published().eligibility(ids, time);
    (price, volume, unknown)
}

fn table(rows: &str) -> Result<Conditions, String> {
    Conditions::parse(&format!("{HEADER}\n{rows}"))
}

#[test]
fn each_published_condition_alone() {
    let groups: [(&[i64], _); 5] = [
        (&[0, 1, 3, 4, 6, 8, 9, 11, 14, 23, 25, 27, 28, 30, 34, 36, 41], (Last, true, 0)),
        (&[5, 10, 22, 29, 33], (Price, true, 0)),
        (&[2, 7, 12, 13, 20, 21, 37, 52, 53], (None, true, 0)),
        (&[15, 16, 31], (None, false, 0)),
        (&[38], (Last, false, 0)),
    ];
    for (ids, expected) in groups {
        for id in ids {
            assert_eq!(judged(&[*id], NOON), expected, "{id}");
        }
    }
    let known: usize = groups.iter().map(|(ids, _)| ids.len()).sum();
    assert_eq!(PUBLISHED.lines().count(), known + 1);
}

#[test]
fn one_no_wins_per_statistic() {
    assert_eq!(judged(&[], NOON), (Last, true, 0));
    assert_eq!(judged(&[0, 14, 41], NOON), (Last, true, 0));
    assert_eq!(judged(&[14, 10], NOON), (Price, true, 0));
    assert_eq!(judged(&[10, 37, 14], NOON), (None, true, 0));
    assert_eq!(judged(&[38, 37], NOON), (None, false, 0));
    assert_eq!(judged(&[38, 10], NOON), (Price, false, 0));
}

#[test]
fn form_t_sets_prices_outside_of_regular_hours_unless_another_forbids() {
    assert_eq!(judged(&[12], NOON), (None, true, 0));
    assert_eq!(judged(&[12], EVENING), (Last, true, 0));
    assert_eq!(judged(&[14, 12, 41], EVENING), (Last, true, 0));
    assert_eq!(judged(&[12, 37], EVENING), (None, true, 0));
    assert_eq!(judged(&[12, 10], EVENING), (Price, true, 0));
    assert_eq!(judged(&[13], EVENING), (None, true, 0));
    let silent = table("12,Form T,no,no,no,mine").unwrap();
    assert_eq!(silent.eligibility(&[12], EVENING), Eligibility { price: Last, volume: false, unknown: 0 });
}

#[test]
fn ids_without_a_rule_count_in_the_volume_only() {
    for id in [17, 44, 46, 48, 49, 59, 255, 256, -1, i64::MAX, i64::MIN] {
        assert_eq!(judged(&[id], NOON), (None, true, 1), "{id}");
    }
    assert_eq!(judged(&[14, 44, 300], NOON), (None, true, 2));
    assert_eq!(judged(&[15, 44], NOON), (None, false, 1));
}

#[test]
fn a_table_that_lets_last_but_not_high_low_sets_no_price() {
    let table = table("1,odd,no,yes,yes,mine").unwrap();
    assert_eq!(table.eligibility(&[1], NOON).price, None);
}

#[test]
fn a_table_is_read_with_line_ends_and_spaces_of_any_editor() {
    let table =
        Conditions::parse(&format!("{HEADER}\r\n 44 , Cancelled , no , no , no , mine \r\n\r\n")).unwrap();
    assert_eq!(table.eligibility(&[44], NOON), Eligibility { price: None, volume: false, unknown: 0 });
    assert_eq!(table.eligibility(&[14], NOON), Eligibility { price: None, volume: true, unknown: 1 });
}

#[test]
fn a_wrong_table_says_where_and_what_to_write() {
    let cases = [
        ("1,a,yes,yes,yes", "line 2: it has 5 cells; write the six of"),
        ("1,a,b,yes,yes,yes,x", "line 2: it has 7 cells"),
        ("\n256,a,yes,yes,yes,x", "line 3: the id \"256\" is not a number from 0 to 255"),
        ("1,a,yes,maybe,yes,x", "line 2: \"maybe\" is neither yes nor no"),
        ("1,a,yes,yes,yes,x\n1,b,no,no,no,x", "line 3: the condition 1 stands twice; write it once"),
    ];
    for (rows, message) in cases {
        let error = table(rows).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
    for text in ["", "id,name\n", "1,a,yes,yes,yes,x"] {
        assert!(
            Conditions::parse(text)
                .unwrap_err()
                .starts_with("line 1 is not the header of conditions; write id,")
        );
    }
}

proptest! {
    #[test]
    fn more_conditions_never_allow_more(
        ids in prop::collection::vec(-1..70_i64, 0..6),
        more in -1..70_i64,
        time in NOON - 86_400_000..NOON,
    ) {
        let (price, volume, unknown) = judged(&ids, time);
        let with_more: Vec<i64> = ids.iter().copied().chain([more]).collect();
        let (price_after, volume_after, unknown_after) = judged(&with_more, time);
        prop_assert!(price_after.sets_price() <= price.sets_price());
        prop_assert!(price_after.sets_last() <= price.sets_last());
        prop_assert!(volume_after <= volume);
        prop_assert!(unknown_after >= unknown);
    }

    #[test]
    fn any_text_is_a_table_or_an_error(text in any::<String>()) {
        let _ = Conditions::parse(&text);
        let _ = table(&text);
    }
}
