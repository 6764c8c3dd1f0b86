//! Two states, key by key.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tape_state::{Key, MetaValue};

use crate::lines::state::entry;

/// Keys and values as they stand in changelog and store.
pub(super) type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// An entry that is not the same.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Difference {
    /// `differs`, `missing` (found should have it) or `extra` (found should not).
    pub(super) kind: &'static str,
    pub(super) key: Box<RawValue>,
    pub(super) expected: Box<RawValue>,
    pub(super) found: Box<RawValue>,
    /// As it stands.
    #[serde(skip)]
    pub(super) raw_key: Vec<u8>,
}

/// Everything that is not the same, in order of the keys.
pub(super) fn compare(expected: &State, found: &State) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut add = |kind, key: &[u8], expected: Option<&Vec<u8>>, found: Option<&Vec<u8>>| {
        differences.push(Difference {
            kind,
            key: shown(key, None).0,
            expected: shown(key, expected).1,
            found: shown(key, found).1,
            raw_key: key.to_vec(),
        });
    };
    for (key, value) in expected {
        match found.get(key) {
            Some(other) if other == value => {}
            Some(other) => add("differs", key, Some(value), Some(other)),
            None => add("missing", key, Some(value), None),
        }
    }
    for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
        add("extra", key, None, Some(value));
    }
    differences.sort_by(|a, b| a.raw_key.cmp(&b.raw_key));
    differences
}

/// The task's own state.
pub(super) fn meta(state: &State) -> Option<MetaValue> {
    let mut key = Vec::new();
    Key::Meta.encode(&mut key).ok()?;
    MetaValue::decode(state.get(&key)?).ok()
}

/// Key and value as JSON, decimals exact; what does not decode is named.
fn shown(key: &[u8], value: Option<&Vec<u8>>) -> (Box<RawValue>, Box<RawValue>) {
    const SHAPE: &str = "keys and values of the state have JSON's shape";
    match entry(key, value.map(Vec::as_slice)) {
        Err(error) => {
            let text = || to_raw_value(&format!("unreadable: {error}")).expect(SHAPE);
            (text(), text())
        }
        Ok(entry) => (to_raw_value(&entry.key).expect(SHAPE), to_raw_value(&entry.value).expect(SHAPE)),
    }
}

#[cfg(test)]
mod tests {
    use tape_state::{Key, MetaValue};

    use super::{State, compare, meta};

    fn key(key: Key<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        key.encode(&mut bytes).expect("a key");
        bytes
    }

    fn value(watermark: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let value = MetaValue { watermark: Some(watermark), ..MetaValue::default() };
        value.encode(&mut bytes).expect("a value");
        bytes
    }

    #[test]
    fn says_what_is_not_the_same() {
        let same = State::from([(key(Key::Meta), value(1))]);
        assert!(compare(&same, &same).is_empty());
        assert_eq!(meta(&same).and_then(|meta| meta.watermark), Some(1));
        let expected = State::from([(key(Key::Meta), value(2)), (key(Key::Symbol("A")), Vec::new())]);
        let found = State::from([(key(Key::Meta), value(1)), (key(Key::Pane("B", 5)), Vec::new())]);
        let shown: Vec<_> =
            compare(&expected, &found).iter().map(|found| format!("{} {}", found.kind, found.key)).collect();
        assert_eq!(
            shown,
            ["differs \"meta\"", "missing {\"symbol\":\"A\"}", "extra {\"symbol\":\"B\",\"pane\":5}"]
        );
    }
}
