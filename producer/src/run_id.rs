//! Ids of sources: who wrote a record, for [`SOURCE_HEADER`](tape_proto::trade::SOURCE_HEADER).
//!
//! A replay's id depends on its files. A simulation's id holds the second in which it began besides, because that decides
//! which records come first: `simulate-<what decides its trades>-<second>`. One that is resumed goes on under the id that
//! it finds in the log; of several the one that began last.

/// A source that may have run before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lineage {
    stem: String,
    /// Begins of runs are part of the id.
    has_begin: bool,
    /// Only runs that began in this second.
    begin: Option<i64>,
}

impl Lineage {
    /// A source whose id is always the same.
    pub(crate) fn fixed(id: String) -> Self {
        Self { stem: id, has_begin: false, begin: None }
    }

    /// A source of which each run has its begin, in seconds since the Unix epoch, in its id. `begin` = only that one.
    pub(crate) fn with_begin(stem: String, begin: Option<i64>) -> Self {
        Self { stem, has_begin: true, begin }
    }

    /// The id of a run that began in this second.
    pub(crate) fn id(&self, begin: i64) -> String {
        if self.has_begin { format!("{}-{begin}", self.stem) } else { self.stem.clone() }
    }

    /// The second in which the run of this id began, if it is one of this source; 0 when ids do not say.
    pub(crate) fn begin_of(&self, id: &str) -> Option<i64> {
        let rest = id.strip_prefix(&self.stem)?;
        if !self.has_begin {
            return rest.is_empty().then_some(0);
        }
        let begin = rest.strip_prefix('-')?.parse().ok()?;
        self.begin.is_none_or(|only| only == begin).then_some(begin)
    }

    /// The same source, but only the run that began in this second.
    pub(crate) fn only(&self, begin: i64) -> Self {
        Self { begin: Some(begin), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_own_runs_and_no_others() {
        let check = |lineage: &Lineage, id: &str, expected: Option<i64>| {
            assert_eq!(lineage.begin_of(id), expected, "{lineage:?} {id}");
        };
        let fixed = Lineage::fixed("replay-7".to_owned());
        check(&fixed, "replay-7", Some(0));
        check(&fixed, "replay-77", None);
        check(&fixed, "replay-", None);
        assert_eq!(fixed.id(5), "replay-7");

        let any = Lineage::with_begin("simulate-7".to_owned(), None);
        check(&any, "simulate-7-100", Some(100));
        check(&any, "simulate-7-x", None);
        check(&any, "simulate-7", None);
        check(&any, "simulate-77-100", None);
        assert_eq!(any.begin_of(&any.id(100)), Some(100));

        let only = any.only(100);
        check(&only, "simulate-7-100", Some(100));
        check(&only, "simulate-7-101", None);
    }
}
