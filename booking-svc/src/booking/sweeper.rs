//! Ends what is due within a second, so that watchers see it; and has the vault decide Confirms that nobody finished.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use rand::Rng;
use tokio::time::Instant;

use super::{Engine, Error, Step, healing::Listed};
use crate::{
    domain::{Epoch, EventId, Outcome, Reservation, Verdict, VoidReason},
    gate::Shard,
};

/// Reservations ended in one script.
const SWEEP_BATCH: u32 = 200;
/// Batches of one event in one pass; more wait for the next pass.
const SWEEP_BATCHES_MAX: u32 = 50;
/// Events swept at once; looked at in one round trip.
const SWEEPS_AT_ONCE: usize = 16;
const LOOKS_AT_ONCE: usize = 500;
/// Watchers see within this that a hold is over, whatever brought its end nearer: a token of before, or a shorter hold time.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// An event in which nothing gets due is swept all the same after so long: a sweep also notices lost keys.
const SWEPT_WITHIN: Duration = Duration::from_secs(5);

/// When the events are to be looked at again; those that are not there, at once.
#[derive(Clone)]
pub(super) struct Agenda {
    events: Arc<Mutex<HashMap<EventId, Plan>>>,
    /// An event in which nothing gets due is looked at again after so long at the latest.
    quiet_max: Duration,
}

#[derive(Clone, Copy)]
struct Plan {
    /// Something may be due.
    look: Instant,
    /// A look is not enough.
    sweep: Instant,
}

impl Agenda {
    /// Passes come every `every`, give or take a fifth, and take a while.
    pub(super) fn new(every: Duration) -> Self {
        Self { events: Arc::default(), quiet_max: SEEN_WITHIN.saturating_sub(every.mul_f64(1.5)) }
    }

    /// The events that are to be swept, and those that need a look first; forgets those that are not listed any more.
    fn due(&self, listed: &[Listed]) -> (Vec<Listed>, Vec<Listed>) {
        let now = Instant::now();
        let mut events = self.lock();
        if events.len() > listed.len() {
            let ids: HashSet<&EventId> = listed.iter().map(|event| &event.id).collect();
            events.retain(|id, _| ids.contains(id));
        }
        let plan = |event: &&Listed| events.get(&event.id).copied();
        let (sweeps, others): (Vec<_>, Vec<_>) =
            listed.iter().partition(|event| plan(event).is_none_or(|plan| plan.sweep <= now));
        let looks = others.into_iter().filter(|event| plan(event).is_some_and(|plan| plan.look <= now));
        (sweeps.into_iter().cloned().collect(), looks.cloned().collect())
    }

    /// It was swept, and nothing gets due within `quiet`.
    fn swept(&self, event: &EventId, quiet: Duration) {
        let now = Instant::now();
        // Jitter, or all events of a replica would come up in one pass for ever.
        let sweep = now + SWEPT_WITHIN.mul_f64(rand::rng().random_range(0.7..1.0));
        let plan = Plan { look: now + quiet.min(self.quiet_max), sweep };
        self.lock().insert(event.clone(), plan);
    }

