use super::*;
use proptest::prelude::*;

/// Hashes that the Java client computes for these keys.
#[test]
fn hashes_equal_java() {
    fn check(key: &str, java: i32) {
        assert_eq!(murmur2(key.as_bytes()), java, "key {key:?}");
    }
    check("21", -973_932_308);
    check("foobar", -790_332_482);
    check("a-little-bit-long-string", -985_981_536);
    check("a-little-bit-longer-string", -1_486_304_829);
    check("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
    check("abc", 479_470_107);
}

#[test]
fn partition_clears_the_sign_bit() {
    fn check(key: &str, count: i32, expected: i32) {
        assert_eq!(partition(key.as_bytes(), count), expected, "key {key:?} of {count}");
    }
    // -973932308 & 0x7fffffff = 1173551340; the absolute value would give 2 of 3 and 8 of 10.
    check("21", 3, 0);
    check("21", 10, 0);
    check("abc", 3, 0);
    check("TSLA", 3, 2);
    check("abc", 10, 7);
    check("abc", 1, 0);
    check("abc", 0, 0);
    check("abc", -5, 0);
}

proptest! {
    #[test]
    fn every_partition_exists(key in prop::collection::vec(any::<u8>(), 0..100), count in 1..=i32::MAX) {
        prop_assert!((0..count).contains(&partition(&key, count)));
    }
}
