//! An element of the feed as a row of the REST interface: the same trade under other names.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Row;
use crate::fake::channel::Cluster;
use crate::fake::tape::Event;

const NANOS_PER_MS: i64 = 1_000_000;

/// What both have. Numbers stay texts: they are exact.
#[derive(Deserialize)]
struct Element<'e> {
    #[serde(borrow)]
    p: &'e RawValue,
    #[serde(borrow)]
    s: &'e RawValue,
    ds: Option<String>,
    #[serde(borrow)]
    c: Option<&'e RawValue>,
    #[serde(borrow)]
    i: Option<&'e RawValue>,
    x: i64,
    t: i64,
    pt: Option<i64>,
    q: Option<i64>,
    z: Option<i64>,
    trfi: Option<i64>,
    trft: Option<i64>,
}

/// Its ticker and the row; `None`: no trade, or one that the feed itself would not understand. `number` orders those of a millisecond.
pub(super) fn of(event: &Event, number: i64) -> Option<(String, Row)> {
    let ticker = match &*event.channel_kind {
        "T" => event.symbol.clone(),
        "XT" => format!("X:{}", event.symbol.replace('-', "")),
        _ => return None,
    };
    let element: Element<'_> = serde_json::from_str(&event.json).ok()?;
    let nanos = element.t.checked_mul(NANOS_PER_MS)?.checked_add(number % NANOS_PER_MS)?;
    let mut members = vec![format!(r#""exchange":{},"price":{}"#, element.x, element.p)];
    let mut add = |name: &str, value: Option<String>| {
        members.extend(value.map(|value| format!(r#""{name}":{value}"#)));
    };
    add("conditions", element.c.map(ToString::to_string));
    // Ids of crypto come as numbers and as texts over the feed; here they are texts.
    add("id", element.i.map(|id| format!("\"{}\"", id.get().trim_matches('"'))));
    add("size", Some(element.ds.clone().unwrap_or_else(|| element.s.to_string())));
    if event.cluster == Cluster::Stocks {
        add("decimal_size", element.ds.map(|size| format!("\"{size}\"")));
        add("sip_timestamp", Some(nanos.to_string()));
        add("participant_timestamp", element.pt.map(|time| time.saturating_mul(NANOS_PER_MS).to_string()));
        add("sequence_number", element.q.map(|number| number.to_string()));
        add("tape", element.z.map(|tape| tape.to_string()));
        add("trf_id", element.trfi.map(|facility| facility.to_string()));
        add("trf_timestamp", element.trft.map(|time| time.saturating_mul(NANOS_PER_MS).to_string()));
        add("correction", Some("0".to_owned()));
    } else {
        add("participant_timestamp", Some(nanos.to_string()));
    }
    Some((ticker, Row { nanos, json: format!("{{{}}}", members.join(",")) }))
}
