//! Hashes that stay the same for ever: on every machine, in every version. The simulated market is drawn from them, and
//! the ids of sources stand in the log.

/// Scatters 64 bits: the finalizer of SplitMix64.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A hash of a hash and one more number.
pub(crate) const fn pair(hash: u64, value: u64) -> u64 {
    mix(hash ^ mix(value))
}

/// FNV-1a over bytes, scattered.
pub(crate) fn bytes(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// The hash as a fraction, 0 ≤ x < 1.
pub(crate) fn unit(hash: u64) -> f64 {
    // 53 bits are what a double holds exactly.
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
