//! Eight bytes compared at once, in one register; each answer is a mask with the top bit of the bytes that it names.

/// Eight bytes in a row, the first in the lowest bits.
#[derive(Clone, Copy)]
pub(super) struct Lanes(u64);

/// The top bit of each byte.
const TOPS: u64 = u64::from_le_bytes([0x80; 8]);

impl Lanes {
    /// How many bytes.
    pub(super) const COUNT: usize = 8;

    pub(super) fn new(bytes: [u8; Self::COUNT]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    /// The bytes that are this one.
    pub(super) fn equal(self, byte: u8) -> u64 {
        let differs = self.0 ^ u64::from_le_bytes([byte; 8]);
        // Adding 0x7f carries into the top bit unless the seven bits below are zero; it never carries out of the byte.
        !(((differs & !TOPS) + !TOPS) | differs) & TOPS
    }

    /// The bytes that are control characters or not ASCII.
    pub(super) fn not_printable(self) -> u64 {
        let at_least_space = (self.0 & !TOPS) + u64::from_le_bytes([0x80 - b' '; 8]);
        (!at_least_space | self.0) & TOPS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Lanes;

    proptest! {
        #[test]
        fn each_byte_is_seen_by_itself(bytes in any::<[u8; 8]>(), byte in any::<u8>()) {
            let mask = |is_set: &dyn Fn(u8) -> bool| {
                u64::from_le_bytes(bytes.map(|byte| if is_set(byte) { 0x80 } else { 0 }))
            };
            let lanes = Lanes::new(bytes);
            for byte in [byte, bytes[3]] {
                prop_assert_eq!(lanes.equal(byte), mask(&|lane| lane == byte));
            }
            prop_assert_eq!(lanes.not_printable(), mask(&|lane| !(b' '..0x80).contains(&lane)));
        }
    }
}
