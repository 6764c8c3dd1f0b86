//! Where a source was when it was last heard of: what makes a restart exact.
//!
//! Every record carries the header [`SOURCE_HEADER`](tape_proto::trade::SOURCE_HEADER) = `<source id>:<number>`. Numbers
//! grow along the source, and a partition receives the records of a source in that order and without gaps. So the number
//! in a partition's last record of this source says exactly which of its records that partition has: those with a number up
//! to it. Partitions may be differently far (each has a leader of its own); a [`Cursor`] therefore has one number each.

use tape_proto::partition::partition;

/// For each partition of `raw-trades` the number of the last record of a source that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    last: Vec<Option<u64>>,
}

impl Cursor {
    /// Nothing was written yet to a topic of so many partitions.
    pub fn fresh(partitions: usize) -> Self {
        Self { last: vec![None; partitions] }
    }

    /// From the last number of each partition, partition 0 first; `None` = it has no record of this source.
    pub fn new(last: Vec<Option<u64>>) -> Self {
        Self { last }
    }

    /// Whether the partition of this key already has the record of this number.
    pub fn covers(&self, key: &[u8], number: u64) -> bool {
        self.last_of(key).is_some_and(|last| number <= last)
    }

    /// The last number that the partition of this key has.
    pub fn last_of(&self, key: &[u8]) -> Option<u64> {
        // The count is that of a topic and fits.
        let count = i32::try_from(self.last.len()).unwrap_or(i32::MAX);
        self.last.get(partition(key, count) as usize).copied().flatten()
    }

    /// The last number of each partition, partition 0 first.
    pub fn last(&self) -> &[Option<u64>] {
        &self.last
    }

    /// True when no partition has a record of this source.
    pub fn is_fresh(&self) -> bool {
        self.last.iter().all(Option::is_none)
    }
}

/// Writes the header's value over what `out` holds.
pub(crate) fn write_header(id: &str, number: u64, out: &mut Vec<u8>) {
    use std::io::Write;
    out.clear();
    out.extend_from_slice(id.as_bytes());
    write!(out, ":{number}").expect("writing to memory cannot fail");
}

/// Splits the header's value into source id and number.
pub(crate) fn read_header(value: &[u8]) -> Option<(&str, u64)> {
    let (id, number) = std::str::from_utf8(value).ok()?.rsplit_once(':')?;
    Some((id, number.parse().ok()?))
}

#[cfg(test)]
mod tests;
