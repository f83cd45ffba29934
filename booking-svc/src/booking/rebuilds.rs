//! Which gates this replica rebuilds, and whose turn it is.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::healing::Listed;
use crate::{domain::EventId, gate::Shard};

/// A rebuild that takes longer is that event's trouble, and no reason to take the replica out of service.
const UNREADY_MAX: Duration = Duration::from_secs(10);
/// Rebuilds of one replica at once, on each shard: they share the stores with those who wait for them, and those of a
/// shard that does not answer must not hold up the others.
const REBUILDS_AT_ONCE: usize = 4;

/// The events that this replica is rebuilding, each by one task, and since when. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Rebuilds {
    under_way: Arc<Mutex<HashMap<EventId, Instant>>>,
    turns: Arc<Mutex<HashMap<Shard, Arc<Semaphore>>>>,
}

impl Rebuilds {
    /// How many of these events have begun to wait for a rebuild a short while ago, and one of them.
    pub(super) fn recent(&self, events: &[Listed]) -> (usize, Option<EventId>) {
        let under_way = self.lock();
        let recent =
            |event: &&Listed| under_way.get(&event.id).is_some_and(|since| since.elapsed() < UNREADY_MAX);
        let mut waiting = events.iter().filter(recent);
        let first = waiting.next().map(|event| event.id.clone());
        (usize::from(first.is_some()) + waiting.count(), first)
    }

    /// How many events wait for a rebuild, however long.
    pub(super) fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// Those who rebuild on the shard take turns.
    pub(super) fn turns(&self, shard: Shard) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Who waits for a turn keeps the semaphore; one that nobody has may be of a shard that is gone.
        turns.retain(|known, turns| *known == shard || Arc::strong_count(turns) > 1);
        Arc::clone(turns.entry(shard).or_insert_with(|| Arc::new(Semaphore::new(REBUILDS_AT_ONCE))))
    }

    pub(super) fn contains(&self, event: &EventId) -> bool {
        self.lock().contains_key(event)
    }

    pub(super) fn begin(&self, event: &EventId) -> bool {
        match self.lock().entry(event.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(Instant::now());
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Instant>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the entry of a rebuild's task, however the task ends.
pub(super) struct UnderWay<'a>(pub(super) &'a Rebuilds, pub(super) &'a EventId);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().remove(self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Epoch;

    #[tokio::test(start_paused = true)]
    async fn an_event_that_stays_cold_is_told_of_and_keeps_the_replica_in_service() {
        let (rebuilds, id) = (Rebuilds::default(), "rock".parse::<EventId>().unwrap());
        let listed = [Listed { id: id.clone(), epoch: Epoch(1) }];
        assert!(rebuilds.begin(&id));
        assert_eq!((rebuilds.recent(&listed).0, rebuilds.waiting()), (1, 1));
        tokio::time::advance(UNREADY_MAX).await;
        assert_eq!((rebuilds.recent(&listed).0, rebuilds.waiting()), (0, 1));
    }

    #[test]
    fn rebuilds_of_a_shard_that_hangs_hold_up_no_other() {
        let (rebuilds, [hangs, works]) = (Rebuilds::default(), ["a:1", "b:1"].map(Shard::named));
        let turns = rebuilds.turns(hangs.clone());
        let taken: Vec<_> = (0..REBUILDS_AT_ONCE).map(|_| turns.try_acquire().unwrap()).collect();
        let of_works = rebuilds.turns(works.clone());
        assert!(of_works.try_acquire().is_ok());
        assert!(rebuilds.turns(hangs).try_acquire().is_err(), "the same shard, the same turns");
        drop(taken);
        drop((turns, of_works));
        rebuilds.turns(works);
        assert_eq!(rebuilds.turns.lock().unwrap().len(), 1, "a shard that is gone is forgotten");
    }
}
