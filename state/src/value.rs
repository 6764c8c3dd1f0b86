//! Values of the state, on disk and in the changelog topic: one version byte, then the struct in bincode's
//! standard layout (little endian, variable-length integers, fields in order, no names).
//!
//! The layout does not describe itself. **A field is never added, moved or retyped under the same version
//! byte**: a new version gets a new byte and its own reader, the readers of old versions stay, and golden
//! bytes in the tests hold each. Decoding is bounded by [`MAX_VALUE_BYTES`] and never panics, whatever the
//! bytes are.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::error::EncodeError;
use bincode::{Decode, Encode};

use crate::error::CodecError;

/// The version byte in front of panes and symbols as this program writes them, and the newest one it reads.
pub const VALUE_VERSION: u8 = 1;

/// The same of a [`MetaValue`]. Version 2 added the ids of the topics, version 3 the number of partitions; both older ones are
/// still read.
pub const META_VERSION: u8 = 3;

/// Most closed windows that a symbol keeps: one for each slide of the longest window (K ≤ 1,440).
pub const MAX_CLOSED_WINDOWS: usize = 1_440;

/// Largest value, and the memory that decoding may ask for: [`MAX_CLOSED_WINDOWS`] windows are 46 KiB in
/// memory.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

const LAYOUT: Configuration<LittleEndian, Varint, Limit<MAX_VALUE_BYTES>> =
    bincode::config::standard().with_limit::<MAX_VALUE_BYTES>();

/// The sums of one pane of one symbol. Prices are nanos (1e-9), sizes nanos, notional 1e-18, times epoch ms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct PaneValue {
    /// Records counted in the pane.
    pub records: u64,
    /// Records that may set a price.
    pub prices: u64,
    /// Sum of their prices, nanos.
    pub sum_price: i128,
    /// Sum of the sizes of volume-eligible records, nanos.
    pub sum_size: i128,
    /// Sum of vwap · size over records eligible for both price and volume, 1e-18.
    pub notional: i128,
    /// Sum of the sizes of the same records, nanos.
    pub notional_size: i128,
    /// Highest price, nanos; none without a price.
    pub high: Option<i64>,
    /// Lowest price, nanos; none without a price.
    pub low: Option<i64>,
    /// First record that may set last, with its open price.
    pub open: Option<Print>,
    /// Last record that may set last, with its price.
    pub close: Option<Print>,
}

/// A price with its place in the order of records: by time, then by offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Print {
    /// Event time, epoch ms.
    pub time: i64,
    /// Offset in the input partition.
    pub offset: i64,
    /// Nanos.
    pub price: i64,
}

/// What a symbol keeps beside its panes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct SymbolValue {
    /// Closed windows that a later moving average or side still refers to; at most [`MAX_CLOSED_WINDOWS`].
    pub closed: Vec<ClosedWindow>,
    /// The last breakout alert.
    pub breakout: Option<LastBreakout>,
    /// The high-volume alert has fired and is not armed again.
    pub disarmed: bool,
    /// The volume was above the threshold when last judged.
    pub above: bool,
}

/// What remains of a closed window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ClosedWindow {
    /// Start of the window, epoch ms; negative for windows that reach before 1970.
    pub start: i64,
    /// Its average price, nanos; none without a price.
    pub avg: Option<i64>,
    /// Side of the average against the moving average: −1, 0 or 1.
    pub side: i8,
}

/// The last breakout alert of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LastBreakout {
    /// −1 (bearish) or 1 (bullish).
    pub side: i8,
    /// Its timestamp, epoch ms.
    pub time: i64,
}

/// State of the task as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MetaValue {
    /// Largest accepted event time, epoch ms; none before the first record.
    pub stream_time: Option<i64>,
    /// Watermark, epoch ms; none before the first record.
    pub watermark: Option<i64>,
    /// Window length the state was written with, ms. Another one needs `tape reset`.
    pub window_ms: i64,
    /// Slide the state was written with, ms. Another one needs `tape reset`.
    pub slide_ms: i64,
    /// Raised by `rescale` and `reset`; stands in the high bits of a row's revision.
    pub generation: u32,
    /// The input topic whose offsets the group commits, by the id that Kafka gave it; none: nobody knew.
    pub input_id: Option<[u8; 16]>,
    /// The changelog topic that this state belongs to, by the id that Kafka gave it; none: nobody knew.
    pub changelog_id: Option<[u8; 16]>,
    /// Partitions of the input, over which its symbols were spread by their hash. Another number needs `tape reset`; none: nobody
    /// knew.
    pub partitions: Option<u32>,
}

