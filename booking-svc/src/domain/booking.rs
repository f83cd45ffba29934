use super::{
    CustomerId, Epoch, PaymentReference, RequestId, Reservation, ReservationId, ReservationState, SeatSet,
    UnixMs,
};

/// What the vault is asked to decide of a reservation. The first decision of a reservation is its outcome for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which reservation.
    pub reservation: ReservationId,
    /// The gate's epoch that the asker works in; the vault writes nothing when its own differs.
    pub epoch: Epoch,
    /// Whose it is.
    pub customer: CustomerId,
    /// The Reserve that made it.
    pub request: RequestId,
    /// All its seats.
    pub seats: SeatSet,
    /// The outcome that the asker wants.
    pub verdict: Verdict,
}

/// The outcome that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sell the seats.
    Book(PaymentReference),
    /// Never sell them under this reservation.
    Void(VoidReason),
}

/// Why a reservation came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoidReason {
    /// Its holder gave it back.
    Released,
    /// Its Confirm was not decided within the confirm window.
    Expired,
    /// A seat was sold to another, or taken off sale.
    SeatLost,
}

/// The outcome that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sold; the booking may have been cancelled later.
    Booked(Booking),
    /// Never sold under this reservation.
    Void(VoidReason),
}

impl Outcome {
    /// The state that the outcome gives its reservation.
    pub fn state(&self) -> ReservationState {
        match self {
            Self::Booked(booking) => booking.state(),
            Self::Void(VoidReason::Released) => ReservationState::Released,
            Self::Void(VoidReason::Expired) => ReservationState::Expired,
            Self::Void(VoidReason::SeatLost) => ReservationState::Lost,
        }
    }
}

/// Seats that are sold, or were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The reservation that was confirmed; also the id of the booking.
    pub id: ReservationId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The Reserve that made the reservation.
    pub request: RequestId,
    /// All its seats.
    pub seats: SeatSet,
    /// The payment that the first Confirm named.
    pub payment: PaymentReference,
    /// By the vault's clock.
    pub booked_at: UnixMs,
    /// By the vault's clock; the seats are back on sale.
    pub cancelled_at: Option<UnixMs>,
}

impl Booking {
    /// Booked, or cancelled since.
    pub fn state(&self) -> ReservationState {
        match self.cancelled_at {
            Some(_) => ReservationState::Cancelled,
            None => ReservationState::Booked,
        }
    }

    /// The reservation that became this booking. Its hold is over: both times are the booking's.
    pub fn reservation(&self) -> Reservation {
        Reservation {
            id: self.id.clone(),
            customer: self.customer.clone(),
            request: self.request.clone(),
            seats: self.seats.clone(),
            state: self.state(),
            deadline: self.booked_at,
            extend_limit: self.booked_at,
        }
    }
}
