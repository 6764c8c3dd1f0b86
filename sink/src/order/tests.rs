use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A row whose content is a function of its identity, as rows of a deterministic processor are.
fn row(symbol: &str, window: i64, is_final: bool, revision: i64) -> StockAggregate {
    StockAggregate {
        symbol: symbol.to_owned(),
        window_start: window * 60_000,
        window_end: window * 60_000 + 300_000,
        is_final,
        revision,
        trade_count: revision.unsigned_abs(),
        ..StockAggregate::default()
    }
}

fn indexed<T>(items: &[T]) -> Vec<(usize, &T)> {
    items.iter().enumerate().collect()
}

/// What the statement does to the table.
fn upsert(table: &mut BTreeMap<(String, i64), StockAggregate>, rows: &[(usize, &StockAggregate)]) {
    for (_, row) in rows {
        let stored = table.entry((row.symbol.clone(), row.window_start)).or_insert_with(|| (*row).clone());
        if (row.is_final, row.revision) > (stored.is_final, stored.revision) {
            *stored = (*row).clone();
        }
    }
}

#[test]
fn the_largest_rank_wins_and_keys_are_sorted() {
    let rows = [
        row("B", 1, false, 7),
        row("A", 2, true, 3),
        row("A", 2, false, 9),
        row("A", 1, false, 4),
        row("A", 1, false, 6),
        row("A", 1, false, 5),
        row("B", 1, false, 7),
        row("a", 0, false, 1),
    ];
    let kept: Vec<usize> = newest_rows(indexed(&rows)).into_iter().map(|(index, _)| index).collect();
    assert_eq!(kept, [4, 1, 0, 7]);
}

#[test]
fn alerts_of_one_identity_are_one() {
    let alert = |symbol: &str, timestamp, r#type, signal, price| BreakoutAlert {
        symbol: symbol.to_owned(),
        timestamp,
        r#type,
        signal,
        current_price: Some(price),
        window_avg: None,
    };
    let alerts = [
        alert("B", 1, 1, 1, 10),
        alert("A", 2, 1, 1, 20),
        alert("A", 2, 1, 1, 30),
        alert("A", 2, 1, 2, 40),
        alert("A", 1, 4, 3, 50),
        alert("A", 2, 2, 1, 60),
    ];
    let kept: Vec<usize> = distinct_alerts(indexed(&alerts)).into_iter().map(|(index, _)| index).collect();
    assert_eq!(kept, [4, 1, 3, 5, 0]);
}

fn rows() -> impl Strategy<Value = Vec<StockAggregate>> {
    let row = ("[AB]", 0_i64..4, any::<bool>(), 0_i64..6)
        .prop_map(|(symbol, window, is_final, revision)| row(&symbol, window, is_final, revision));
    proptest::collection::vec(row, 0..60)
}

proptest! {
    /// Shuffled, repeated and cut anywhere, rows give the same table, and it is the one of all rows one by one.
    #[test]
    fn any_order_and_repetition_converges(
        rows in rows(),
        shuffle in proptest::collection::vec(any::<prop::sample::Index>(), 0..120),
        cuts in proptest::collection::vec(1_usize..20, 1..40),
    ) {
        let mut expected = BTreeMap::new();
        upsert(&mut expected, &indexed(&rows));

        // Every row at least once, then some again, in any order.
        let mut replay = rows.clone();
        for index in &shuffle {
            if let Some(row) = replay.get(index.index(replay.len().max(1))).cloned() {
                replay.push(row);
            }
        }
        for (position, index) in shuffle.iter().enumerate() {
            if !replay.is_empty() {
                let (a, b) = (position % replay.len(), index.index(replay.len()));
                replay.swap(a, b);
            }
        }

        let mut table = BTreeMap::new();
        let mut rest = &replay[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, after) = rest.split_at((*cut).min(rest.len()));
            let winners = newest_rows(indexed(batch));
            // One statement must not touch a key twice.
            prop_assert!(winners.windows(2).all(|pair| row_key(pair[0].1) < row_key(pair[1].1)));
            upsert(&mut table, &winners);
            rest = after;
        }
        prop_assert_eq!(table, expected);
    }
}
