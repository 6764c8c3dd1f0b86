//! Where to begin reading a partition: a pure decision from two answers.
//!
//! | `sink_offsets` | the log | begin | stored |
//! |---|---|---|---|
//! | no row | | the oldest record | the same, as a new row |
//! | within the log | | there | as it is |
//! | below the log | retention deleted records before we read them | the oldest record, and say what is missing | as it is |
//! | beyond the log | the topic is not the one that was read | refuse | |
//!
//! Kafka's committed offset is not asked: it is only a hint for lag tools, and beside a new or restored database it would
//! skip rows that the log still holds. Reading a record again changes nothing.

/// The log of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// Offset of the oldest record.
    pub(crate) low: i64,
    /// Offset after the newest record.
    pub(crate) high: i64,
}

/// How to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Read from `from`; SQL holds `stored`; `missing` offsets are gone from the log.
    At { stored: i64, from: i64, missing: i64 },
    /// Write a new row with this offset first.
    New { offset: i64 },
    /// The stored offset lies behind the end of the log.
    Beyond { stored: i64 },
}

pub(crate) fn start(stored: Option<i64>, log: Log) -> Start {
    match stored {
        Some(stored) if stored > log.high => Start::Beyond { stored },
        Some(stored) => {
            let from = stored.max(log.low);
            Start::At { stored, from, missing: from - stored }
        }
        None => Start::New { offset: log.low },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_where_the_table_stands() {
        let check = |stored, (low, high), expected| {
            assert_eq!(start(stored, Log { low, high }), expected);
        };
        check(None, (0, 0), Start::New { offset: 0 });
        check(None, (7, 9), Start::New { offset: 7 });
        check(Some(7), (7, 9), Start::At { stored: 7, from: 7, missing: 0 });
        check(Some(9), (7, 9), Start::At { stored: 9, from: 9, missing: 0 });
        check(Some(4), (7, 9), Start::At { stored: 4, from: 7, missing: 3 });
        check(Some(10), (7, 9), Start::Beyond { stored: 10 });
    }
}
