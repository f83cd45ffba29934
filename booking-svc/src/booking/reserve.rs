//! Reserve, Extend, GetReservation: the gate alone decides, though a Reserve may be refused before it.

use tokio::time::Instant;

use super::{Claim, Engine, Error, Hold, Priced, recover::Located};
use crate::{
    domain::{
        CustomerId, EventId, Outcome, RequestId, Reservation, ReservationId, ReservationState, SeatSet,
        SeatStates,
    },
    gate::{Extended, Found, Granted},
};

impl Engine {
    /// Holds the seats for the customer, all or none. The same request finds the same reservation. `repeated`: the caller
    /// says that it has sent the request before.
    pub async fn reserve(
        &self,
        event: EventId,
        seats: SeatSet,
        request: RequestId,
        customer: CustomerId,
        repeated: bool,
    ) -> Result<Hold, Error> {
        let house = self.0.catalog.house(&event).await?;
        house.check(&event, seats.last())?;
        // What a repeat asks for may have been granted a moment ago, elsewhere: only the gate knows.
        if !repeated {
            self.refuse_early(&event, &seats, &request, &customer)?;
        }
        // On the heap: a call that is refused early would make and move all this room for nothing.
        Box::pin(self.reserve_at_gate(event, seats, request, customer)).await
    }

    async fn reserve_at_gate(
        &self,
        event: EventId,
        seats: SeatSet,
        request: RequestId,
        customer: CustomerId,
    ) -> Result<Hold, Error> {
        let asked_at = Instant::now();
        let name_holders = self.0.options.board_refusals;
        let granted = self.0.gate.grant(&event, &seats, &request, &customer, name_holders).await;
        let metrics = &self.0.metrics;
        match granted.map_err(|error| self.gate_error(&event, error))? {
            Granted::New(found) => {
                metrics.granted();
                self.forget_refusals(&event, Some(&seats));
                self.hold(found.reservation).await
            }
            Granted::Same(found) => {
                metrics.reserved("repeated");
                match found.reservation.state {
                    ReservationState::Held | ReservationState::Confirming | ReservationState::Booked => {
                        self.hold(found.reservation).await
                    }
                    _ if self.0.gate.has_votes() => Err(self.refusal(&found).await?),
                    ended => Err(ended_error(&found.reservation.id, ended)),
                }
            }
            Granted::Reused => Err(Error::RequestIdReused(request)),
            Granted::Closed(opens_in) => {
                metrics.reserved("closed");
                Err(Error::SaleNotOpen { event, opens_in })
            }
            Granted::Taken(refusal) => Err(self.refused(&event, asked_at, refusal)),
            Granted::Quarantine(retry_after) => {
                metrics.reserved("quarantine");
                Err(Error::GateRebuilding { event, retry_after })
            }
            Granted::Limit { limit, has } => {
                metrics.reserved("limit");
                Err(Error::CustomerLimit { event, limit, has, wants: seats.len() as u32 })
            }
        }
    }

    /// Moves the end of a hold; the answer's token replaces the one before.
    pub async fn extend(&self, claim: Claim) -> Result<Hold, Error> {
        let id = &claim.id;
        match self.locate(&claim, || self.try_extend(&claim)).await? {
            Located::Gate(Extended::Until(found)) => self.hold(found.reservation).await,
            Located::Gate(Extended::Capped(_)) => Err(Error::ExtensionLimit(id.clone())),
            Located::Gate(Extended::Not(found)) => Err(self.refusal(&found).await?),
            Located::Vault(outcome) => Err(ended_error(id, outcome.state())),
        }
    }

    async fn try_extend(&self, claim: &Claim) -> Result<Option<Extended>, Error> {
        let extended = self.0.gate.extend(&claim.id, claim.owner.customer()).await;
        extended.map_err(|error| self.gate_error(&claim.id.event, error))
    }

