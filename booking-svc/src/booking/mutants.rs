//! The use cases without one of their guards: see [`crate::mutants`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;

use super::{Engine, Error, Priced};
use crate::domain::{
    Booking, Epoch, Outcome, PaymentReference, Reservation, ReservationState, UnixMs, Verdict, VoidReason,
};

/// A Confirm that was acknowledged too early is decided within this.
const DECIDED_WITHIN: Duration = Duration::from_millis(50);

impl Engine {
    /// Calls a begun Confirm booked, and has it decided later.
    pub(super) async fn acknowledge_early(
        &self,
        reservation: Reservation,
        epoch: Epoch,
        payment: PaymentReference,
    ) -> Result<Priced<Booking>, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let booking = Booking {
            id: reservation.id.clone(),
            customer: reservation.customer.clone(),
            request: reservation.request.clone(),
            seats: reservation.seats.clone(),
            payment: payment.clone(),
            booked_at: UnixMs(0) + now,
            cancelled_at: None,
        };
        let engine = self.clone();
        self.0.work.spawn("late decision", async move {
            let wait = rand::rng().random_range(Duration::ZERO..DECIDED_WITHIN);
            tokio::time::sleep(wait).await;
            if let Ok(outcome) = engine.decide(&reservation, epoch, Verdict::Book(payment)).await {
                engine.settle(&reservation, &outcome).await;
            }
        });
        self.price(booking).await
    }

    /// Gives the seats of a hold back without the vault's word.
    pub(super) async fn release_at_gate_alone(
        &self,
        reservation: Reservation,
    ) -> Result<Priced<Reservation>, Error> {
        self.settle(&reservation, &Outcome::Void(VoidReason::Released)).await;
        self.priced(Reservation { state: ReservationState::Released, ..reservation }).await
    }

    /// Settles what the vault says now; where it says nothing, void.
    pub(super) async fn settle_as_read(&self, reservation: &Reservation) {
        if let Ok(known) = self.0.vault.outcome(&reservation.id).await {
            let outcome = known.unwrap_or(Outcome::Void(VoidReason::Expired));
            self.settle(reservation, &outcome).await;
        }
    }
}
