use super::{CustomerId, RequestId, ReservationId, SeatSet, UnixMs};

/// A reservation as the gate or a token knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The call that made it.
    pub request: RequestId,
    /// All its seats.
    pub seats: SeatSet,
    /// Where it stands.
    pub state: ReservationState,
    /// When the hold ends, by the gate's clock.
    pub deadline: UnixMs,
    /// Extend can not move the deadline past this.
    pub extend_limit: UnixMs,
}

/// Who has a seat: a repeat of this request is answered with what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The call that took the seat.
    pub request: RequestId,
    /// Whose it is.
    pub customer: CustomerId,
}

/// The life of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationState {
    /// Holds its seats until the deadline.
    Held,
    /// A Confirm was begun: holds its seats until the vault has decided, whatever the time.
    Confirming,
    /// Its seats are sold.
    Booked,
    /// Given back.
    Released,
    /// The hold ended by time, or its Confirm was not decided within the confirm window.
    Expired,
    /// Booked, and the booking was cancelled later.
    Cancelled,
    /// A seat was sold to another.
    Lost,
}

impl ReservationState {
    /// Whether the reservation keeps its seats from others.
    pub fn owns_seats(self) -> bool {
        match self {
            Self::Held | Self::Confirming | Self::Booked => true,
            Self::Released | Self::Expired | Self::Cancelled | Self::Lost => false,
        }
    }
}
