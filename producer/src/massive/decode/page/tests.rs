use std::sync::Arc;

use tape_proto::trade::PriceEligibility;

use super::*;
use crate::massive::conditions::Conditions;
use crate::venue::{Decode, Element};

const STOCK: &str = r#"{"conditions":[12,37],"correction":0,"exchange":4,"id":"901","participant_timestamp":1790000000119000000,
    "price":12.345,"sequence_number":55,"sip_timestamp":1790000000123456789,"size":7.0,"decimal_size":"7.25","tape":3,"trf_id":202,
    "trf_timestamp":1790000000120000000}"#;
const CRYPTO: &str = r#"{"conditions":[2],"exchange":1,"id":"a1","participant_timestamp":1790000000123000000,"price":50123.4,"size":1.5e-05}"#;

fn decoder(cluster: Cluster) -> Decoder {
    Decoder::new(cluster, Arc::new(Conditions::published()), false)
}

/// Calls `look` with what became of each row.
fn read(cluster: Cluster, rows: &str, look: impl FnMut(Result<Option<Past<'_>>, String>)) -> Option<String> {
    let symbol = if cluster == Cluster::Stocks { "AAA" } else { "BTC-USD" };
    let body =
        format!(r#"{{"results":[{rows}],"status":"OK","next_url":"https://h/next","request_id":"1"}}"#);
    decoder(cluster).page(symbol, body.as_bytes(), look).unwrap()
}

/// The row and the element of the feed are the same record.
fn same(cluster: Cluster, row: &str, element: &str) {
    let mut count = 0;
    let next = read(cluster, row, |past| {
        let past = past.unwrap().unwrap().decoded;
        decoder(cluster).decode(element.as_bytes(), &mut |element| match element {
            Element::Trade(live) => {
                assert_eq!((&past.trade, past.kind, past.identity), (&live.trade, live.kind, live.identity));
                assert_eq!(past.unknown_conditions, live.unknown_conditions);
                count += 1;
            }
            other => panic!("{other:?}"),
        });
    });
    assert_eq!((count, next.as_deref()), (1, Some("https://h/next")));
}

#[test]
fn rows_are_the_trades_of_the_feed() {
    let stock = |rest: &str| {
        format!(r#"{{"ev":"T","sym":"AAA","x":4,"p":12.345,"t":1790000000123,"c":[12,37]{rest}}}"#)
    };
    same(Cluster::Stocks, STOCK, &stock(r#","i":"901","s":7,"ds":"7.25","q":55,"trfi":202"#));
    let row = r#"{"conditions":[12,37],"exchange":4,"sequence_number":55,"price":12.345,"sip_timestamp":1790000000123000000,"size":7}"#;
    same(Cluster::Stocks, row, &stock(r#","s":7,"q":55"#));
    let row = r#"{"conditions":[12,37],"exchange":4,"id":"7","trf_id":0,"price":12.345,"sip_timestamp":1790000000123000000,"size":2.5e0}"#;
    same(Cluster::Stocks, row, &stock(r#","i":7,"s":2,"ds":"2.5""#));
    let element = r#"{"ev":"XT","pair":"BTC-USD","p":50123.4,"s":1.5e-05,"c":[2],"x":1,"t":1790000000123,"r":1790000000160"#;
    same(Cluster::Crypto, CRYPTO, &format!(r#"{element},"i":"a1"}}"#));
    let row = r#"{"conditions":[2],"exchange":1,"participant_timestamp":1790000000123000000,"price":50123.4,"size":1.5e-05}"#;
    same(Cluster::Crypto, row, &format!("{element}}}"));
}

#[test]
fn order_and_time_are_exact() {
    read(Cluster::Stocks, STOCK, |row| {
        let past = row.unwrap().unwrap();
        assert_eq!((past.nanos, past.sequence), (1_790_000_000_123_456_789, 55));
        assert_eq!(past.decoded.participant_time, Some(1_790_000_000_119));
        assert_eq!(past.decoded.trade.price_eligibility, PriceEligibility::None);
    });
}

#[test]
fn what_was_taken_back_is_no_trade() {
    for (correction, is_trade) in
        [(0, true), (1, false), (7, false), (8, false), (10, false), (11, false), (12, true)]
    {
        let row = STOCK.replace(r#""correction":0"#, &format!(r#""correction":{correction}"#));
        read(Cluster::Stocks, &row, |row| assert_eq!(row.unwrap().is_some(), is_trade, "{correction}"));
    }
}

#[test]
fn a_bad_row_costs_itself() {
    let bad = [
        STOCK.replace("12.345", "0"),
        STOCK.replace("12.345", "\"x\""),
        STOCK.replace("1790000000123456789", "null").replace("1790000000119000000", "null"),
        STOCK.replace("[12,37]", "{}"),
        "17".to_owned(),
        STOCK.replace(r#""exchange":4"#, r#""price":1"#),
    ];
    let rows = format!("{},{STOCK}", bad.join(","));
    let mut good = Vec::new();
    read(Cluster::Stocks, &rows, |row| good.push(row.is_ok()));
    assert_eq!(good, [false, false, false, false, false, false, true]);
}

#[test]
fn what_is_no_page_is_an_error() {
    for body in ["", "[]", "{", r#"{"results":7}"#, r#"{"status":"ERROR"}"#, "\u{1}"] {
        assert!(decoder(Cluster::Stocks).page("AAA", body.as_bytes(), |_| {}).is_err(), "{body}");
    }
    for body in [r#"{"status":"OK"}"#, r#"{"status":"DELAYED","results":null}"#, r#"{"results":[]}"#] {
        assert_eq!(decoder(Cluster::Stocks).page("AAA", body.as_bytes(), |_| panic!()), Ok(None), "{body}");
    }
}
