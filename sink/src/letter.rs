//! A dead letter, owned: what a refused record looks like in the sink's dead-letter topic.
//!
//! `tape-proto` decides its shape (caps, headers); here it is built once, when the record is refused, so that only the
//! capped bytes wait in memory. Refusals of the database carry one more header, [`SQLSTATE`].

use tape_proto::dead_letter::{DeadLetter, Header, Record};

/// Header: the five-character SQLSTATE with which the database refused the row.
pub(crate) const SQLSTATE: &str = "tape-dlq-sqlstate";

/// Reason code of a value that is no row and no alert of ours.
pub(crate) const UNDECODABLE: &str = "undecodable";
/// Reason code of a row that the database refused.
pub(crate) const REFUSED: &str = "refused_by_database";

/// Why a record is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// [`UNDECODABLE`] or [`REFUSED`].
    pub(crate) code: &'static str,
    /// One readable line.
    pub(crate) text: String,
    /// What the database said, when it was the database.
    pub(crate) sqlstate: Option<String>,
}

impl Refusal {
    pub(crate) fn undecodable(text: impl ToString) -> Self {
        Self { code: UNDECODABLE, text: text.to_string(), sqlstate: None }
    }
}

/// Key, value and headers, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) key: Option<Box<[u8]>>,
    pub(crate) value: Option<Box<[u8]>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Letter {
    pub(crate) fn new(record: Record<'_>, refusal: &Refusal) -> Self {
        let mut letter = DeadLetter::new(record, refusal.code, &refusal.text);
        letter.headers.extend(refusal.sqlstate.as_ref().map(|code| Header::text(SQLSTATE, code)));
        Self {
            key: letter.key.map(Box::from),
            value: letter.value.map(Box::from),
            headers: letter
                .headers
                .into_iter()
                .map(|header| (header.name.into_owned(), header.value.map(|value| value.into_owned())))
                .collect(),
        }
    }

    /// Bytes held in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let headers =
            self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len));
        self.key.as_ref().map_or(0, |key| key.len())
            + self.value.as_ref().map_or(0, |value| value.len())
            + headers.sum::<usize>()
    }
}
