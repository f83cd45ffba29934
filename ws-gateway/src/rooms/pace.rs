//! When the next frame comes after one that took a while to write.

use std::time::Duration;

/// The longest tick.
pub(super) const TICK_MAX: Duration = Duration::from_secs(1);

/// The tick after a flush that took so long: at least a fifth of the time is left for all that has no turn during the flush.
pub(super) fn stretched(tick: Duration, flush: Duration) -> Duration {
    let wanted = flush + flush / 4;
    if wanted > tick { wanted.min(TICK_MAX).max(tick) } else { tick }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_stretches_with_the_flush() {
        let ms = Duration::from_millis;
        let tick = ms(50);
        assert_eq!(
            [0, 10, 40, 44, 100, 600, 900, 5_000].map(|flush| stretched(tick, ms(flush))),
            [tick, tick, tick, ms(55), ms(125), ms(750), TICK_MAX, TICK_MAX]
        );
    }
}