/// A [`MetaValue`] of version 2.
#[derive(Decode)]
struct MetaValue2 {
    stream_time: Option<i64>,
    watermark: Option<i64>,
    window_ms: i64,
    slide_ms: i64,
    generation: u32,
    input_id: Option<[u8; 16]>,
    changelog_id: Option<[u8; 16]>,
}

impl From<MetaValue2> for MetaValue {
    fn from(old: MetaValue2) -> Self {
        let MetaValue2 { stream_time, watermark, window_ms, slide_ms, generation, input_id, changelog_id } =
            old;
        let partitions = None;
        MetaValue {
            stream_time,
            watermark,
            window_ms,
            slide_ms,
            generation,
            input_id,
            changelog_id,
            partitions,
        }
    }
}

/// A [`MetaValue`] of version 1.
#[derive(Decode)]
struct MetaValue1 {
    stream_time: Option<i64>,
    watermark: Option<i64>,
    window_ms: i64,
    slide_ms: i64,
    generation: u32,
}

impl From<MetaValue1> for MetaValue {
    fn from(old: MetaValue1) -> Self {
        let MetaValue1 { stream_time, watermark, window_ms, slide_ms, generation } = old;
        MetaValue { stream_time, watermark, window_ms, slide_ms, generation, ..MetaValue::default() }
    }
}

/// Writing in the newest version, reading in all of them.
macro_rules! stored {
    ($value:ty, newest $newest:expr $(, $old:literal as $reader:ty)*) => {
        impl $value {
            /// Appends the version byte and the value to `out`. `out` is unchanged on error.
            ///
            /// # Errors
            /// [`CodecError::Unstorable`] when a field is outside its stated range.
            pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
                self.check().map_err(CodecError::Unstorable)?;
                let before = out.len();
                out.push($newest);
                match append(self, out) {
                    Ok(()) => Ok(()),
                    Err(_) => {
                        out.truncate(before);
                        Err(CodecError::Unstorable("a value without a layout"))
                    }
                }
            }

            /// Reads a value from all of `bytes`. Never panics; allocates at most [`MAX_VALUE_BYTES`].
            ///
            /// # Errors
            /// [`CodecError::Newer`] for a version above the newest known one, else [`CodecError::Malformed`].
            pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
                let value: Self = match versioned_body(bytes, $newest)? {
                    $(($old, body) => whole::<$reader>(body)?.into(),)*
                    (_, body) => whole(body)?,
                };
                value.check().map_err(CodecError::Malformed)?;
                Ok(value)
            }
        }
    };
}

stored!(PaneValue, newest VALUE_VERSION);
stored!(SymbolValue, newest VALUE_VERSION);
stored!(MetaValue, newest META_VERSION, 1 as MetaValue1, 2 as MetaValue2);

/// Appends a value. It is built in a buffer that does not grow, unless it has many windows: field by field, a `Vec` would ask
/// for room before each.
fn append(value: &impl Encode, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut buffer = [0; 256];
    match bincode::encode_into_slice(value, &mut buffer, LAYOUT) {
        Ok(length) => out.extend_from_slice(&buffer[..length]),
        Err(_) => bincode::encode_into_std_write(value, out, LAYOUT).map(drop)?,
    }
    Ok(())
}

/// A value that takes all of `body`.
fn whole<T: Decode<()>>(body: &[u8]) -> Result<T, CodecError> {
    let (value, read) = bincode::decode_from_slice::<T, _>(body, LAYOUT)
        .map_err(|_| CodecError::Malformed("value that ends early or has an impossible field"))?;
    if read == body.len() { Ok(value) } else { Err(CodecError::Malformed("bytes behind the value")) }
}

/// The version byte and what stands behind it, if this program can read it.
fn versioned_body(bytes: &[u8], newest: u8) -> Result<(u8, &[u8]), CodecError> {
    match bytes.split_first() {
        None => Err(CodecError::Malformed("empty value")),
        Some((0, _)) => Err(CodecError::Malformed("value with version byte 0")),
        Some((&found, _)) if found > newest => Err(CodecError::Newer { found, known: newest }),
        Some(_) if bytes.len() > MAX_VALUE_BYTES => Err(CodecError::Malformed("value longer than 64 KiB")),
        Some((&version, body)) => Ok((version, body)),
    }
}

impl PaneValue {
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

impl SymbolValue {
    fn check(&self) -> Result<(), &'static str> {
        if self.closed.len() > MAX_CLOSED_WINDOWS {
            return Err("more than 1440 closed windows of a symbol");
        }
        let sides = self.closed.iter().map(|window| window.side);
        if sides.chain(self.breakout.map(|alert| alert.side)).any(|side| !(-1..=1).contains(&side)) {
            return Err("a side outside -1..=1");
        }
        Ok(())
    }
}

impl MetaValue {
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
