use std::time::Duration;

use crate::{
    domain::{EventError, EventId, RequestId, ReservationId, SeatId, SeatSetError, SeatState, UnixMs},
    vault,
};

/// Why a use case did not do what it was asked. `grpc::status` maps each to a code and a reason.
///
/// What is not retryable is definite: it never turns into a success later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No event has this id.
    #[error("there is no event {0}")]
    EventNotFound(EventId),
    /// The event has fewer seats.
    #[error("event {event} has no seat {seat}: its seats are 0 to {}", seat_count - 1)]
    SeatNotFound {
        /// Which event.
        event: EventId,
        /// The seat that it lacks.
        seat: SeatId,
        /// How many it has; at least 1.
        seat_count: u32,
    },
    /// No reservation has this id, it is somebody else's, or it ended long ago.
    #[error("there is no reservation {0}")]
    ReservationNotFound(ReservationId),
    /// No booking has this id, or it is somebody else's.
    #[error("there is no booking {0}")]
    BookingNotFound(ReservationId),
    /// The seats are not the seats of a reservation.
    #[error(transparent)]
    Seats(#[from] SeatSetError),
    /// The event breaks a rule.
    #[error(transparent)]
    Event(#[from] EventError),
    /// An event with this id and other content exists.
    #[error("event {0} exists already, with other content; choose another event_id")]
    EventExists(EventId),
    /// A seat is held, sold or blocked.
    #[error("{} of the seats can not be had; choose others", seats.len())]
    SeatUnavailable {
        /// Who said so.
        level: Level,
        /// The seats that can not be had.
        seats: Vec<TakenSeat>,
    },
    /// The hold ended by time.
    #[error("the hold {0} has ended; reserve again")]
    HoldExpired(ReservationId),
    /// The hold was given back.
    #[error("the hold {0} was released; reserve again")]
    HoldReleased(ReservationId),
    /// A seat of the reservation was sold to another.
    #[error("a seat of {0} was sold to another; void the payment and reserve other seats")]
    SeatLost(ReservationId),
    /// A Confirm of the reservation is under way: Release and Extend come too late.
    #[error("reservation {0} is being confirmed; ask for its state shortly")]
    ConfirmInProgress(ReservationId),
    /// The reservation is booked: Release and Extend come too late.
    #[error("reservation {0} is booked; cancel the booking instead")]
    AlreadyBooked(ReservationId),
    /// The hold is as long as it can get.
    #[error("the hold {0} can not be extended any further; confirm or release it")]
    ExtensionLimit(ReservationId),
    /// Another payment has confirmed the reservation.
    #[error("reservation {0} is booked with another payment_reference; void this payment")]
    PaymentMismatch(ReservationId),
    /// Sales are closed, or the sale window has not begun or is over.
    #[error("the sale of event {event} is not open")]
    SaleNotOpen {
        /// Which event.
        event: EventId,
        /// How long until the sale window begins, where that is why.
        opens_in: Option<Duration>,
    },
    /// The customer would hold and own too many seats.
    #[error(
        "a customer may have {limit} seats of event {event}; this one has {has} and asks for {wants} more"
    )]
    CustomerLimit {
        /// Which event.
        event: EventId,
        /// How many a customer may have.
        limit: u32,
        /// How many this one holds and owns.
        has: u32,
        /// How many the call asks for.
        wants: u32,
    },
    /// The same request_id came with other seats before.
    #[error("request_id {0} was used with other seats; make a new one for each new request")]
    RequestIdReused(RequestId),
    /// The reservation token is not one of ours, or belongs to another reservation.
    #[error("the reservation_token is not one that Reserve or Extend returned for this reservation")]
    TokenInvalid,
    /// The reservation token is another customer's.
    #[error("reservation {0} belongs to another customer")]
    NotOwner(ReservationId),
    /// The gate lost its memory, or may have; it is being rebuilt, or waits for surviving holds to end.
    #[error("event {event} is recovering its seat map; try again shortly")]
    GateRebuilding {
        /// Which event.
        event: EventId,
        /// When to try again.
        retry_after: Duration,
    },
    /// Redis or PostgreSQL did not answer in time. Whether the call had an effect is open: repeat it.
    #[error("{0} does not answer; repeat the call with the same ids")]
    BackendUnavailable(Backend),
    /// More work is under way than a limit allows; nothing was done.
    #[error("too much work is under way ({0}); try again shortly")]
    Overloaded(&'static str),
    /// The replica stops, or wants its watchers to spread.
    #[error("the stream has ended here; go on at another replica with what you have")]
    StreamEnded,
    /// A bug: the stores said what they never should. The log has the details.
    #[error("internal error; its details are in the service's log")]
    Internal,
}

/// A level of the funnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Level 0: the replica's own board, from what the gate has said before.
    Board,
    /// Level 1: Redis.
    Gate,
    /// Level 2: PostgreSQL.
    Vault,
}

impl Level {
    /// As metrics and error details name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Gate => "gate",
            Self::Vault => "vault",
        }
    }
}

/// A seat that can not be had, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenSeat {
    /// Which seat.
    pub seat: SeatId,
    /// Its state; never free.
    pub state: SeatState,
    /// For a held seat, when the hold ends unless it is extended or confirmed.
    pub held_until: Option<UnixMs>,
    /// For a held seat, how long until then by the gate's clock.
    pub free_in: Option<Duration>,
}

/// A store that the service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Level 1: Redis.
    Gate,
    /// Level 2: PostgreSQL.
    Vault,
}

impl Backend {
    /// Its part in the funnel, as metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Vault => "vault",
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gate => "the gate (Redis)",
            Self::Vault => "the vault (PostgreSQL)",
        })
    }
}

impl Error {
    /// How a vault's error reads to a caller. A stale epoch is dealt with before: see `vault_error`.
    pub(super) fn from_vault(error: &vault::Error) -> Self {
        match error {
            vault::Error::EventNotFound(event) => Self::EventNotFound(event.clone()),
            vault::Error::EventExists(event) => Self::EventExists(event.clone()),
            vault::Error::Overloaded => Self::Overloaded("decisions"),
            vault::Error::Mismatch(id) => {
                tracing::error!(%error, "a reservation id was used twice; it can never be booked");
                Self::SeatLost(id.clone())
            }
            vault::Error::Unavailable(why) => {
                tracing::debug!(why, "the vault does not answer");
                Self::BackendUnavailable(Backend::Vault)
            }
            vault::Error::EpochStale { .. } => Self::BackendUnavailable(Backend::Vault),
            vault::Error::UnsafeDurability(_)
            | vault::Error::NotMigrated(_)
            | vault::Error::Pooler(_)
            | vault::Error::Url(_)
            | vault::Error::ReadUrl(_) => {
                tracing::error!(%error, "the vault can not be used");
                Self::BackendUnavailable(Backend::Vault)
            }
            vault::Error::SeatNotFound { .. } | vault::Error::Corrupt(_) | vault::Error::Query(_) => {
                tracing::error!(%error, "the vault said what it never should");
                Self::Internal
            }
        }
    }
}
