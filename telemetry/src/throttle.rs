//! One log line a second about the same thing.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Between two lines about the same outage.
const OUTAGE_LOG_EVERY: Duration = Duration::from_secs(1);

/// Lets one log line through a second and counts the others.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<(Option<Instant>, u64)>);

impl Throttle {
    /// How many were silenced since the last that passed; `None` silences this one too.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, silenced) = &mut *state;
        if last.is_some_and(|last| now < last + OUTAGE_LOG_EVERY) {
            *silenced += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(silenced))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_line_a_second() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.pass(start), Some(0));
        assert_eq!(throttle.pass(start), None);
        assert_eq!(throttle.pass(start + OUTAGE_LOG_EVERY / 2), None);
        assert_eq!(throttle.pass(start + OUTAGE_LOG_EVERY), Some(2));
    }
}
