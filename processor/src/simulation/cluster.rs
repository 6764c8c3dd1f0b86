//! The broker of a history: logs with transactions, the transaction coordinator, committed offsets.
//!
//! As much of Kafka as a worker can notice: records of an open transaction hide themselves and all that follows them
//! from read_committed readers; markers take offsets and deliver no record; a newer producer with the same id aborts what
//! the older one left open and fences it; a transaction that stays open too long is aborted, which fences its producer,
//! too; committed offsets are not told while a transaction holds new ones. A transaction is decided at once and seen bit by
//! bit: each log gets its marker, and the group its offsets, at a time of its own.

use std::collections::BTreeMap;

use super::group::Group;

/// A topic's partition.
pub(super) type Place = (String, i32);

/// A header, owned.
pub(super) type Header = (String, Option<Vec<u8>>);

/// A record, or a marker of a transaction's end.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<Header>,
    /// The transaction that it belongs to.
    pub(super) txn: Option<usize>,
    pub(super) marker: bool,
}

/// What has become of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open {
        /// Aborted when it is open for longer, ms.
        until: u64,
    },
    /// Decided; not all marks are written.
    Ending {
        commit: bool,
    },
    Committed,
    Aborted,
}

#[derive(Debug)]
struct Txn {
    state: State,
    id: String,
    /// First offset in each partition that it wrote to and that has no marker yet.
    first: BTreeMap<Place, i64>,
    offsets: BTreeMap<i32, i64>,
    /// Marks to be written: at which time, ms, and where; `None` = the group's offsets.
    marks: Vec<(u64, Option<Place>)>,
}

/// Why the coordinator says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// A newer producer, or a time-out.
    Fenced,
    /// An earlier transaction of the id is not yet ended.
    Concurrent,
}

#[derive(Debug, Default)]
pub(super) struct Cluster {
    logs: BTreeMap<Place, Vec<Entry>>,
    txns: Vec<Txn>,
    /// Transactions that are not ended.
    open: Vec<usize>,
    /// By transactional id.
    epochs: BTreeMap<String, u32>,
    pub(super) committed: BTreeMap<i32, i64>,
    pub(super) group: Group,
    /// Nobody answers before this time, ms.
    pub(super) away_until: u64,
}

impl Cluster {
    pub(super) fn end(&self, place: &Place) -> i64 {
        self.logs.get(place).map_or(0, |log| offset_of(log.len()))
    }

    /// Up to where a read_committed reader may read.
    pub(super) fn stable_end(&self, place: &Place) -> i64 {
        let firsts = self.open.iter().filter_map(|txn| self.txns[*txn].first.get(place).copied());
        firsts.fold(self.end(place), i64::min)
    }

    pub(super) fn entry(&self, place: &Place, offset: i64) -> &Entry {
        &self.logs[place][index(offset)]
    }

    /// Whether a read_committed reader gets it, once it is below the stable end.
    pub(super) fn is_visible(&self, entry: &Entry) -> bool {
        let is_committed =
            |txn: usize| matches!(self.txns[txn].state, State::Committed | State::Ending { commit: true });
        !entry.marker && entry.txn.is_none_or(is_committed)
    }

