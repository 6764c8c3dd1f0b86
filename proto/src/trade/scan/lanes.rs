//! Many bytes at once: sixteen of a text in one vector register, eight digits of a time in one integer.

use wide::u8x16;

/// Sixteen bytes in a row. An answer is a mask: bit n stands for byte n.
#[derive(Clone, Copy)]
pub(super) struct Lanes(u8x16);

impl Lanes {
    /// How many bytes.
    pub(super) const COUNT: usize = 16;
    /// All bytes.
    pub(super) const ALL: u32 = (1 << Self::COUNT) - 1;

    #[inline]
    pub(super) fn new(bytes: [u8; Self::COUNT]) -> Self {
        Self(u8x16::new(bytes))
    }

    /// The bytes that are this one.
    #[inline]
    pub(super) fn equal(self, byte: u8) -> u32 {
        self.0.simd_eq(u8x16::splat(byte)).to_bitmask()
    }

    /// The bytes that are control characters or not ASCII.
    #[inline]
    pub(super) fn not_printable(self) -> u32 {
        // Counted from the space on, what stands before it becomes large.
        let from_space = self.0 - u8x16::splat(b' ');
        let last = u8x16::splat(0x7f - b' ');
        !from_space.min(last).simd_eq(from_space).to_bitmask() & Self::ALL
    }
}

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The number that eight digits form; `None` when one of the bytes is no digit. (Shorter numbers are read faster one by one.)
#[inline]
pub(super) fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(bytes) ^ eight(b'0');
    // Now a digit is 0 to 9. Adding 0x80 - 10 to the lower seven bits carries into the top bit from 10 on, never further.
    let not_digits = ((digits & eight(0x7f)) + eight(0x80 - 10)) | digits;
    // The first digit stands lowest. Neighbours are joined: digits, pairs, fours.
    let pairs = (digits & 0x000f_000f_000f_000f) * 10 + ((digits >> 8) & 0x000f_000f_000f_000f);
    let fours = (pairs & 0x0000_00ff_0000_00ff) * 100 + ((pairs >> 16) & 0x0000_00ff_0000_00ff);
    let number = (fours & 0xffff) * 10_000 + (fours >> 32);
    (not_digits & eight(0x80) == 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Lanes, eight_digits};

    proptest! {
        #[test]
        fn each_byte_is_seen_by_itself(bytes in any::<[u8; 16]>(), byte in any::<u8>()) {
            let mask = |is_set: &dyn Fn(u8) -> bool| {
                bytes.iter().rev().fold(0, |mask, byte| mask << 1 | u32::from(is_set(*byte)))
            };
            let lanes = Lanes::new(bytes);
            for byte in [byte, bytes[3]] {
                prop_assert_eq!(lanes.equal(byte), mask(&|lane| lane == byte));
            }
            prop_assert_eq!(lanes.not_printable(), mask(&|lane| !(b' '..0x80).contains(&lane)));
        }

        #[test]
        fn eight_digits_are_a_number(digits in "[0-9]{8}", place in 0_usize..8, byte in any::<u8>()) {
            let mut bytes: [u8; 8] = digits.as_bytes().try_into().expect("eight bytes");
            prop_assert_eq!(eight_digits(bytes), digits.parse().ok());
            bytes[place] = byte;
            let text = std::str::from_utf8(&bytes).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert_eq!(eight_digits(bytes), text.and_then(|text| text.parse().ok()));
        }
    }
}