    /// It was looked at, and nothing gets due within `quiet`.
    fn looked_at(&self, event: &EventId, quiet: Duration) {
        if let Some(plan) = self.lock().get_mut(event) {
            plan.look = Instant::now() + quiet.min(self.quiet_max);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Plan>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// One pass over all events of a shard.
    pub(super) async fn sweep_all(&self, shard: &Shard, agenda: &Agenda) -> bool {
        let (mut sweeps, looks) = agenda.due(&self.events_of(shard));
        for looks in looks.chunks(LOOKS_AT_ONCE) {
            sweeps.extend(self.unquiet(shard, looks, agenda).await);
        }
        let sweep = async |event| self.sweep(&event, agenda).await;
        stream::iter(sweeps)
            .map(sweep)
            .buffer_unordered(SWEEPS_AT_ONCE)
            .fold(true, async |all, done| all & done)
            .await
    }

    /// Which of these are to be swept: something is due, or it can not be told.
    async fn unquiet(&self, shard: &Shard, listed: &[Listed], agenda: &Agenda) -> Vec<Listed> {
        let ids: Vec<_> = listed.iter().map(|event| (event.id.clone(), event.epoch)).collect();
        let due = self.0.gate.next_due(shard, &ids).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "what gets due could not be looked at");
            Vec::new()
        });
        let due = due.into_iter().chain(std::iter::repeat(None));
        let mut sweeps = Vec::new();
        for (event, due) in listed.iter().zip(due) {
            match due.filter(|due| !due.is_zero()) {
                Some(due) => agenda.looked_at(&event.id, due),
                None => sweeps.push(event.clone()),
            }
        }
        sweeps
    }

    /// One pass over an event.
    async fn sweep(&self, listed: &Listed, agenda: &Agenda) -> bool {
        let event = &listed.id;
        for _ in 0..SWEEP_BATCHES_MAX {
            let swept = match self.0.gate.sweep(event, SWEEP_BATCH).await {
                Ok(swept) => swept,
                Err(error) => {
                    self.gate_error(event, error);
                    return false;
                }
            };
            if swept.epoch < listed.epoch {
                // A rebuild that died after its raise; or a Redis that others have left behind.
                self.request_rebuild(event);
            }
            self.0.metrics.expired.add(u64::from(swept.expired), &[]);
            for confirming in swept.confirming {
                self.finish_confirm(swept.epoch, confirming);
            }
            if swept.due < SWEEP_BATCH {
                agenda.swept(event, swept.quiet);
                return true;
            }
        }
        false
    }

    /// A Confirm past its window: void, unless the vault has decided booked before. Time alone frees nothing.
    fn finish_confirm(&self, epoch: Epoch, reservation: Reservation) {
        let Ok(permit) = Arc::clone(&self.0.sweeping).try_acquire_owned() else {
            return; // It comes up again.
        };
        let engine = self.clone();
        self.0.work.spawn("sweep", async move {
            engine.0.options.steps.reached(Step::SweepFound).await;
            #[cfg(feature = "mutants")]
            if crate::mutants::Mutant::SweeperReads.is_out() {
                return engine.settle_as_read(&reservation).await;
            }
            let verdict = Verdict::Void(VoidReason::Expired);
            match engine.decide(&reservation, epoch, verdict).await {
                Ok(outcome) => {
                    engine.0.options.steps.reached(Step::SweepDecided).await;
                    engine.settle(&reservation, &outcome).await;
                    engine.0.metrics.swept.add(1, &[]);
                    tracing::info!(id = %reservation.id, outcome = ?outcome.state(), "finished a Confirm that was left");
                }
                // The id was used twice, for the vault was put back: this one can never be booked.
                Err(Error::SeatLost(_)) => engine.settle(&reservation, &Outcome::Void(VoidReason::SeatLost)).await,
                Err(error) => tracing::debug!(id = %reservation.id, %error, "a Confirm stays undecided for now"),
            }
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_quiet_event_is_looked_at_and_now_and_then_swept() {
        let listed = |name: &str| Listed { id: name.parse().unwrap(), epoch: Epoch(1) };
        let (agenda, events) = (Agenda::new(Duration::from_millis(250)), [listed("rock"), listed("jazz")]);
        let due = |events: &[Listed]| {
            let (sweeps, looks) = agenda.due(events);
            let names =
                |events: Vec<Listed>| events.iter().map(|event| event.id.to_string()).collect::<Vec<_>>();
            (names(sweeps).join(" "), names(looks).join(" "))
        };
        let expect = |sweeps: &str, looks: &str| (sweeps.to_owned(), looks.to_owned());
        assert_eq!(due(&events), expect("rock jazz", ""));
        agenda.swept(&events[0].id, Duration::from_millis(100));
        agenda.swept(&events[1].id, Duration::from_secs(60));
        assert_eq!(due(&events), expect("", ""));
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(due(&events), expect("", "rock"));
        agenda.looked_at(&events[0].id, Duration::from_secs(60));
        tokio::time::advance(Duration::from_millis(525)).await;
        assert_eq!(due(&events), expect("", "jazz"), "seen within a second, whatever is known");
        tokio::time::advance(SWEPT_WITHIN).await;
        assert_eq!(due(&events), expect("rock jazz", ""));
        due(&events[..1]);
        assert_eq!(agenda.lock().len(), 1, "what is gone is forgotten");
    }
}
