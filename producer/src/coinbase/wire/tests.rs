use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::session::{Action, Input, Notice, Session, Settings};

fn set(products: &str) -> BTreeSet<String> {
    products.split_whitespace().map(str::to_owned).collect()
}

fn kinds(frame: &str) -> Vec<StatusKind> {
    Coinbase.statuses(frame.as_bytes()).into_iter().map(|status| status.kind).collect()
}

fn message(kind: &str, product: &str) -> String {
    format!(r#"{{"channels":["matches"],"product_ids":["{product}"],"type":"{kind}"}}"#)
}

#[test]
fn few_products_go_out_one_by_one() {
    let expected = ["BTC-USD", "ETH-USD"].map(|product| message("subscribe", product));
    assert_eq!(Coinbase.subscribe(&set("BTC-USD ETH-USD")), expected);
    assert_eq!(Coinbase.unsubscribe(&set("BTC-USD")), [message("unsubscribe", "BTC-USD")]);
    assert_eq!(Coinbase.subscribe(&set("")), Vec::<String>::new());
}

#[test]
fn many_products_go_out_in_a_bounded_number_of_messages() {
    for count in [39, 40, 41, 79, 81, 700, 10_000] {
        let products: BTreeSet<String> = (0..count).map(|number| format!("A{number}-USD")).collect();
        let sent = Coinbase.subscribe(&products);
        assert!(sent.len() <= 40 && sent.len() >= count.min(20), "{count}: {}", sent.len());
        let named: BTreeSet<String> = sent
            .iter()
            .flat_map(|text| {
                let message: serde_json::Value = serde_json::from_str(text).unwrap();
                let products = message["product_ids"].as_array().unwrap().clone();
                products.into_iter().map(|product| product.as_str().unwrap().to_owned())
            })
            .collect();
        assert_eq!(named, products);
    }
}

#[test]
fn an_answer_lists_what_is_subscribed() {
    let subscribed = |product: &str| StatusKind::Subscribed(product.to_owned());
    let frame = r#"{"type":"subscriptions","channels":[
        {"name":"heartbeat","product_ids":["SOL-USD"]},
        {"name":"matches","product_ids":["BTC-USD","ETH-USD"],"account_ids":null}]}"#;
    assert_eq!(kinds(frame), [subscribed("BTC-USD"), subscribed("ETH-USD")]);
    assert_eq!(kinds(r#"{"type":"subscriptions","channels":[]}"#), [StatusKind::Success]);
}

#[test]
fn a_refusal_says_why() {
    let found = Coinbase
        .statuses(br#"{"type":"error","message":"Failed to subscribe","reason":"NO-USD is not a product"}"#);
    let message = "Failed to subscribe: NO-USD is not a product".to_owned();
    assert_eq!(found, [Status { kind: StatusKind::Error, message }]);
    let found = Coinbase.statuses(br#"{"type":"error"}"#);
    assert_eq!(found, [Status { kind: StatusKind::Error, message: String::new() }]);
}

#[test]
fn nothing_else_is_an_answer() {
    for frame in [
        "",
        "[]",
        "\"error\"",
        r#"{"type":"match","product_id":"error"}"#,
        r#"{"type":"subscriptions","channels":7}"#,
        r#"{"type":["error"]}"#,
        r#"{"error":"type"}"#,
    ] {
        assert_eq!(kinds(frame), [], "{frame}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 0..100_usize) {
        let mut frame = br#"{"type":"subscriptions","channels":[{"name":"matches","product_ids":["A-B"]}]}"#.to_vec();
        frame.splice(cut.min(frame.len()).., bytes);
        Coinbase.statuses(&frame);
    }
}

/// A session that talks to this venue.
struct Bench(Session, Duration);

impl Bench {
    fn new(products: &str) -> Self {
        let settings = Settings {
            dialect: &Coinbase,
            api_key: None,
            backoff_first: Duration::from_secs(5),
            backoff_max: Duration::from_secs(60),
        };
        let mut session = Session::new(settings, set(products), 1, Duration::ZERO);
        assert_eq!(session.action(), Some(Action::Open));
        Self(session, Duration::ZERO)
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Action> {
        self.0.handle(input, self.1);
        std::iter::from_fn(|| self.0.action()).collect()
    }

    /// As the shell does.
    fn frame(&mut self, frame: &str) -> Vec<Action> {
        let statuses = Coinbase.statuses(frame.as_bytes());
        let mut actions: Vec<Action> =
            statuses.iter().flat_map(|status| self.handle(Input::Status(status))).collect();
        if statuses.is_empty() {
            actions.extend(self.handle(Input::Data));
        }
        actions
    }

    fn subscriptions(&mut self, products: &str) -> Vec<Action> {
        let ids = serde_json::to_string(&set(products)).unwrap();
        self.frame(&format!(
            r#"{{"type":"subscriptions","channels":[{{"name":"matches","product_ids":{ids}}}]}}"#
        ))
    }
}

#[test]
fn a_session_subscribes_as_soon_as_the_socket_is_open() {
    let mut bench = Bench::new("BTC-USD ETH-USD");
    let sent = ["BTC-USD", "ETH-USD"].map(|product| Action::Send(message("subscribe", product)));
    let expected = [&[Action::Tell(Notice::Opened)], &sent[..]].concat();
    assert_eq!(bench.handle(Input::Opened), expected);
    assert_eq!(bench.subscriptions("BTC-USD"), []);
    assert_eq!(bench.0.state_name(), "subscribed");
    assert_eq!(bench.subscriptions("BTC-USD ETH-USD"), [Action::Tell(Notice::Confirmed { count: 2 })]);
    assert_eq!(bench.frame(r#"{"type":"last_match","trade_id":7}"#), [Action::Tell(Notice::Streaming)]);
    let change = [message("unsubscribe", "BTC-USD"), message("subscribe", "SOL-USD")].map(Action::Send);
    assert_eq!(bench.handle(Input::Want(set("ETH-USD SOL-USD"))), change);
    assert_eq!(bench.subscriptions("ETH-USD"), []);
    assert_eq!(bench.subscriptions("ETH-USD SOL-USD"), [Action::Tell(Notice::Confirmed { count: 2 })]);
}

#[test]
fn a_session_tells_what_is_refused_and_asks_again_for_that_alone() {
    let mut bench = Bench::new("BTC-USD NO-USD");
    bench.handle(Input::Opened);
    bench.subscriptions("BTC-USD");
    let told = bench.frame(r#"{"type":"error","message":"Failed to subscribe","reason":"no"}"#);
    assert_eq!(told, [Action::Tell(Notice::SubscriptionError("Failed to subscribe: no".to_owned()))]);
    let mut told = Vec::new();
    while !told.contains(&Action::Send(message("subscribe", "NO-USD"))) {
        bench.1 = bench.0.deadline();
        assert!(bench.1 < Duration::from_secs(120), "{told:?}");
        told.extend(bench.handle(Input::Tick));
        told.extend(bench.handle(Input::Alive));
    }
    assert!(told.contains(&Action::Tell(Notice::MissingAcks(vec!["NO-USD".to_owned()]))));
    assert!(!told.contains(&Action::Send(message("subscribe", "BTC-USD"))));
}
