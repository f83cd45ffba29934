//! What to do where the gate does not know a reservation, or does not answer; and how the stores' errors read outside.

use super::{Backend, Claim, Engine, Error};
use crate::{
    domain::{Decision, Epoch, EventId, Outcome, Reservation, ReservationState, Verdict, VoidReason},
    gate::{self, Adopted, Alive, Found},
    vault,
};

/// Where a reservation was found.
pub(super) enum Located<T> {
    /// In the gate.
    Gate(T),
    /// In the vault, decided; the gate has forgotten it.
    Vault(Outcome),
}

/// Where a reservation was found that the gate did not know.
enum Recovered {
    /// In the gate by now: ask it again.
    Known,
    /// In the vault, decided.
    Decided(Outcome),
}

impl Engine {
    /// Asks the gate for a reservation. What a loss took from the gate is brought back from the vault or the token.
    pub(super) async fn locate<T, F>(&self, claim: &Claim, ask: impl Fn() -> F) -> Result<Located<T>, Error>
    where
        T: AsRef<Found>,
        F: Future<Output = Result<Option<T>, Error>>,
    {
        self.known_event(claim).await?;
        if let Some(found) = ask().await?
            && !self.outlived(claim, found.as_ref()).await?
        {
            return Ok(Located::Gate(found));
        }
        match self.recover(claim).await? {
            Recovered::Decided(outcome) => Ok(Located::Vault(outcome)),
            Recovered::Known => {
                // Lost again in between: the next call brings it back.
                ask().await?.map(Located::Gate).ok_or_else(|| self.rebuilding(&claim.id.event))
            }
        }
    }

    /// An id of an event that never was must not look like an event whose gate is cold.
    async fn known_event(&self, claim: &Claim) -> Result<(), Error> {
        match self.0.catalog.house(&claim.id.event).await {
            Ok(_) => Ok(()),
            Err(Error::EventNotFound(_)) => Err(Error::ReservationNotFound(claim.id.clone())),
            Err(error) => Err(error),
        }
    }

    /// An extension was lost with the gate's memory: the token proves a later deadline than the gate knows.
    async fn outlived(&self, claim: &Claim, found: &Found) -> Result<bool, Error> {
        let Reservation { id, state, deadline, .. } = &found.reservation;
        let is_later = matches!(state, ReservationState::Held | ReservationState::Expired)
            && id.epoch < found.epoch
            && claim.token.as_deref().is_some_and(|token| {
                self.0.tokens.verify(token).is_ok_and(|lost| lost.id == *id && lost.deadline > *deadline)
            });
        if !is_later || !self.0.gate.has_votes() || !self.0.options.quarantine {
            return Ok(is_later);
        }
        // The token has the clock of the node that carried the event then. So it is believed only while a loss is waited out.
        let gate = self.0.gate.alive(&id.event).await.map_err(|error| self.gate_error(&id.event, error))?;
        Ok(!gate.quarantine.is_zero())
    }

    /// Looks for a reservation that the gate does not know: decided in the vault, or alive in the caller's token.
    async fn recover(&self, claim: &Claim) -> Result<Recovered, Error> {
        let event = &claim.id.event;
        // The epoch first, then the vault: a decision that comes later than this look comes under a later epoch, or is
        // seen by the gate. A token of what is decided brings nothing back.
        let gate = self.0.gate.alive(event).await.map_err(|error| self.gate_error(event, error))?;
        // Where one of several nodes carries the event, one that was left may also lack a hold that came back elsewhere.
        let may_lack = claim.id.epoch > gate.epoch || self.0.gate.has_votes();
        if may_lack && self.is_left_behind(event, gate.epoch).await? {
            return Err(self.rebuilding(event));
        }
        let outcome = self.0.vault.outcome(&claim.id).await;
        let outcome = outcome.map_err(|error| self.vault_error(event, &error))?;
        // A booking is its owner's whatever the token says: its secret may have been replaced since.
        if let Some(Outcome::Booked(booking)) = &outcome
            && claim.owner.covers(&booking.customer)
        {
            return Ok(Recovered::Decided(Outcome::Booked(booking.clone())));
        }
        match (outcome, self.proof(claim)?) {
            // It may be a hold that was lost: nobody can tell until the quarantine is over. Who is not its owner is not
            // told either that somebody has booked it.
            (_, None) if claim.id.epoch < gate.epoch && !gate.quarantine.is_zero() => {
                Err(Error::GateRebuilding { event: event.clone(), retry_after: gate.quarantine })
            }
            (Some(Outcome::Booked(_)), _) => Err(Error::ReservationNotFound(claim.id.clone())),
            (Some(outcome), Some(_)) => Ok(Recovered::Decided(outcome)),
            (None, Some(lost)) => self.adopt(lost, gate).await,
            // Without a token nobody can tell whose it was.
            (Some(Outcome::Void(_)) | None, None) => Err(Error::ReservationNotFound(claim.id.clone())),
        }
    }

    /// A gate that others have left does not know what the next one granted.
    pub(super) async fn is_left_behind(&self, event: &EventId, gate: Epoch) -> Result<bool, Error> {
        let vault = self.0.vault.event(event).await.map_err(|error| self.vault_error(event, &error))?;
        Ok(vault.is_some_and(|vault| vault.epoch > gate))
    }

