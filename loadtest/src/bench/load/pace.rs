//! When calls begin: a thread of its own that keeps time, whatever the runtime does.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::error::Error;

/// The pacer sleeps at least so long: a call begins at most so much late by the pacer's doing, and that counts as its
/// latency. The timers of the runtime are ten times coarser.
const TICK: Duration = Duration::from_micros(100);
/// Calls that are due and not begun, per lane: beyond it the pacer waits, and all that comes is late.
const DUE_MAX: usize = 65_536;

/// A call that is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// Counts from 0 over all lanes.
    pub(super) number: u64,
    /// When it should begin.
    pub(super) at: Instant,
}

/// Starts `count` calls at a steady rate, to the lanes in turn. They end when all are handed over.
pub(super) fn pace(rate: u32, count: u64, lanes: usize) -> Result<Vec<mpsc::Receiver<Due>>, Error> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..lanes).map(|_| mpsc::channel(DUE_MAX)).unzip();
    let every = Duration::from_secs(1) / rate.max(1);
    thread::Builder::new().name("pacer".into()).spawn(move || {
        let begin = Instant::now() + TICK;
        for number in 0..count {
            let at = begin + every.mul_f64(number as f64);
            let wait = at.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait.max(TICK));
            }
            let lane = usize::try_from(number).unwrap_or_default() % senders.len();
            if senders[lane].blocking_send(Due { number, at }).is_err() {
                return; // Nobody listens any more.
            }
        }
    })?;
    Ok(receivers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_due_at_a_steady_rate_on_all_lanes() {
        let begin = Instant::now();
        let mut lanes = pace(2_000, 200, 3).unwrap();
        let mut due = Vec::new();
        for lane in &mut lanes {
            while let Some(call) = lane.recv().await {
                due.push(call);
            }
        }
        assert!(begin.elapsed() >= Duration::from_millis(99), "it took {:?}", begin.elapsed());
        due.sort_by_key(|call| call.number);
        assert_eq!(due.len(), 200);
        assert_eq!((due[199].at - due[0].at).as_micros(), 99_500);
    }
}
