//! Why a record cannot be used. Every reason has a stable code (metric label, header of the dead letter) and a readable line.

use crate::decimal::Nanos;

/// The longest piece of somebody else's text in a message, in bytes; a message stays one line whatever was sent.
const EXCERPT_MAX_BYTES: usize = 64;

/// Why a record of `raw-trades` (or a line of a file) is no trade.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The record has no value: a tombstone.
    #[error("the value is null; a trade cannot be deleted")]
    NullValue,
    /// The value has no bytes.
    #[error("the value is empty; write a JSON object or a protobuf Trade")]
    EmptyValue,
    /// A byte order mark before the JSON object.
    #[error("the value begins with a byte order mark; leave it out")]
    ByteOrderMark,
    /// The JSON value is not UTF-8.
    #[error("the value is not UTF-8 after {valid_bytes} bytes; write UTF-8")]
    BadUtf8 {
        /// Number of bytes before the first wrong one.
        valid_bytes: usize,
    },
    /// The JSON value has more than [`JSON_DEPTH_MAX`](super::JSON_DEPTH_MAX) levels.
    #[error("the value is nested more than {} levels deep", super::JSON_DEPTH_MAX)]
    TooDeep,
    /// The value begins like JSON and is none.
    #[error("the value is not one JSON object: {detail}")]
    BadJson {
        /// What the parser says, with line and column.
        detail: String,
    },
    /// The value does not begin like JSON and is no protobuf `Trade`.
    #[error("the value neither begins with `{{` nor is a protobuf Trade: {detail}")]
    BadProtobuf {
        /// What the parser says.
        detail: String,
    },
    /// A known name stands twice in the object.
    #[error("the field {name} stands twice; write it once")]
    DuplicateField {
        /// The name as JSON spells it.
        name: &'static str,
    },
    /// Both names of the size are present.
    #[error("both size and volume are present; they are two names of one field, write one")]
    SizeAndVolume,
    /// The record has no key.
    #[error("the record has no key; the key is the symbol")]
    MissingKey,
    /// The record's key is not its symbol.
    #[error("the key {key:?} is not the symbol {symbol:?}; the key is the symbol")]
    KeyMismatch {
        /// The symbol of the value.
        symbol: String,
        /// The beginning of the key.
        key: String,
    },
    /// A required field is absent or null.
    #[error("{} is missing; it is required", .0.name())]
    Missing(Field),
    /// A field cannot be read.
    #[error("{} {text:?} is not {}", .field.name(), .field.words().expected)]
    Malformed {
        /// The field.
        field: Field,
        /// The beginning of its text.
        text: String,
    },
    /// A number is outside the limits of its field.
    #[error("{} {value} is out of range: it must be {}", .field.name(), .field.words().range)]
    OutOfRange {
        /// The field.
        field: Field,
        /// The number, rounded unless it is far outside.
        value: String,
    },
    /// A price is outside the bar's low and high, which default to the price.
    #[error("{} {} is outside of {} to {}, the low and high of the record (default: its price)",
        .field.name(), Nanos((*.value).into()), Nanos((*.low).into()), Nanos((*.high).into()))]
    OutsideBar {
        /// The field: price, open or vwap.
        field: Field,
        /// Its value in units of 1e-9.
        value: i64,
        /// The low in units of 1e-9.
        low: i64,
        /// The high in units of 1e-9.
        high: i64,
    },
    /// A price times the size is more than [`NOTIONAL_MAX`](super::NOTIONAL_MAX).
    #[error("{} {} times size {} is more than 10000000000000",
        .field.name(), Nanos((*.value).into()), Nanos(*.size))]
    NotionalRange {
        /// The field: price or vwap.
        field: Field,
        /// Its value in units of 1e-9.
        value: i64,
        /// The size in units of 1e-9.
        size: i128,
    },
}

