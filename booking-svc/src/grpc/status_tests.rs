use tonic_types::RetryInfo;

use super::*;
use crate::{
    booking::Backend,
    domain::{LayoutError, ReservationId, SeatId, SeatSetError, UnixMs},
    identity::{Role, Rpc},
};

fn event() -> EventId {
    "rock".parse().unwrap()
}

fn reservation() -> ReservationId {
    "rock.1.2".parse().unwrap()
}

fn unavailable(seats: Vec<TakenSeat>) -> Error {
    Error::SeatUnavailable { level: Level::Gate, seats }
}

fn held(seat: u32, ms: u64) -> TakenSeat {
    let wait = Duration::from_millis(ms);
    TakenSeat {
        seat: SeatId(seat),
        state: SeatState::Held,
        held_until: Some(UnixMs(1_800_000_000_000) + wait),
        free_in: Some(wait),
    }
}

fn sold(seat: u32) -> TakenSeat {
    TakenSeat { seat: SeatId(seat), state: SeatState::Sold, held_until: None, free_in: None }
}

fn retry(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|RetryInfo { retry_delay }| retry_delay)
}

#[test]
fn each_error_has_its_code_reason_and_retry() {
    let soon = Duration::from_secs(7);
    let limit = Error::CustomerLimit { event: event(), limit: 8, has: 6, wants: 3 };
    let seat = Error::SeatNotFound { event: event(), seat: SeatId(9), seat_count: 9 };
    let opens = |opens_in| Error::SaleNotOpen { event: event(), opens_in };
    let table = [
        (Error::EventNotFound(event()), Code::NotFound, "EVENT_NOT_FOUND", None),
        (seat, Code::NotFound, "SEAT_NOT_FOUND", None),
        (Error::ReservationNotFound(reservation()), Code::NotFound, "RESERVATION_NOT_FOUND", None),
        (Error::BookingNotFound(reservation()), Code::NotFound, "BOOKING_NOT_FOUND", None),
        (Error::Seats(SeatSetError::Empty), Code::InvalidArgument, "INVALID_ARGUMENT", None),
        (Error::Event(EventError::Field("name", "is bad")), Code::InvalidArgument, "INVALID_ARGUMENT", None),
        (Error::Event(LayoutError::Empty.into()), Code::InvalidArgument, "INVALID_ARGUMENT", None),
        (Error::EventExists(event()), Code::AlreadyExists, "EVENT_EXISTS", None),
        (unavailable(vec![sold(1)]), Code::FailedPrecondition, "SEAT_UNAVAILABLE", None),
        (Error::HoldExpired(reservation()), Code::FailedPrecondition, "HOLD_EXPIRED", None),
        (Error::HoldReleased(reservation()), Code::FailedPrecondition, "HOLD_RELEASED", None),
        (Error::SeatLost(reservation()), Code::Aborted, "SEAT_LOST", None),
        (
            Error::ConfirmInProgress(reservation()),
            Code::Aborted,
            "CONFIRM_IN_PROGRESS",
            Some(limits::RETRY_CONFIRMING),
        ),
        (Error::AlreadyBooked(reservation()), Code::FailedPrecondition, "ALREADY_BOOKED", None),
        (Error::ExtensionLimit(reservation()), Code::FailedPrecondition, "EXTENSION_LIMIT", None),
        (Error::PaymentMismatch(reservation()), Code::FailedPrecondition, "PAYMENT_MISMATCH", None),
        (opens(None), Code::FailedPrecondition, "SALE_NOT_OPEN", None),
        (opens(Some(soon)), Code::FailedPrecondition, "SALE_NOT_OPEN", Some(soon)),
        (limit, Code::ResourceExhausted, "CUSTOMER_LIMIT", None),
        (Error::RequestIdReused("r-1".parse().unwrap()), Code::InvalidArgument, "REQUEST_ID_REUSED", None),
        (Error::TokenInvalid, Code::InvalidArgument, "TOKEN_INVALID", None),
        (Error::NotOwner(reservation()), Code::PermissionDenied, "NOT_OWNER", None),
        (
            Error::GateRebuilding { event: event(), retry_after: soon },
            Code::Unavailable,
            "GATE_REBUILDING",
            Some(soon),
        ),
        (
            Error::BackendUnavailable(Backend::Gate),
            Code::Unavailable,
            "BACKEND_UNAVAILABLE",
            Some(limits::RETRY_BACKEND),
        ),
        (Error::Overloaded("x"), Code::Unavailable, "OVERLOADED", Some(limits::RETRY_OVERLOADED)),
        (Error::StreamEnded, Code::Unavailable, "STREAM_ENDED", Some(limits::RETRY_STREAM_ENDED)),
        (Error::Internal, Code::Internal, "INTERNAL", None),
    ];
    for (error, code, reason, expected) in table {
        let status = Status::from(error.clone());
        let info = status.get_details_error_info().unwrap();
        assert_eq!((status.code(), &*info.reason, &*info.domain), (code, reason, DOMAIN), "{error:?}");
        assert_eq!(retry(&status), expected, "{error:?}");
        assert!(!status.message().is_empty());
        // By convention, whatever is UNAVAILABLE says when to come back.
        assert!(code != Code::Unavailable || retry(&status).is_some(), "{error:?}");
    }
}

