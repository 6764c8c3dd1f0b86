//! Which topic a name means: a topic that is deleted and made anew has the same name and another id.

use std::fmt;

/// Letters of base64 for URLs, as Kafka's tools show topic ids.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The id that a cluster gave to a topic when it was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopicId(pub [u8; 16]);

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 22 letters of 6 bits hold 128 bits; the last 4 bits are zero.
        let bits = u128::from_be_bytes(self.0);
        for letter in 0..22_u32 {
            let shift = 122 - i64::from(letter) * 6;
            let six = if shift >= 0 { bits >> shift } else { bits << -shift } & 63;
            let at = usize::try_from(six).unwrap_or_default();
            write!(f, "{}", char::from(LETTERS[at]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::TopicId;

    #[test]
    fn ids_are_written_as_kafka_writes_them() {
        assert_eq!(TopicId([0; 16]).to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(TopicId([255; 16]).to_string(), "_____________________w");
        let id =
            [0x2b, 0x9f, 0x1c, 0x3e, 0x77, 0x45, 0x4d, 0x0a, 0x9b, 0x61, 0xfe, 0x00, 0x12, 0xcd, 0xe4, 0x53];
        assert_eq!(TopicId(id).to_string(), "K58cPndFTQqbYf4AEs3kUw");
    }
}
