use super::*;

const SUBSCRIBED: &str = r#"{"ev":"status","status":"success","message":"subscribed to: "#;

fn channels_of(answer: &[String]) -> Vec<&str> {
    answer.iter().map(|ack| ack.strip_prefix(SUBSCRIBED).unwrap().strip_suffix("\"}").unwrap()).collect()
}

#[test]
fn each_new_channel_gets_one_ack_and_nonsense_none() {
    let mut subscriptions = Subscriptions::default();
    let list = "T.AAA,T.BRK.B, AM.AAA,T.AAA,ZZ.AAA,XT.BTC-USD,T,T.,,T.NOBODY";
    let answer = subscriptions.add(Cluster::Stocks, list, &[]);
    assert_eq!(channels_of(&answer), ["T.AAA", "T.BRK.B", "AM.AAA", "T.NOBODY"]);
    assert!(subscriptions.add(Cluster::Stocks, "T.AAA", &[]).is_empty());
    assert!(subscriptions.has("T", "BRK.B") && !subscriptions.has("AM", "BRK.B"));

    let left = subscriptions.remove("T.AAA,T.AAA,Q.AAA");
    assert_eq!(left, [r#"{"ev":"status","status":"success","message":"unsubscribed to: T.AAA"}"#]);
    assert!(!subscriptions.has("T", "AAA"));
    subscriptions.remove("T.BRK.B,AM.AAA,T.NOBODY");
    assert!(subscriptions.is_empty());
}

#[test]
fn a_star_is_every_symbol_of_its_kind() {
    let mut subscriptions = Subscriptions::default();
    assert_eq!(channels_of(&subscriptions.add(Cluster::Crypto, "XT.*", &[])), ["XT.*"]);
    assert!(subscriptions.has("XT", "BTC-USD") && !subscriptions.has("XA", "BTC-USD"));
}

#[test]
fn a_forbidden_kind_is_refused_without_its_name() {
    let mut subscriptions = Subscriptions::default();
    let answer = subscriptions.add(Cluster::Stocks, "T.AAA,A.AAA", &["T".to_owned()]);
    assert_eq!(answer[0], r#"{"ev":"status","status":"error","message":"not authorized"}"#);
    assert_eq!(channels_of(&answer[1..]), ["A.AAA"]);
    assert!(!subscriptions.has("T", "AAA"));
}
