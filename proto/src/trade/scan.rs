//! The quick way through the JSON that producers write: one flat object, known members in any order, no escapes in them, no
//! white space but single spaces after `:` and `,`.
//!
//! **A scan decides nothing.** It answers with the fields only where [`json::read`](super::json::read) would answer with the
//! same fields; for whatever it does not know (white space elsewhere, escapes in a known field, exponents, quoted numbers, nulls, nested
//! values, bytes beyond ASCII, anything malformed) it answers `None`, and the general parser decides. So limits and reasons
//! live in one place, and a property test holds the two together.

mod lanes;

use std::borrow::Cow;

use lanes::{Lanes, eight_digits};

use super::check::Values;
use super::fields;

/// Digits of a mantissa that fit 64 bits whatever they are.
const DIGITS_MAX: usize = 18;

/// 10^n: what a decimal with `9 - n` digits behind the point is multiplied by.
const SCALE: [u64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Fills in the fields of an object of the known shape. After a `None` nobody may look at them.
pub(super) fn read<'a>(value: &'a [u8], values: &mut Values<'a>) -> Option<()> {
    let mut scan = Scan { bytes: value, at: 0 };
    scan.expect(b'{')?;
    loop {
        scan.member(values)?;
        match scan.next()? {
            b',' => scan.space(),
            b'}' if scan.at == value.len() => return Some(()),
            _ => return None,
        }
    }
}

/// The content of a string as it stands there.
struct Text<'a> {
    content: &'a [u8],
    has_escapes: bool,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn space(&mut self) {
        self.at += usize::from(self.bytes.get(self.at) == Some(&b' '));
    }

    /// A member whose field has no value yet. The first letter says which names it can be.
    fn member(&mut self, values: &mut Values<'a>) -> Option<()> {
        match *self.bytes.get(self.at + 1)? {
            b's' if self.is_next(b"\"symbol\":") => set(&mut values.symbol, Cow::Borrowed(self.word()?)),
            b'p' if self.is_next(b"\"price\":") => set(&mut values.price, self.decimal()?),
            b'v' if self.is_next(b"\"volume\":") => set(&mut values.size, self.decimal()?),
            b's' if self.is_next(b"\"size\":") => set(&mut values.size, self.decimal()?),
            b't' if self.is_next(b"\"timestamp\":") => set(&mut values.timestamp, self.integer()?),
            b'o' if self.is_next(b"\"open\":") => set(&mut values.open, self.decimal()?),
            b'h' if self.is_next(b"\"high\":") => set(&mut values.high, self.decimal()?),
            b'l' if self.is_next(b"\"low\":") => set(&mut values.low, self.decimal()?),
            b'v' if self.is_next(b"\"vwap\":") => set(&mut values.vwap, self.decimal()?),
            b'p' if self.is_next(b"\"price_eligibility\":") => {
                set(&mut values.price_eligibility, fields::price_eligibility(self.word()?).ok()?)
            }
            b'v' if self.is_next(b"\"volume_eligible\":") => {
                set(&mut values.volume_eligible, self.boolean()?)
            }
            _ => self.unknown(),
        }
    }

    /// Passes a member's name with its colon, if it is the next thing. Compared with a constant, that is an instruction or two.
    #[inline(always)]
    fn is_next(&mut self, name: &'static [u8]) -> bool {
        let is_next = self.bytes[self.at..].starts_with(name);
        if is_next {
            self.at += name.len();
            self.space();
        }
        is_next
    }

    /// A member that nobody looks into: a string.
    fn unknown(&mut self) -> Option<()> {
        let name = self.string()?;
        // It may be a known one, written with escapes.
        if name.has_escapes {
            return None;
        }
        self.expect(b':')?;
        self.space();
        self.string().map(|_| ())
    }

    /// The content of a string without escapes.
    fn word(&mut self) -> Option<&'a str> {
        let Text { content, has_escapes } = self.string()?;
        if has_escapes { None } else { std::str::from_utf8(content).ok() }
    }

    /// A string: ASCII, with no escapes but of quotes.
    ///
    /// Many bytes at a time and without a branch for each: a vendor's message in quotes has an escape every few bytes, and a
    /// processor that guesses where would guess wrong.
    fn string(&mut self) -> Option<Text<'a>> {
        self.expect(b'"')?;
        let content = self.bytes.get(self.at..)?;
        let (mut end, mut escaped, mut escapes_seen) = (0, 0, 0);
        loop {
            let rest = content.get(end..)?;
            let lanes = Lanes::new(rest.first_chunk().copied().unwrap_or_else(|| padded(rest)));
            let (quotes, escapes) = (lanes.equal(b'"'), lanes.equal(b'\\'));
            escaped |= escapes << 1;
            let ends = quotes & !escaped;
            let refused = lanes.not_printable() | (escaped & !quotes & Lanes::ALL);
            if refused | ends != 0 {
                let before_end = ends.wrapping_sub(1) & !ends;
                if ends == 0 || refused & before_end != 0 {
                    return None;
                }
                end += ends.trailing_zeros() as usize;
                self.at += end + 1;
                escapes_seen |= escapes & before_end;
                return Some(Text { content: &content[..end], has_escapes: escapes_seen != 0 });
            }
            escapes_seen |= escapes;
            // The last byte escapes the first one of the next chunk.
            escaped >>= Lanes::COUNT;
            end += Lanes::COUNT;
        }
    }

    /// A plain decimal ≥ 0 with at most 9 digits behind the point, in units of 1e-9.
    fn decimal(&mut self) -> Option<i128> {
        let start = self.at;
        let mut mantissa = self.digits(0);
        let whole = self.at - start;
        if whole == 0 || (whole > 1 && self.bytes[start] == b'0') {
            return None;
        }
        let mut decimals = 0;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            let point = self.at;
            mantissa = self.digits(mantissa);
            decimals = self.at - point;
            if decimals == 0 {
                return None;
            }
        }
        // More digits than that have wrapped.
        if whole + decimals > DIGITS_MAX {
            return None;
        }
        let scale = *SCALE.get(9_usize.checked_sub(decimals)?)?;
        Some(i128::from(mantissa) * i128::from(scale))
    }

    /// A number of digits only: a time of thirteen digits.
    fn integer(&mut self) -> Option<i64> {
        let start = self.at;
        let mut value = 0;
        let first = self.bytes.get(start..).and_then(|rest| rest.first_chunk());
        if let Some(eight) = first.and_then(|bytes| eight_digits(*bytes)) {
            value = eight;
            self.at += 8;
        }
        let value = self.digits(value);
        let count = self.at - start;
        let plain = (1..=DIGITS_MAX).contains(&count) && (count == 1 || self.bytes[start] != b'0');
        plain.then(|| value.cast_signed())
    }

    /// Appends the digits that follow; wraps when there are too many.
    fn digits(&mut self, mut value: u64) -> u64 {
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        value
    }

    fn boolean(&mut self) -> Option<bool> {
        let rest = &self.bytes[self.at..];
        let (value, length) = if rest.starts_with(b"true") {
            (true, 4)
        } else if rest.starts_with(b"false") {
            (false, 5)
        } else {
            return None;
        };
        self.at += length;
        Some(value)
    }
}

/// The last bytes of a value, and zeros behind them, which no string may hold.
fn padded(rest: &[u8]) -> [u8; Lanes::COUNT] {
    let mut bytes = [0; Lanes::COUNT];
    bytes[..rest.len()].copy_from_slice(rest);
    bytes
}

/// Fills a field once; what stands twice is not for us.
fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}
