use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::massive::decode::Kind;
use crate::venue::Identity;

const SECOND: Duration = Duration::from_secs(1);
const HOUR_MS: i64 = 3_600_000;

fn plan() -> Plan {
    Plan::new(Settings { calls_per_minute: 0, hold: 30 * SECOND, hold_bytes: 100 })
}

fn channels(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|channel| (*channel).to_owned()).collect()
}

fn gap(plan: &mut Plan, list: &[&str], range: (i64, i64), now: Duration) {
    let cluster = if list[0].starts_with('X') { Cluster::Crypto } else { Cluster::Stocks };
    plan.gap(cluster, range, &channels(list), now);
}

fn identity(number: i64) -> Identity {
    Identity::by_sequence(Kind::T, "AAA", 0, &number.to_string())
}

fn row(number: i64, event_time: i64) -> Row {
    let value = format!("row {number}").into_bytes();
    Row { identity: identity(number), event_time, nanos: event_time * 1_000_000, sequence: number, value }
}

fn page(rows: Vec<Row>, next: Option<&str>) -> Answer {
    Answer::Page(Page { rows, skipped: 0, next: next.map(str::to_owned) })
}

fn live(plan: &mut Plan, number: i64, event_time: i64, now: Duration) -> Pass {
    let value = format!("live {number}");
    let event = Event {
        cluster: Cluster::Stocks,
        symbol: "AAA",
        event_time,
        identity: identity(number),
        value: value.as_bytes(),
    };
    plan.live(&event, now)
}

fn published(plan: &mut Plan) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(effect) = plan.effect() {
        if let Effect::Publish(record) = effect {
            texts.push(String::from_utf8(record.value).unwrap());
        }
    }
    texts
}

fn told(plan: &mut Plan) -> Vec<Note> {
    let mut notes = Vec::new();
    while let Some(effect) = plan.effect() {
        if let Effect::Tell(note) = effect {
            notes.push(note);
        }
    }
    notes
}

#[test]
fn asks_for_the_widened_range_when_it_is_past() {
    let mut plan = plan();
    gap(&mut plan, &["T.BRK.B", "A.AAA"], (HOUR_MS, HOUR_MS + 500), SECOND);
    assert_eq!(plan.call(SECOND + MARGIN / 2), None);
    let path = "/v3/trades/BRK.B?timestamp.gte=3598000000000&timestamp.lt=3602500000000&order=asc&sort=timestamp&limit=50000";
    let call = Call { cluster: Cluster::Stocks, symbol: "BRK.B".to_owned(), path: path.to_owned() };
    assert_eq!(plan.call(SECOND + MARGIN), Some(call));
    assert_eq!(plan.call(SECOND + MARGIN), None, "one call at a time");
    plan.answer(page(vec![], Some("/v3/trades/BRK.B?cursor=2")), 4 * SECOND);
    assert_eq!(plan.call(4 * SECOND).unwrap().path, "/v3/trades/BRK.B?cursor=2");
    plan.answer(page(vec![], None), 4 * SECOND);
    assert_eq!((plan.figures(4 * SECOND).filled, plan.figures(4 * SECOND).pending), (1, 0));
}

#[test]
fn crypto_has_another_spelling_there() {
    let mut plan = plan();
    gap(&mut plan, &["XT.BTC-USD", "XAS.ETH-USD"], (0, 1), Duration::ZERO);
    let path = plan.call(MARGIN).unwrap().path;
    assert!(path.starts_with("/v3/trades/X:BTCUSD?timestamp.gte=0&timestamp.lt=2001000000&"), "{path}");
}

#[test]
fn gaps_that_overlap_are_one_job() {
    let mut plan = plan();
    let at = |ms| HOUR_MS + ms;
    gap(&mut plan, &["T.AAA"], (at(0), at(10)), SECOND);
    gap(&mut plan, &["T.AAA"], (at(2_000), at(3_000)), SECOND);
    gap(&mut plan, &["T.AAA"], (at(60_000), at(70_000)), SECOND);
    assert_eq!(plan.figures(2 * SECOND).pending, 2);
    assert_eq!(plan.figures(2 * SECOND).oldest, SECOND);
    let path = plan.call(9 * SECOND).unwrap().path;
    assert!(path.contains("gte=3598000000000&timestamp.lt=3605000000000&"), "{path}");
    gap(&mut plan, &["T.AAA"], (at(3_000), at(4_000)), 9 * SECOND);
    assert_eq!(plan.figures(9 * SECOND).pending, 3, "one that is being read stays as it is");
}

