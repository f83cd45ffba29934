//! What a node's clock says now, from what it said a moment ago.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A clock that is further ahead than this of what it should say was set. Clocks that are slewed stay well below.
const JUMP_MIN: Duration = Duration::from_millis(50);

/// A node's clock, as this replica has seen it.
#[derive(Default)]
pub(in crate::gate) struct Clock(Mutex<Seen>);

#[derive(Clone, Copy, Default)]
struct Seen {
    last: Option<Reading>,
    /// When it was noticed last that somebody had set it forward.
    set_forward: Option<Instant>,
}

/// What it said once.
#[derive(Clone, Copy)]
pub(in crate::gate) struct Reading {
    /// When it was asked for: by then the clock said no more than this.
    asked: Instant,
    ms: i64,
}

impl Clock {
    /// The node has answered with its clock.
    pub(in crate::gate) fn read(&self, asked: Instant, ms: i64) {
        let mut seen = self.seen();
        if seen.last.is_some_and(|last| !last.foresaw(ms)) {
            seen.set_forward = Some(Instant::now());
        }
        seen.last = Some(Reading { asked, ms });
    }

    /// None where it was never read.
    pub(in crate::gate) fn last(&self) -> Option<Reading> {
        self.seen().last
    }

    /// Whether it was set forward within that: what was to last until some time by this clock has then ended too early.
    pub(in crate::gate) fn was_set_forward_within(&self, time: Duration) -> bool {
        self.seen().set_forward.is_some_and(|noticed| noticed.elapsed() <= time)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// Whether the clock could say this by now without having been set forward.
    pub(in crate::gate) fn foresaw(self, ms: i64) -> bool {
        ms <= self.at(Instant::now()) + JUMP_MIN.as_millis() as i64
    }

    /// What the clock says at a moment, or a round trip more than that: the answer was on its way for a part of the time that
    /// is counted here.
    pub(in crate::gate) fn at(self, moment: Instant) -> i64 {
        let since = moment.saturating_duration_since(self.asked);
        let before = self.asked.saturating_duration_since(moment);
        self.ms + since.as_millis() as i64 - before.as_millis() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_goes_on_from_its_last_reading() {
        let (clock, began) = (Clock::default(), Instant::now());
        assert!(clock.last().is_none());
        clock.read(began, 5_000);
        tokio::time::advance(Duration::from_millis(300)).await;
        let reading = clock.last().unwrap();
        assert_eq!((reading.at(Instant::now()), reading.at(began)), (5_300, 5_000));
        assert!(reading.foresaw(5_340) && !reading.foresaw(5_360));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_forward_is_not_relied_on_for_a_while() {
        let (clock, long) = (Clock::default(), Duration::from_secs(10));
        clock.read(Instant::now(), 5_000);
        clock.read(Instant::now(), 5_040);
        assert!(!clock.was_set_forward_within(long), "slewed");
        clock.read(Instant::now(), 65_000);
        clock.read(Instant::now(), 5_000);
        assert!(clock.was_set_forward_within(long), "also when it was set back: what it ended is gone");
        tokio::time::advance(long + Duration::from_millis(1)).await;
        assert!(!clock.was_set_forward_within(long));
        clock.read(Instant::now(), 4_000);
        assert!(!clock.was_set_forward_within(long), "then a lock lasts longer, which harms nobody's hold");
    }
}
