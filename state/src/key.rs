//! Keys of the state, on disk and in the changelog topic.
//!
//! ```text
//! Meta            0
//! Symbol("AAPL")  4 'A' 'A' 'P' 'L'
//! Pane("AAPL", t) 4 'A' 'A' 'P' 'L'  t as 8 bytes, big endian
//! ```
//!
//! Kinds are told apart by length alone. Order of the bytes: the meta first, then symbol by symbol (shorter
//! names first), each symbol's own state before its panes, panes by time.

use crate::error::CodecError;

/// Longest symbol, as the contract has it.
pub const MAX_SYMBOL_BYTES: usize = 32;

/// Longest key: length, symbol, pane start.
pub const MAX_KEY_BYTES: usize = 1 + MAX_SYMBOL_BYTES + PANE_START_BYTES;

const PANE_START_BYTES: usize = size_of::<i64>();
const META: u8 = 0;

/// Names one entry of a task's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<'a> {
    /// The task's own state; one per task.
    Meta,
    /// State of a symbol (1–32 bytes).
    Symbol(&'a str),
    /// Pane of a symbol (1–32 bytes) that starts at this time (epoch ms, not negative).
    Pane(&'a str, i64),
}

impl<'a> Key<'a> {
    /// Appends the key to `out`. `out` is unchanged on error.
    ///
    /// # Errors
    /// [`CodecError::Unstorable`] when the symbol or the time is outside the limits of the contract.
    pub fn encode(self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            Key::Meta => out.push(META),
            Key::Symbol(symbol) => encode_symbol(symbol, out)?,
            Key::Pane(_, start) if start < 0 => return Err(CodecError::Unstorable("a pane before 1970")),
            Key::Pane(symbol, start) => {
                encode_symbol(symbol, out)?;
                out.extend_from_slice(&start.to_be_bytes());
            }
        }
        Ok(())
    }

    /// Reads a key from all of `bytes`. Never panics, never allocates.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] when the bytes are no key of tape.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        if !is_key_shaped(bytes) {
            return Err(CodecError::Malformed("key of an unknown shape"));
        }
        let (length, rest) = bytes.split_first().expect("a shaped key has a first byte");
        if *length == META {
            return Ok(Key::Meta);
        }
        let (symbol, start) = rest.split_at(usize::from(*length));
        let symbol =
            std::str::from_utf8(symbol).map_err(|_| CodecError::Malformed("symbol in a key is no UTF-8"))?;
        match start.first_chunk::<PANE_START_BYTES>() {
            None => Ok(Key::Symbol(symbol)),
            Some(start) => match i64::from_be_bytes(*start) {
                negative if negative < 0 => Err(CodecError::Malformed("pane before 1970 in a key")),
                start => Ok(Key::Pane(symbol, start)),
            },
        }
    }
}

/// True when `bytes` have the length of a key: everything [`Key::decode`] checks but the symbol's letters and
/// the time.
pub(crate) fn is_key_shaped(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        None => false,
        Some((&META, rest)) => rest.is_empty(),
        Some((&length, rest)) => {
            let length = usize::from(length);
            length <= MAX_SYMBOL_BYTES && (rest.len() == length || rest.len() == length + PANE_START_BYTES)
        }
    }
}

fn encode_symbol(symbol: &str, out: &mut Vec<u8>) -> Result<(), CodecError> {
    match u8::try_from(symbol.len()) {
        Ok(length @ 1..) if symbol.len() <= MAX_SYMBOL_BYTES => {
            out.push(length);
            out.extend_from_slice(symbol.as_bytes());
            Ok(())
        }
        _ => Err(CodecError::Unstorable("a symbol that is empty or longer than 32 bytes")),
    }
}

#[cfg(test)]
mod tests;