impl Reject {
    /// The stable code of the reason: lower case with underscores, one of a closed list, fit for a metric label.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NullValue => "null_value",
            Self::EmptyValue => "empty_value",
            Self::ByteOrderMark => "byte_order_mark",
            Self::BadUtf8 { .. } => "bad_utf8",
            Self::TooDeep => "too_deep",
            Self::BadJson { .. } => "bad_json",
            Self::BadProtobuf { .. } => "bad_protobuf",
            Self::DuplicateField { .. } => "duplicate_field",
            Self::SizeAndVolume => "size_and_volume",
            Self::MissingKey => "missing_key",
            Self::KeyMismatch { .. } => "key_mismatch",
            Self::Missing(field) => field.words().missing,
            Self::Malformed { field, .. } => field.words().malformed,
            Self::OutOfRange { field, .. } => field.words().out_of_range,
            Self::OutsideBar { .. } => "outside_bar",
            Self::NotionalRange { .. } => "notional_range",
        }
    }

    pub(super) fn key_mismatch(symbol: &str, key: &[u8]) -> Self {
        let key = excerpt(&String::from_utf8_lossy(&key[..key.len().min(EXCERPT_MAX_BYTES)]));
        Self::KeyMismatch { symbol: symbol.to_owned(), key }
    }

    pub(super) fn malformed(field: Field, text: &str) -> Self {
        Self::Malformed { field, text: excerpt(text) }
    }

    pub(super) fn out_of_range(field: Field, value: i128) -> Self {
        let value =
            if matches!(field, Field::Timestamp) { value.to_string() } else { Nanos(value).to_string() };
        Self::OutOfRange { field, value }
    }
}

/// The fields of a trade, `size` standing for `volume` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the fields of `Trade`")]
pub enum Field {
    Symbol,
    Price,
    Size,
    Timestamp,
    High,
    Low,
    Open,
    Vwap,
    PriceEligibility,
    VolumeEligible,
}

/// What there is to say about a field.
struct Words {
    name: &'static str,
    missing: &'static str,
    malformed: &'static str,
    out_of_range: &'static str,
    expected: &'static str,
    range: &'static str,
}

const NUMBER: &str = "a JSON number (or the same in quotes) of at most 64 bytes";
const PRICES: &str = "above 0 and at most 9000000000";

/// Only the first four fields are ever missing, and only numbers are ever out of range; the other words keep the table whole.
macro_rules! words {
    ($name:literal, $expected:expr, $range:expr) => {
        Words {
            name: $name,
            missing: concat!("missing_", $name),
            malformed: concat!("bad_", $name),
            out_of_range: concat!($name, "_range"),
            expected: $expected,
            range: $range,
        }
    };
}

impl Field {
    /// The name as JSON and file headers spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.words().name
    }

    const fn words(self) -> &'static Words {
        match self {
            Self::Symbol => &words!("symbol", "1 to 32 bytes of A-Z a-z 0-9 . - : / _", ""),
            Self::Price => &words!("price", NUMBER, PRICES),
            Self::Size => &words!("size", NUMBER, "0 to 1000000000000"),
            Self::Timestamp => {
                &words!("timestamp", "milliseconds since 1970 as digits only", "0 to 253402300799999")
            }
            Self::High => &words!("high", NUMBER, PRICES),
            Self::Low => &words!("low", NUMBER, PRICES),
            Self::Open => &words!("open", NUMBER, PRICES),
            Self::Vwap => &words!("vwap", NUMBER, PRICES),
            Self::PriceEligibility => &words!("price_eligibility", "none, price or last", ""),
            Self::VolumeEligible => &words!("volume_eligible", "true or false", ""),
        }
    }
}

/// The beginning of `text`, at most [`EXCERPT_MAX_BYTES`] bytes and an ellipsis.
fn excerpt(text: &str) -> String {
    let end = text.floor_char_boundary(EXCERPT_MAX_BYTES);
    if end == text.len() { text.to_owned() } else { format!("{}…", &text[..end]) }
}
