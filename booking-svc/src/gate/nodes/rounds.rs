//! Work that is the same for all who ask for it.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

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
    async fn a_round_that_is_dropped_is_nobodys_result() {
        let rounds = Rounds::default();
        assert_eq!(rounds.join(std::future::pending::<u32>()).now_or_never(), None);
        assert_eq!(rounds.join(async { 7 }).await, 7);
    }
}
