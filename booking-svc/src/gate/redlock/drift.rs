//! How far clocks may run apart while a lock lasts.

use std::time::Duration;

/// The published algorithm's share: clocks may differ in pace by a hundredth.
const SHARE: u32 = 100;
/// And its constant, for what is rounded.
const ROUNDING: Duration = Duration::from_millis(2);
/// A newcomer may have to wait so long for a hold that has ended: a second is promised, the rest is left to who ends it.
/// Clocks that are disciplined run apart by less than that in a quarter of an hour.
pub(super) const ALLOWANCE_MAX: Duration = Duration::from_millis(700);

/// By how much a lock has to last longer than what is left of its hold.
pub(super) fn allowance(left: Duration) -> Duration {
    (left / SHARE + ROUNDING).min(ALLOWANCE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_outlasts_its_hold_on_a_clock_that_is_a_hundredth_fast() {
        for ms in [1, 10, 1_000, 30_000, 69_000] {
            let left = Duration::from_millis(ms);
            let on_a_fast_clock = (left + allowance(left)).mul_f64(1.0 / 1.01);
            assert!(on_a_fast_clock >= left, "{ms} ms");
        }
        assert_eq!(allowance(Duration::from_secs(3_600)), ALLOWANCE_MAX);
    }
}
