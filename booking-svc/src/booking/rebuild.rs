//! A cold gate is rebuilt from the vault, and from what survived in Redis. Any replica can; the highest epoch wins.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rand::Rng;

use super::{Engine, Error, Step};
use crate::{
    domain::{Epoch, EventId, Reservation, ReservationId, ReservationState, UnixMs},
    gate::{self, Built, Frozen, Old, Survivors},
    vault::{self, Truth},
};

/// When callers of a cold event should come back.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long CreateEvent waits for the event's first gate.
pub(super) const REBUILD_WAIT: Duration = Duration::from_secs(20);
/// Between two looks at an event that another replica rebuilds, or that could not be rebuilt; with jitter.
const AGAIN: Duration = Duration::from_millis(250);

/// A rebuild that takes longer is that event's trouble, and no reason to take the replica out of service.
const UNREADY_MAX: Duration = Duration::from_secs(10);
/// Of the failures of one rebuild in a row, every so many-th is logged as a warning.
const FAILURES_PER_WARNING: u32 = 20;

/// The events that this replica is rebuilding, each by one task, and since when.
#[derive(Default)]
pub(super) struct Rebuilds(Mutex<HashMap<EventId, Instant>>);

impl Rebuilds {
    /// One of the events that wait for a rebuild, and not for too long.
    pub(super) fn any_recent(&self) -> Option<EventId> {
        let rebuilds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rebuilds.iter().find(|(_, since)| since.elapsed() < UNREADY_MAX).map(|(event, _)| event.clone())
    }

    fn contains(&self, event: &EventId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(event)
    }

    fn begin(&self, event: &EventId) -> bool {
        let mut rebuilds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = !rebuilds.contains_key(event);
        rebuilds.entry(event.clone()).or_insert_with(Instant::now);
        begins
    }

    fn end(&self, event: &EventId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(event);
    }
}