    /// The reservation, as the gate knows it, or as the vault has decided it.
    pub async fn reservation(&self, claim: Claim) -> Result<Priced<Reservation>, Error> {
        match self.locate(&claim, || self.show(&claim)).await? {
            Located::Gate(found) => {
                if found.reservation.state == ReservationState::Expired {
                    self.check_news(&found).await?;
                }
                self.priced(found.reservation).await
            }
            Located::Vault(outcome) => self.decided(&claim, &outcome).await,
        }
    }

    /// Why a reservation that is not held can not be worked on. Not final while a loss is waited out: the token of a
    /// later Extend may still come.
    pub(super) async fn refusal(&self, found: &Found) -> Result<Error, Error> {
        let (id, state) = (&found.reservation.id, found.reservation.state);
        let expired = state == ReservationState::Expired;
        if expired && self.0.gate.has_votes() {
            // Its locks last a little longer: where a takeover finds them, it must not be a hold again.
            return Ok(ended_error(id, self.ended(found).await?.state()));
        }
        if expired {
            self.check_news(found).await?;
        }
        if expired && id.epoch < found.epoch {
            let gate =
                self.0.gate.alive(&id.event).await.map_err(|error| self.gate_error(&id.event, error))?;
            if !gate.quarantine.is_zero() {
                return Ok(Error::GateRebuilding { event: id.event.clone(), retry_after: gate.quarantine });
            }
        }
        Ok(ended_error(id, state))
    }

    /// Another Redis may have extended a hold since: what this one says of its end is then no news.
    async fn check_news(&self, ended: &Found) -> Result<(), Error> {
        let event = &ended.reservation.id.event;
        if self.may_fail_over() && self.is_left_behind(event, ended.epoch).await? {
            return Err(self.rebuilding(event));
        }
        Ok(())
    }

    async fn show(&self, claim: &Claim) -> Result<Option<Found>, Error> {
        let shown = self.0.gate.show(&claim.id, claim.owner.customer()).await;
        shown.map_err(|error| self.gate_error(&claim.id.event, error))
    }

    pub(super) async fn find(&self, claim: &Claim) -> Result<Option<Found>, Error> {
        let found = self.0.gate.get(&claim.id, claim.owner.customer()).await;
        found.map_err(|error| self.gate_error(&claim.id.event, error))
    }

    /// A reservation that only the vault still knows.
    async fn decided(&self, claim: &Claim, outcome: &Outcome) -> Result<Priced<Reservation>, Error> {
        let reservation = match outcome {
            Outcome::Booked(booking) => booking.reservation(),
            Outcome::Void(_) => {
                let token = claim.token.as_deref().ok_or(Error::ReservationNotFound(claim.id.clone()))?;
                Reservation { state: outcome.state(), ..self.0.tokens.verify(token)? }
            }
        };
        self.priced(reservation).await
    }

    /// The status of all seats.
    pub async fn seat_states(&self, event: &EventId) -> Result<SeatStates, Error> {
        self.0.catalog.house(event).await?;
        self.0.gate.states(event).await.map_err(|error| self.gate_error(event, error))
    }

    pub(super) async fn hold(&self, reservation: Reservation) -> Result<Hold, Error> {
        let token = self.0.tokens.sign(&reservation)?;
        Ok(Hold { reservation: self.priced(reservation).await?, token })
    }

    pub(super) async fn priced(&self, reservation: Reservation) -> Result<Priced<Reservation>, Error> {
        let house = self.0.catalog.house(&reservation.id.event).await?;
        let seats = reservation.seats.clone();
        Ok(house.price(reservation, &seats))
    }
}

/// What a caller who needs a hold is told of a reservation in another state.
pub(super) fn ended_error(id: &ReservationId, state: ReservationState) -> Error {
    let id = id.clone();
    match state {
        ReservationState::Held | ReservationState::Expired => Error::HoldExpired(id),
        ReservationState::Confirming => Error::ConfirmInProgress(id),
        ReservationState::Booked => Error::AlreadyBooked(id),
        ReservationState::Released | ReservationState::Cancelled => Error::HoldReleased(id),
        ReservationState::Lost => Error::SeatLost(id),
    }
}