#[test]
fn all_symbols_are_not_filled_and_that_is_said_once() {
    let mut plan = plan();
    gap(&mut plan, &["T.*"], (0, 1), SECOND);
    gap(&mut plan, &["T.*"], (0, 1), SECOND);
    assert_eq!(told(&mut plan), [Note::AllSymbols]);
    assert_eq!(plan.call(60 * SECOND), None);
}

#[test]
fn merges_what_both_bring_by_time() {
    let mut plan = plan();
    let at = |ms| HOUR_MS + ms;
    assert_eq!(live(&mut plan, 1, at(0), SECOND), Pass::Now);
    gap(&mut plan, &["T.AAA"], (at(0), at(5_000)), 6 * SECOND);
    assert_eq!(live(&mut plan, 5, at(5_100), 6 * SECOND), Pass::Kept);
    assert_eq!(live(&mut plan, 7, at(5_900), 7 * SECOND), Pass::Kept);
    assert!(plan.call(9 * SECOND).is_some());
    let rows =
        vec![row(3, at(2_000)), row(2, at(2_000)), row(1, at(0)), row(5, at(5_100)), row(6, at(5_500))];
    plan.answer(page(rows, None), 9 * SECOND);
    assert_eq!(published(&mut plan), ["row 2", "row 3", "live 5", "row 6", "live 7"]);
    assert_eq!(live(&mut plan, 6, at(5_500), 9 * SECOND), Pass::Twice, "the backfill was first");
    assert_eq!(live(&mut plan, 8, at(9_000), 9 * SECOND), Pass::Now);
    let figures = plan.figures(9 * SECOND);
    assert_eq!((figures.added, figures.twice, figures.held_bytes), (3, 3, 0));
}

#[test]
fn rows_outside_of_the_range_are_none_of_ours() {
    let mut plan = plan();
    gap(&mut plan, &["T.AAA"], (HOUR_MS, HOUR_MS), Duration::ZERO);
    assert!(plan.call(MARGIN).is_some());
    let (from, to) = (HOUR_MS - MARGIN_MS, HOUR_MS + MARGIN_MS);
    plan.answer(page(vec![row(1, from - 1), row(2, from), row(3, to - 1), row(4, to)], None), MARGIN);
    assert_eq!(published(&mut plan), ["row 2", "row 3"]);
    assert_eq!(plan.figures(MARGIN).skipped, 2);
}

#[test]
fn a_hold_ends_by_time_and_by_bytes() {
    let mut plan = plan();
    gap(&mut plan, &["T.AAA"], (HOUR_MS, HOUR_MS), Duration::ZERO);
    assert_eq!(live(&mut plan, 1, HOUR_MS, SECOND), Pass::Kept);
    plan.pass(29 * SECOND);
    assert!(published(&mut plan).is_empty());
    plan.pass(30 * SECOND);
    assert_eq!(published(&mut plan), ["live 1"]);
    assert_eq!(live(&mut plan, 2, HOUR_MS, 31 * SECOND), Pass::Now);

    gap(&mut plan, &["T.AAA"], (HOUR_MS, HOUR_MS), 40 * SECOND);
    for number in 10..24 {
        assert_eq!(live(&mut plan, number, HOUR_MS, 41 * SECOND), Pass::Kept);
    }
    assert_eq!(plan.figures(41 * SECOND).held_bytes, 98);
    assert_eq!(live(&mut plan, 24, HOUR_MS, 41 * SECOND), Pass::Kept);
    assert_eq!(published(&mut plan).len(), 15, "all of them, the last one behind");
    assert_eq!(live(&mut plan, 25, HOUR_MS, 41 * SECOND), Pass::Now);
}