    /// Everything that a read_committed reader gets now.
    pub(super) fn visible(&self, place: &Place) -> impl Iterator<Item = (i64, &Entry)> + use<'_> {
        let log = self.logs.get(place).map_or(&[][..], Vec::as_slice);
        let end = index(self.stable_end(place));
        (0..).zip(&log[..end]).filter(|(_, entry)| self.is_visible(entry))
    }

    /// Appends outside of transactions, or to an open one.
    pub(super) fn append(&mut self, place: Place, entry: Entry) -> i64 {
        let log = self.logs.entry(place.clone()).or_default();
        let offset = offset_of(log.len());
        if let Some(txn) = entry.txn {
            self.txns[txn].first.entry(place).or_insert(offset);
        }
        log.push(entry);
        offset
    }

    /// Makes a producer the newest of its id; what the earlier one left open is aborted.
    pub(super) fn init(&mut self, id: &str, marks: &mut dyn FnMut() -> u64) -> Result<u32, Refused> {
        let mine: Vec<_> = self.open.iter().copied().filter(|txn| self.txns[*txn].id == id).collect();
        if !mine.is_empty() {
            // An abort takes its time; the producer asks again.
            for txn in mine {
                if matches!(self.txns[txn].state, State::Open { .. }) {
                    self.decide(txn, false, marks);
                }
            }
            return Err(Refused::Concurrent);
        }
        let epoch = self.epochs.entry(id.to_owned()).or_default();
        *epoch += 1;
        Ok(*epoch)
    }

    pub(super) fn begin(&mut self, id: &str, until: u64) -> usize {
        let (first, offsets, marks) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        self.txns.push(Txn { state: State::Open { until }, id: id.to_owned(), first, offsets, marks });
        self.open.push(self.txns.len() - 1);
        self.txns.len() - 1
    }

    /// Whether a producer may still write to its transaction.
    pub(super) fn check(&self, id: &str, epoch: u32, txn: usize) -> Result<(), Refused> {
        let current = self.epochs.get(id) == Some(&epoch);
        let open = matches!(self.txns[txn].state, State::Open { .. });
        if current && open { Ok(()) } else { Err(Refused::Fenced) }
    }

    pub(super) fn add_offsets(&mut self, txn: usize, offsets: impl Iterator<Item = (i32, i64)>) {
        self.txns[txn].offsets.extend(offsets);
    }

    /// Whether an earlier transaction of the id is not ended.
    pub(super) fn is_ending(&self, id: &str) -> bool {
        self.open.iter().any(|txn| self.txns[*txn].id == id)
    }

    /// Decides a transaction. Each of its marks is written at a time that `marks` gives.
    pub(super) fn decide(&mut self, txn: usize, commit: bool, marks: &mut dyn FnMut() -> u64) {
        let decided = &mut self.txns[txn];
        decided.state = State::Ending { commit };
        let places = decided.first.keys().cloned().map(Some);
        decided.marks = places.chain([None]).map(|place| (marks(), place)).collect();
    }

    fn write_marks(&mut self, txn: usize, commit: bool, now: u64) {
        let marks = &mut self.txns[txn].marks;
        let due: Vec<_> = marks.extract_if(.., |(at, _)| *at <= now).collect();
        let is_last = marks.is_empty();
        for (_, place) in due {
            match place {
                Some(place) => {
                    self.append(place.clone(), Entry { marker: true, ..Entry::default() });
                    self.txns[txn].first.remove(&place);
                }
                None => {
                    let offsets = std::mem::take(&mut self.txns[txn].offsets);
                    if commit {
                        self.committed.extend(offsets);
                    }
                }
            }
        }
        if is_last {
            self.txns[txn].state = if commit { State::Committed } else { State::Aborted };
            self.open.retain(|open| *open != txn);
        }
    }

    /// The committed offset, unless a transaction holds a new one.
    pub(super) fn committed(&self, partition: i32) -> Result<Option<i64>, Refused> {
        let held = self.open.iter().any(|txn| self.txns[*txn].offsets.contains_key(&partition));
        if held { Err(Refused::Concurrent) } else { Ok(self.committed.get(&partition).copied()) }
    }

    /// What happens by itself as time goes on.
    pub(super) fn tick(&mut self, now: u64) {
        for txn in self.open.clone() {
            match self.txns[txn].state {
                State::Open { until } if now > until => {
                    let id = self.txns[txn].id.clone();
                    *self.epochs.entry(id).or_default() += 1;
                    self.decide(txn, false, &mut || now);
                }
                State::Ending { commit } => self.write_marks(txn, commit, now),
                _ => {}
            }
        }
    }

    /// No transaction is under way.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }
}

fn offset_of(length: usize) -> i64 {
    i64::try_from(length).expect("a short log")
}

fn index(offset: i64) -> usize {
    usize::try_from(offset).expect("an offset")
}