#[test]
fn each_refused_caller_has_a_code_and_a_reason() {
    let role = identity::Error::RoleRequired { rpc: Rpc::CreateEvent, roles: &[Role::Admin] };
    let bad_id = identity::Error::CustomerId("\n".parse::<crate::domain::CustomerId>().unwrap_err());
    let table = [
        (identity::Error::TokenMissing, Code::Unauthenticated, "UNAUTHENTICATED"),
        (identity::Error::TokenInvalid("it has expired"), Code::Unauthenticated, "UNAUTHENTICATED"),
        (role, Code::PermissionDenied, "ROLE_REQUIRED"),
        (identity::Error::NotOwner, Code::PermissionDenied, "NOT_OWNER"),
        (identity::Error::CustomerIdRequired, Code::InvalidArgument, "INVALID_ARGUMENT"),
        (bad_id, Code::InvalidArgument, "INVALID_ARGUMENT"),
    ];
    for (error, code, reason) in table {
        let status = Status::from(error.clone());
        let info = status.get_details_error_info().unwrap();
        assert_eq!((status.code(), &*info.reason, &*info.domain), (code, reason, DOMAIN), "{error:?}");
    }
}

#[test]
fn a_loser_learns_each_seat_and_when_all_could_be_free() {
    let status = Status::from(unavailable(vec![held(3, 500), held(4, 9_000)]));
    assert_eq!(retry(&status), Some(Duration::from_secs(9)));
    let seats = status.get_details_precondition_failure().unwrap().violations;
    assert_eq!(seats[0].r#type, "SEAT_UNAVAILABLE/HELD");
    assert_eq!(seats[0].subject, "3");
    assert_eq!(seats[0].description, "held until 2027-01-15T08:00:00.500Z");

    let status = Status::from(unavailable(vec![held(3, 500), sold(5)]));
    assert_eq!(retry(&status), None, "a sold seat does not come back");
    let seats = status.get_details_precondition_failure().unwrap().violations;
    assert_eq!((&*seats[1].r#type, &*seats[1].description), ("SEAT_UNAVAILABLE/SOLD", "sold"));

    // A seat that is being confirmed has no end.
    let confirming = TakenSeat { held_until: None, free_in: None, ..held(6, 0) };
    assert_eq!(retry(&Status::from(unavailable(vec![confirming]))), None);
}

#[test]
fn the_largest_refusal_fits_into_the_headers_of_any_client() {
    let status = Status::from(unavailable((99_950..100_000).map(|seat| held(seat, 1)).collect()));
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["seat_ids"].split(',').count(), METADATA_SEATS_MAX);
    assert_eq!(metadata["seats_taken"], "50");
    assert_eq!(status.get_details_precondition_failure().unwrap().violations.len(), 50);
    // Java's default is 8 KiB; base64 takes four thirds.
    assert!(status.details().len() * 4 / 3 < 7 << 10, "{}", status.details().len());
}

#[test]
fn details_name_fields_and_quotas() {
    let status = Status::from(Error::Seats(SeatSetError::Twice(SeatId(4))));
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "seat_ids");
    let status = Status::from(Error::CustomerLimit { event: event(), limit: 8, has: 6, wants: 3 });
    assert_eq!(status.get_details_quota_failure().unwrap().violations[0].subject, "event:rock");
    assert_eq!(status.get_details_error_info().unwrap().metadata["limit"], "8");
    let status = Status::from(Invalid { field: "page_size", rule: "must not be negative".into() });
    assert_eq!(status.message(), "page_size must not be negative");
}

#[test]
fn what_tonic_says_by_itself_gets_a_name() {
    let reason = |bare| {
        let status = named(&bare);
        (status.code(), status.get_details_error_info().unwrap().reason)
    };
    let big = reason(Status::out_of_range("decoded message length too large"));
    assert_eq!(big, (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".into()));
    let garbage = reason(Status::internal("failed to decode Protobuf message"));
    assert_eq!(garbage, (Code::InvalidArgument, "INVALID_ARGUMENT".into()));
    let unknown = reason(Status::unimplemented(""));
    assert_eq!(unknown, (Code::Unimplemented, "UNIMPLEMENTED".into()));
}
