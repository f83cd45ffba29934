//! A cold gate is rebuilt from the vault, and from what survived in Redis. Any replica can; the highest epoch wins.

use std::time::Duration;

use rand::Rng;

use super::{Engine, Error, Step, rebuilds::UnderWay};
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

/// Of the failures of one rebuild in a row, every so many-th is logged as a warning.
const FAILURES_PER_WARNING: u32 = 20;
/// The pause after a failure doubles up to this.
const AGAIN_MAX: Duration = Duration::from_secs(4);

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
        self.start_rebuild(event, Epoch(0));
    }

    /// Has the event rebuilt although its gate looks well. Where that does not come about, the drift is found again.
    pub(super) async fn force_rebuild(&self, event: &EventId) {
        match self.0.gate.alive(event).await {
            Ok(gate) => self.start_rebuild(event, gate.epoch),
            Err(error) => {
                tracing::warn!(%event, %error, "the gate stays as it is for now");
                self.gate_error(event, error);
            }
        }
    }

    /// Until its gate is of a later epoch than that.
    fn start_rebuild(&self, event: &EventId, after: Epoch) {
        if !self.0.rebuilds.begin(event) {
            return;
        }
        let (engine, event) = (self.clone(), event.clone());
        self.0.daemons.spawn("rebuild", async move {
            let _under_way = UnderWay(&engine.0.rebuilds, &event);
            let stopping = engine.0.daemons.stopping();
            stopping.run_until_cancelled(engine.rebuild_until_warm(&event, after)).await;
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

    /// Tries until gate and vault are of one epoch after that: by this replica or another.
    async fn rebuild_until_warm(&self, event: &EventId, after: Epoch) {
        let mut failures = 0_u32;
        loop {
            match self.rebuild_if_cold(event, after).await {
                Ok(()) => return,
                Err(Attempt::NoEvent) => {
                    tracing::warn!(%event, "nothing to rebuild: the vault does not know the event");
                    return;
                }
                Err(Attempt::Elsewhere) => {}
                Err(why) => {
                    if failures.is_multiple_of(FAILURES_PER_WARNING) {
                        tracing::warn!(%event, failures, %why, "a rebuild does not succeed; trying again");
                    }
                    failures += 1;
                }
            }
            let pause = AGAIN.saturating_mul(1 << failures.min(4)).min(AGAIN_MAX);
            let jitter = rand::rng().random_range(0.5..1.5);
            tokio::time::sleep(pause.mul_f64(jitter)).await;
        }
    }

    async fn rebuild_if_cold(&self, event: &EventId, after: Epoch) -> Result<(), Attempt> {
        let turns = self.0.rebuilds.turns(self.0.gate.shard_of(event)?);
        let Ok(_turn) = turns.acquire().await else { return Ok(()) };
        if self.is_warm(event, after).await? {
            return Ok(());
        }
        let Some(rebuild) = self.0.gate.rebuild(event).await? else {
            return Err(Attempt::Elsewhere);
        };
        // Another replica may have finished between the look and the lease.
        let result = match self.is_warm(event, after).await {
            Ok(false) => self.rebuild_once(event, &rebuild).await,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        rebuild.finish().await;
        result
    }

    /// Whether the gate has all its keys and is of the vault's epoch, after that one.
    async fn is_warm(&self, event: &EventId, after: Epoch) -> Result<bool, Attempt> {
        let in_vault = self.0.vault.event(event).await?.ok_or(Attempt::NoEvent)?;
        match self.0.gate.alive(event).await {
            Ok(gate) => Ok(gate.epoch == in_vault.epoch && gate.epoch > after),
            Err(gate::Error::Cold(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn rebuild_once(&self, event: &EventId, rebuild: &gate::Rebuild<'_>) -> Result<(), Attempt> {
        // Raising waits for vault writes under way; those that come later carry an old epoch and are refused.
        let epoch = self.0.vault.raise_epoch(event, rebuild.highest_epoch().await?).await?;
        self.0.options.steps.reached(Step::RebuildRaised).await;
        // After the freeze nothing changes the old epoch: what is read of it stays true.
        let old = match rebuild.freeze(epoch, self.0.vault.hold_ttl_longest(event).await?).await? {
            Frozen::Old(old) => old,
            Frozen::Superseded(_) => return Err(Attempt::Elsewhere),
        };
        let mut survivors = rebuild.survivors(old.epoch).await?;
        rebuild.renew().await?;
        let truth = self.0.vault.truth(event).await?;
        if truth.event.epoch != epoch {
            return Err(Attempt::Elsewhere);
        }
        let undecided = self.undecided(&mut survivors).await?;
        let lossless = is_lossless(epoch, &old, &survivors, self.may_fail_over());
        rebuild.renew().await?;
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

    /// Whether another Redis may have taken an event over while this one still answers.
    pub(super) fn may_fail_over(&self) -> bool {
        !self.0.options.failover_lag.is_zero() || self.0.gate.has_votes()
    }

    /// Survivors that still count: undecided holds before their deadline, undecided Confirms, tombstones.
    async fn undecided(&self, survivors: &mut Survivors) -> Result<Vec<Reservation>, Attempt> {
        let now = survivors.now;
        let mut kept = std::mem::take(&mut survivors.reservations);
        let live: Vec<ReservationId> =
            kept.iter().filter(|hold| hold.state.owns_seats()).map(|hold| hold.id.clone()).collect();
        let outcomes = self.0.vault.outcomes(&live).await?;
        for hold in kept.iter_mut().filter(|hold| hold.state.owns_seats()) {
            // The vault before the clock: a hold past its deadline may have been confirmed after Redis wrote this down.
            if let Some(outcome) = outcomes.get(&hold.id) {
                hold.state = outcome.state();
            } else if hold.state == ReservationState::Held && hold.deadline <= now {
                hold.state = ReservationState::Expired;
            }
        }
        // What is booked comes from the vault; a survivor that says so without it is older news.
        kept.retain(|hold| hold.state != ReservationState::Booked);
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
        // A Redis that was cut off may grant for a while yet, and so its holds end later than those of before.
        let late = if old.same_redis { Duration::ZERO } else { options.failover_lag };
        Built {
            epoch,
            event: &truth.event,
            hold_ttl_longest: truth.hold_ttl_longest,
            booked: &truth.bookings,
            blocked: &truth.blocked,
            survivors: undecided,
            quarantine: if wait_out { truth.hold_ttl_longest + late } else { Duration::ZERO },
            quarantine_until: if options.quarantine { old.quarantine_until } else { UnixMs(0) },
            undecided_due: survivors.now + options.confirm_window,
            now: survivors.now,
        }
    }
}

/// Nothing can be lost where the vault never gave an epoch before, or where Redis never went away and has all keys. Where
/// another Redis may have taken over, no other may have had an epoch since. Where several nodes vote, a majority knows all.
fn is_lossless(epoch: Epoch, old: &Old, survivors: &Survivors, may_fail_over: bool) -> bool {
    let next = epoch.0 == old.epoch.0 + 1;
    epoch == Epoch(1)
        || survivors.by_majority
        || (old.epoch != Epoch(0) && old.same_redis && survivors.whole && (next || !may_fail_over))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_redis_that_never_went_away_is_lossless() {
        let old = |epoch, same_redis| Old { epoch: Epoch(epoch), same_redis, quarantine_until: UnixMs(0) };
        let read = |whole| Survivors { whole, ..Survivors::default() };
        let lossless = |epoch, old: &Old, read: &Survivors| is_lossless(Epoch(epoch), old, read, false);
        assert!(lossless(1, &old(0, false), &read(false)), "a new event");
        assert!(lossless(5, &old(4, true), &read(true)), "drift");
        assert!(lossless(6, &old(4, true), &read(true)), "an orphaned raise");
        assert!(!lossless(5, &old(4, true), &read(false)), "a lost key");
        assert!(!lossless(5, &old(4, false), &read(true)), "a restart");
        assert!(!lossless(5, &old(0, true), &read(true)), "a flush");
        assert!(!lossless(2, &old(0, false), &read(false)), "another may have published the first epoch");
    }

    #[test]
    fn a_majority_that_has_forgotten_nothing_knows_all() {
        let other = Old { epoch: Epoch(0), same_redis: true, quarantine_until: UnixMs(0) };
        let told = |by_majority| Survivors { by_majority, ..Survivors::default() };
        assert!(is_lossless(Epoch(5), &other, &told(true), true));
        assert!(!is_lossless(Epoch(5), &other, &told(false), true));
    }

    #[test]
    fn a_redis_that_others_have_left_behind_is_not_lossless() {
        let old = Old { epoch: Epoch(4), same_redis: true, quarantine_until: UnixMs(0) };
        let whole = Survivors { whole: true, ..Survivors::default() };
        assert!(is_lossless(Epoch(6), &old, &whole, false), "alone it has had all epochs");
        assert!(is_lossless(Epoch(5), &old, &whole, true), "nobody had an epoch since");
        assert!(!is_lossless(Epoch(6), &old, &whole, true), "epoch 5 may be another's");
    }
}
