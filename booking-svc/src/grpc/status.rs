//! What goes wrong, as gRPC says it: a code, a sentence for people, and `google.rpc` details for programs.
//!
//! The reasons are part of the interface: they never change.

use std::{collections::HashMap, fmt::Display, time::Duration};

use http::Response;
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt};

use super::convert::{Invalid, timestamp};
use crate::{
    booking::{Error, Level, TakenSeat},
    domain::{EventError, EventId, SeatState},
    identity, limits,
};

/// The domain of every [`tonic_types::ErrorInfo`].
pub const DOMAIN: &str = "ticketengine";
/// Metadata names at most this many seats, so that a refusal stays small; PreconditionFailure names all.
const METADATA_SEATS_MAX: usize = 10;

/// A status in the making.
pub(super) struct Refusal {
    code: Code,
    reason: &'static str,
    message: String,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
}

impl Refusal {
    pub(super) fn new(code: Code, reason: &'static str, message: impl Display) -> Self {
        let (metadata, details) = (HashMap::new(), ErrorDetails::new());
        Self { code, reason, message: message.to_string(), metadata, details }
    }

    fn with(mut self, key: &str, value: impl Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    pub(super) fn retry(mut self, after: Duration) -> Self {
        self.details.set_retry_info(Some(after));
        self
    }

    fn field(mut self, field: &str, rule: impl Display) -> Self {
        self.details.add_bad_request_violation(field, rule.to_string());
        self
    }

    pub(super) fn status(mut self) -> Status {
        self.details.set_error_info(self.reason, DOMAIN, self.metadata);
        Status::with_error_details(self.code, self.message, self.details)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        refusal(&error).status()
    }
}

impl From<Invalid> for Status {
    fn from(Invalid { field, rule }: Invalid) -> Self {
        invalid(format!("{field} {rule}")).field(field, rule).status()
    }
}

impl From<identity::Error> for Status {
    fn from(error: identity::Error) -> Self {
        let new = |code, reason| Refusal::new(code, reason, &error);
        match &error {
            identity::Error::TokenMissing | identity::Error::TokenInvalid(_) => {
                new(Code::Unauthenticated, "UNAUTHENTICATED")
            }
            identity::Error::RoleRequired { rpc, roles } => {
                let roles: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
                new(Code::PermissionDenied, "ROLE_REQUIRED").with("rpc", rpc).with("roles", roles.join(","))
            }
            identity::Error::NotOwner => new(Code::PermissionDenied, "NOT_OWNER"),
            identity::Error::CustomerIdRequired => invalid(&error).field("customer_id", "is required"),
            identity::Error::CustomerId(id) => {
                invalid(&error).field("customer_id", format!("must be {}", id.rule))
            }
        }
        .status()
    }
}

fn invalid(message: impl Display) -> Refusal {
    Refusal::new(Code::InvalidArgument, "INVALID_ARGUMENT", message)
}

/// The one place that decides what a caller hears. Whoever adds an error is made to think about its code here.
fn refusal(error: &Error) -> Refusal {
    use Code::{
        Aborted, AlreadyExists, FailedPrecondition, Internal, InvalidArgument, NotFound, PermissionDenied,
        Unavailable,
    };
    let new = |code, reason| Refusal::new(code, reason, error);
    match error {
        Error::EventNotFound(id) => new(NotFound, "EVENT_NOT_FOUND").with("event_id", id),
        Error::SeatNotFound { event, seat, seat_count } => new(NotFound, "SEAT_NOT_FOUND")
            .with("event_id", event)
            .with("seat_id", seat)
            .with("seat_count", seat_count),
        Error::ReservationNotFound(id) => new(NotFound, "RESERVATION_NOT_FOUND").with("reservation_id", id),
        Error::BookingNotFound(id) => new(NotFound, "BOOKING_NOT_FOUND").with("booking_id", id),
        Error::Seats(rule) => invalid(rule).field("seat_ids", rule),
        Error::Event(EventError::Field(field, rule)) => invalid(error).field(field, rule),
        Error::Event(EventError::Layout(rule)) => invalid(error).field("layout", rule),
        Error::EventExists(id) => new(AlreadyExists, "EVENT_EXISTS").with("event_id", id),
        Error::SeatUnavailable { level, seats } => seat_unavailable(error, *level, seats),
        Error::HoldExpired(id) => new(FailedPrecondition, "HOLD_EXPIRED").with("reservation_id", id),
        Error::HoldReleased(id) => new(FailedPrecondition, "HOLD_RELEASED").with("reservation_id", id),
        Error::SeatLost(id) => new(Aborted, "SEAT_LOST").with("reservation_id", id),
        Error::ConfirmInProgress(id) => {
            new(Aborted, "CONFIRM_IN_PROGRESS").with("reservation_id", id).retry(limits::RETRY_CONFIRMING)
        }
        Error::AlreadyBooked(id) => new(FailedPrecondition, "ALREADY_BOOKED").with("booking_id", id),
        Error::ExtensionLimit(id) => new(FailedPrecondition, "EXTENSION_LIMIT").with("reservation_id", id),
        Error::PaymentMismatch(id) => new(FailedPrecondition, "PAYMENT_MISMATCH").with("booking_id", id),
        Error::SaleNotOpen { event, opens_in } => sale_not_open(error, event, *opens_in),
        Error::CustomerLimit { event, limit, has, wants } => {
            customer_limit(error, event, [*limit, *has, *wants])
        }
        Error::RequestIdReused(id) => new(InvalidArgument, "REQUEST_ID_REUSED")
            .with("request_id", id)
            .field("request_id", "was used with other seats"),
        Error::TokenInvalid => new(InvalidArgument, "TOKEN_INVALID")
            .field("reservation_token", "is not one that Reserve or Extend returned for this reservation"),
        Error::NotOwner(id) => new(PermissionDenied, "NOT_OWNER").with("reservation_id", id),
        Error::GateRebuilding { event, retry_after } => {
            new(Unavailable, "GATE_REBUILDING").with("event_id", event).retry(*retry_after)
        }
        Error::BackendUnavailable(backend) => {
            new(Unavailable, "BACKEND_UNAVAILABLE").with("backend", backend).retry(limits::RETRY_BACKEND)
        }
        Error::Overloaded(what) => overloaded(error, what),
        Error::StreamEnded => new(Unavailable, "STREAM_ENDED").retry(limits::RETRY_STREAM_ENDED),
        Error::Internal => new(Internal, "INTERNAL"),
    }
}

fn seat_unavailable(error: &Error, level: Level, seats: &[TakenSeat]) -> Refusal {
    let shown: Vec<_> = seats.iter().take(METADATA_SEATS_MAX).map(|taken| taken.seat.to_string()).collect();
    let mut refusal = Refusal::new(Code::FailedPrecondition, "SEAT_UNAVAILABLE", error)
        .with("seat_ids", shown.join(","))
        .with("seats_taken", seats.len())
        .with("level", level.as_str());
    for taken in seats {
        let (kind, state) = match taken.state {
            SeatState::Held => ("SEAT_UNAVAILABLE/HELD", "held"),
            SeatState::Sold => ("SEAT_UNAVAILABLE/SOLD", "sold"),
            SeatState::Blocked => ("SEAT_UNAVAILABLE/BLOCKED", "not for sale"),
            SeatState::Free => ("SEAT_UNAVAILABLE/FREE", "taken a moment ago"),
        };
        let state = match taken.held_until {
            Some(until) => format!("{state} until {}", timestamp(until)),
            None => state.to_owned(),
        };
        refusal.details.add_precondition_failure_violation(kind, taken.seat.to_string(), state);
    }
    // The soonest that all of them could be had: only if each is held, and then when the last hold ends.
    let waits: Option<Vec<Duration>> = seats.iter().map(|taken| taken.free_in).collect();
    let all_held = seats.iter().all(|taken| taken.state == SeatState::Held);
    match waits.and_then(|waits| waits.into_iter().max()) {
        Some(last) if all_held => refusal.retry(last),
        _ => refusal,
    }
}

fn sale_not_open(error: &Error, event: &EventId, opens_in: Option<Duration>) -> Refusal {
    let new =
        |message| Refusal::new(Code::FailedPrecondition, "SALE_NOT_OPEN", message).with("event_id", event);
    match opens_in {
        Some(wait) => new(format!("{error}; it opens in {} s", wait.as_secs() + 1)).retry(wait),
        None => new(format!("{error}; see the event's sales_state and sale_closes_at")),
    }
}

fn customer_limit(error: &Error, event: &EventId, [limit, has, wants]: [u32; 3]) -> Refusal {
    let mut refusal = Refusal::new(Code::ResourceExhausted, "CUSTOMER_LIMIT", error)
        .with("event_id", event)
        .with("limit", limit)
        .with("has", has)
        .with("wants", wants);
    let rule = format!("{limit} seats per customer; {has} held and owned, {wants} asked for");
    refusal.details.add_quota_failure_violation(format!("event:{event}"), rule);
    refusal
}

pub(super) fn overloaded(message: impl Display, what: &str) -> Refusal {
    Refusal::new(Code::Unavailable, "OVERLOADED", message).with("limit", what).retry(limits::RETRY_OVERLOADED)
}

/// The time for a call is over; what it began may still take effect.
pub(super) fn deadline_exceeded(after: Duration) -> Status {
    let message = format!("no answer within {} ms; repeat the call with the same ids", after.as_millis());
    Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message).status()
}

