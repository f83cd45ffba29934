//! What a node's clock says now, from what it said a moment ago.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A clock that is further ahead than this of what it should say was set. Clocks that are slewed stay well below.
const JUMP_MIN: Duration = Duration::from_millis(50);

/// A node's clock, as it was last read.
#[derive(Default)]
pub(in crate::gate) struct Clock(Mutex<Option<Reading>>);

#[derive(Clone, Copy)]
struct Reading {
    /// When it was asked for: by then the clock said no more than this.
    asked: Instant,
    ms: i64,
}

impl Clock {
    /// The node has answered with its clock. False where that was set forward since it was last read.
    pub(in crate::gate) fn read(&self, asked: Instant, ms: i64) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fine = last.is_none_or(|last| ms <= last.at(Instant::now()) + JUMP_MIN.as_millis() as i64);
        *last = Some(Reading { asked, ms });
        fine
    }

    /// What it says at a moment, or a round trip less. None where it was never read.
    pub(in crate::gate) fn at(&self, moment: Instant) -> Option<i64> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| last.at(moment))
    }
}

impl Reading {
    /// At most: the answer was on its way for a part of the time that is counted here.
    fn at(self, moment: Instant) -> i64 {
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
        assert_eq!(clock.at(began), None);
        assert!(clock.read(began, 5_000));
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(clock.at(Instant::now()), Some(5_300));
        assert_eq!(clock.at(began), Some(5_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_forward_is_noticed_once() {
        let clock = Clock::default();
        clock.read(Instant::now(), 5_000);
        assert!(clock.read(Instant::now(), 5_040), "slewed");
        assert!(!clock.read(Instant::now(), 65_000));
        assert!(clock.read(Instant::now(), 65_010));
        assert!(clock.read(Instant::now(), 5_000), "a lock lasts longer there, which harms nobody's hold");
    }
}
