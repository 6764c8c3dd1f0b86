use super::*;

const URL: &str = "ws://127.0.0.1:9";

fn planned(symbols: &str) -> Result<Plan, String> {
    let symbols: Vec<String> = symbols.split_whitespace().map(str::to_owned).collect();
    plan(URL, &symbols).map_err(|error| error.to_string())
}

#[test]
fn pairs_are_followed_and_stocks_noted() {
    let channels = ["BTC-USD", "ETH-EUR", "SOL-USD"].map(str::to_owned).into();
    let feed = FeedPlan { name: "coinbase", index: 0, url: URL.to_owned(), channels };
    let found = planned("AAPL BTC-USD XT.ETH-EUR TSLA X:SOLUSD * BTC-USD");
    let notes = vec!["SYMBOLS: not on coinbase: AAPL, TSLA, *".to_owned()];
    assert_eq!(found, Ok(Plan { feeds: vec![feed], notes }));
    assert_eq!(planned("BTC-USD").map(|plan| plan.notes), Ok(vec![]));
}

#[test]
fn what_cannot_be_followed_is_refused_with_the_remedy() {
    for (symbols, expected) in [
        ("AAPL TSLA", &["SYMBOLS", "AAPL, TSLA", "such as BTC-USD"][..]),
        ("", &["no crypto pair", "such as BTC-USD"]),
        ("X:*", &["\"X:*\"", "name the pairs"]),
        ("BTC-USD btc-usd", &["\"btc-usd\"", "not known as a currency"]),
    ] {
        let error = planned(symbols).expect_err(symbols);
        for part in expected {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }
}
