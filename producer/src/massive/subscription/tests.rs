use proptest::prelude::*;

use super::*;

const URL: &str = "ws://127.0.0.1:9/stocks";

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn planned(symbols: &str, channels: &str) -> Plan {
    plan(URL, &words(symbols), &words(channels)).unwrap_or_else(|error| panic!("{symbols}: {error}"))
}

/// All channels, with a space between.
fn channels(symbols: &str, channels: &str) -> String {
    let all: Vec<String> =
        planned(symbols, channels).feeds.into_iter().flat_map(|feed| feed.channels).collect();
    all.join(" ")
}

fn refused(url: &str, symbols: &str, channels: &str, expected: &[&str]) {
    let error = plan(url, &words(symbols), &words(channels)).expect_err("refused").to_string();
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn the_default_settings_are_second_bars_on_two_clusters() {
    let plan = planned("AAPL TSLA BTC-USD", "A");
    let feed = |cluster: Cluster, url: &str, channels: &str| FeedPlan {
        name: cluster.name(),
        index: cluster as usize,
        url: url.to_owned(),
        channels: words(channels).into_iter().collect(),
    };
    let feeds = vec![
        feed(Cluster::Stocks, "ws://127.0.0.1:9/stocks", "A.AAPL A.TSLA"),
        feed(Cluster::Crypto, "ws://127.0.0.1:9/crypto", "XAS.BTC-USD"),
    ];
    assert_eq!(plan, Plan { feeds, notes: vec![] });
}

#[test]
fn a_cluster_at_the_end_of_the_address_is_replaced() {
    for (url, base) in [
        ("wss://h.example/stocks", "wss://h.example"),
        ("wss://h.example/crypto/", "wss://h.example"),
        ("wss://h.example/options", "wss://h.example"),
        ("wss://h.example", "wss://h.example"),
        ("wss://h.example/", "wss://h.example"),
        ("ws://127.0.0.1:1234", "ws://127.0.0.1:1234"),
        ("ws://[::1]:1234/feed/stocks", "ws://[::1]:1234/feed"),
        ("ws://h.example/feed", "ws://h.example/feed"),
        ("ws://stocks", "ws://stocks"),
    ] {
        let feeds = plan(url, &words("AAPL BTC-USD"), &words("T")).expect(url).feeds;
        let urls: Vec<&str> = feeds.iter().map(|feed| feed.url.as_str()).collect();
        assert_eq!(urls, [format!("{base}/stocks"), format!("{base}/crypto")], "{url}");
    }
}

#[test]
fn addresses_that_cannot_be_are_refused_without_showing_a_password() {
    refused(
        "https://h.example",
        "AAPL",
        "A",
        &["MASSIVE_WS_URL=\"https://h.example\"", "begin it with wss://"],
    );
    for url in
        ["wss://", "wss:///stocks", "ws://:80/stocks", "wss://h.example/stocks?a=b", "wss://h.example/#x"]
    {
        refused(url, "AAPL", "A", &["MASSIVE_WS_URL=", url, "host and path only"]);
    }
    let error = plan("wss://u:pass@h.example/stocks", &words("AAPL"), &words("A")).expect_err("refused");
    assert!(error.0.contains("MASSIVE_API_KEY") && !error.0.contains("pass@"), "{error}");
}

#[test]
fn a_kind_named_for_one_cluster_holds_for_both() {
    for (given, expected) in [
        ("T", "T.AAPL XT.BTC-USD"),
        ("XT", "T.AAPL XT.BTC-USD"),
        ("A", "A.AAPL XAS.BTC-USD"),
        ("XAS", "A.AAPL XAS.BTC-USD"),
        ("AM", "AM.AAPL XA.BTC-USD"),
        ("XA", "AM.AAPL XA.BTC-USD"),
        ("T XAS", "T.AAPL XAS.BTC-USD"),
        ("XA T", "T.AAPL XA.BTC-USD"),
        ("T T XT", "T.AAPL XT.BTC-USD"),
    ] {
        assert_eq!(channels("AAPL BTC-USD", given), expected, "{given}");
    }
}

#[test]
fn channels_that_cannot_be_are_refused() {
    refused(URL, "AAPL", "", &["CHANNELS=\"\"", "nothing to take", "give T"]);
    refused(URL, "AAPL", "A Q", &["CHANNELS=\"A,Q\"", "Q is none"]);
    refused(URL, "AAPL", "CAS", &["CHANNELS=\"CAS\"", "CAS is none"]);
    refused(URL, "AAPL", "T AM", &["CHANNELS=\"T,AM\"", "T and AM", "twice", "keep one"]);
    refused(URL, "AAPL", "T XAS XT", &["XAS and XT"]);
}

#[test]
fn every_spelling_of_a_symbol() {
    for (given, expected) in [
        ("AAPL", "A.AAPL"),
        ("BRK.B", "A.BRK.B"),
        ("BACpA", "A.BACpA"),
        ("T", "A.T"),
        ("A", "A.A"),
        ("XT", "A.XT"),
        ("T.AAPL", "T.AAPL"),
        ("T.BRK.B", "T.BRK.B"),
        ("AM.T", "AM.T"),
        ("A.T.AAPL", "A.T.AAPL"),
        ("BTC-USD", "XAS.BTC-USD"),
        ("1INCH-USDT", "XAS.1INCH-USDT"),
        ("XT.BTC-USD", "XT.BTC-USD"),
        ("XT.BTC-PLN", "XT.BTC-PLN"),
        ("X:BTC-PLN", "XAS.BTC-PLN"),
        ("X:BTCUSD", "XAS.BTC-USD"),
        ("X:BTCUSDT", "XAS.BTC-USDT"),
        ("X:USDTUSD", "XAS.USDT-USD"),
        ("X:ETHBTC", "XAS.ETH-BTC"),
        ("A.X:BTCUSD", "XAS.BTC-USD"),
        ("T.X:BTCUSD", "XT.BTC-USD"),
        ("AM.X:BTC-USD", "XA.BTC-USD"),
        ("XT.X:BTCUSD", "XT.BTC-USD"),
        ("T.BTC-USD", "XT.BTC-USD"),
        ("*", "A.*"),
        ("T.*", "T.*"),
        ("X:*", "XAS.*"),
        ("XT.*", "XT.*"),
        ("T.X:*", "XT.*"),
        ("* X:*", "A.* XAS.*"),
    ] {
        assert_eq!(channels(given, "A"), expected, "{given}");
    }
}

#[test]
fn another_spelling_is_noted() {
    for (given, note) in [
        ("A.X:BTCUSD", Some("SYMBOLS: A.X:BTCUSD is read as XAS.BTC-USD")),
        ("X:ETHBUSD", Some("SYMBOLS: X:ETHBUSD is read as XT.ETHB-USD")),
        ("T.BTC-USD", Some("SYMBOLS: T.BTC-USD is read as XT.BTC-USD")),
        ("T.X:*", Some("SYMBOLS: T.X:* is read as XT.*")),
        ("X:*", None),
        ("XT.*", None),
        ("XT.BTC-USD", None),
    ] {
        assert_eq!(planned(given, "T").notes, note.into_iter().collect::<Vec<_>>(), "{given}");
    }
}

#[test]
fn symbols_that_cannot_be_are_refused() {
    for (given, expected) in [
        ("aapl", "case matters"),
        ("BRK-B", "BRK.B"),
        ("BTC-PLN", "write XAS.BTC-PLN"),
        ("BTC/USD", "BTC-USD"),
        ("btc-USD", "capital letters"),
        ("-USD", "capital letters"),
        ("XT.BTC-", "capital letters"),
        ("BTC-USD-X", "XAS.BTC-USD-X"),
        ("XT.BTC-USD-X", "two currencies"),
        ("XT.AAPL", "T.AAPL"),
        ("X:AAPL", "X:BTC-USD"),
        ("X:USD", "capital letters"),
        ("X:", "X:BTC-USD"),
        ("C:EURUSD", "neither stock nor crypto"),
        ("T.O:AAPL", "neither stock nor crypto"),
        ("T.", "write a stock as"),
        ("AAPL.", "write a stock as"),
        (".AAPL", "write a stock as"),
        ("AA*", "write a stock as"),
        ("Ä", "write a stock as"),
    ] {
        refused(URL, given, "A", &["SYMBOLS: ", &format!("{given:?}"), expected]);
    }
    refused(URL, "", "A", &["SYMBOLS is empty", "give at least one"]);
}

#[test]
fn no_symbol_is_fed_twice() {
    refused(URL, "T.AAPL A.AAPL", "A", &["T.AAPL and A.AAPL", "twice", "keep one"]);
    refused(URL, "AAPL AM.AAPL", "A", &["A.AAPL and AM.AAPL"]);
    refused(URL, "XT.BTC-USD A.X:BTCUSD", "A", &["XT.BTC-USD and XAS.BTC-USD"]);
    refused(URL, "T.* A.AAPL", "A", &["T.* and A.AAPL", "AAPL twice"]);
    refused(URL, "A.AAPL *", "T", &["T.* and A.AAPL"]);
    refused(URL, "T.* AM.*", "A", &["T.* and AM.*"]);
    // Of different symbols it is fine, and the clusters do not meet.
    assert_eq!(channels("T.AAPL MSFT", "A"), "A.MSFT T.AAPL");
    assert_eq!(channels("T.* XAS.BTC-USD", "A"), "T.* XAS.BTC-USD");
    assert_eq!(channels("AAPL AAPL A.AAPL", "A"), "A.AAPL");
}

#[test]
fn all_of_a_cluster_holds_each_of_it() {
    let plan = planned("T.AAPL * MSFT XT.BTC-USD", "T");
    assert_eq!(plan.feeds[0].channels, BTreeSet::from(["T.*".to_owned()]));
    assert_eq!(plan.feeds[1].channels, BTreeSet::from(["XT.BTC-USD".to_owned()]));
    assert_eq!(plan.notes, ["SYMBOLS: T.* holds T.AAPL, T.MSFT"]);
}

#[test]
fn a_delayed_host_takes_no_crypto() {
    for url in ["wss://delayed.example/stocks", "wss://Delayed-business.example", "ws://delayed:80/crypto"] {
        refused(
            url,
            "AAPL BTC-USD",
            "A",
            &["MASSIVE_WS_URL=", "SYMBOLS", "15 minutes late", "real-time host"],
        );
        refused(url, "BTC-USD", "A", &["MASSIVE_WS_URL=", "crypto only", "real-time host"]);
        plan(url, &words("AAPL"), &words("A")).expect("stocks are");
    }
    plan("wss://h.example/delayed/stocks", &words("BTC-USD"), &words("A")).expect("a path is no host");
}

#[test]
fn a_rest_ticker_has_one_reading() {
    for quote in symbol::QUOTES {
        let inside = symbol::QUOTES.iter().filter(|other| quote.ends_with(*other)).count();
        assert_eq!(inside, 1, "{quote}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_planned_reads_back_as_itself(
        symbols in prop::collection::vec("(T|A|AM|XT|XAS|XA)?\\.?(X:)?(\\*|[A-C]{1,2}(\\.B|-USD|USD|-X)?|\\PC{0,6})", 0..6),
        channels in prop::collection::vec("T|A|AM|XT|XAS|XA|Q", 0..3),
        url in "(wss://|ws://)?(delayed)?\\PC{0,12}(/stocks)?",
    ) {
        let _ = plan(&url, &symbols, &channels);
        if let Ok(planned) = plan(URL, &symbols, &channels) {
            let spelled: Vec<String> = planned.feeds.iter().flat_map(|feed| feed.channels.clone()).collect();
            let again = plan(URL, &spelled, &channels).expect("planned before");
            prop_assert_eq!(again.feeds, planned.feeds);
            prop_assert_eq!(again.notes, Vec::<String>::new());
        }
    }
}