/// A path that no service has.
pub(super) fn unimplemented() -> Status {
    Refusal::new(
        Code::Unimplemented,
        "UNIMPLEMENTED",
        "there is no such method; server reflection lists them",
    )
    .status()
}

/// Gives an answer that tonic made by itself the details that all of ours have.
pub(super) fn named(bare: &Status) -> Status {
    match bare.code() {
        // What other gRPC servers say to a message over the limit.
        Code::OutOfRange => Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", bare.message()),
        // tonic blames itself for bytes that are no message.
        Code::Internal => invalid(format!("the request can not be read: {}", bare.message())),
        Code::Unimplemented => Refusal::new(Code::Unimplemented, "UNIMPLEMENTED", bare.message()),
        Code::NotFound => Refusal::new(Code::NotFound, "SERVICE_NOT_FOUND", bare.message()),
        Code::Cancelled | Code::Aborted => Refusal::new(Code::Cancelled, "CANCELLED", bare.message()),
        code @ (Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated) => Refusal::new(code, "INTERNAL", bare.message()),
    }
    .status()
}

/// The same answer, with what the call is found by in logs and traces.
pub(super) fn traced(status: &Status, trace_id: &str) -> Response<Body> {
    let mut details = status.get_error_details();
    details.set_request_info(trace_id, "");
    let mut answer = Status::with_error_details(status.code(), status.message(), details).into_http();
    never_indexed(&mut answer);
    answer
}

/// Details are hardly ever the same twice: HPACK's table would be filled and emptied with each, on both sides.
pub(super) fn never_indexed(answer: &mut Response<Body>) -> bool {
    let details = answer.headers_mut().get_mut("grpc-status-details-bin");
    details.map(|details| details.set_sensitive(true)).is_some()
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
