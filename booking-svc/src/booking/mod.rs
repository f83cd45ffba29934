//! The use cases: gate, then vault, then gate. Also what heals them: sweeper, rebuild, reconcile.

mod error;

pub use error::{Backend, Error, TakenSeat};

use std::{sync::Arc, time::Duration};

use crate::domain::{
    Booking, CustomerId, Epoch, Event, EventId, Layout, NewEvent, PaymentReference, RequestId, Reservation,
    ReservationId, SalesSettings, SeatId, SeatSet, Version,
};

/// Whose things a caller may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Only this customer's.
    Customer(CustomerId),
    /// Everybody's: staff.
    Anyone,
}

/// A caller's claim on a reservation.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which reservation.
    pub id: ReservationId,
    /// Who asks.
    pub owner: Owner,
    /// The token that Reserve or Extend returned.
    pub token: Option<String>,
}

/// Something that costs money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced<T> {
    /// What it is.
    pub item: T,
    /// Sum of the seats' prices, in minor units.
    pub total_minor: i64,
    /// ISO 4217.
    pub currency: Arc<str>,
}

/// A hold, and the proof of it.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The hold.
    pub reservation: Priced<Reservation>,
    /// The signed reservation token.
    pub token: String,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Whether more follow after the last item.
    pub more: bool,
}

/// The status of all seats at one version.
#[derive(Clone, Debug)]
pub struct SeatStates {
    /// The gate's epoch.
    pub epoch: Epoch,
    /// The version within it.
    pub version: Version,
    /// Two bits a seat.
    pub packed: Vec<u8>,
}

/// Settings of the use cases.
#[derive(Clone, Debug)]
pub struct Options {
    /// Signs reservation tokens (first) and verifies them (all); each at least 32 bytes.
    pub token_secrets: Vec<Vec<u8>>,
    /// How long a begun Confirm may stay undecided before the sweeper decides void.
    pub confirm_window: Duration,
    /// How long a caller waits for the vault's decision before it is told to repeat the call.
    pub decision_wait: Duration,
    /// How long ended reservations are remembered, for late repeats.
    pub tombstone_ttl: Duration,
    /// Whether free seats wait out the holds that may have been lost with the gate's memory (G4).
    pub quarantine: bool,
    /// Between two passes of the sweeper over an event.
    pub sweep_every: Duration,
    /// Between two comparisons of gate and vault.
    pub reconcile_every: Duration,
}

/// The use cases of one replica. Cheap to clone.
#[derive(Clone)]
pub struct Engine {}

#[allow(unused_variables, missing_docs, clippy::todo, clippy::needless_pass_by_value)]
impl Engine {
    pub async fn reserve(
        &self,
        event: EventId,
        seats: SeatSet,
        request: RequestId,
        customer: CustomerId,
    ) -> Result<Hold, Error> {
        todo!()
    }
    pub async fn extend(&self, claim: Claim) -> Result<Hold, Error> {
        todo!()
    }
    pub async fn release(&self, claim: Claim) -> Result<Priced<Reservation>, Error> {
        todo!()
    }
    pub async fn confirm(&self, claim: Claim, payment: PaymentReference) -> Result<Priced<Booking>, Error> {
        todo!()
    }
    pub async fn reservation(&self, claim: Claim) -> Result<Priced<Reservation>, Error> {
        todo!()
    }
    pub async fn cancel(&self, id: ReservationId, owner: Owner) -> Result<Priced<Booking>, Error> {
        todo!()
    }
    pub async fn booking(&self, id: ReservationId, owner: Owner) -> Result<Priced<Booking>, Error> {
        todo!()
    }
    /// Oldest first, after `after`.
    pub async fn bookings(
        &self,
        event: EventId,
        owner: Owner,
        after: Option<ReservationId>,
        limit: u32,
    ) -> Result<Page<Priced<Booking>>, Error> {
        todo!()
    }
    pub async fn seat_states(&self, event: &EventId) -> Result<SeatStates, Error> {
        todo!()
    }
    pub async fn layout(&self, event: &EventId) -> Result<Arc<Layout>, Error> {
        todo!()
    }
    pub async fn create_event(&self, new: NewEvent) -> Result<Event, Error> {
        todo!()
    }
    pub async fn event(&self, id: &EventId) -> Result<Event, Error> {
        todo!()
    }
    /// By id, after `after`.
    pub async fn events(&self, after: Option<EventId>, limit: u32) -> Result<Page<Event>, Error> {
        todo!()
    }
    pub async fn update_event(
        &self,
        id: &EventId,
        name: Option<String>,
        settings: Option<SalesSettings>,
    ) -> Result<Event, Error> {
        todo!()
    }
    pub async fn set_sales_open(&self, id: &EventId, open: bool) -> Result<Event, Error> {
        todo!()
    }
    /// How many seats changed. `seats` are ascending, each once.
    pub async fn block(&self, id: &EventId, seats: Vec<SeatId>) -> Result<u32, Error> {
        todo!()
    }
    /// How many seats changed. `seats` are ascending, each once.
    pub async fn unblock(&self, id: &EventId, seats: Vec<SeatId>) -> Result<u32, Error> {
        todo!()
    }
    /// Both stores answer, and no event waits for a rebuild.
    pub async fn ready(&self) -> Result<(), Error> {
        todo!()
    }
}
