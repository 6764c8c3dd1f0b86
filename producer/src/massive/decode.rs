//! The vendor's data frames: one JSON array of events becomes trades, bars, and what has to be counted.
//!
//! - Each element is decoded apart: what is wrong with one costs that one.
//! - Numbers are read from their text, as JSON numbers or the same in quotes, in any form: `4.2e-05`, `1E2`, `12.0`. A member that
//!   is null is absent; unknown members are not looked into; a known one that stands twice costs the element. Names
//!   with escapes are unknown.
//! - A field that is no part of the record (exchange, ids, `pt`) never costs the trade.
//! - Whatever comes out as a trade passed [`check`](tape_proto::trade::check): a processor does not reject it.
//!
//! | record | `T` | `XT` | bars |
//! |---|---|---|---|
//! | symbol | `sym` | `pair` | the same |
//! | price | `p` | `p` | `c` |
//! | size | `ds`, or `s` | the same | `dv`, or `v` |
//! | event time | `t` | `t` | `e` − 1; without `e`: `s` + its length − 1 |
//! | open, high, low | | | `o h l` |
//! | vwap | | | `vw`, not below `l` and not above `h` |
//! | eligibility | by `c` | all | all |
//!
//! What is bad gets a code of [`Reject`](tape_proto::trade::Reject), or `frame` (neither array nor object), `missing_ev`, `bad_ev`,
//! `bad_conditions`.
//!
//! The VWAP of a bar is rounded, and counts prints that may set no high or low, so it may lie outside of the two; the
//! contract wants it inside, and the nearest price there is the smallest change.

mod event;
mod identity;
mod kind;
mod page;
mod scan;
mod text;

use std::sync::Arc;

use super::cluster::Cluster;
use super::conditions::Conditions;
use crate::venue::{Decode, Element, Fault};
use scan::{Broken, Elements, Name, Object};
use text::content;

pub(crate) use kind::Kind;
pub(crate) use page::Past;

/// Reads the frames of one cluster.
pub(crate) struct Decoder {
    cluster: Cluster,
    conditions: Arc<Conditions>,
    include_raw: bool,
    /// The conditions of one trade.
    ids: Vec<i64>,
}

impl Decoder {
    pub(crate) const fn new(cluster: Cluster, conditions: Arc<Conditions>, include_raw: bool) -> Self {
        Self { cluster, conditions, include_raw, ids: Vec::new() }
    }

    fn element<'f>(&mut self, object: &Object<'f>) -> Result<Element<'f>, Fault> {
        let raw = object.get(Name::Ev).ok_or_else(|| Fault::new("missing_ev", "the element has no ev"))?;
        if !raw.starts_with('"') {
            return Err(Fault::new("bad_ev", "the element's ev is not a string"));
        }
        let ev = content(raw);
        match Kind::of(self.cluster, &ev) {
            Some(kind) => self.decoded(kind, object).map(Element::Trade),
            None if ev == "status" => Ok(Element::Status),
            None => Ok(Element::Ignored(kind::ignored(&ev))),
        }
    }
}

impl Decode for Decoder {
    /// A frame is an array of objects, or one object alone.
    ///
    /// A frame that is cut or has garbage between its elements gives in addition a [`Element::Bad`] for each such place.
    fn decode<'f>(&mut self, frame: &'f [u8], each: &mut dyn FnMut(Element<'f>)) {
        for element in Elements::new(frame) {
            each(match element {
                Ok(object) => self.element(&object).unwrap_or_else(|fault| fault.of(object.text)),
                Err(Broken { reject, text }) => {
                    let no_frame = || Fault::new("frame", "the frame is neither a JSON array nor an object");
                    reject.map_or_else(no_frame, Fault::from).of(text)
                }
            });
        }
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
