//! How many frames a peer may send.

use std::time::Duration;

use tokio::time::Instant;

/// Frames at once.
const BURST: u32 = 40;
/// Another frame each: 20 a second.
const FRAME_EVERY: Duration = Duration::from_millis(50);

/// A bucket of tokens, as the time at which it would be full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flood(Instant);

impl Flood {
    /// Nothing was sent yet.
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    /// A frame came; false: it is one too many.
    pub(super) fn admits(&mut self) -> bool {
        let now = Instant::now();
        self.0 = self.0.max(now) + FRAME_EVERY;
        self.0 <= now + FRAME_EVERY * BURST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_twenty_a_second() {
        let mut flood = Flood::new();
        assert_eq!((0..100).take_while(|_| flood.admits()).count(), 40);

        let mut flood = Flood::new();
        for _ in 0..1_000 {
            assert!(flood.admits());
            tokio::time::advance(FRAME_EVERY).await;
        }
        assert_eq!((0..100).take_while(|_| flood.admits()).count(), 40);
    }
}