#[test]
fn failures_have_their_pauses() {
    let check = |answer: Answer, pauses: &[u32]| {
        let mut plan = plan();
        gap(&mut plan, &["T.AAA"], (0, 0), Duration::ZERO);
        let mut now = MARGIN;
        for pause in pauses {
            assert!(plan.call(now).is_some(), "{answer:?} at {now:?}");
            plan.answer(answer.clone(), now);
            let pause = *pause * SECOND;
            assert_eq!(plan.call(now + pause - Duration::from_millis(1)), None, "{answer:?} at {now:?}");
            now += pause;
        }
        assert_eq!(plan.figures(now).failures, pauses.len() as u64);
    };
    let status =
        |code, seconds: Option<u64>| Answer::Status { code, retry_after: seconds.map(Duration::from_secs) };
    check(status(500, None), &[1, 2, 4, 8, 16, 32, 60, 60]);
    check(Answer::Failed("reset".to_owned()), &[1, 2, 4]);
    check(status(503, Some(10)), &[10, 10, 10, 10, 16]);
    check(status(429, Some(12)), &[12, 12]);
    check(status(429, Some(86_400)), &[300, 300]);
    check(Answer::Unreadable("no JSON".to_owned()), &[1, 2, 4, 8]);
}

#[test]
fn a_limit_of_the_vendor_holds_for_all_a_failure_for_one() {
    let status = |code| Answer::Status { code, retry_after: None };
    for (code, expected) in [(500, Some("BBB")), (429, None)] {
        let mut plan = plan();
        gap(&mut plan, &["T.AAA", "T.BBB"], (0, 0), Duration::ZERO);
        assert_eq!(plan.call(MARGIN).unwrap().symbol, "AAA");
        plan.answer(status(code), MARGIN);
        assert_eq!(plan.call(MARGIN).map(|call| call.symbol).as_deref(), expected);
    }
}

#[test]
fn some_failures_are_final() {
    let unreadable = Answer::Unreadable("no JSON".to_owned());
    for (answer, times) in [(Answer::Status { code: 404, retry_after: None }, 1), (unreadable, 5)] {
        let mut plan = plan();
        gap(&mut plan, &["T.AAA"], (HOUR_MS, HOUR_MS), Duration::ZERO);
        assert_eq!(live(&mut plan, 1, HOUR_MS, SECOND), Pass::Kept);
        let mut now = MARGIN;
        for _ in 0..times {
            assert!(plan.call(now).is_some(), "{answer:?}");
            plan.answer(answer.clone(), now);
            now += 60 * SECOND;
        }
        let figures = plan.figures(now);
        assert_eq!((figures.pending, figures.given_up), (0, 1), "{answer:?}");
        assert_eq!(published(&mut plan), ["live 1"]);
    }
}

#[test]
fn a_plan_without_trades_ends_it_and_that_is_said_once() {
    for code in [401, 403] {
        let mut plan = plan();
        gap(&mut plan, &["T.AAA", "T.BBB"], (HOUR_MS, HOUR_MS), Duration::ZERO);
        assert_eq!(live(&mut plan, 1, HOUR_MS, SECOND), Pass::Kept);
        assert!(plan.call(MARGIN).is_some());
        plan.answer(Answer::Status { code, retry_after: None }, MARGIN);
        let effects: Vec<Effect> = std::iter::from_fn(|| plan.effect()).collect();
        assert!(
            matches!(&effects[..], [Effect::Publish(_), Effect::Tell(Note::NotInPlan { pending: 2, .. })]),
            "{effects:?}"
        );
        gap(&mut plan, &["T.AAA"], (HOUR_MS, HOUR_MS), MARGIN);
        assert_eq!(plan.call(60 * SECOND), None);
        assert_eq!(live(&mut plan, 2, HOUR_MS, 60 * SECOND), Pass::Now);
    }
}

#[test]
fn a_stop_lets_everything_out() {
    let mut plan = plan();
    gap(&mut plan, &["T.AAA"], (HOUR_MS, HOUR_MS), Duration::ZERO);
    assert_eq!(live(&mut plan, 1, HOUR_MS, SECOND), Pass::Kept);
    assert!(plan.call(MARGIN).is_some());
    assert_eq!(plan.stop(), 1);
    plan.answer(page(vec![row(2, HOUR_MS)], None), MARGIN);
    assert_eq!(published(&mut plan), ["live 1"]);
    assert_eq!(plan.figures(MARGIN).held_bytes, 0);
}

#[test]
fn live_trades_are_remembered_a_while_and_in_a_bounded_number() {
    let mut recent = Recent::default();
    for number in 0..RECENT_MAX as i64 {
        assert_eq!(recent.hear("AAA", identity(number), SECOND), 0);
    }
    assert_eq!(recent.hear("AAA", identity(-1), SECOND), 1);
    assert_eq!(recent.by(identity(0)), None);
    assert_eq!(recent.hear("AAA", identity(-2), 2 * SECOND + RECENT), 0);
    assert_eq!(recent.entries().count(), 1);
}
