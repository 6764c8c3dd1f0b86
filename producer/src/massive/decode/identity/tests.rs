use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Decoder, Kind};
use crate::massive::cluster::Cluster;
use crate::massive::conditions::Conditions;
use crate::venue::{Decode, Element, Identity};

fn identity(cluster: Cluster, frame: &str) -> Identity {
    let mut identities = Vec::new();
    Decoder::new(cluster, Arc::new(Conditions::published()), false).decode(
        frame.as_bytes(),
        &mut |element| match element {
            Element::Trade(decoded) => identities.push(decoded.identity),
            other => panic!("{other:?}"),
        },
    );
    identities[0]
}

/// All these are one, and no two of those.
fn tell_apart(cluster: Cluster, same: &[&str], others: &[&str]) {
    let first = identity(cluster, same[0]);
    for frame in same {
        assert_eq!(identity(cluster, frame), first, "{frame}");
    }
    let mut seen = vec![first];
    for frame in others {
        let identity = identity(cluster, frame);
        assert!(!seen.contains(&identity), "{frame}");
        seen.push(identity);
    }
}

#[test]
fn a_stock_trade_with_an_id() {
    tell_apart(
        Cluster::Stocks,
        &[
            r#"{"ev":"T","sym":"A","x":4,"trfi":202,"i":"901","p":1,"s":1,"t":1}"#,
            r#"{"ev":"T","sym":"A","x":"4","trfi":202.0,"i":901,"p":1,"s":1,"t":1}"#,
            r#"{"ev":"T","sym":"A","x":4,"trfi":202,"i":"901","p":2,"s":2,"t":2,"q":7,"c":[37]}"#,
        ],
        &[
            r#"{"ev":"T","sym":"B","x":4,"trfi":202,"i":"901","p":1,"s":1,"t":1}"#,
            r#"{"ev":"T","sym":"A","x":5,"trfi":202,"i":"901","p":1,"s":1,"t":1}"#,
            r#"{"ev":"T","sym":"A","x":4,"trfi":201,"i":"901","p":1,"s":1,"t":1}"#,
            r#"{"ev":"T","sym":"A","x":4,"i":"901","p":1,"s":1,"t":1}"#,
            r#"{"ev":"T","sym":"A","x":4,"trfi":202,"i":"902","p":1,"s":1,"t":1}"#,
            r#"{"ev":"T","sym":"A","x":4,"trfi":202,"i":"9.01e2","p":1,"s":1,"t":1}"#,
            r#"{"ev":"T","sym":"A","x":[4],"trfi":"?","i":{},"p":1,"s":1,"t":1}"#,
        ],
    );
    let found =
        identity(Cluster::Stocks, r#"{"ev":"T","sym":"A","x":4,"trfi":202,"i":"901","p":1,"s":1,"t":1}"#);
    assert_eq!(found, Identity::by_id(Kind::T, "A", Some("4"), Some("202"), "901"));
}

#[test]
fn a_stock_trade_with_a_sequence_number_only() {
    // 23:30 and 00:30 of the next day in New York's winter, the second and the third apart by a day.
    tell_apart(
        Cluster::Stocks,
        &[
            r#"{"ev":"T","sym":"A","q":7,"p":1,"s":1,"t":1767673800000}"#,
            r#"{"ev":"T","sym":"A","q":"7","p":2,"s":1,"t":1767673800001,"i":null}"#,
        ],
        &[
            r#"{"ev":"T","sym":"A","q":7,"p":1,"s":1,"t":1767677400000}"#,
            r#"{"ev":"T","sym":"A","q":7,"p":1,"s":1,"t":1767763800000}"#,
            r#"{"ev":"T","sym":"A","q":8,"p":1,"s":1,"t":1767673800000}"#,
            r#"{"ev":"T","sym":"B","q":7,"p":1,"s":1,"t":1767673800000}"#,
        ],
    );
}

#[test]
fn a_crypto_trade_with_and_without_an_id() {
    tell_apart(
        Cluster::Crypto,
        &[
            r#"{"ev":"XT","pair":"A-B","x":1,"i":"a1","p":1,"s":1,"t":1}"#,
            r#"{"ev":"XT","pair":"A-B","x":1,"i":"a1","p":2,"s":2,"t":2,"r":3,"c":[1]}"#,
        ],
        &[
            r#"{"ev":"XT","pair":"A-C","x":1,"i":"a1","p":1,"s":1,"t":1}"#,
            r#"{"ev":"XT","pair":"A-B","x":2,"i":"a1","p":1,"s":1,"t":1}"#,
            r#"{"ev":"XT","pair":"A-B","x":1,"i":"a2","p":1,"s":1,"t":1}"#,
        ],
    );
    tell_apart(
        Cluster::Crypto,
        &[
            r#"{"ev":"XT","pair":"A-B","x":1,"p":1,"s":1.50,"t":1,"c":[2]}"#,
            r#"{"ev":"XT","pair":"A-B","x":1,"p":"1.0","s":1.5,"t":1,"c":[2],"r":9}"#,
        ],
        &[
            r#"{"ev":"XT","pair":"A-B","x":2,"p":1,"s":1.5,"t":1,"c":[2]}"#,
            r#"{"ev":"XT","pair":"A-B","x":1,"p":2,"s":1.5,"t":1,"c":[2]}"#,
            r#"{"ev":"XT","pair":"A-B","x":1,"p":1,"s":1.6,"t":1,"c":[2]}"#,
            r#"{"ev":"XT","pair":"A-B","x":1,"p":1,"s":1.5,"t":2,"c":[2]}"#,
            r#"{"ev":"XT","pair":"A-B","x":1,"p":1,"s":1.5,"t":1,"c":[1]}"#,
        ],
    );
}

#[test]
fn a_bar() {
    tell_apart(
        Cluster::Stocks,
        &[
            r#"{"ev":"AM","sym":"A","c":1,"v":1,"e":60000}"#,
            r#"{"ev":"AM","sym":"A","c":2,"v":2,"s":0,"e":60000}"#,
            r#"{"ev":"AM","sym":"A","c":1,"v":1,"s":0}"#,
        ],
        &[
            r#"{"ev":"AM","sym":"A","c":1,"v":1,"e":120000}"#,
            r#"{"ev":"A","sym":"A","c":1,"v":1,"e":60000}"#,
            r#"{"ev":"AM","sym":"B","c":1,"v":1,"e":60000}"#,
        ],
    );
}

proptest! {
    #[test]
    fn ids_in_a_row_are_apart(start in 0..1_000_000_000_u64, symbol in "[A-Z]{1,5}") {
        let identities: std::collections::HashSet<Identity> = (start..start + 1_000)
            .map(|id| Identity::by_id(Kind::T, &symbol, Some("4"), None, &id.to_string()))
            .collect();
        prop_assert_eq!(identities.len(), 1_000);
    }
}
