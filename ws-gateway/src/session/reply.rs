//! The frames that only one socket gets, as JSON: replies to its commands, and news of its reservations.

use std::time::{SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use serde::{Serialize, Serializer};
use ticketengine::v1;

use super::refusal::Refusal;

/// A frame that waits for the socket.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Frame {
    /// The one answer to a command.
    Reply {
        /// The command's id; none where it could not be read.
        id: Option<String>,
        #[serde(flatten)]
        answer: Answer,
    },
    /// A reservation of the socket is not what the socket was told last.
    Reservation { reservation: Reservation },
}

/// What a reply says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Customer { customer_id: String },
    Hold { reservation: Reservation, reservation_token: String },
    Reservation { reservation: Reservation },
    Booking { booking: Booking },
    Error { error: Refusal },
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Error { error: refusal }
    }
}

impl Frame {
    /// The frame as text. Call it when the frame leaves: it says how long a hold lasts from now.
    pub(super) fn text(&self) -> String {
        // Fails for maps whose keys are no strings, and there are none.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Held,
    Confirming,
    Booked,
    Released,
    Expired,
    Cancelled,
    Lost,
}

impl State {
    /// Whether it may still change without a new command of somebody.
    pub(super) fn is_live(self) -> bool {
        match self {
            Self::Held | Self::Confirming => true,
            Self::Booked | Self::Released | Self::Expired | Self::Cancelled | Self::Lost => false,
        }
    }
}

/// A reservation as the service told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reservation {
    pub(super) id: String,
    pub(super) event_id: String,
    pub(super) customer_id: String,
    pub(super) seat_ids: Vec<u32>,
    pub(super) state: State,
    pub(super) expires_at_ms: i64,
    pub(super) extend_limit_at_ms: i64,
    pub(super) total_minor: i64,
    pub(super) currency: String,
}

impl Reservation {
    /// From the wire; none if a part is missing or unknown.
    pub(super) fn read(wire: v1::Reservation) -> Option<Self> {
        let state = match wire.state() {
            v1::ReservationState::Held => State::Held,
            v1::ReservationState::Confirming => State::Confirming,
            v1::ReservationState::Booked => State::Booked,
            v1::ReservationState::Released => State::Released,
            v1::ReservationState::Expired => State::Expired,
            v1::ReservationState::Cancelled => State::Cancelled,
            v1::ReservationState::Lost => State::Lost,
            v1::ReservationState::Unspecified => return None,
        };
        Some(Self {
            id: wire.reservation_id,
            event_id: wire.event_id,
            customer_id: wire.customer_id,
            seat_ids: wire.seat_ids,
            state,
            expires_at_ms: unix_ms(wire.expire_time.as_ref()?),
            extend_limit_at_ms: unix_ms(wire.extend_limit_time.as_ref()?),
            total_minor: wire.total_minor,
            currency: wire.currency,
        })
    }

    /// Until the hold ends, by our clock; 0 where it has.
    pub(super) fn expires_in_ms(&self) -> u64 {
        u64::try_from(self.expires_at_ms.saturating_sub(now_ms())).unwrap_or(0)
    }
}

impl Serialize for Reservation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            reservation_id: &'a str,
            event_id: &'a str,
            customer_id: &'a str,
            seat_ids: &'a [u32],
            state: State,
            expires_at_ms: i64,
            expires_in_ms: u64,
            extend_limit_at_ms: i64,
            total_minor: i64,
            currency: &'a str,
        }

        let wire = Wire {
            reservation_id: &self.id,
            event_id: &self.event_id,
            customer_id: &self.customer_id,
            seat_ids: &self.seat_ids,
            state: self.state,
            expires_at_ms: self.expires_at_ms,
            expires_in_ms: self.expires_in_ms(),
            extend_limit_at_ms: self.extend_limit_at_ms,
            total_minor: self.total_minor,
            currency: &self.currency,
        };
        wire.serialize(serializer)
    }
}

/// Seats that are sold.
#[derive(Debug, Serialize)]
pub(super) struct Booking {
    booking_id: String,
    event_id: String,
    customer_id: String,
    seat_ids: Vec<u32>,
    state: &'static str,
    payment_reference: String,
    total_minor: i64,
    currency: String,
    created_at_ms: i64,
}

impl Booking {
    /// The id of the reservation that was confirmed.
    pub(super) fn id(&self) -> &str {
        &self.booking_id
    }

    /// From the wire; none if a part is missing or unknown.
    pub(super) fn read(wire: v1::Booking) -> Option<Self> {
        let state = match wire.state() {
            v1::BookingState::Confirmed => "confirmed",
            v1::BookingState::Cancelled => "cancelled",
            v1::BookingState::Unspecified => return None,
        };
        Some(Self {
            booking_id: wire.booking_id,
            event_id: wire.event_id,
            customer_id: wire.customer_id,
            seat_ids: wire.seat_ids,
            state,
            payment_reference: wire.payment_reference,
            total_minor: wire.total_minor,
            currency: wire.currency,
            created_at_ms: unix_ms(wire.create_time.as_ref()?),
        })
    }
}

pub(super) fn unix_ms(time: &Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanos) / 1_000_000)
}

/// The wall clock. Clients count down from differences only, so that their own clock does not matter.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
