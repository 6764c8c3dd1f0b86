//! Exact decimals: text to integers in units of 1e-9 ("nanos") or 1e-18 ("atto") and back, never through floating point.
//!
//! Reading takes the number grammar of RFC 8259 (`-12.5e3`; no `+` in front, no leading zeros, no `.5`, no white space) in
//! at most [`TEXT_MAX_BYTES`] bytes and rounds half to even to the unit. The work is bounded by the length of the text: an
//! exponent of any size costs the same.
//!
//! Writing gives plain decimals: no exponent, no trailing zeros, `0` for zero. Reading what was written gives the same integer.

use std::cmp::Ordering;
use std::fmt;

/// The longest text of a number, in bytes. The longest number of the contract has 23 digits; twice that is generous, and
/// the limit keeps hostile numbers cheap.
pub const TEXT_MAX_BYTES: usize = 64;

/// Units of 1e-9 in 1.
pub const NANOS_PER_UNIT: i128 = 1_000_000_000;

/// Units of 1e-18 in 1.
pub const ATTO_PER_UNIT: i128 = 1_000_000_000_000_000_000;

/// Exponents are cut here: with at most 64 digits, every larger one means "too large" or "zero" all the same.
const EXPONENT_MAX: i64 = 10_000;

/// The largest magnitude up to which every integer is a double.
const EXACT_IN_DOUBLE: u128 = 1 << 53;

/// Why a text is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The text does not follow the number grammar of RFC 8259.
    #[error("not a decimal number as JSON writes it")]
    Syntax,
    /// The text has more than [`TEXT_MAX_BYTES`] bytes.
    #[error("a number of more than {TEXT_MAX_BYTES} bytes")]
    TooLong,
    /// The number does not fit 128 bits in its unit.
    #[error("a number too large for 128 bits")]
    TooLarge,
}

/// Reads a decimal in units of 1e-9, rounded half to even.
///
/// # Errors
/// See [`DecimalError`]; the limits of a field are the caller's business.
pub fn parse_nanos(text: &str) -> Result<i128, DecimalError> {
    Number::scan(text)?.in_units(9)
}

/// Reads a decimal in units of 1e-18, rounded half to even.
///
/// # Errors
/// See [`DecimalError`].
pub fn parse_atto(text: &str) -> Result<i128, DecimalError> {
    Number::scan(text)?.in_units(18)
}

/// The double nearest to `nanos`·1e-9.
#[must_use]
pub fn nanos_to_f64(nanos: i128) -> f64 {
    nearest_double(nanos, 1e9, &Nanos(nanos))
}

/// The double nearest to `atto`·1e-18.
#[must_use]
pub fn atto_to_f64(atto: i128) -> f64 {
    nearest_double(atto, 1e18, &Atto(atto))
}

/// An integer in units of 1e-9 that displays as a plain decimal: `175.5`, `0`, `-1.25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub i128);

impl fmt::Display for Nanos {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&text(self.0, write_nanos))
    }
}

/// An integer in units of 1e-18 that displays as a plain decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Atto(pub i128);

impl fmt::Display for Atto {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&text(self.0, write_atto))
    }
}

