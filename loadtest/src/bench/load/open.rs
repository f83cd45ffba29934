//! An open loop: calls begin when they should, whether earlier ones were answered or not, and each one's latency counts
//! from when it should have begun. A system that stalls is asked no less: that is how customers behave.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};

use super::{
    Answer, Counts,
    pace::{Due, pace},
};
use crate::error::Error;

/// Calls in flight, over all lanes: half of what one replica takes before it sheds. The next ones wait for their turn,
/// late, and count with all of their wait.
pub(crate) const IN_FLIGHT_MAX: usize = 2_048;
/// A call that begins so much later than it should was held up by [`IN_FLIGHT_MAX`] or by a busy client.
const OVERDUE_AFTER: Duration = Duration::from_millis(5);
/// After the last call was due, for answers that are still out.
const DRAIN_WAIT: Duration = Duration::from_secs(10);
/// The longest latency that is told apart; longer ones count as this.
const LATENCY_MAX: Duration = Duration::from_secs(60);
/// One point in the plot over time.
const WINDOW: Duration = Duration::from_millis(500);
/// Digits that latencies are true to: over the whole run, and in a window.
const DIGITS: u8 = 3;
const WINDOW_DIGITS: u8 = 2;

/// An open load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// Calls a second.
    pub(crate) rate: u32,
    /// How long calls begin, the warm-up included.
    pub(crate) length: Duration,
    /// At the beginning: calls are made and not counted.
    pub(crate) warm_up: Duration,
    /// Over so many connections, in turn.
    pub(crate) lanes: usize,
}

/// What an open load saw.
pub(crate) struct Opened {
    /// The answers.
    pub(crate) counts: Counts,
    /// Latencies in microseconds, from when calls should have begun; refused ones and granted ones.
    pub(crate) latency: Histogram<u64>,
    /// Of those granted.
    pub(crate) granted: Histogram<u64>,
    /// The same over time: latencies of calls that were due in each window.
    pub(crate) windows: Vec<Histogram<u64>>,
    /// Calls that began late.
    pub(crate) overdue: u64,
    /// From when the first counted call was due to the last answer.
    pub(crate) took: Duration,
    /// Calls without an answer at the end; they count in the latencies with the time that they have waited.
    pub(crate) lost: u64,
}

impl Opened {
    fn new(windows: usize) -> Result<Self, Error> {
        let most = LATENCY_MAX.as_micros() as u64;
        let histogram = |digits| Histogram::new_with_bounds(1, most, digits).map_err(|_| Error::LoadStuck);
        Ok(Self {
            counts: Counts::default(),
            latency: histogram(DIGITS)?,
            granted: histogram(DIGITS)?,
            windows: (0..windows).map(|_| histogram(WINDOW_DIGITS)).collect::<Result<_, _>>()?,
            overdue: 0,
            took: Duration::ZERO,
            lost: 0,
        })
    }

    /// When a window begins.
    pub(crate) fn window_begin(number: usize) -> Duration {
        WINDOW * u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn note(&mut self, load: &Load, due: Due, answer: Option<Answer>, took: Duration) {
        let Some(since_counted) = due.at.checked_duration_since(load.counted_from(due)) else { return };
        self.took = self.took.max(since_counted + took);
        let took_us = took.as_micros() as u64;
        self.latency.saturating_record(took_us);
        let window = (since_counted.as_micros() / WINDOW.as_micros()) as usize;
        if let Some(window) = self.windows.get_mut(window) {
            window.saturating_record(took_us);
        }
        match answer {
            Some(answer) => {
                self.counts.note(answer);
                if answer == Answer::Granted {
                    self.granted.saturating_record(took_us);
                }
            }
            None => self.lost += 1,
        }
    }

    fn merge(&mut self, other: &Self) -> Result<(), Error> {
        self.counts.add(&other.counts);
        self.overdue += other.overdue;
        self.lost += other.lost;
        self.took = self.took.max(other.took);
        let both = [(&mut self.latency, &other.latency), (&mut self.granted, &other.granted)];
        for (ours, theirs) in both.into_iter().chain(self.windows.iter_mut().zip(&other.windows)) {
            ours.add(theirs).map_err(|_| Error::LoadStuck)?;
        }
        Ok(())
    }
}

/// What all lanes of a load share.
#[derive(Clone)]
struct Load {
    open: Open,
    in_flight: Arc<Semaphore>,
}

impl Load {
    fn every(&self) -> Duration {
        Duration::from_secs(1) / self.open.rate.max(1)
    }

    /// When the first call was due that counts.
    fn counted_from(&self, due: Due) -> Instant {
        let begin = due.at.checked_sub(self.every().mul_f64(due.number as f64)).unwrap_or(due.at);
        begin + self.open.warm_up
    }
}

/// Runs the load. `call` makes the call of a number on a lane.
pub(crate) async fn open<C, F>(open: Open, call: C) -> Result<Opened, Error>
where
    C: Fn(u64, usize) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let count = (f64::from(open.rate) * open.length.as_secs_f64()) as u64;
    let counted = open.length.saturating_sub(open.warm_up);
    let windows = counted.as_micros().div_ceil(WINDOW.as_micros()) as usize;
    let load = Load { open, in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)) };
    let mut lanes = JoinSet::new();
    for (number, due) in pace(open.rate, count, open.lanes)?.into_iter().enumerate() {
        let (load, call, seen) = (load.clone(), call.clone(), Opened::new(windows)?);
        lanes.spawn(lane(load, due, move |due| call(due, number), seen));
    }
    let mut all = Opened::new(windows)?;
    while let Some(seen) = lanes.join_next().await {
        all.merge(&seen.map_err(|_| Error::LoadStuck)?)?;
    }
    Ok(all)
}

