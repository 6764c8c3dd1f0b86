//! Values of members as texts, and integers of texts.

use std::borrow::Cow;

use tape_proto::decimal::{NANOS_PER_UNIT, parse_nanos};

/// Digits that fit 64 bits whatever they are.
const DIGITS_MAX: usize = 18;

/// What stands between the quotes of a string; a value of another kind, an empty string, and one with bad escapes as they
/// are, so that they are no number either.
pub(super) fn content(raw: &str) -> Cow<'_, str> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        None | Some("") => Cow::Borrowed(raw),
        Some(inner) if inner.contains('\\') => {
            serde_json::from_str(raw).map_or(Cow::Borrowed(raw), Cow::Owned)
        }
        Some(inner) => Cow::Borrowed(inner),
    }
}

/// A whole number: `123`, `123.0`, `1.23e2`.
pub(super) fn integer(text: &str) -> Option<i64> {
    let digits = text.as_bytes();
    if let 1..=DIGITS_MAX = digits.len()
        && digits.iter().all(u8::is_ascii_digit)
        && (digits[0] != b'0' || digits.len() == 1)
    {
        return Some(digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')));
    }
    let nanos = parse_nanos(text).ok()?;
    if nanos % NANOS_PER_UNIT == 0 { i64::try_from(nanos / NANOS_PER_UNIT).ok() } else { None }
}
