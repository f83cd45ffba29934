//! Questions to several servers, which are the same for all who ask them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// Once most have answered, the others are waited for so long: a machine that is gone refuses nothing.
const STRAGGLERS_WAIT: Duration = Duration::from_millis(30);

/// The answers of all, or of those that came in time after more than half were `good`.
pub(super) async fn of_most<T>(
    questions: impl Iterator<Item = impl Future<Output = T>>,
    good: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut rest: FuturesUnordered<_> = questions.collect();
    let (all, mut answers, mut answered) = (rest.len(), Vec::with_capacity(rest.len()), 0);
    while 2 * answered <= all
        && let Some(answer) = rest.next().await
    {
        answered += usize::from(good(&answer));
        answers.push(answer);
    }
    let until = Instant::now() + STRAGGLERS_WAIT;
    while let Ok(Some(answer)) = timeout_at(until, rest.next()).await {
        answers.push(answer);
    }
    answers
}

/// One does it at a time; whoever comes meanwhile shares the next round, which began after it came.
pub(super) struct Rounds<T> {
    begun: AtomicU64,
    last: Mutex<Option<(u64, T)>>,
}

impl<T> Default for Rounds<T> {
    fn default() -> Self {
        Self { begun: AtomicU64::new(0), last: Mutex::default() }
    }
}

impl<T: Clone> Rounds<T> {
    /// The result of a round that begins from now on: this one, or that of another who asked.
    pub(super) async fn join(&self, round: impl Future<Output = T>) -> T {
        let before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some((number, result)) = &*last
            && *number > before
        {
            return result.clone();
        }
        // A round that is dropped half way leaves nothing behind; the next in line begins another.
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let result = round.await;
        *last = Some((number, result.clone()));
        result
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, time::Duration};

    use futures_util::{FutureExt, future::join_all};
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_comes_during_a_round_shares_the_next() {
        let (rounds, made) = (Rounds::default(), AtomicUsize::new(0));
        let round = async || {
            sleep(Duration::from_millis(10)).await;
            made.fetch_add(1, Ordering::SeqCst) + 1
        };
        let first = rounds.join(round());
        let later = async {
            sleep(Duration::from_millis(5)).await;
            join_all((0..100).map(|_| rounds.join(round()))).await
        };
        let (first, later) = tokio::join!(first, later);
        assert_eq!(
            (first, later),
            (1, vec![2; 100]),
            "a round that had begun says nothing of who came later"
        );
        assert_eq!(rounds.join(round()).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_not_waited_for_once_most_have_answered() {
        let after = async |ms: u64| {
            sleep(Duration::from_millis(ms)).await;
            ms
        };
        let began = Instant::now();
        assert_eq!(of_most([300, 5, 10, 20, 60].map(after).into_iter(), |_| true).await, [5, 10, 20]);
        assert_eq!(began.elapsed(), Duration::from_millis(50));
        let good = |ms: &u64| *ms > 5;
        assert_eq!(of_most([300, 5, 10].map(after).into_iter(), good).await, [5, 10, 300], "one of three");
        assert_eq!(of_most([5].map(after).into_iter(), good).await, [5]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_is_dropped_is_nobodys_result() {
        let rounds = Rounds::default();
        assert_eq!(rounds.join(std::future::pending::<u32>()).now_or_never(), None);
        assert_eq!(rounds.join(async { 7 }).await, 7);
    }
}
