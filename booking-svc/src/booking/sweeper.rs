//! Ends what is due within a second, so that watchers see it; and has the vault decide Confirms that nobody finished.

use std::sync::Arc;

use super::{Engine, Error, Step, healing::Listed};
use crate::domain::{Epoch, Outcome, Reservation, Verdict, VoidReason};

/// Reservations ended in one script.
const SWEEP_BATCH: u32 = 200;
/// Batches of one event in one pass; more wait for the next pass.
const SWEEP_BATCHES_MAX: u32 = 50;

impl Engine {
    /// One pass over an event.
    pub(super) async fn sweep(&self, listed: &Listed) {
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
