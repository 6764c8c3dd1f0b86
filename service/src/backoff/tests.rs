//! The laws of the module's doc.

use std::time::Duration;

use proptest::prelude::*;

use super::Backoff;

/// `backon` computes in `f32`.
const TOLERANCE: f64 = 1e-5;

fn ideal(first: Duration, cap: Duration, n: u32) -> Duration {
    first.saturating_mul(2u32.saturating_pow(n)).min(cap)
}

proptest! {
    #[test]
    fn pauses_lie_between_half_and_all_of_the_ideal(
        first_ms in 1u64..3_600_000, cap_ms in 1u64..3_600_000, seed in any::<u64>(),
    ) {
        let (first, cap) = (Duration::from_millis(first_ms), Duration::from_millis(cap_ms));
        for (n, pause) in Backoff::with_seed(first, cap, seed).take(40).enumerate() {
            let ideal = ideal(first, cap, n as u32).as_secs_f64();
            prop_assert!(pause <= cap);
            prop_assert!(pause.as_secs_f64() <= ideal * (1.0 + TOLERANCE), "{n}: {pause:?} above {ideal} s");
            prop_assert!(pause.as_secs_f64() >= ideal / 2.0 * (1.0 - TOLERANCE), "{n}: {pause:?} below half of {ideal} s");
        }
    }

    #[test]
    fn it_begins_again_after_a_reset(seed in any::<u64>(), before in 0usize..50) {
        let (first, cap) = (Duration::from_millis(100), Duration::from_secs(60));
        let mut backoff = Backoff::with_seed(first, cap, seed);
        for _ in 0..before {
            backoff.pause();
        }
        prop_assert_eq!(backoff.attempts() as usize, before);
        backoff.reset();
        prop_assert_eq!(backoff.attempts(), 0);
        prop_assert!(backoff.pause() <= first);
    }
}

#[test]
fn it_does_not_end() {
    let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(2));
    assert_eq!(backoff.by_ref().take(100_000).count(), 100_000);
    assert_eq!(backoff.attempts(), 100_000);
}

#[test]
fn two_clients_do_not_pause_alike() {
    let pauses = |seed| {
        Backoff::with_seed(Duration::from_secs(1), Duration::from_secs(60), seed).take(5).collect::<Vec<_>>()
    };
    assert_ne!(pauses(1), pauses(2));
    assert_eq!(pauses(1), pauses(1));
}
