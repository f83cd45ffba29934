//! What went wrong, as a client of the socket hears it: the service's status with its details, in JSON.

use std::{collections::BTreeMap, time::Duration};

use opentelemetry::trace::TraceId;
use serde::Serialize;
use ticketengine::code_name;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, PreconditionViolation, StatusExt};

use super::{command::Refused, fields::Violation, reply::unix_ms};
use crate::upstream::DOMAIN;

/// When to come back after the service could not be reached.
const RETRY_UNREACHABLE: Duration = Duration::from_millis(500);
/// When to come back with a command that was one too many.
const RETRY_OVERLOADED: Duration = Duration::from_millis(200);

/// An error of a reply. Codes and reasons are those of gRPC and never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Refusal(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Parts {
    code: &'static str,
    reason: String,
    /// A sentence for people.
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// By what it is found in logs and traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seats: Vec<TakenSeat>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Violation>,
}

/// A seat that can not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct TakenSeat {
    seat_id: u32,
    /// `free` if it was taken only for a moment.
    state: &'static str,
    /// When the hold on it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<i64>,
}

impl Refusal {
    fn new(code: Code, reason: &str, message: &str) -> Self {
        Self(Box::new(Parts {
            code: code_name(code),
            reason: reason.to_owned(),
            message: message.to_owned(),
            retry_after_ms: None,
            trace_id: None,
            metadata: BTreeMap::new(),
            seats: Vec::new(),
            fields: Vec::new(),
        }))
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.0.metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    fn retry(mut self, after: Duration) -> Self {
        // Up, so that who comes back at once does not come early.
        self.0.retry_after_ms = Some(u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        self
    }

    pub(super) fn reason(&self) -> &str {
        &self.0.reason
    }

    pub(super) fn trace_id(&self) -> Option<&str> {
        self.0.trace_id.as_deref()
    }

    /// Whether it is nothing that the client has done.
    pub(super) fn is_outage(&self) -> bool {
        let outages =
            [Code::Unavailable, Code::DeadlineExceeded, Code::Internal, Code::Unknown, Code::DataLoss];
        outages.into_iter().any(|code| code_name(code) == self.0.code)
    }

    /// Names what it is found by, unless the service has done so.
    pub(super) fn found_by(mut self, id: impl FnOnce() -> TraceId) -> Self {
        self.0.trace_id.get_or_insert_with(|| id().to_string());
        self
    }

    /// A command without a usable access token.
    pub(super) fn unauthenticated(message: &str) -> Self {
        Self::new(Code::Unauthenticated, "UNAUTHENTICATED", message)
    }

    /// More commands at once than a socket may have.
    pub(super) fn overloaded(limit: usize) -> Self {
        let message = format!("a connection may have {limit} commands under way; wait for a reply");
        Self::new(Code::Unavailable, "OVERLOADED", &message)
            .with("limit", "commands_in_flight")
            .retry(RETRY_OVERLOADED)
    }

    /// A reservation that is not one of the socket's event.
    pub(super) fn not_of_this_event(reservation_id: &str) -> Self {
        let message = format!("there is no reservation {reservation_id} of this event");
        Self::new(Code::NotFound, "RESERVATION_NOT_FOUND", &message).with("reservation_id", reservation_id)
    }

    /// An answer of the service that lacks a part.
    pub(super) fn unreadable() -> Self {
        Self::new(Code::Internal, "INTERNAL", "the answer of the booking service can not be read")
    }

    fn unreachable() -> Self {
        let message = "the booking service can not be reached; repeat the command with the same ids";
        Self::new(Code::Unavailable, "BACKEND_UNAVAILABLE", message)
            .with("backend", "booking-svc")
            .retry(RETRY_UNREACHABLE)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let mut refusal = Self::new(Code::InvalidArgument, "INVALID_ARGUMENT", &refused.message);
        refusal.0.fields = refused.fields;
        refusal
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        // What a connection or a proxy says is of no use to a client, and may name what it should not know.
        let Some(info) = details.error_info().filter(|info| info.domain == DOMAIN) else {
            return Self::unreachable();
        };
        let mut refusal = Self::new(status.code(), &info.reason, status.message());
        refusal.0.metadata = info.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        refusal.0.seats = taken_seats(&details);
        refusal.0.trace_id = details.request_info().map(|request| request.request_id.clone());
        if let Some(request) = details.bad_request() {
            let violations = request.field_violations.iter();
            refusal.0.fields = violations
                .map(|wrong| Violation { field: wrong.field.clone(), rule: wrong.description.clone() })
                .collect();
        }
        match retry_info(&details) {
            Some(after) => refusal.retry(after),
            None => refusal,
        }
    }
}

/// When the service wants to be asked again.
pub(super) fn retry_info(details: &ErrorDetails) -> Option<Duration> {
    details.retry_info()?.retry_delay
}

/// Whether the service itself has answered, rather than a connection to it or something in between.
pub(super) fn is_answer(details: &ErrorDetails) -> bool {
    details.error_info().is_some_and(|info| info.domain == DOMAIN)
}

fn taken_seats(details: &ErrorDetails) -> Vec<TakenSeat> {
    details
        .precondition_failure()
        .map_or(&[][..], |failure| &failure.violations)
        .iter()
        .filter_map(taken)
        .collect()
}

/// Reads `SEAT_UNAVAILABLE/HELD`, `4`, `held until 2027-03-01T19:00:00Z`.
fn taken(violation: &PreconditionViolation) -> Option<TakenSeat> {
    let state = match violation.r#type.strip_prefix("SEAT_UNAVAILABLE/")? {
        "HELD" => "held",
        "SOLD" => "sold",
        "BLOCKED" => "blocked",
        "FREE" => "free",
        _ => return None,
    };
    let until = violation.description.split_once(" until ").and_then(|(_, time)| time.parse().ok());
    Some(TakenSeat { seat_id: violation.subject.parse().ok()?, state, until_ms: until.as_ref().map(unix_ms) })
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