/// The parts of a number, still as text: ±integer.fraction·10^exponent.
struct Number<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Number<'a> {
    fn scan(text: &'a str) -> Result<Self, DecimalError> {
        if text.len() > TEXT_MAX_BYTES {
            return Err(DecimalError::TooLong);
        }
        let (negative, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (integer, rest) = digits(rest)?;
        if integer.len() > 1 && integer[0] == b'0' {
            return Err(DecimalError::Syntax);
        }
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => digits(rest)?,
            rest => (&[][..], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return Err(DecimalError::Syntax),
        };
        Ok(Self { negative, integer, fraction, exponent })
    }

    /// The number in units of 10^-`decimals`, rounded half to even.
    fn in_units(&self, decimals: usize) -> Result<i128, DecimalError> {
        let units = match self.few_digits(decimals) {
            Some(units) => u128::from(units),
            None => self.many_digits(decimals).ok_or(DecimalError::TooLarge)?,
        };
        let signed = if self.negative {
            0_i128.checked_sub_unsigned(units)
        } else {
            0_i128.checked_add_unsigned(units)
        };
        signed.ok_or(DecimalError::TooLarge)
    }

    /// The way of nearly every number: no exponent, nothing to round, 64 bits are enough.
    fn few_digits(&self, decimals: usize) -> Option<u64> {
        // 10^19 − 1 fits 64 bits.
        let plain =
            self.exponent == 0 && self.fraction.len() <= decimals && self.integer.len() + decimals <= 19;
        plain.then(|| {
            let append = |value: u64, digit: &u8| value * 10 + u64::from(digit - b'0');
            let value = self.fraction.iter().fold(self.integer.iter().fold(0, append), append);
            value * 10_u64.pow((decimals - self.fraction.len()) as u32)
        })
    }

    /// The general way; `None` when the number does not fit.
    fn many_digits(&self, decimals: usize) -> Option<u128> {
        let digits = || self.integer.iter().chain(self.fraction).map(|digit| digit - b'0');
        let total = self.integer.len() + self.fraction.len();
        // The unit's digit is number `whole` from the left; it may lie before the first or after the last digit.
        let whole = self.integer.len() as i64 + decimals as i64 + self.exponent;
        let kept = usize::try_from(whole).unwrap_or(0).min(total);

        let append = |value: u128, digit: u8| value.checked_mul(10)?.checked_add(u128::from(digit));
        let mut value = digits().take(kept).try_fold(0, append)?;
        // At most 38 rounds before the number is too large, unless it is zero.
        for _ in total as i64..if value == 0 { 0 } else { whole } {
            value = append(value, 0)?;
        }
        let dropped = if whole < 0 { Ordering::Less } else { compare_with_half(digits().skip(kept)) };
        match dropped {
            Ordering::Less => Some(value),
            Ordering::Equal => value.checked_add(value % 2),
            Ordering::Greater => value.checked_add(1),
        }
    }
}

/// Compares 0.`digits` with one half.
fn compare_with_half(mut digits: impl Iterator<Item = u8>) -> Ordering {
    match digits.next() {
        None => Ordering::Less,
        Some(5) if digits.any(|digit| digit != 0) => Ordering::Greater,
        Some(first) => first.cmp(&5),
    }
}

/// Splits the digits at the start, at least one, from the rest.
fn digits(text: &[u8]) -> Result<(&[u8], &[u8]), DecimalError> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if end == 0 { Err(DecimalError::Syntax) } else { Ok(text.split_at(end)) }
}

/// The exponent behind the `e`, cut at ±[`EXPONENT_MAX`].
fn exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (digits, rest) = digits(rest)?;
    if !rest.is_empty() {
        return Err(DecimalError::Syntax);
    }
    let append = |value: i64, digit: &u8| (value * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX);
    let value = digits.iter().fold(0, append);
    Ok(if negative { -value } else { value })
}

/// Appends a number in units of 1e-9 as a plain decimal.
pub(crate) fn write_nanos(value: i128, out: &mut Vec<u8>) {
    write_plain::<9>(value, out);
}

/// Appends a number in units of 1e-18 as a plain decimal.
pub(crate) fn write_atto(value: i128, out: &mut Vec<u8>) {
    write_plain::<18>(value, out);
}

fn text(value: i128, write: impl Fn(i128, &mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(value, &mut out);
    String::from_utf8(out).expect("digits are ASCII")
}

/// Appends `value`·10^-`DECIMALS`; at most 18 decimals, so a fraction fits 64 bits.
fn write_plain<const DECIMALS: usize>(value: i128, out: &mut Vec<u8>) {
    let unit = 10_u64.pow(DECIMALS as u32);
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = itoa::Buffer::new();
    let mut fraction = match u64::try_from(value.unsigned_abs()) {
        // 128-bit division is many times dearer.
        Ok(magnitude) => {
            out.extend_from_slice(digits.format(magnitude / unit).as_bytes());
            magnitude % unit
        }
        Err(_) => {
            let magnitude = value.unsigned_abs();
            out.extend_from_slice(digits.format(magnitude / u128::from(unit)).as_bytes());
            (magnitude % u128::from(unit)) as u64
        }
    };
    if fraction == 0 {
        return;
    }
    let mut text = [b'0'; DECIMALS];
    for digit in text.iter_mut().rev() {
        *digit += (fraction % 10) as u8;
        fraction /= 10;
    }
    let end = text.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&text[..end]);
}

/// `value / unit` as the nearest double; `text` is the same quotient as a decimal.
fn nearest_double(value: i128, unit: f64, text: &dyn fmt::Display) -> f64 {
    if value.unsigned_abs() <= EXACT_IN_DOUBLE {
        // Both operands are exact, so the division rounds once.
        value as f64 / unit
    } else {
        // The standard library reads a decimal to the nearest double.
        text.to_string().parse().expect("a plain decimal is a valid double")
    }
}

#[cfg(test)]
mod tests;
