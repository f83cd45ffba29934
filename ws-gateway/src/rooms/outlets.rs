//! The sockets of a room. The room writes to those that are up to date itself: to wake a task for each frame costs more than
//! the frame.

use std::{
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use slab::Slab;
use tokio::task::yield_now;

/// Sockets that are written to before other tasks get a turn: about a quarter of a millisecond.
const BATCH: usize = 32;
/// In how many parts the peers of all outlets are asked whether they live.
pub(super) const PARTS: usize = 16;

/// A socket that a room writes to while the socket's own task sleeps.
pub trait Outlet: Send + Sync {
    /// Something new is shown: writes what the socket lacks where it takes it now; else its own task does so later. Never waits.
    fn push(&self);
    /// Asks the peer whether it lives, where it takes anything.
    fn ask(&self);
}

/// All of a room. Who is in when something new is shown is pushed to by the next [`Round`], or looks by itself later.
#[derive(Default)]
pub(super) struct Outlets(Mutex<Slab<Arc<dyn Outlet>>>);

/// One pass over all places, which several tasks may share.
#[derive(Default)]
pub(super) struct Round {
    next: AtomicUsize,
}

impl Outlets {
    /// Gives an outlet a place, which it keeps: it is neither left out nor pushed to twice because others come and go.
    pub(super) fn insert(&self, outlet: Arc<dyn Outlet>) -> usize {
        self.slots().insert(outlet)
    }

    /// Frees a place.
    pub(super) fn remove(&self, place: usize) {
        // What it owned is dropped when the lock is free again.
        let _outlet = self.slots().try_remove(place);
    }

    /// How many tasks should share a round where `workers` can run.
    pub(super) fn writers(&self, workers: usize) -> NonZero<usize> {
        let batches = self.slots().len().div_ceil(BATCH);
        NonZero::new(workers.min(batches)).unwrap_or(NonZero::<usize>::MIN)
    }

    /// Pushes to all places of the round that no other task has taken.
    pub(super) async fn push(&self, round: &Round) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.next(round, &mut batch) {
            batch.drain(..).for_each(|outlet| unless_it_panics(|| outlet.push()));
            yield_now().await;
        }
    }

    /// Asks the peers of the outlets whose turn it is. Each has one of [`PARTS`] turns.
    pub(super) async fn ask(&self, turn: usize) {
        let places = (turn % PARTS..self.slots().capacity()).step_by(PARTS);
        for (number, place) in places.enumerate() {
            let outlet = self.slots().get(place).cloned();
            if let Some(outlet) = outlet {
                unless_it_panics(|| outlet.ask());
            }
            if number % BATCH == BATCH - 1 {
                yield_now().await;
            }
        }
    }

    /// The next batch, which may be empty. False: there is none.
    fn next(&self, round: &Round, batch: &mut Vec<Arc<dyn Outlet>>) -> bool {
        let first = round.next.fetch_add(BATCH, Ordering::Relaxed);
        let slots = self.slots();
        batch.extend((first..first + BATCH).filter_map(|place| slots.get(place)).cloned());
        first < slots.capacity()
    }

    fn slots(&self) -> MutexGuard<'_, Slab<Arc<dyn Outlet>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bug that one socket meets must not silence a whole event: its peer hears nothing any more, and comes back.
fn unless_it_panics(act: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(act)).is_err() {
        tracing::error!("a socket could not be written to, for a bug; its peer will come back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl Outlet for Broken {
        fn push(&self) {
            panic!("a bug");
        }

        fn ask(&self) {
            panic!("a bug");
        }
    }

    #[tokio::test]
    async fn a_bug_at_one_outlet_is_not_the_others() {
        let (outlets, counter) = (Outlets::default(), Arc::new(Counter::default()));
        outlets.insert(Arc::new(Broken));
        outlets.insert(counter.clone());
        outlets.push(&Round::default()).await;
        for turn in 0..PARTS {
            outlets.ask(turn).await;
        }
        assert_eq!((counter.0.load(Ordering::Relaxed), counter.1.load(Ordering::Relaxed)), (1, 1));
    }

    #[derive(Default)]
    struct Counter(AtomicUsize, AtomicUsize);

    impl Outlet for Counter {
        fn push(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn ask(&self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn each_outlet_is_pushed_to_once_whoever_comes_and_goes() {
        let (outlets, round) = (Outlets::default(), Round::default());
        let counters: Vec<_> = (0..BATCH * 4).map(|_| Arc::new(Counter::default())).collect();
        let places: Vec<_> = counters.iter().map(|counter| outlets.insert(counter.clone())).collect();
        let mut batch = Vec::new();
        assert!(outlets.next(&round, &mut batch));
        batch.drain(..).for_each(|outlet| outlet.push());
        // A place that was passed is free again and taken by another.
        outlets.remove(places[0]);
        let late = Arc::new(Counter::default());
        assert_eq!(outlets.insert(late.clone()), places[0]);
        tokio::join!(outlets.push(&round), outlets.push(&round));
        assert!(counters.iter().all(|counter| counter.0.load(Ordering::Relaxed) == 1));
        assert_eq!(late.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn each_peer_is_asked_once_in_all_turns() {
        let outlets = Outlets::default();
        let counters: Vec<_> = (0..PARTS * 3 + 1).map(|_| Arc::new(Counter::default())).collect();
        for counter in &counters {
            outlets.insert(counter.clone());
        }
        let asked = || counters.iter().filter(|counter| counter.1.load(Ordering::Relaxed) == 1).count();
        outlets.ask(PARTS * 7).await;
        assert_eq!(asked(), 4);
        for turn in 1..PARTS {
            outlets.ask(turn).await;
        }
        assert_eq!(asked(), counters.len());
    }

    #[test]
    fn a_round_is_shared_where_it_is_long() {
        let outlets = Outlets::default();
        assert_eq!(outlets.writers(8).get(), 1);
        for _ in 0..BATCH + 1 {
            outlets.insert(Arc::new(Counter::default()));
        }
        assert_eq!((outlets.writers(8).get(), outlets.writers(1).get()), (2, 1));
    }
}
