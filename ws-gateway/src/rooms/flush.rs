//! How long it takes until all watchers of a room have what was published, and what that means for the next tick.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// The longest tick. A flush that takes longer is not waited for.
pub(super) const TICK_MAX: Duration = Duration::from_secs(1);

/// One publishing. Each watcher has a [`Share`] of it until it has written what it lacks, or can not.
#[derive(Debug)]
pub(super) struct Flush {
    started: Instant,
    waiting: AtomicUsize,
    done: Notify,
}

impl Flush {
    /// For so many watchers.
    pub(super) fn new(watchers: usize) -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), waiting: AtomicUsize::new(watchers), done: Notify::new() })
    }

    /// Waits until all are done, but not longer than [`TICK_MAX`]; then until the next tick, which leaves at least as much
    /// time as the flush took.
    pub(super) async fn pace(&self, tick: Duration) {
        while self.waiting.load(Ordering::Acquire) > 0 {
            if timeout_at(self.started + TICK_MAX, self.done.notified()).await.is_err() {
                break;
            }
        }
        tokio::time::sleep_until(self.started + stretched(tick, self.started.elapsed())).await;
    }
}

/// A watcher's part of a flush; dropping it says that the watcher is done.
#[derive(Debug)]
pub(super) struct Share(pub(super) Arc<Flush>);

impl Drop for Share {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.done.notify_one();
        }
    }
}

/// The tick after a flush that took so long.
fn stretched(tick: Duration, flush: Duration) -> Duration {
    if flush * 2 > tick { (flush * 2).min(TICK_MAX).max(tick) } else { tick }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(50);

    #[test]
    fn a_tick_stretches_to_twice_the_flush() {
        let ms = Duration::from_millis;
        assert_eq!(
            [0, 10, 25, 26, 100, 499, 600, 5_000].map(|flush| stretched(TICK, ms(flush))),
            [TICK, TICK, TICK, ms(52), ms(200), ms(998), TICK_MAX, TICK_MAX]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_waits_for_all_watchers() {
        let flush = Flush::new(2);
        let (one, two) = (Share(flush.clone()), Share(flush.clone()));
        let (started, pace) = (Instant::now(), flush.pace(TICK));
        tokio::join!(pace, async {
            drop(one);
            tokio::time::sleep(TICK * 4).await;
            drop(two);
        });
        assert_eq!(started.elapsed(), TICK * 8);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_does_not_wait_for_ever() {
        let flush = Flush::new(1);
        let _held = Share(flush.clone());
        flush.pace(TICK).await;
        assert_eq!(flush.started.elapsed(), TICK_MAX);
        let empty = Flush::new(0);
        empty.pace(TICK).await;
        assert_eq!(empty.started.elapsed(), TICK);
    }
}
