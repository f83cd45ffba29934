//! A closed loop: each worker makes its next call when it has the answer of the last. It shows what the system can take;
//! its latencies say nothing about a load that does not wait.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{Answer, Counts};
use crate::error::Error;

/// A worker whose last call takes longer than this after the end is given up, and the run with it.
const LAST_CALL_WAIT: Duration = Duration::from_secs(20);

/// One caller of a closed loop. It is kept over slices, with all that it remembers.
pub(crate) trait Worker: Send + 'static {
    /// Makes one call.
    fn call(&mut self) -> impl Future<Output = Answer> + Send;
}

/// How long a slice of load is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    /// Calls are made and not counted.
    pub(crate) warm_up: Duration,
    /// Answers that come in this time count.
    pub(crate) length: Duration,
}

impl Slice {
    /// One of so many milliseconds, of which the first `warm_up_ms` do not count.
    pub(crate) const fn of_ms(warm_up_ms: u64, length_ms: u64) -> Self {
        Self { warm_up: Duration::from_millis(warm_up_ms), length: Duration::from_millis(length_ms) }
    }
}

/// Lets all workers call for a slice of time. Fails when one does not come back.
pub(crate) async fn closed<W: Worker>(workers: Vec<W>, slice: Slice) -> Result<(Counts, Vec<W>), Error> {
    let begin = Instant::now() + slice.warm_up;
    let end = begin + slice.length;
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn(work(worker, begin, end));
    }
    let (mut counts, mut back) = (Counts::default(), Vec::with_capacity(running.len()));
    while let Some(done) = timeout_at(end + LAST_CALL_WAIT, running.join_next()).await.transpose() {
        let worked = done.map_err(|_| Error::LoadStuck)?;
        let (seen, worker) = worked.map_err(|_| Error::LoadStuck)?;
        counts.add(&seen);
        back.push(worker);
    }
    Ok((counts, back))
}

async fn work<W: Worker>(mut worker: W, begin: Instant, end: Instant) -> (Counts, W) {
    let mut counts = Counts::default();
    loop {
        let answer = worker.call().await;
        let now = Instant::now();
        if answer == Answer::Nothing {
            counts.note(answer);
            return (counts, worker);
        }
        if now >= end {
            return (counts, worker);
        }
        if now >= begin {
            counts.note(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;
    use tonic::Code;

    use super::*;

    /// Answers after ten milliseconds, until it has nothing left.
    struct Slow {
        left: u32,
        made: u32,
    }

    impl Worker for Slow {
        async fn call(&mut self) -> Answer {
            if self.made == self.left {
                return Answer::Nothing;
            }
            sleep(Duration::from_millis(10)).await;
            self.made += 1;
            if self.made.is_multiple_of(2) { Answer::Refused } else { Answer::Failed(Code::Unavailable) }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_slice_counts() {
        let workers = (0..3).map(|_| Slow { left: 1_000, made: 0 }).collect();
        let (counts, workers) = closed(workers, Slice::of_ms(95, 400)).await.unwrap();
        assert_eq!((counts.refused, counts.failures(), counts.granted), (60, 60, 0));
        assert_eq!(counts.complaint().unwrap(), "60 Unavailable");
        assert!(workers.iter().all(|worker| worker.made == 50), "they come back");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_nothing_left_stops() {
        let (counts, _) = closed(vec![Slow { left: 5, made: 0 }], Slice::of_ms(0, 1_000)).await.unwrap();
        assert_eq!((counts.refused + counts.failures(), counts.idle), (5, 1));
    }

    struct Stuck;

    impl Worker for Stuck {
        async fn call(&mut self) -> Answer {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_answer_ends_the_run() {
        assert!(matches!(closed(vec![Stuck], Slice::of_ms(0, 10)).await, Err(Error::LoadStuck)));
    }
}
