//! A partition of the changelog, replayed; on the way, at the store's offset, the store is compared with it.

use std::collections::BTreeSet;

use indicatif::ProgressBar;
use tape_kafka::{Reader, Record};
use tape_service::Failure;
use tape_state::{Entry, Key};

use super::compare::{Difference, State, compare};
use super::report::{Result as Outcome, StoreCheck};
use crate::span::{self, Start};

/// What the changelog says.
pub(super) struct Replayed {
    /// At its end.
    pub(super) state: State,
    /// How the store compares; none: there is no store.
    pub(super) store: Option<Outcome<StoreCheck>>,
}

/// Reads a partition from its start to its end.
pub(super) fn replay(
    reader: &mut Reader,
    start: &Start,
    store: Option<&(Option<i64>, State)>,
) -> Result<Replayed, Failure> {
    let mut replay = Replay { state: State::new(), store: None, later: BTreeSet::new() };
    let refusal = store.and_then(|(offset, _)| refusal(*offset, start));
    let mut open = store
        .filter(|_| refusal.is_none())
        .and_then(|(offset, state)| Some((offset.as_ref().copied()?, state)));
    let bar = super::report::bar(&format!("{} ", start.part), start.from, start.end);
    let one = std::slice::from_ref(start);
    if start.from < start.end {
        span::assign(reader, one)?;
    }
    while start.from < start.end && !span::is_done(reader, one) {
        span::poll(reader, &mut |record| {
            if record.offset < start.end {
                replay.take(&record, &mut open);
            }
        })?;
        advance(&bar, reader, start);
    }
    reader.unassign(&start.part);
    bar.finish_and_clear();
    replay.compare_store(&mut open);
    let Replay { state, store: compared, later } = replay;
    let compared = compared.map(|mut check: StoreCheck| {
        let before = check.differences.len();
        check.differences.retain(|difference: &Difference| !later.contains(&difference.raw_key));
        check.undecided = before - check.differences.len();
        Ok(check)
    });
    Ok(Replayed { state, store: refusal.map(Err).or(compared) })
}

/// Why a store cannot be compared with what is left of the changelog.
fn refusal(offset: Option<i64>, start: &Start) -> Option<String> {
    match offset {
        None => Some("the store is empty; it is restored from the changelog at the next start".to_owned()),
        Some(offset) if offset < start.from => Some(format!(
            "the store stands at {offset}, and the changelog begins at {}; it is restored at the next start",
            start.from
        )),
        Some(offset) if offset > start.end => Some(format!(
            "the store stands at {offset}, beyond the end of the changelog, {}: the topic was made anew or lost records; the \
             processor will refuse to start on it",
            start.end
        )),
        Some(_) => None,
    }
}

struct Replay {
    state: State,
    store: Option<StoreCheck>,
    /// Keys with a record behind the store's offset.
    later: BTreeSet<Vec<u8>>,
}

impl Replay {
    fn take(&mut self, record: &Record<'_>, open: &mut Option<(i64, &State)>) {
        if open.is_some_and(|(offset, _)| record.offset >= offset) {
            self.compare_store(open);
        }
        let key = record.key.unwrap_or_default();
        if self.store.is_some() {
            self.later.insert(key.to_vec());
        }
        match record.value {
            // What somebody else wrote to the changelog is not restored either.
            Some(value) if Entry::decode(key, value).is_ok() => {
                self.state.insert(key.to_vec(), value.to_vec());
            }
            None if Key::decode(key).is_ok() => {
                self.state.remove(key);
            }
            _ => {}
        }
    }

    fn compare_store(&mut self, open: &mut Option<(i64, &State)>) {
        if let Some((offset, store)) = open.take() {
            let differences = compare(&self.state, store);
            self.store = Some(StoreCheck { offset, entries: store.len(), undecided: 0, differences });
        }
    }
}

/// Shows how far a partition is.
pub(super) fn advance(bar: &ProgressBar, reader: &Reader, start: &Start) {
    let position = reader.position(&start.part).unwrap_or(start.from);
    bar.set_position(u64::try_from(position - start.from).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tape_kafka::{Part, Record};
    use tape_state::{Key, MetaValue};

    use super::{Replay, State, refusal};
    use crate::span::Start;

    fn value(watermark: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let value = MetaValue { watermark: Some(watermark), ..MetaValue::default() };
        value.encode(&mut bytes).expect("a value");
        bytes
    }

    #[test]
    fn the_store_is_compared_at_its_offset() {
        let mut key = Vec::new();
        Key::Meta.encode(&mut key).expect("a key");
        let check = |stored: i64| {
            let store = State::from([(key.clone(), value(stored))]);
            let mut open = Some((2, &store));
            let mut replay = Replay { state: State::new(), store: None, later: BTreeSet::new() };
            for (offset, watermark) in [(0, 10), (1, 11), (3, 13)] {
                let value = value(watermark);
                replay.take(&Record::detached("t", 0, offset, Some(&key), Some(&value)), &mut open);
            }
            assert_eq!(replay.state[&key], value(13));
            assert_eq!(replay.later.len(), 1);
            replay.store.expect("compared").differences.len()
        };
        assert_eq!((check(11), check(10), check(13)), (0, 1, 1));
    }

    #[test]
    fn a_store_outside_of_the_changelog_is_not_compared() {
        let start = Start { part: Part::new("t", 0), from: 5, end: 9 };
        assert!([Some(5), Some(9)].into_iter().all(|offset| refusal(offset, &start).is_none()));
        assert!([None, Some(4), Some(10)].into_iter().all(|offset| refusal(offset, &start).is_some()));
    }
}