    /// The hold that the caller's token proves to be the caller's.
    fn proof(&self, claim: &Claim) -> Result<Option<Reservation>, Error> {
        let token = claim.token.as_deref().filter(|token| !token.is_empty());
        let Some(lost) = token.map(|token| self.0.tokens.verify(token)).transpose()? else { return Ok(None) };
        if lost.id != claim.id {
            return Err(Error::TokenInvalid);
        }
        if !claim.owner.covers(&lost.customer) {
            return Err(Error::NotOwner(claim.id.clone()));
        }
        Ok(Some(lost))
    }

    /// Takes an undecided hold of an earlier epoch back into the gate.
    async fn adopt(&self, lost: Reservation, gate: Alive) -> Result<Recovered, Error> {
        let event = &lost.id.event;
        let adopted = self.0.gate.adopt(&lost, gate.epoch).await;
        let outcome = match adopted.map_err(|error| self.gate_error(event, error))? {
            Adopted::Found(found) => {
                tracing::info!(id = %lost.id, state = ?found.reservation.state, "took a hold back from its token");
                return Ok(Recovered::Known);
            }
            Adopted::Ended => self.end_for_ever(&lost, gate).await?,
            // A refusal is definite: void in the vault first.
            Adopted::Taken => self.decide(&lost, gate.epoch, Verdict::Void(VoidReason::SeatLost)).await?,
        };
        Ok(Recovered::Decided(outcome))
    }

    /// The outcome of what the gate says has ended: the vault has the last word.
    pub(super) async fn ended(&self, found: &Found) -> Result<Outcome, Error> {
        let event = &found.reservation.id.event;
        let gate = self.0.gate.alive(event).await.map_err(|error| self.gate_error(event, error))?;
        // Another Redis may have carried and extended it since: what the one before says of its end is then no news.
        if gate.epoch != found.epoch {
            return Err(self.rebuilding(event));
        }
        let known = self.0.vault.outcome(&found.reservation.id).await;
        match known.map_err(|error| self.vault_error(event, &error))? {
            Some(outcome) => Ok(outcome),
            None => self.end_for_ever(&found.reservation, gate).await,
        }
    }

    /// The outcome of a hold that ended by time: void in the vault, or a gate that goes back in time could let a repeat
    /// through after the refusal. Not while a loss is waited out: the token of a later Extend may still come.
    async fn end_for_ever(&self, ended: &Reservation, gate: Alive) -> Result<Outcome, Error> {
        if ended.id.epoch < gate.epoch && !gate.quarantine.is_zero() {
            let event = ended.id.event.clone();
            return Err(Error::GateRebuilding { event, retry_after: gate.quarantine });
        }
        self.decide(ended, gate.epoch, Verdict::Void(VoidReason::Expired)).await
    }

    /// Has the vault decide a reservation, or finds what it decided before.
    pub(super) async fn decide(
        &self,
        reservation: &Reservation,
        epoch: Epoch,
        verdict: Verdict,
    ) -> Result<Outcome, Error> {
        let decision = Decision {
            reservation: reservation.id.clone(),
            epoch,
            customer: reservation.customer.clone(),
            request: reservation.request.clone(),
            seats: reservation.seats.clone(),
            verdict,
        };
        let outcome = self.0.vault.decide(decision).await;
        outcome.map_err(|error| self.vault_error(&reservation.id.event, &error))
    }

    /// Tells the gate what the vault has decided. Where that fails, sweeper and reconciler do it later.
    pub(super) async fn settle(&self, reservation: &Reservation, outcome: &Outcome) {
        let Reservation { id, seats, request, customer, .. } = reservation;
        match self.0.gate.settle(id, outcome.state(), seats, request, customer).await {
            Ok(0) => {}
            Ok(_) => self.0.metrics.settled(outcome.state()),
            Err(error) => {
                tracing::warn!(%id, %error, "the gate does not know an outcome yet; the sweeper will tell it");
                self.gate_error(&id.event, error);
            }
        }
        self.forget_refusals(&id.event, Some(seats));
    }

    /// How a gate's error reads to a caller; a cold gate is also rebuilt.
    pub(super) fn gate_error(&self, event: &EventId, error: gate::Error) -> Error {
        match error {
            gate::Error::Cold(why) => {
                tracing::debug!(%event, why, "the gate is cold");
                self.rebuilding(event)
            }
            gate::Error::Unavailable(error) | gate::Error::Moved(error) => {
                tracing::debug!(%event, error, "the gate does not answer");
                Error::BackendUnavailable(Backend::Gate)
            }
            gate::Error::Misconfigured(error) => {
                tracing::error!(%event, error, "the gate can not be used");
                Error::BackendUnavailable(Backend::Gate)
            }
            gate::Error::Corrupt(error) => {
                tracing::error!(%event, error, "the gate is not as the scripts write it");
                Error::Internal
            }
        }
    }

    /// How a vault's error reads to a caller. A stale epoch means that the gate has to catch up.
    pub(super) fn vault_error(&self, event: &EventId, error: &vault::Error) -> Error {
        if let vault::Error::EpochStale { vault } = error {
            tracing::debug!(%event, %vault, "the vault is of another epoch than the gate");
            return self.rebuilding(event);
        }
        Error::from_vault(error)
    }
}
