//! Ends what is due within a second, so that watchers see it; and has the vault decide Confirms that nobody finished.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Engine, Error, Step, healing::Listed};
use crate::domain::{Epoch, EventId, Outcome, Reservation, Verdict, VoidReason};

/// Reservations ended in one script.
const SWEEP_BATCH: u32 = 200;
/// Batches of one event in one pass; more wait for the next pass.
const SWEEP_BATCHES_MAX: u32 = 50;
/// Watchers see within this that a hold is over, whatever brought its end nearer: a token of before, or a shorter hold time.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// When the events are to be swept again; those that are not there, at once.
#[derive(Clone)]
pub(super) struct Agenda {
    at: Arc<Mutex<HashMap<EventId, Instant>>>,
    /// An event in which nothing gets due is looked at again after so long at the latest.
    quiet_max: Duration,
}

impl Agenda {
    /// Passes come every `every`, give or take a fifth, and take a while.
    pub(super) fn new(every: Duration) -> Self {
        Self { at: Arc::default(), quiet_max: SEEN_WITHIN.saturating_sub(every.mul_f64(1.5)) }
    }

    /// The events whose time has come; forgets those that are not listed any more.
    pub(super) fn due(&self, listed: &[Listed]) -> Vec<Listed> {
        let now = Instant::now();
        let mut agenda = self.lock();
        if agenda.len() > listed.len() {
            let ids: HashSet<&EventId> = listed.iter().map(|event| &event.id).collect();
            agenda.retain(|id, _| ids.contains(id));
        }
        listed.iter().filter(|event| agenda.get(&event.id).is_none_or(|at| *at <= now)).cloned().collect()
    }

    fn quiet(&self, event: &EventId, quiet: Duration) {
        self.lock().insert(event.clone(), Instant::now() + quiet.min(self.quiet_max));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Instant>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// One pass over an event.
    pub(super) async fn sweep(&self, listed: &Listed, agenda: &Agenda) {
        let event = &listed.id;
        for _ in 0..SWEEP_BATCHES_MAX {
            let swept = match self.0.gate.sweep(event, SWEEP_BATCH).await {
                Ok(swept) => swept,
                Err(error) => {
                    self.gate_error(event, error);
                    return;
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
                agenda.quiet(event, swept.quiet);
                return;
            }
        }
    }

    /// A Confirm past its window: void, unless the vault has decided booked before. Time alone frees nothing.
    fn finish_confirm(&self, epoch: Epoch, reservation: Reservation) {
        let Ok(permit) = Arc::clone(&self.0.sweeping).try_acquire_owned() else {
            return; // It comes up again.
        };
        let engine = self.clone();
        self.0.work.spawn("sweep", async move {
            engine.0.options.steps.reached(Step::SweepFound).await;
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
    async fn a_quiet_event_is_left_alone_but_not_for_long() {
        let listed = |name: &str| Listed { id: name.parse().unwrap(), epoch: Epoch(1) };
        let (agenda, events) = (Agenda::new(Duration::from_millis(250)), [listed("rock"), listed("jazz")]);
        let due =
            |events: &[Listed]| agenda.due(events).into_iter().map(|event| event.id).collect::<Vec<_>>();
        assert_eq!(due(&events).len(), 2);
        agenda.quiet(&events[0].id, Duration::from_millis(100));
        agenda.quiet(&events[1].id, Duration::from_secs(60));
        assert_eq!(due(&events), []);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(due(&events), [events[0].id.clone()]);
        tokio::time::advance(Duration::from_millis(525)).await;
        assert_eq!(due(&events).len(), 2);
        due(&events[..1]);
        assert_eq!(agenda.lock().len(), 1, "what is gone is forgotten");
    }
}
