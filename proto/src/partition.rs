//! Which partition a key belongs to: murmur2 exactly as Kafka's own Java clients compute it.
//!
//! Specification: the 32-bit MurmurHash2 of the key's bytes with the seed `0x9747b28c`, its sign bit cleared (not its absolute
//! value), modulo the number of partitions. librdkafka calls the same function `murmur2`; its default is another one.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The partition of `key` in a topic of `count` partitions: 0 to `count - 1`. A count below 1 is read as 1.
#[must_use]
pub fn partition(key: &[u8], count: i32) -> i32 {
    (murmur2(key) & i32::MAX) % count.max(1)
}

fn murmur2(data: &[u8]) -> i32 {
    // Java's length is a 32-bit int as well; a key is far shorter than that.
    let mut hash = SEED ^ data.len() as u32;
    let (blocks, tail) = data.as_chunks::<4>();
    for block in blocks {
        let mut mixed = u32::from_le_bytes(*block).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0, |rest, byte| rest << 8 | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(MULTIPLIER);
    (hash ^ hash >> 15).cast_signed()
}

#[cfg(test)]
mod tests;