/// Why an attempt did not end in a new epoch.
#[derive(Debug, thiserror::Error)]
enum Attempt {
    #[error("{0}")]
    Gate(#[from] gate::Error),
    #[error("{0}")]
    Vault(#[from] vault::Error),
    #[error("another replica is at it")]
    Elsewhere,
    #[error("the vault does not know the event")]
    NoEvent,
}

impl Engine {
    /// Has the event rebuilt in the background, unless that is under way.
    pub(super) fn request_rebuild(&self, event: &EventId) {
        if !self.0.rebuilds.begin(event) {
            return;
        }
        let (engine, event) = (self.clone(), event.clone());
        self.0.daemons.spawn("rebuild", async move {
            let stopping = engine.0.daemons.stopping();
            stopping.run_until_cancelled(engine.rebuild_until_warm(&event)).await;
            engine.0.rebuilds.end(&event);
        });
    }

    /// Waits for a rebuild of the event, begun here or under way.
    pub(super) async fn wait_for_rebuild(&self, event: &EventId, limit: Duration) -> Result<(), Error> {
        self.request_rebuild(event);
        let done = async {
            while self.0.rebuilds.contains(event) {
                tokio::time::sleep(AGAIN / 10).await;
            }
        };
        tokio::time::timeout(limit, done).await.map_err(|_| self.rebuilding(event))
    }

    /// Tries until gate and vault are of one epoch: by this replica or another.
    async fn rebuild_until_warm(&self, event: &EventId) {
        for attempt in 0_u32.. {
            match self.rebuild_if_cold(event).await {
                Ok(()) => return,
                Err(Attempt::NoEvent) => {
                    tracing::warn!(%event, "nothing to rebuild: the vault does not know the event");
                    return;
                }
                Err(Attempt::Elsewhere) => {}
                Err(why) if attempt % FAILURES_PER_WARNING == 0 => {
                    tracing::warn!(%event, attempt, %why, "a rebuild does not succeed; trying again");
                }
                Err(why) => tracing::debug!(%event, attempt, %why, "a rebuild did not succeed"),
            }
            let jitter = rand::rng().random_range(0.5..1.5);
            tokio::time::sleep(AGAIN.mul_f64(jitter)).await;
        }
    }

    async fn rebuild_if_cold(&self, event: &EventId) -> Result<(), Attempt> {
        let Some(in_vault) = self.0.vault.event(event).await? else {
            return Err(Attempt::NoEvent);
        };
        if self.0.gate.epoch(event).await.is_ok_and(|epoch| epoch == in_vault.epoch) {
            return Ok(());
        }
        let Some(rebuild) = self.0.gate.rebuild(event).await? else {
            return Err(Attempt::Elsewhere);
        };
        let result = self.rebuild_once(event, &rebuild, in_vault.epoch).await;
        rebuild.finish().await;
        result
    }

    async fn rebuild_once(
        &self,
        event: &EventId,
        rebuild: &gate::Rebuild<'_>,
        before: Epoch,
    ) -> Result<(), Attempt> {
        // Raising waits for vault writes under way; those that come later carry an old epoch and are refused.
        let epoch = self.0.vault.raise_epoch(event, rebuild.highest_epoch().await?).await?;
        self.0.options.steps.reached(Step::RebuildRaised).await;
        // After the freeze nothing changes the old epoch: what is read of it stays true.
        let old = match rebuild.freeze(epoch).await? {
            Frozen::Old(old) => old,
            Frozen::Superseded(_) => return Err(Attempt::Elsewhere),
        };
        let mut survivors = rebuild.survivors(old.epoch).await?;
        let truth = self.0.vault.truth(event).await?;
        if truth.event.epoch != epoch {
            return Err(Attempt::Elsewhere);
        }
        let undecided = self.undecided(&mut survivors).await?;
        let lossless = is_lossless(before, &old, &survivors);
        let built = self.plan(epoch, &old, &survivors, &truth, &undecided, lossless);
        self.0.options.steps.reached(Step::RebuildRead).await;
        if !rebuild.publish(&built, old.epoch).await? {
            return Err(Attempt::Elsewhere);
        }
        self.0.metrics.rebuilt(lossless);
        tracing::info!(
            %event, %epoch, lossless, quarantine_ms = built.quarantine.as_millis() as u64,
            booked = truth.bookings.len(), survivors = undecided.len(), "rebuilt the gate"
        );
        Ok(())
    }

    /// Survivors that still count: undecided holds before their deadline, undecided Confirms, tombstones.
    async fn undecided(&self, survivors: &mut Survivors) -> Result<Vec<Reservation>, Attempt> {
        let now = survivors.now;
        let mut kept = std::mem::take(&mut survivors.reservations);
        for hold in &mut kept {
            if hold.state == ReservationState::Held && hold.deadline <= now {
                hold.state = ReservationState::Expired;
            }
        }
        let live: Vec<ReservationId> =
            kept.iter().filter(|hold| hold.state.owns_seats()).map(|hold| hold.id.clone()).collect();
        let outcomes = self.0.vault.outcomes(&live).await?;
        kept.retain_mut(|hold| {
            // What is booked comes from the vault; a survivor that says so is older news.
            if hold.state == ReservationState::Booked {
                return false;
            }
            if let (true, Some(outcome)) = (hold.state.owns_seats(), outcomes.get(&hold.id)) {
                hold.state = outcome.state();
            }
            hold.state != ReservationState::Booked
        });
        Ok(kept)
    }

    fn plan<'a>(
        &self,
        epoch: Epoch,
        old: &Old,
        survivors: &Survivors,
        truth: &'a Truth,
        undecided: &'a [Reservation],
        lossless: bool,
    ) -> Built<'a> {
        let options = &self.0.options;
        let wait_out = !lossless && options.quarantine;
        Built {
            epoch,
            event: &truth.event,
            booked: &truth.bookings,
            blocked: &truth.blocked,
            survivors: undecided,
            quarantine: if wait_out { truth.hold_ttl_longest } else { Duration::ZERO },
            quarantine_until: if options.quarantine { old.quarantine_until } else { UnixMs(0) },
            undecided_due: survivors.now + options.confirm_window,
            now: survivors.now,
        }
    }
}

/// Nothing can be lost where nothing ever was, or where Redis never went away and has all keys.
fn is_lossless(before: Epoch, old: &Old, survivors: &Survivors) -> bool {
    let first = before == Epoch(0) && old.epoch == Epoch(0);
    first || (old.epoch != Epoch(0) && old.same_redis && survivors.whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_redis_that_never_went_away_is_lossless() {
        let old = |epoch, same_redis| Old { epoch: Epoch(epoch), same_redis, quarantine_until: UnixMs(0) };
        let read = |whole| Survivors { whole, ..Survivors::default() };
        assert!(is_lossless(Epoch(0), &old(0, false), &read(false)), "a new event");
        assert!(is_lossless(Epoch(4), &old(4, true), &read(true)), "an orphaned raise, or drift");
        assert!(!is_lossless(Epoch(4), &old(4, true), &read(false)), "a lost key");
        assert!(!is_lossless(Epoch(4), &old(4, false), &read(true)), "a restart");
        assert!(!is_lossless(Epoch(4), &old(0, true), &read(true)), "a flush");
    }
}
