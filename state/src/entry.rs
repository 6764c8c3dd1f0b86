//! A key with its value, decoded together.

use crate::error::CodecError;
use crate::key::Key;
use crate::value::{MetaValue, PaneValue, SymbolValue};

/// One entry of a task's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<'a> {
    /// State of the task.
    Meta(MetaValue),
    /// State of the named symbol.
    Symbol(&'a str, SymbolValue),
    /// The named symbol's pane that starts at the given time (epoch ms).
    Pane(&'a str, i64, PaneValue),
}

impl<'a> Entry<'a> {
    /// Reads an entry, from the disk or from a changelog record that is no tombstone. Never panics.
    ///
    /// A restore that decodes before it applies keeps foreign records out of the store, where they would look
    /// like damage and be restored again and again.
    ///
    /// # Errors
    /// As [`Key::decode`] and the values' `decode`.
    pub fn decode(key: &'a [u8], value: &[u8]) -> Result<Self, CodecError> {
        Ok(match Key::decode(key)? {
            Key::Meta => Entry::Meta(MetaValue::decode(value)?),
            Key::Symbol(symbol) => Entry::Symbol(symbol, SymbolValue::decode(value)?),
            Key::Pane(symbol, start) => Entry::Pane(symbol, start, PaneValue::decode(value)?),
        })
    }
}
