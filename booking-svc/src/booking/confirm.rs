//! Confirm and Release: gate, then vault, then gate. The vault's decision is the outcome.

use super::{Claim, Engine, Error, Owner, Priced, Step, recover::Located, reserve::ended_error};
#[cfg(feature = "mutants")]
use crate::mutants::Mutant;
use crate::{
    domain::{
        Booking, Outcome, PaymentReference, Reservation, ReservationId, ReservationState, Verdict, VoidReason,
    },
    gate::Found,
};

impl Engine {
    /// Turns a hold into a booking. A repeat finds the same booking.
    pub async fn confirm(&self, claim: Claim, payment: PaymentReference) -> Result<Priced<Booking>, Error> {
        let engine = self.clone();
        self.critical("confirm", async move { engine.confirm_whole(claim, payment).await }).await
    }

    async fn confirm_whole(&self, claim: Claim, payment: PaymentReference) -> Result<Priced<Booking>, Error> {
        let begun = self.locate(&claim, || self.begin(&claim)).await?;
        let found = match begun {
            Located::Gate(found) => found,
            Located::Vault(outcome) => return self.confirmed(&claim.id, outcome, &payment).await,
        };
        if found.reservation.state != ReservationState::Confirming {
            let outcome = self.ended(&found).await?;
            return self.confirmed(&claim.id, outcome, &payment).await;
        }
        let Found { epoch, reservation, .. } = found;
        // From here on the seats stay held until the vault has decided, whatever becomes of this process.
        self.0.options.steps.reached(Step::ConfirmBegun).await;
        #[cfg(feature = "mutants")]
        if Mutant::AcknowledgedBeforeCommit.is_out() {
            return self.acknowledge_early(reservation, epoch, payment).await;
        }
        let outcome = self.decide(&reservation, epoch, Verdict::Book(payment.clone())).await?;
        self.0.options.steps.reached(Step::ConfirmDecided).await;
        // Decided for ever. If this process dies here, the sweeper finds the outcome and settles it.
        self.settle(&reservation, &outcome).await;
        self.0.options.steps.reached(Step::ConfirmSettled).await;
        self.confirmed(&claim.id, outcome, &payment).await
    }

    async fn begin(&self, claim: &Claim) -> Result<Option<Found>, Error> {
        let window = self.0.options.confirm_window;
        let begun = self.0.gate.begin(&claim.id, claim.owner.customer(), window).await;
        begun.map_err(|error| self.gate_error(&claim.id.event, error))
    }

    /// The answer to a Confirm, given the outcome.
    async fn confirmed(
        &self,
        id: &ReservationId,
        outcome: Outcome,
        payment: &PaymentReference,
    ) -> Result<Priced<Booking>, Error> {
        match outcome {
            Outcome::Booked(booking) if booking.payment != *payment => {
                self.0.metrics.confirmed("payment_mismatch");
                Err(Error::PaymentMismatch(id.clone()))
            }
            Outcome::Booked(booking) => {
                self.0.metrics.confirmed("booked");
                self.price(booking).await
            }
            Outcome::Void(_) => {
                self.0.metrics.confirmed("void");
                Err(ended_error(id, outcome.state()))
            }
        }
    }

    /// Gives the seats of a hold back. A repeat answers the same.
    pub async fn release(&self, claim: Claim) -> Result<Priced<Reservation>, Error> {
        let engine = self.clone();
        self.critical("release", async move { engine.release_whole(claim).await }).await
    }

    async fn release_whole(&self, claim: Claim) -> Result<Priced<Reservation>, Error> {
        let found = match self.locate(&claim, || self.find(&claim)).await? {
            Located::Gate(found) => found,
            Located::Vault(outcome) => return self.released_before(&claim, &outcome).await,
        };
        match found.reservation.state {
            ReservationState::Held => {}
            ReservationState::Released => return self.priced(found.reservation).await,
            _ => return Err(self.refusal(&found).await?),
        }
        let Found { epoch, reservation, .. } = found;
        #[cfg(feature = "mutants")]
        if Mutant::ReleaseWithoutVoid.is_out() {
            return self.release_at_gate_alone(reservation).await;
        }
        // The void row comes first: should the gate forget the release, the token brings nothing back.
        let outcome = self.decide(&reservation, epoch, Verdict::Void(VoidReason::Released)).await?;
        self.0.options.steps.reached(Step::ReleaseDecided).await;
        self.settle(&reservation, &outcome).await;
        match outcome {
            // A Confirm was faster.
            Outcome::Booked(_) => Err(Error::AlreadyBooked(claim.id)),
            Outcome::Void(VoidReason::Released) => {
                self.priced(Reservation { state: outcome.state(), ..reservation }).await
            }
            Outcome::Void(_) => Err(ended_error(&claim.id, outcome.state())),
        }
    }

    async fn released_before(&self, claim: &Claim, outcome: &Outcome) -> Result<Priced<Reservation>, Error> {
        match outcome.state() {
            ReservationState::Released => self.reservation(claim.clone()).await,
            other => Err(ended_error(&claim.id, other)),
        }
    }

    /// Cancels a booking; its seats go back on sale. A repeat answers the same.
    pub async fn cancel(&self, id: ReservationId, owner: Owner) -> Result<Priced<Booking>, Error> {
        let engine = self.clone();
        self.critical("cancel", async move { engine.cancel_whole(id, &owner).await }).await
    }

    async fn cancel_whole(&self, id: ReservationId, owner: &Owner) -> Result<Priced<Booking>, Error> {
        let event = &id.event;
        self.booking(id.clone(), owner.clone()).await?;
        let gate = self.0.gate.alive(event).await.map_err(|error| self.gate_error(event, error))?;
        let cancelled = self.0.vault.cancel(&id, gate.epoch).await;
        let Some(Outcome::Booked(booking)) = cancelled.map_err(|error| self.vault_error(event, &error))?
        else {
            return Err(Error::BookingNotFound(id));
        };
        self.0.options.steps.reached(Step::CancelDecided).await;
        // If this process dies here, the reconciler finds the seats sold in the gate and free in the vault.
        let outcome = Outcome::Booked(booking.clone());
        self.settle(&booking.reservation(), &outcome).await;
        self.price(booking).await
    }
}
