//! Spoilt elements: each is invalid however tolerant its reader is.

use serde_json::{Map, Value};

/// An element on its way to the clients.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) channel_kind: std::borrow::Cow<'static, str>,
    pub(super) symbol: String,
    pub(super) json: String,
    /// As the tape gave it.
    pub(super) is_valid: bool,
    /// Not even JSON, which would break an array for its neighbours: it needs a frame of its own.
    pub(super) is_torn: bool,
}

/// Deeper than what JSON readers take that call themselves for each level.
const DEPTH: usize = 200;

/// Spoils an element in a way chosen by `hash`; returns whether it is no JSON any more.
pub(super) fn spoil(json: &mut String, hash: u64) -> bool {
    let ways: [fn(&mut Map<String, Value>); 6] = [
        |fields| set_price(fields, Value::Bool(true)),
        |fields| set_price(fields, Value::from("1O,5")),
        |fields| set_price(fields, nested()),
        |fields| set_symbol(fields, Value::Null),
        |fields| set_symbol(fields, nested()),
        |fields| drop(fields.remove("ev")),
    ];
    let way = ways.get((hash % (ways.len() as u64 + 1)) as usize);
    let (Some(way), Ok(mut fields)) = (way, serde_json::from_str::<Map<String, Value>>(json)) else {
        // Without its last byte an object is open; the cut falls between two characters.
        let middle = (json.len() / 2..json.len()).find(|place| json.is_char_boundary(*place));
        json.truncate(middle.unwrap_or(0));
        return true;
    };
    way(&mut fields);
    *json = Value::Object(fields).to_string();
    false
}

/// The price of a trade, the close of a bar.
fn set_price(fields: &mut Map<String, Value>, value: Value) {
    let name = if fields.contains_key("p") { "p" } else { "c" };
    fields.insert(name.to_owned(), value);
}

fn set_symbol(fields: &mut Map<String, Value>, value: Value) {
    let name = if fields.contains_key("pair") { "pair" } else { "sym" };
    fields.insert(name.to_owned(), value);
}

fn nested() -> Value {
    (0..DEPTH).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}

#[cfg(test)]
mod tests;