/// Begins the calls of one lane when they are due, and hears the answers.
async fn lane<C, F>(load: Load, mut due: mpsc::Receiver<Due>, call: C, mut seen: Opened) -> Opened
where
    C: Fn(u64) -> F,
    F: Future<Output = Answer> + Send + 'static,
{
    let mut calls = JoinSet::new();
    let mut out = BTreeMap::new(); // By number: those without an answer.
    let answered = |seen: &mut Opened, out: &mut BTreeMap<u64, Due>, done| {
        let Ok((number, answer, took)) = done else { return }; // What panicked stays without an answer.
        if let Some(due) = out.remove(&number) {
            seen.note(&load, due, Some(answer), took);
        }
    };
    loop {
        tokio::select! {
            biased;
            next = due.recv() => {
                let Some(due) = next else { break };
                out.insert(due.number, due);
                // A closed semaphore can not be: nobody closes it.
                let Ok(place) = Arc::clone(&load.in_flight).acquire_owned().await else { break };
                if due.at.elapsed() > OVERDUE_AFTER {
                    seen.overdue += 1;
                }
                let answer = call(due.number);
                calls.spawn(async move {
                    let answer = answer.await;
                    let took = due.at.elapsed();
                    drop(place);
                    (due.number, answer, took)
                });
            }
            Some(done) = calls.join_next() => answered(&mut seen, &mut out, done),
        }
    }
    let drain = async {
        while let Some(done) = calls.join_next().await {
            answered(&mut seen, &mut out, done);
        }
    };
    let _ = timeout(DRAIN_WAIT, drain).await; // Those that are still out are counted as lost.
    for due in out.into_values() {
        seen.note(&load, due, None, due.at.elapsed());
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::time::{Instant as TokioInstant, sleep, sleep_until};

    use super::*;

    const LOAD: Open =
        Open { rate: 1_000, length: Duration::from_secs(1), warm_up: Duration::ZERO, lanes: 2 };

    #[tokio::test]
    async fn a_stall_shows_in_all_that_was_due_meanwhile() {
        // Stands still for 300 ms in the middle: 300 of 1,000 calls wait for its end.
        let begin = TokioInstant::now();
        let (stall, back) = (begin + Duration::from_millis(400), begin + Duration::from_millis(700));
        let call = move |_, _| async move {
            let now = TokioInstant::now();
            if (stall..back).contains(&now) {
                sleep_until(back).await;
            }
            Answer::Refused
        };
        let seen = open(LOAD, call).await.unwrap();
        assert_eq!((seen.counts.refused, seen.latency.len(), seen.lost), (1_000, 1_000, 0));
        let at = |quantile| seen.latency.value_at_quantile(quantile) / 1_000;
        assert!(at(0.60) < 60, "calls before and after are quick: {} ms", at(0.60));
        // Even spread over 0..300 ms: the median of the stalled is 150 ms, at 0.85 of all.
        assert!((90..=220).contains(&at(0.85)), "the stalled wait for its end: {} ms", at(0.85));
        assert!(at(0.99) >= 250, "and the first of them all of it: {} ms", at(0.99));
        assert_eq!(seen.windows.iter().map(Histogram::len).sum::<u64>(), 1_000);
    }

    #[tokio::test]
    async fn calls_in_flight_are_bounded_and_the_late_ones_counted() {
        let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counted, high) = (Arc::clone(&now), Arc::clone(&most));
        let call = move |_, _| {
            let (now, most) = (Arc::clone(&counted), Arc::clone(&high));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_millis(300)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Answer::Granted
            }
        };
        let load = Open { rate: 20_000, length: Duration::from_millis(300), ..LOAD };
        let seen = open(load, call).await.unwrap();
        assert_eq!(seen.counts.granted, 6_000);
        assert_eq!(most.load(Ordering::SeqCst), IN_FLIGHT_MAX as u64);
        assert!(seen.overdue > 1_000, "{} overdue", seen.overdue);
        // The last ones began when two floods before them were through.
        assert!(seen.granted.max() >= 450_000, "{} us", seen.granted.max());
    }

    #[tokio::test]
    async fn the_warm_up_does_not_count() {
        let load = Open { length: Duration::from_millis(400), warm_up: Duration::from_millis(300), ..LOAD };
        let seen = open(load, |_, _| async { Answer::Refused }).await.unwrap();
        assert_eq!(seen.counts.refused, 100);
        assert!((90..300).contains(&seen.took.as_millis()), "{:?}", seen.took);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_is_lost_and_counts_as_slow() {
        let call = |number, _| async move {
            if number == 7 {
                std::future::pending::<()>().await;
            }
            Answer::Refused
        };
        let load = Open { length: Duration::from_millis(100), ..LOAD };
        let seen = open(load, call).await.unwrap();
        assert_eq!((seen.lost, seen.counts.refused, seen.latency.len()), (1, 99, 100));
    }
}
