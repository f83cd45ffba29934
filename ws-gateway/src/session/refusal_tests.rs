use std::collections::HashMap;

use serde_json::{Value, json};
use tonic::Code::{
    Aborted, AlreadyExists, DeadlineExceeded, FailedPrecondition, Internal, InvalidArgument, NotFound,
    PermissionDenied, ResourceExhausted, Unauthenticated, Unavailable, Unimplemented,
};

use super::*;

/// Every reason that the service has, with its code.
const REASONS: [(Code, &str); 28] = [
    (FailedPrecondition, "SEAT_UNAVAILABLE"),
    (FailedPrecondition, "HOLD_EXPIRED"),
    (FailedPrecondition, "HOLD_RELEASED"),
    (FailedPrecondition, "ALREADY_BOOKED"),
    (FailedPrecondition, "EXTENSION_LIMIT"),
    (FailedPrecondition, "PAYMENT_MISMATCH"),
    (FailedPrecondition, "SALE_NOT_OPEN"),
    (Aborted, "CONFIRM_IN_PROGRESS"),
    (Aborted, "SEAT_LOST"),
    (ResourceExhausted, "CUSTOMER_LIMIT"),
    (ResourceExhausted, "MESSAGE_TOO_LARGE"),
    (InvalidArgument, "INVALID_ARGUMENT"),
    (InvalidArgument, "REQUEST_ID_REUSED"),
    (InvalidArgument, "TOKEN_INVALID"),
    (NotFound, "EVENT_NOT_FOUND"),
    (NotFound, "SEAT_NOT_FOUND"),
    (NotFound, "RESERVATION_NOT_FOUND"),
    (NotFound, "BOOKING_NOT_FOUND"),
    (AlreadyExists, "EVENT_EXISTS"),
    (Unauthenticated, "UNAUTHENTICATED"),
    (PermissionDenied, "ROLE_REQUIRED"),
    (PermissionDenied, "NOT_OWNER"),
    (Unavailable, "GATE_REBUILDING"),
    (Unavailable, "BACKEND_UNAVAILABLE"),
    (Unavailable, "OVERLOADED"),
    (Unavailable, "STREAM_ENDED"),
    (DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Unimplemented, "UNIMPLEMENTED"),
];

fn told(status: &Status) -> Value {
    serde_json::to_value(Refusal::from(status.clone())).unwrap()
}

fn details(reason: &str, metadata: &[(&str, &str)]) -> ErrorDetails {
    let metadata: HashMap<_, _> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ErrorDetails::with_error_info(reason, DOMAIN, metadata)
}

#[test]
fn each_reason_passes_with_its_code() {
    for (code, reason) in REASONS.into_iter().chain([(Internal, "INTERNAL")]) {
        let mut details = details(reason, &[("key", "value")]);
        details.set_retry_info(Some(Duration::from_millis(1_500)));
        let status = Status::with_error_details(code, "a sentence", details);
        let expected = json!({
            "code": code_name(code),
            "reason": reason,
            "message": "a sentence",
            "retry_after_ms": 1_500,
            "metadata": {"key": "value"},
        });
        assert_eq!(told(&status), expected);
    }
}

#[test]
fn the_table_above_is_the_one_of_the_readme() {
    let readme = include_str!("../../../README.md");
    let table = readme.split("| code | reason |").nth(1).unwrap();
    let mut code = String::new();
    let mut rows = Vec::new();
    for row in table.lines().skip(2).take_while(|row| row.starts_with('|')) {
        let names = |cell: usize| -> Vec<String> {
            row.split('|').nth(cell).unwrap().split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        code = names(1).pop().unwrap_or(code);
        rows.extend(names(2).into_iter().map(|reason| (code.clone(), reason)));
    }
    let reasons = REASONS.into_iter().chain([(Internal, "INTERNAL")]);
    let mut ours: Vec<_> =
        reasons.map(|(code, reason)| (code_name(code).to_owned(), reason.to_owned())).collect();
    rows.sort();
    ours.sort();
    assert_eq!(ours, rows);
}

#[test]
fn taken_seats_are_named_with_their_state() {
    let mut details = details("SEAT_UNAVAILABLE", &[("seat_ids", "1,2,3,4"), ("seats_taken", "4")]);
    let violations = [
        ("SEAT_UNAVAILABLE/HELD", "1", "held until 2027-03-01T19:00:00.250Z"),
        ("SEAT_UNAVAILABLE/SOLD", "2", "sold"),
        ("SEAT_UNAVAILABLE/BLOCKED", "3", "not for sale"),
        ("SEAT_UNAVAILABLE/FREE", "4", "taken a moment ago"),
        ("SEAT_UNAVAILABLE/HELD", "5", "held until the cows come home"),
        ("SEAT_UNAVAILABLE/HELD", "five", "held"),
        ("SOMETHING_NEW", "6", "unknown to us"),
    ];
    for (kind, subject, description) in violations {
        details.add_precondition_failure_violation(kind, subject, description);
    }
    let told = told(&Status::with_error_details(FailedPrecondition, "taken", details));
    let expected = json!([
        {"seat_id": 1, "state": "held", "until_ms": 1_803_927_600_250_i64},
        {"seat_id": 2, "state": "sold"},
        {"seat_id": 3, "state": "blocked"},
        {"seat_id": 4, "state": "free"},
        {"seat_id": 5, "state": "held"},
    ]);
    assert_eq!(told["seats"], expected);
    assert_eq!(told["metadata"], json!({"seat_ids": "1,2,3,4", "seats_taken": "4"}));
    assert!(told.get("retry_after_ms").is_none() && told.get("fields").is_none());
}

#[test]
fn fields_are_named_with_their_rule() {
    let mut details = details("INVALID_ARGUMENT", &[]);
    details.add_bad_request_violation("seat_ids", "names seat 1 twice");
    let told = told(&Status::with_error_details(InvalidArgument, "seat_ids names seat 1 twice", details));
    assert_eq!(told["fields"], json!([{"field": "seat_ids", "rule": "names seat 1 twice"}]));
    assert_eq!(told["metadata"], json!({}));
    assert!(told.get("seats").is_none());
}

#[test]
fn a_wait_is_rounded_up() {
    let mut details = details("OVERLOADED", &[]);
    details.set_retry_info(Some(Duration::from_micros(1_001)));
    assert_eq!(told(&Status::with_error_details(Unavailable, "", details))["retry_after_ms"], 2);
}

#[test]
fn what_the_service_has_not_said_is_not_repeated() {
    let foreign = ErrorDetails::with_error_info("SECRET", "proxy.example", HashMap::new());
    for status in [
        Status::unknown("tcp connect error: 10.0.0.7:50051"),
        Status::permission_denied("no route for 10.0.0.7"),
        Status::deadline_exceeded("10.0.0.7"),
        Status::with_error_details(Unavailable, "10.0.0.7", foreign),
    ] {
        let told = told(&status);
        assert_eq!(told["code"], "UNAVAILABLE");
        assert_eq!(told["reason"], "BACKEND_UNAVAILABLE");
        assert_eq!(told["retry_after_ms"], 500);
        assert!(!told.to_string().contains("10.0.0.7") && !told.to_string().contains("SECRET"));
    }
}
